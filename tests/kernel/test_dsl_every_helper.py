"""Every helper that programs of some type can call: a call that lowers is one that the verifier accepts."""

from __future__ import annotations

import importlib.util
import textwrap
from pathlib import Path

import pytest

from pybpf import load
from pybpf.dsl import lower
from pybpf.dsl.intrinsics.facts import callers
from pybpf.dsl.intrinsics.prototype import prototype
from pybpf.dsl.kinds import KINDS
from pybpf.errors import SyscallError, VerifierError
from pybpf.features import host_target
from pybpf.uapi import bpf
from pybpf.uapi.helpers import HELPERS

MODULE = """
from pybpf.dsl import *
from pybpf.helpers import *
from pybpf.uapi.bpf import *

class Key(Record):
    tid: u32
    op: u32

class Start(Record):
    ts: u64
    start: i64

class Big(Record):
    words: [u64, 8]

class Account(Record):
    lock: bpf_spin_lock
    balance: u64

class Timed(Record):
    timer: bpf_timer

class Event(Record):
    ts: u64
    comm: CString[16]

counts = HashMap("counts", u64, u64, max_entries=16)
bigs = HashMap("bigs", u64, Big, max_entries=4)
accounts = HashMap("accounts", u64, Account, max_entries=4)
timed = HashMap("timed", u64, Timed, max_entries=4)
events = Events("events", Event)
perf = RawMap("perf", BPF_MAP_TYPE_PERF_EVENT_ARRAY, u32, u32, 4)
ring = RawMap("ring", BPF_MAP_TYPE_RINGBUF, max_entries=4096)
stacks = RawMap("stacks", BPF_MAP_TYPE_STACK_TRACE, u32, [u64, 127], 16)
queue = RawMap("queue", BPF_MAP_TYPE_QUEUE, None, u64, 16)
cgroups = RawMap("cgroups", BPF_MAP_TYPE_CGROUP_ARRAY, u32, u32, 4)
cpus = RawMap("cpus", BPF_MAP_TYPE_CPUMAP, u32, u32, 4)
sockets = RawMap("sockets", BPF_MAP_TYPE_SOCKMAP, u32, u32, 4)
socket_hash = RawMap("socket_hash", BPF_MAP_TYPE_SOCKHASH, u32, u32, 4)
reuse = RawMap("reuse", BPF_MAP_TYPE_REUSEPORT_SOCKARRAY, u32, u64, 4)
percpu = RawMap("percpu", BPF_MAP_TYPE_PERCPU_ARRAY, u32, Start, 4)
of_tasks = RawMap("of_tasks", BPF_MAP_TYPE_TASK_STORAGE, i32, Start, 0, BPF_F_NO_PREALLOC)
of_sockets = RawMap("of_sockets", BPF_MAP_TYPE_SK_STORAGE, i32, Start, 0, BPF_F_NO_PREALLOC)
programs = RawMap("programs", BPF_MAP_TYPE_PROG_ARRAY, u32, u32, 4)

@subprogram
def each(map: u64, key: Key, value: Start, state: Key) -> u64:
    return 0

@subprogram
def fire(map: u64, key: Key, value: Timed) -> u64:
    return 0

@kprobe("f")
def probe():
    number = ktime_get_ns()
    big = bigs[1]
    if not big:
        return
"""

# What stands for each kind of parameter.
ARGUMENTS = {
    "number": "0",
    "memory": "b'12345678'",
    "text": "'x'",
    "map": "counts",
    "key": "1",
    "value": "1",
    "kernel": "number",
    "user": "number",
    "trusted": "get_current_task_btf()",
    "callback": "each",
    "state": "None",
}
WRITTEN = (
    "buf",
    "dst",
    "to",
    "opt",
    "key",
    "xfrm_state",
    "params",
    "entries",
    "value",
    "res",
    "str",
    "mtu_len",
    "nsdata",
    "searchby_res",
)
LOOKED_UP = "sk = sk_lookup_tcp(b'123456789abc', 0xFFFFFFFFFFFFFFFF, 0)\nif sk:\n    {}\n    sk_release(sk)"

LOCKED = "account = accounts[1]\nif account:\n    spin_lock(account.lock)\n    spin_unlock(account.lock)"
TIMED = "by = timed[1]\nif by:\n    {}"

OF_MEMORY = "ptr = bpf_dynptr()\ndynptr_from_mem(big, 0, ptr)\n"
RESERVED = "ptr = bpf_dynptr()\nringbuf_reserve_dynptr(ring, 16, 0, ptr)\n"

