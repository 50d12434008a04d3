"""What a helper is given: each argument checked against the kind of its parameter, and put in a register."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

from pybpf.codegen.ir import Op
from pybpf.dsl.intrinsics.context import context
from pybpf.dsl.intrinsics.dynptr import Dynptr, handle
from pybpf.dsl.intrinsics.facts import check_lock
from pybpf.dsl.intrinsics.map_types import check_map
from pybpf.dsl.intrinsics.memory import constant, memory, place_in
from pybpf.dsl.intrinsics.prototype import Parameter, struct_of
from pybpf.dsl.kernel import CONTEXT, DIRECT, KernelMemory, KernelPointer
from pybpf.dsl.maps import Map
from pybpf.dsl.memory import Memory as Place
from pybpf.dsl.places import RecordPlace, place_of
from pybpf.dsl.records import RecordValue
from pybpf.dsl.rodata import RODATA
from pybpf.dsl.subprograms import Subprogram
from pybpf.dsl.types import u64
from pybpf.dsl.values import Scalar, describe, integer
from pybpf.errors import LoweringError
from pybpf.spec import Layout
from pybpf.uapi import bpf

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["Call", "check_supported"]

# Memory that a helper only reads, though its prototype doesn't say const.
_READ_ONLY = frozenset(
    ["data", "tuple", "addr", "iph", "th", "from", "hdr", "param", "attr", "optval", "ptr", "src"]
)


# The texts that these take must lie where nobody can change them (ARG_PTR_TO_CONST_STR).
_READ_ONLY_TEXT = frozenset(["strncmp"])
# Of these the kernel takes a size of 0; of others the verifier wants to see that it's more.
_SIZE_MAY_BE_0 = frozenset(
    [
        "csum_diff",
        "copy_from_user",
        "copy_from_user_task",
        "dynptr_read",
        "dynptr_write",
        "get_stack",
        "get_task_stack",
        "perf_event_output",
        "probe_read",
        "probe_read_kernel",
        "probe_read_user",
        "ringbuf_output",
        "seq_write",
        "skb_output",
        "snprintf",
        "xdp_output",
    ]
)


# What a probe has no values for yet, or has a better way to do.
_UNSUPPORTED = {
    "kptr_xchg": "pointers to kernel objects can't be kept in maps: look them up again where they are needed",
    "per_cpu_ptr": 'the address of a per-CPU variable comes from per_cpu("name", cpu)',
    "this_cpu_ptr": 'the address of a per-CPU variable comes from per_cpu("name")',
}


def check_supported(cx: Context, helper: str) -> None:
    """Raise LoweringError for a helper that can't be given what it takes."""
    if helper in _UNSUPPORTED:
        raise cx.error(f"{helper} can't be called: {_UNSUPPORTED[helper]}")


_SOCKETS = frozenset(
    [
        *("bpf_sock", "bpf_tcp_sock", "mptcp_sock", "sock", "sock_common", "tcp6_sock", "tcp_request_sock"),
        *("tcp_sock", "tcp_timewait_sock", "udp6_sock", "unix_sock"),
    ]
)


class Call:
    """A call of a helper while its arguments are put together."""

    def __init__(self, cx: Context, helper: str) -> None:
        self.cx = cx
        self.helper = helper
        self.map: Any = None
        # Bytes of the memory that was given last, and where it is when the helper writes to it.
        self.size = 0
        self.written: Place | None = None

    def operand(self, parameter: Parameter, value: Any) -> Op:
        """What an author gave, as the helper wants it. Raises LoweringError."""
        return _KINDS[parameter.kind](self, parameter, value)

    def sized(self, parameter: Parameter, value: Any) -> Op:
        """The size of the memory given last: all of it, or what an author gave (None: nothing)."""
        if value is None:
            if self.written is not None:
                self.written.wrote(self.cx)
            return self.cx.build.const(self.size)
        what = f"{parameter.name} of {self.helper}"
        assert parameter.layout is not None
        op = integer(self.cx, value, parameter.layout, what)
        most = value.most if isinstance(value, Scalar) else value
        if most > self.size:
            known = isinstance(value, int)
            raise self.cx.error(
                f"{what} {'is' if known else 'may be as large as'} {most}, and the memory before it has"
                f" {self.size} bytes{'' if known else f': bound it, as in min(n, {self.size})'}"
            )
        if isinstance(value, Scalar) and self.helper not in _SIZE_MAY_BE_0:
            raise self.cx.error(f"{what} must be known at build time: the kernel wants it to be more than 0")
        return op

    def error(self, parameter: Parameter, takes: str, value: Any, cure: str = "") -> LoweringError:
        what = f"{parameter.name} of {self.helper} takes {takes}, not {describe(value)}"
        return self.cx.error(f"{what}{': ' if cure else ''}{cure}")


