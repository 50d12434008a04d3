"""Events: records that a program sends to user space."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pybpf.codegen.ir import Op
from pybpf.dsl.maps.callback import call_back
from pybpf.dsl.maps.map import Map
from pybpf.dsl.maybe import Maybe
from pybpf.dsl.memory import EventState, Memory, stack, zero
from pybpf.dsl.method import method
from pybpf.dsl.places import RecordPlace
from pybpf.dsl.types import i64, layout_of, u32
from pybpf.dsl.values import Scalar, describe
from pybpf.errors import LoweringError
from pybpf.spec import MapSpec, Struct, Union
from pybpf.uapi import bpf

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["HEAP_SIZE", "LOST_OFFSET", "Events", "UserEvents"]

# The value of the heap in which an event is put together, and the counter of lost events in its tail.
HEAP_SIZE = 10240
LOST_OFFSET = HEAP_SIZE - 8


def _record(name: str, record: Any) -> Struct:
    layout = layout_of(record, {}, f"the record of {name}")
    if not isinstance(layout, Struct) or isinstance(layout, Union):
        raise LoweringError(f"the record of {name} is a {layout.name}: an event is a Record")
    return layout


class Events(Map):
    """A stream of `record`s to user space: a ring buffer (Linux 5.8) or a perf buffer.

    `size` is the ring buffer's, in bytes. Events are put together in a per-CPU heap, `gadget_heap`, so that
    each can be sent at its true length. A send that fails is counted, per CPU, in the heap's last 8 bytes.
    """

    heap = "gadget_heap"

    def __init__(self, name: str, record: Any, size: int = 256 * 1024) -> None:
        super().__init__(name)
        self.layout = _record(name, record)
        self.size = size
        if self.layout.size > LOST_OFFSET:
            raise LoweringError(
                f"the record of {name} has {self.layout.size} bytes; an event has at most {LOST_OFFSET}"
            )

    def specs(self, buffer: str) -> list[MapSpec]:
        if buffer == "ringbuf":
            events = MapSpec(self.name, bpf.BPF_MAP_TYPE_RINGBUF, 0, 0, self.size, value=self.layout)
        else:
            events = MapSpec(
                self.name, bpf.BPF_MAP_TYPE_PERF_EVENT_ARRAY, 4, 4, 0, key=u32, value=self.layout
            )
        heap = MapSpec(self.heap, bpf.BPF_MAP_TYPE_PERCPU_ARRAY, 4, HEAP_SIZE, 1, key=u32)
        return [events, heap]

    @method
    def reserve(self, cx: Context) -> Maybe:
        """This CPU's heap as an event. It is never None, but the verifier wants to see that checked."""
        zero = cx.build.slot(4, "zero")
        cx.build.store(zero, 0, 4, cx.build.const(0))
        found = cx.build.call("map_lookup_elem", cx.build.map(self.heap), zero)
        place = Memory(found, event=EventState(cx, self.layout))
        return Maybe(RecordPlace(self.layout, place), found)

    @method
    def submit(self, cx: Context, event: Any) -> None:
        """Send an event at its true length; a failure is counted in the heap's tail."""
        if isinstance(event, Maybe):
            raise cx.error("this event may be None: check it first, as in `if not event: return`")
        state = event.place.event if isinstance(event, RecordPlace) else None
        if state is None or event.layout is not self.layout:
            raise cx.error(f"submit takes what {self.name}.reserve() gave, not {describe(event)}")
        missing = state.missing(cx)
        if missing:
            raise cx.error(
                f"{', '.join(missing)} of this {self.layout.name} {'is' if len(missing) == 1 else 'are'}"
                " not set on every path to here: it would hold what an earlier event left there"
            )
        base, size = event.place.base, self._size(cx, state)
        if cx.buffer == "ringbuf":
            sent = cx.build.call("ringbuf_output", self.op(cx), base, size, cx.build.const(0))
        else:
            cpu = cx.build.const(bpf.BPF_F_CURRENT_CPU)
            sent = cx.build.call("perf_event_output", cx.context, self.op(cx), cpu, base, size)
        failed, done = cx.build.new_block("failed"), cx.build.new_block("sent")
        cx.build.branch("ne", sent, cx.build.const(0), failed, done)
        cx.build.enter(failed)
        cx.build.atomic("add", base, LOST_OFFSET, 8, cx.build.const(1))
        cx.build.jump(done)
        cx.build.enter(done)

    def _size(self, cx: Context, state: EventState) -> Op:
        if state.tail is None:
            return cx.build.const(self.layout.size)
        return cx.build.alu("add", cx.build.get(state.tail), cx.build.const(state.last.offset))


class UserEvents(Map):
    """`BPF_MAP_TYPE_USER_RINGBUF` (Linux 6.1): `record`s from user space, at most `size` bytes of them."""

    type = bpf.BPF_MAP_TYPE_USER_RINGBUF

    def __init__(self, name: str, record: Any, size: int = 64 * 1024) -> None:
        super().__init__(name)
        self.layout = _record(name, record)
        self.size = size

    def specs(self, buffer: str) -> list[MapSpec]:
        return [MapSpec(self.name, self.type, 0, 0, self.size, value=self.layout)]

    @method
    def drain(self, cx: Context, body: Any, state: Any = None) -> Scalar:
        """Call `body(record, state)` for each record, until it returns 1; how many there were, or an error.

        `body` is a @subprogram, which gets a copy; what a record lacks is 0.
        """

        def copied(inner: Context) -> Memory:
            place = stack(inner, self.layout.size, "record")
            zero(inner, place, self.layout.size)
            size, nothing = inner.build.const(self.layout.size), inner.build.const(0)
            inner.build.call("dynptr_read", place.base, size, inner.build.arguments[0], nothing, nothing)
            return place

        parts = {"record": (self.layout, copied)}
        with call_back(cx, self, body, state, parts, registers=2) as (function, at):
            count = cx.build.call("user_ringbuf_drain", self.op(cx), function, at, cx.build.const(0))
        return Scalar(count, i64)