# Helpers whose arguments have to be more than that.
CALLS = {
    "current_task_under_cgroup": "current_task_under_cgroup(cgroups, 0)",
    "dynptr_data": OF_MEMORY + "dynptr_data(ptr, 0, 8)",
    "dynptr_from_mem": OF_MEMORY,
    "dynptr_read": OF_MEMORY + "dynptr_read(big, ptr, 0, 0)",
    "dynptr_write": OF_MEMORY + "dynptr_write(ptr, 0, b'12345678', 0)",
    "get_listener_sock": LOOKED_UP.format("get_listener_sock(sk)"),
    "get_socket_cookie": "get_socket_cookie(context)",
    "get_stackid": "get_stackid(stacks, 0)",
    "map_lookup_elem": "map_lookup_elem(bigs, 1)",
    "map_lookup_percpu_elem": "map_lookup_percpu_elem(percpu, 1, 0)",
    "map_peek_elem": "map_peek_elem(queue, big)",
    "map_pop_elem": "map_pop_elem(queue, big)",
    "map_push_elem": "map_push_elem(queue, 1, 0)",
    "msg_redirect_hash": "msg_redirect_hash(socket_hash, 1, 0)",
    "msg_redirect_map": "msg_redirect_map(sockets, 1, 0)",
    "perf_event_output": "perf_event_output(perf, 0, Key())",
    "perf_event_read": "perf_event_read(perf, 0)",
    "perf_event_read_value": "perf_event_read_value(perf, 0, big, buf_size=24)",
    "redirect_map": "redirect_map(cpus, 0, 0)",
    "ringbuf_discard": "room = ringbuf_reserve(ring, 16, 0)\nif room:\n    ringbuf_discard(room, 0)",
    "ringbuf_output": "ringbuf_output(ring, Key(), 0)",
    "ringbuf_discard_dynptr": RESERVED + "ringbuf_discard_dynptr(ptr, 0)",
    "ringbuf_query": "ringbuf_query(ring, 0)",
    "ringbuf_reserve_dynptr": RESERVED + "ringbuf_submit_dynptr(ptr, 0)",
    "ringbuf_submit": "room = ringbuf_reserve(ring, 16, 0)\nif room:\n    ringbuf_submit(room, 0)",
    "ringbuf_submit_dynptr": RESERVED + "ringbuf_submit_dynptr(ptr, 0)",
    "sk_ancestor_cgroup_id": LOOKED_UP.format("sk_ancestor_cgroup_id(sk, 0)"),
    "sk_assign": LOOKED_UP.format("sk_assign(sk, 0)"),
    "sk_cgroup_id": LOOKED_UP.format("sk_cgroup_id(sk)"),
    "sk_fullsock": LOOKED_UP.format("sk_fullsock(sk)"),
    "sk_lookup_tcp": LOOKED_UP.format("number += 1"),
    "sk_lookup_udp": LOOKED_UP.format("number += 1").replace("tcp", "udp"),
    "sk_redirect_hash": "sk_redirect_hash(socket_hash, 1, 0)",
    "sk_redirect_map": "sk_redirect_map(sockets, 1, 0)",
    "sk_release": LOOKED_UP.format("number += 1"),
    "sk_select_reuseport": "sk_select_reuseport(reuse, 1, 0)",
    "sk_storage_delete": LOOKED_UP.format("sk_storage_delete(of_sockets, sk)"),
    "sk_storage_get": LOOKED_UP.format("sk_storage_get(of_sockets, sk, Start(), 1)"),
    "skb_under_cgroup": "skb_under_cgroup(cgroups, 0)",
    "skc_lookup_tcp": LOOKED_UP.format("number += 1").replace("sk_lookup", "skc_lookup"),
    "snprintf": "line = CString[32]()\nsnprintf(line, '%u', u32(number))",
    "sock_hash_update": "sock_hash_update(socket_hash, 1, 0)",
    "sock_map_update": "sock_map_update(sockets, 1, 0)",
    "spin_lock": LOCKED,
    "spin_unlock": LOCKED,
    "tail_call": "tail_call(programs, 0)",
    "task_storage_delete": "task_storage_delete(of_tasks, get_current_task_btf())",
    "task_storage_get": "task_storage_get(of_tasks, get_current_task_btf(), Start(), 1)",
    "tcp_check_syncookie": LOOKED_UP.format("tcp_check_syncookie(sk, b'12345678', b'12345678')"),
    "tcp_gen_syncookie": LOOKED_UP.format("tcp_gen_syncookie(sk, b'12345678', b'12345678')"),
    "tcp_raw_check_syncookie_ipv4": "tcp_raw_check_syncookie_ipv4(big, big)",
    "tcp_raw_check_syncookie_ipv6": "tcp_raw_check_syncookie_ipv6(big, big)",
    "tcp_raw_gen_syncookie_ipv4": "tcp_raw_gen_syncookie_ipv4(big, big)",
    "tcp_raw_gen_syncookie_ipv6": "tcp_raw_gen_syncookie_ipv6(big, big)",
    "tcp_sock": LOOKED_UP.format("tcp_sock(sk)"),
    "timer_cancel": TIMED.format("timer_cancel(by.timer)"),
    "timer_init": TIMED.format("timer_init(by.timer, timed, 1)"),
    "timer_set_callback": TIMED.format("timer_set_callback(by.timer, fire)"),
    "timer_start": TIMED.format("timer_start(by.timer, 1, 0)"),
    "trace_printk": "trace_printk('x')",
}
SOCKETS = ("mptcp", "tcp", "tcp6", "tcp_request", "tcp_timewait", "udp6", "unix")
CALLS.update({f"skc_to_{name}_sock": LOOKED_UP.format(f"skc_to_{name}_sock(sk)") for name in SOCKETS})