def _number(call: Call, parameter: Parameter, value: Any) -> Op:
    assert parameter.layout is not None
    if isinstance(value, KernelPointer):
        raise call.error(parameter, "a number", value)
    return integer(call.cx, value, parameter.layout, f"{parameter.name} of {call.helper}")


def _memory(call: Call, parameter: Parameter, value: Any) -> Op:
    if call.helper == "dynptr_from_mem":
        return _of_a_map(call, parameter, value)
    reads = "const" in parameter.type or parameter.name in _READ_ONLY
    if isinstance(value, (RecordValue, str, bytes)) and not reads:
        raise call.error(
            parameter, "memory that it can write to", value, "a member of an event, or the value of a map"
        )
    lies = memory(call.cx, value)
    if lies is None:
        raise call.error(parameter, "a record or a text", value)
    call.size = lies.size
    call.written = None if reads else place_in(value)
    return lies.address


def _of_a_map(call: Call, parameter: Parameter, value: Any) -> Op:
    """Memory that lies in the value of a map."""
    place = place_in(value)
    if place is None or place.on_stack:
        raise call.error(parameter, "what lies in the value of a map", value)
    lies = memory(call.cx, value)
    assert lies is not None
    call.size = lies.size
    return lies.address


def _text(call: Call, parameter: Parameter, value: Any) -> Op:
    if not isinstance(value, (str, bytes)):
        raise call.error(parameter, "a text known at build time", value)
    data = value.encode() if isinstance(value, str) else value
    if call.helper in _READ_ONLY_TEXT:
        return call.cx.build.map_value(RODATA, call.cx.rodata.text(data))
    lies = constant(call.cx, data + b"\0")
    call.size = lies.size
    return lies.address


def _map(call: Call, parameter: Parameter, value: Any) -> Op:
    if not isinstance(value, Map):
        raise call.error(parameter, "a map", value)
    check_map(call.cx, call.helper, parameter.name, value)
    call.map = value
    return value.op(call.cx)


def _key(call: Call, parameter: Parameter, value: Any) -> Op:
    return _part_of_map(call, "key", value)


def _value(call: Call, parameter: Parameter, value: Any) -> Op:
    if call.helper in ("map_pop_elem", "map_peek_elem") and call.map.type != bpf.BPF_MAP_TYPE_BLOOM_FILTER:
        return _memory(call, parameter, value)
    return _part_of_map(call, "value", value)


def _part_of_map(call: Call, part: str, value: Any) -> Op:
    """A key or value of the map, in memory."""
    layout: Layout | None = getattr(call.map, part, None)
    if layout is None:
        raise call.cx.error(f"{describe(call.map)} has no {part} that {call.helper} could take")
    return place_of(call.cx, layout, value, f"the {part} of {call.map.name}").address(call.cx)


def _kernel(call: Call, parameter: Parameter, value: Any) -> Op:
    return _address(call, parameter, value, user=False)


def _user(call: Call, parameter: Parameter, value: Any) -> Op:
    return _address(call, parameter, value, user=True)


