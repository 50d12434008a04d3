"""Which maps a helper takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybpf.dsl.maps import Events, Map
from pybpf.dsl.values import describe
from pybpf.uapi import bpf
from pybpf.uapi.names import name_of

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["check_map"]

_PREFIX = "BPF_MAP_TYPE_"
_PERF = (bpf.BPF_MAP_TYPE_PERF_EVENT_ARRAY,)
_RING = (bpf.BPF_MAP_TYPE_RINGBUF,)
_QUEUES = (bpf.BPF_MAP_TYPE_QUEUE, bpf.BPF_MAP_TYPE_STACK)
_QUEUES_AND_BLOOM = (*_QUEUES, bpf.BPF_MAP_TYPE_BLOOM_FILTER)
_SOCKMAP, _SOCKHASH = (bpf.BPF_MAP_TYPE_SOCKMAP,), (bpf.BPF_MAP_TYPE_SOCKHASH,)
_CGROUP_STORAGES = (bpf.BPF_MAP_TYPE_CGROUP_STORAGE, bpf.BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE)
_REDIRECTS = (
    bpf.BPF_MAP_TYPE_DEVMAP,
    bpf.BPF_MAP_TYPE_DEVMAP_HASH,
    bpf.BPF_MAP_TYPE_CPUMAP,
    bpf.BPF_MAP_TYPE_XSKMAP,
)
_PER_CPU = (
    bpf.BPF_MAP_TYPE_PERCPU_ARRAY,
    bpf.BPF_MAP_TYPE_PERCPU_HASH,
    bpf.BPF_MAP_TYPE_LRU_PERCPU_HASH,
)
# check_map_func_compatibility, kernel/bpf/verifier.c.
_TAKES = {
    "cgrp_storage_delete": (bpf.BPF_MAP_TYPE_CGRP_STORAGE,),
    "cgrp_storage_get": (bpf.BPF_MAP_TYPE_CGRP_STORAGE,),
    "current_task_under_cgroup": (bpf.BPF_MAP_TYPE_CGROUP_ARRAY,),
    "get_local_storage": _CGROUP_STORAGES,
    "get_stackid": (bpf.BPF_MAP_TYPE_STACK_TRACE,),
    "inode_storage_delete": (bpf.BPF_MAP_TYPE_INODE_STORAGE,),
    "inode_storage_get": (bpf.BPF_MAP_TYPE_INODE_STORAGE,),
    "map_lookup_percpu_elem": _PER_CPU,
    "map_peek_elem": _QUEUES_AND_BLOOM,
    "map_pop_elem": _QUEUES,
    "map_push_elem": _QUEUES_AND_BLOOM,
    "msg_redirect_hash": _SOCKHASH,
    "msg_redirect_map": _SOCKMAP,
    "perf_event_output": _PERF,
    "perf_event_read": _PERF,
    "perf_event_read_value": _PERF,
    "redirect_map": _REDIRECTS,
    "ringbuf_output": _RING,
    "ringbuf_query": _RING,
    "ringbuf_reserve": _RING,
    "ringbuf_reserve_dynptr": _RING,
    "sk_redirect_hash": _SOCKHASH,
    "sk_redirect_map": _SOCKMAP,
    "sk_select_reuseport": (bpf.BPF_MAP_TYPE_REUSEPORT_SOCKARRAY, *_SOCKMAP, *_SOCKHASH),
    "sk_storage_delete": (bpf.BPF_MAP_TYPE_SK_STORAGE,),
    "sk_storage_get": (bpf.BPF_MAP_TYPE_SK_STORAGE,),
    "skb_output": _PERF,
    "skb_under_cgroup": (bpf.BPF_MAP_TYPE_CGROUP_ARRAY,),
    "sock_hash_update": _SOCKHASH,
    "sock_map_update": _SOCKMAP,
    "tail_call": (bpf.BPF_MAP_TYPE_PROG_ARRAY,),
    "task_storage_delete": (bpf.BPF_MAP_TYPE_TASK_STORAGE,),
    "task_storage_get": (bpf.BPF_MAP_TYPE_TASK_STORAGE,),
    "user_ringbuf_drain": (bpf.BPF_MAP_TYPE_USER_RINGBUF,),
    "xdp_output": _PERF,
}


def check_map(cx: Context, helper: str, parameter: str, map: Map) -> None:
    """Raise LoweringError when a helper doesn't take such a map."""
    wanted = _TAKES.get(helper)
    if wanted is None:
        return
    if isinstance(map, Events):
        _check_buffer(cx, helper, parameter, map, wanted)
    elif getattr(map, "type", None) not in wanted:
        kinds = " or ".join(name_of(_PREFIX, number) for number in wanted)
        raise cx.error(f"{parameter} of {helper} takes a map of type {kinds}, not {describe(map)}")


def _check_buffer(cx: Context, helper: str, parameter: str, map: Events, wanted: tuple[int, ...]) -> None:
    """Events are a ring buffer on one kernel, and a perf buffer on another."""
    ring = cx.buffer == "ringbuf"
    if wanted == (_RING if ring else _PERF):
        return
    cure = f": {map.name}.submit(event) sends to either" if wanted in (_RING, _PERF) else ""
    have = f"{describe(map)}, which is a {'ring' if ring else 'perf'} buffer here"
    kinds = " or ".join(name_of(_PREFIX, number) for number in wanted)
    raise cx.error(f"{parameter} of {helper} takes a map of type {kinds}, not {have}{cure}")