# Why some are left out.
LEFT_OUT = {
    "kptr_xchg per_cpu_ptr this_cpu_ptr": "the language refuses them",
    "loop probe_read_kernel_str probe_read_user_str": "tested with what the language has in their place",
    "user_ringbuf_drain": "its callback gets a dynptr: tested as UserEvents.drain",
    "copy_from_user copy_from_user_task": "only programs that may sleep can call them",
    "ringbuf_reserve": "what it reserves must be submitted; see ringbuf_submit",
    "cgrp_storage_get cgrp_storage_delete": "they need a cgroup that only a tracing program has",
    "skb_output xdp_output": "they need a packet that a traced function was given",
    "d_path sock_from_file find_vma": "they need what a traced function was given",
    "get_local_storage": "its map needs a cgroup's program to be attached",
}


def left_out(name: str) -> bool:
    return any(name in names.split() for names in LEFT_OUT)


def kind_for(number: int) -> str:
    """A type of program that may call a helper, and that can be loaded without a function to trace."""
    order = (
        "kprobe",
        "sched_cls",
        "xdp",
        "perf_event",
        "sk_skb",
        "sk_msg",
        "sock_ops",
        "cgroup_skb",
        "lwt_xmit",
    )
    order += ("lwt_in", "lwt_seg6local", "cgroup_sysctl", "cgroup_sockopt", "cgroup_sock_addr", "sk_lookup")
    order += ("sk_reuseport", "socket_filter")
    return next((kind for kind in order if kind in callers(number)), "")


def call_of(name: str) -> str:
    if name in CALLS:
        return CALLS[name]
    arguments = []
    for each in prototype(f"bpf_{name}").given():
        written = each.kind == "memory" and "const" not in each.type and each.name in WRITTEN
        arguments.append("big" if written else ARGUMENTS[each.kind])
    return f"{name}({', '.join(arguments)})"


NAMES = [
    name[len("bpf_") :]
    for name, number in HELPERS.items()
    if not left_out(name[len("bpf_") :]) and kind_for(number)
]
# What a type of program must say that it expects to be attached to.
EXPECTED = {
    "cgroup_sockopt": bpf.BPF_CGROUP_SETSOCKOPT,
    "cgroup_sock_addr": bpf.BPF_CGROUP_INET4_CONNECT,
    "sk_lookup": bpf.BPF_SK_LOOKUP,
}


# What the verifier says of a helper that it, or this type of program, doesn't have; of callbacks before 5.13.
UNKNOWN = ("unknown func", "cannot use helper", "invalid func", "number of funcs in func_info")


@pytest.mark.parametrize("name", NAMES)
def test_the_verifier_accepts(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gives = prototype(f"bpf_{name}").result
    if gives.startswith("struct") and gives.rstrip(" *") not in host_target().btf:
        pytest.skip(f"this kernel has no {gives}")
    kind = kind_for(HELPERS[f"bpf_{name}"])
    if "timer" in name or "spin" in name:
        kind = "sched_cls"
    type_ = getattr(bpf, f"BPF_PROG_TYPE_{kind.upper()}")
    row = KINDS["kprobe"]._replace(type=type_, attach_type=EXPECTED.get(kind, 0))
    monkeypatch.setitem(KINDS, kind, row)
    path = tmp_path / "probe.py"
    path.write_text(MODULE + textwrap.indent(call_of(name), "    "))
    found = importlib.util.spec_from_file_location("probe", path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    module.probe.kind = kind
    spec = lower(module, {}, host_target())
    used = {each.ref.name for program in spec.programs for each in program.code if each.ref is not None}
    spec = spec._replace(maps=tuple(each for each in spec.maps if each.name in used))
    try:
        with load.load(spec) as loaded:
            assert loaded.programs["probe"].info().xlated_size
    except VerifierError as error:
        if any(words in error.summary for words in UNKNOWN):
            pytest.skip(f"this kernel's {kind} programs have no {name}")
        raise
    except SyscallError as error:
        if "BPF_MAP_CREATE" in error.call:
            pytest.skip(f"this kernel lacks a type of map: {error}")
        raise