def _address(call: Call, parameter: Parameter, value: Any, user: bool) -> Op:
    """An address to read from: the kernel checks it when it is used."""
    if isinstance(value, (KernelPointer, KernelMemory)):
        if value.user == user:
            return value.address(call.cx)
        cure = f"{call.helper.replace('kernel', 'user')} reads that"
        if user:
            cure = "say __user in the C declaration of the pointer if it is one"
        raise call.error(parameter, f"an address in {'user' if user else 'kernel'} memory", value, cure)
    if isinstance(value, (Scalar, int)) and not isinstance(value, bool):
        return value.op if isinstance(value, Scalar) else call.cx.build.const(value)
    lies = memory(call.cx, value) if not user else None
    if lies is None:
        raise call.error(parameter, f"an address in {'user' if user else 'kernel'} memory", value)
    return lies.address


def _trusted(call: Call, parameter: Parameter, value: Any) -> Op:
    wanted = struct_of(parameter.type) if "struct" in parameter.type else parameter.name
    if not isinstance(value, (KernelPointer, KernelMemory)) or _struct(value) != f"struct {wanted}":
        raise call.error(parameter, f"a struct {wanted} *", value)
    if value.nullable:
        cure = "check it first, as in `if not ...: return`"
        raise call.error(parameter, f"a struct {wanted} *", value, cure)
    if not value.trusted:
        raise call.cx.error(
            f"{parameter.name} of {call.helper} takes a struct {wanted} * that the kernel gave this program"
            " itself, such as get_current_task_btf(); this one was read from memory"
        )
    return value.address(call.cx)


def _struct(value: KernelPointer | KernelMemory) -> str:
    return str((value.target if isinstance(value, KernelPointer) else value.type).resolve().key)


def _own(call: Call, parameter: Parameter, value: Any) -> Op:
    wanted = struct_of(parameter.type)
    if isinstance(value, Dynptr) and wanted == "bpf_dynptr":
        return handle(call.cx, call.helper, value)
    if wanted == "bpf_dynptr":
        raise call.error(parameter, "what bpf_dynptr() made", value)
    check_lock(call.cx, wanted)
    if isinstance(value, RecordPlace) and value.layout.name == wanted:
        return value.place.address(call.cx)
    raise call.error(parameter, f"a {wanted} in the value of a map", value)


def _callback(call: Call, parameter: Parameter, value: Any) -> Op:
    if not isinstance(value, Subprogram):
        raise call.error(parameter, "a @subprogram", value)
    value.reference(call.cx)
    return call.cx.build.function_address(value.name)


def _state(call: Call, parameter: Parameter, value: Any) -> Op:
    """What a callback works on, or the first value of an element: memory, or None."""
    if value is None or value == 0:
        return call.cx.build.const(0)
    if "storage" in call.helper:
        return _value(call, parameter, value)
    lies = memory(call.cx, value)
    if lies is None:
        raise call.error(parameter, "a record or None", value)
    return lies.address


def _socket(call: Call, parameter: Parameter, value: Any) -> Op:
    """A socket that the verifier follows: what a helper gave, or a member of the context."""
    followed = isinstance(value, KernelPointer) and value.access in (DIRECT, CONTEXT)
    if not followed or value.target.resolve().name not in _SOCKETS:
        raise call.error(parameter, "a socket that a helper or the context gave", value)
    if value.nullable:
        raise call.error(parameter, "a socket", value, "check it first, as in `if not ...: return`")
    assert isinstance(value, KernelPointer)
    return value.op


def _pointer(call: Call, parameter: Parameter, value: Any) -> Op:
    if value is None:
        return call.cx.build.const(0)
    if value is context and call.helper == "get_socket_cookie":
        return call.cx.context
    if isinstance(value, (KernelPointer, KernelMemory)):
        return value.address(call.cx)
    if isinstance(value, (Scalar, int)):
        return integer(call.cx, value, u64, f"{parameter.name} of {call.helper}")
    lies = memory(call.cx, value)
    if lies is None:
        raise call.error(parameter, f"a {parameter.type}", value)
    return lies.address


_KINDS: dict[str, Callable[[Call, Parameter, Any], Op]] = {
    "number": _number,
    "memory": _memory,
    "text": _text,
    "map": _map,
    "key": _key,
    "value": _value,
    "kernel": _kernel,
    "user": _user,
    "trusted": _trusted,
    "own": _own,
    "callback": _callback,
    "state": _state,
    "pointer": _pointer,
    "socket": _socket,
}
