"""What a probe does with a map: the methods of declared maps, as code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pybpf.codegen.ir import Local, Op
from pybpf.dsl.maps import LOST_OFFSET, Events, HashMap, Map
from pybpf.dsl.records import (
    EventState,
    RecordPlace,
    RecordValue,
    load_layout,
    store_layout,
)
from pybpf.dsl.values import Condition, Value
from pybpf.errors import near
from pybpf.spec import Int, Layout, Struct

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["map_value"]

_BPF_ANY = 0
_BPF_F_CURRENT_CPU = 0xFFFFFFFF


def map_value(declared: Map) -> Value:
    """A declared map as it stands in a probe."""
    return _EventsValue(declared) if isinstance(declared, Events) else _HashValue(declared)


class _Method(Value):
    """`map.name`, waiting to be called."""

    def __init__(self, owner: Value, name: str) -> None:
        self.owner = owner
        self.name = name

    def describe(self) -> str:
        return f"the method {self.name}"

    def call(self, cx: Context, args: Sequence[Any], keywords: dict[str, Any]) -> Any:
        method = getattr(self.owner, f"do_{self.name}")
        count = method.__code__.co_argcount - 2
        if keywords or len(args) != count:
            raise cx.error(f"{self.name} takes {count} argument{'s' * (count != 1)}, and no keywords")
        return method(cx, *args)


class _MapValue(Value):
    declared: Map

    def describe(self) -> str:
        return f"the map {self.declared.name}"

    def attribute(self, cx: Context, name: str) -> Any:
        if not hasattr(self, f"do_{name}"):
            known = [key[3:] for key in dir(self) if key.startswith("do_")]
            raise cx.error(f"{self.describe()} has no {name!r}{near(name, known)}")
        return _Method(self, name)

    def map(self, cx: Context) -> Op:
        return cx.build.map(self.declared.name)


class _Found(Value):
    """A pointer to a number in a map, or null: true when the element is there."""

    nullable = True

    def __init__(self, op: Op, layout: Int) -> None:
        self.op = op
        self.layout = layout
        self.parts = (op,)

    def describe(self) -> str:
        return f"a {self.layout.name} in a map, or None"

    def rebuild(self, parts: Sequence[Op]) -> _Found:
        return _Found(parts[0], self.layout)

    def checked(self) -> _Found:
        return self

    def truth(self, cx: Context) -> Condition:
        return Condition("ne", self.op, cx.build.const(0))


class _HashValue(_MapValue):
    def __init__(self, declared: Map) -> None:
        assert isinstance(declared, HashMap)
        self.declared = declared
        self.key = declared.key
        self.value = declared.value

    def _address(self, cx: Context, layout: Layout, value: Any, what: str) -> Op:
        """Where `value` lies in memory; it is put on the stack when it lies nowhere yet."""
        if isinstance(value, RecordPlace) and value.layout is layout and not value.nullable:
            return cx.build.address(value.base, value.offset)
        place = cx.build.slot(layout.size, what)
        store_layout(cx, place, 0, layout, value, f"the {what} of {self.declared.name}")
        return place

    def _lookup(self, cx: Context, key: Op) -> Op:
        return cx.build.call("map_lookup_elem", self.map(cx), key)

    def do_get(self, cx: Context, key: Any) -> Value:
        found = self._lookup(cx, self._address(cx, self.key, key, "key"))
        if isinstance(self.value, Struct):
            return RecordPlace(found, self.value, nullable=True)
        assert isinstance(self.value, Int)
        return _Found(found, self.value)

    item = do_get

    def do_pop(self, cx: Context, key: Any) -> Value:
        """Look up, copy, delete: the copy is made first, since the element may be reused after."""
        if not isinstance(self.value, Struct):
            raise cx.error(f"pop needs a map of records; {self.declared.name} is one of {self.value.name}")
        place = self._address(cx, self.key, key, "key")
        found = self._lookup(cx, place)
        present, after = cx.build.new_block("present"), cx.build.new_block("popped")
        cx.build.branch("ne", found, cx.build.const(0), present, after)
        cx.build.enter(present)
        members = {}
        for name, layout, offset in self.value.fields:
            value = load_layout(cx, found, offset, layout)
            members[name] = Local(f"{self.declared.name}.{name}")
            cx.build.set(members[name], value.parts[0])
        cx.build.call("map_delete_elem", self.map(cx), place)
        cx.build.jump(after)
        cx.build.enter(after)
        return RecordValue(self.value, members, found)

    def set_item(self, cx: Context, key: Any, value: Any) -> None:
        place = self._address(cx, self.key, key, "key")
        content = self._address(cx, self.value, value, "value")
        cx.build.call("map_update_elem", self.map(cx), place, content, cx.build.const(_BPF_ANY))

    def delete_item(self, cx: Context, key: Any) -> None:
        cx.build.call("map_delete_elem", self.map(cx), self._address(cx, self.key, key, "key"))


class _EventsValue(_MapValue):
    def __init__(self, declared: Map) -> None:
        assert isinstance(declared, Events)
        self.declared = declared
        self.layout = declared.layout
        self.heap = declared.heap

    def do_reserve(self, cx: Context) -> RecordPlace:
        """This CPU's heap as an event. It is never None, but the verifier wants to see that checked."""
        zero = cx.build.slot(4, "zero")
        cx.build.store(zero, 0, 4, cx.build.const(0))
        found = cx.build.call("map_lookup_elem", cx.build.map(self.heap), zero)
        event = EventState(cx, self.layout)
        return RecordPlace(found, self.layout, nullable=True, event=event)

    def do_submit(self, cx: Context, event: Any) -> None:
        """Send an event at its true length; a failure is counted in the heap's tail."""
        if not isinstance(event, RecordPlace) or event.event is None or event.layout is not self.layout:
            found = event.describe() if isinstance(event, Value) else repr(event)
            raise cx.error(f"submit takes what {self.declared.name}.reserve() gave, not {found}")
        if event.nullable:
            raise cx.error("this event may be None: check it first, as in `if not event: return`")
        self._check_assigned(cx, event)
        size = self._size(cx, event)
        if cx.buffer == "ringbuf":
            sent = cx.build.call("ringbuf_output", self.map(cx), event.base, size, cx.build.const(0))
        else:
            cpu = cx.build.const(_BPF_F_CURRENT_CPU)
            sent = cx.build.call("perf_event_output", cx.context, self.map(cx), cpu, event.base, size)
        failed, done = cx.build.new_block("failed"), cx.build.new_block("sent")
        cx.build.branch("ne", sent, cx.build.const(0), failed, done)
        cx.build.enter(failed)
        cx.build.atomic("add", event.base, LOST_OFFSET, 8, cx.build.const(1))
        cx.build.jump(done)
        cx.build.enter(done)

    def _check_assigned(self, cx: Context, event: RecordPlace) -> None:
        missing = [
            leaf.name
            for leaf in self.layout.leaves()
            if event.event is not None and leaf.name not in cx.assigned.get(event.event, ())
        ]
        if missing:
            raise cx.error(
                f"{', '.join(missing)} of this {self.layout.name} {'is' if len(missing) == 1 else 'are'}"
                " not set on every path to here: it would hold what an earlier event left there"
            )

    def _size(self, cx: Context, event: RecordPlace) -> Op:
        if event.event is None or event.event.tail is None:
            return cx.build.const(self.layout.size)
        length = cx.build.get(event.event.tail)
        return cx.build.alu("add", length, cx.build.const(self.layout.fields[-1].offset))
