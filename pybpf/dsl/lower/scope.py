"""Variables of a function while it is lowered, and what becomes of them where paths meet."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Union

from pybpf.codegen.ir import Block, Local, Op
from pybpf.dsl.context import Context
from pybpf.dsl.kernel import KernelPointer
from pybpf.dsl.maybe import Maybe
from pybpf.dsl.memory import PathState
from pybpf.dsl.records import RecordValue
from pybpf.dsl.types import boolean, i64, u64
from pybpf.dsl.values import Scalar, Value, integer
from pybpf.errors import LoweringError
from pybpf.source import Location
from pybpf.spec import Int

__all__ = ["Path", "Scope", "assigned_names", "static"]


class _Variable(NamedTuple):
    """A name that stands for a kernel value: what kind, in which locals, and where it was set."""

    kind: Value
    locals: tuple[Local, ...]
    location: Location | None


class _Constant(NamedTuple):
    """A name that stands for a value known at build time."""

    value: Any
    location: Location | None


class _Unusable(NamedTuple):
    """A name that can't be read: it isn't set on every path, or differently."""

    message: str
    notes: tuple[tuple[str, Location], ...]


_Binding = Union[_Variable, _Constant, _Unusable]


class Path(NamedTuple):
    """One of the ways to a point where paths meet: its last block, and what holds there."""

    block: Block
    names: dict[str, _Binding]
    assigned: dict[PathState, frozenset[str]]


def assigned_names(nodes: Iterable[ast.AST]) -> list[str]:
    """The names that statements may set, in their order."""
    return [
        node.id
        for statement in nodes
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    ]


def static(value: Any) -> bool:
    """Whether a value is known at build time."""
    return not isinstance(value, Value)


class Scope:
    """The variables of one call of one function."""

    def __init__(self, cx: Context) -> None:
        self.cx = cx
        self.names: dict[str, _Binding] = {}
        # What was handed in: others hold it too.
        self.given: list[Any] = []
        self._locals: dict[tuple[str, int], Local] = {}

    def assign(self, name: str, value: Any) -> None:
        """`name = value`."""
        place = self.cx.build.location
        if static(value):
            self.names[name] = _Constant(value, place)
            return
        value = value.kept(self.cx)
        locals_ = tuple(self._local(name, index) for index in range(len(value.parts)))
        for local, part in zip(locals_, value.parts):
            self.cx.build.set(local, part)
        self.names[name] = _Variable(value, locals_, place)

    def _local(self, name: str, index: int) -> Local:
        return self._locals.setdefault((name, index), Local(name))

    def read(self, name: str) -> Any:
        """The value of a name. Raises KeyError when the function has no such variable."""
        binding = self.names[name]
        if isinstance(binding, _Constant):
            return binding.value
        if isinstance(binding, _Unusable):
            raise LoweringError(
                binding.message, self.cx.build.location, reversed(self.cx.callers), binding.notes
            )
        return binding.kind.rebuild([self.cx.build.get(local) for local in binding.locals])

    def refine(self, name: str, present: bool) -> None:
        """A null check has shown whether `name` is there."""
        checked = self.names.get(name)
        if not isinstance(checked, _Variable) or not checked.kind.nullable:
            return
        for other, binding in list(self.names.items()):
            if binding is not checked and not _copies(checked, binding):
                continue
            assert isinstance(binding, _Variable)
            if present:
                kind = binding.kind.checked()
                self.names[other] = binding._replace(kind=kind, locals=binding.locals[: len(kind.parts)])
            else:
                self.names[other] = _Constant(None, binding.location)

    def limit(self, name: str, most: int) -> None:
        """A comparison has shown how large `name` can be."""
        binding = self.names.get(name)
        if (
            isinstance(binding, _Variable)
            and isinstance(binding.kind, Scalar)
            and 0 <= most < binding.kind.most
        ):
            kind = Scalar(binding.kind.op, binding.kind.layout, most, binding.kind.least)
            self.names[name] = binding._replace(kind=kind)

    def begin_loop(self, names: Iterable[str], types: Mapping[str, Int]) -> dict[str, _Binding]:
        """Make variables of what a loop will set; returns how they stand at its head.

        `types` are those that a constant is known to need; a word otherwise.
        """
        head: dict[str, _Binding] = {}
        for name in dict.fromkeys(names):
            binding = self.names.get(name)
            if isinstance(binding, _Constant) and isinstance(binding.value, int):
                layout = types.get(name) or _common([], [binding.value]) or u64
                value = Scalar(integer(self.cx, binding.value, layout, name), layout)
                self.assign(name, value)
                self.names[name] = _Variable(value, (self._local(name, 0),), binding.location)
            if binding is not None:
                head[name] = self.names[name] = _renewed(self.names[name])
        return head

    def end_loop(self, head: Mapping[str, _Binding], target: Block) -> dict[str, Int]:
        """Go back to the head of a loop; returns the types of variables that should have had another.

        Raises LoweringError when a variable changes its kind from one round to the next.
        """
        if self.cx.build.block is None:
            return {}
        wrong: dict[str, Int] = {}
        for name, before in head.items():
            after = self.names[name]
            if _same(before, after):
                continue
            if isinstance(before, _Variable) and isinstance(before.kind, Scalar):
                layout = before.kind.layout
                if isinstance(after, _Constant) and isinstance(after.value, int):
                    self.cx.build.set(before.locals[0], integer(self.cx, after.value, layout, name))
                    continue
                if isinstance(after, _Variable) and isinstance(after.kind, Scalar):
                    wrong[name] = after.kind.layout
                    continue
            message = f"{name} is of two kinds: before this loop, and at the end of a round"
            raise self.cx.error(message, notes=_notes(name, [before, after]))
        self.cx.build.jump(target)
        return wrong

    def path(self) -> Path | None:
        """Where lowering stands now; None when that can't be reached."""
        if self.cx.build.block is None:
            return None
        return Path(self.cx.build.block, dict(self.names), dict(self.cx.assigned))

    def resume(self, path: Path) -> None:
        """Go on at the end of a path."""
        self.cx.build.block = path.block
        self.names = dict(path.names)
        self.cx.assigned = dict(path.assigned)

    def join(self, paths: list[Path | None]) -> None:
        """Go on where these paths meet; nothing can be reached when there are none."""
        open_paths = [path for path in paths if path is not None]
        if not open_paths:
            self.cx.build.block = None
            return None
        if len(open_paths) == 1:
            return self.resume(open_paths[0])
        merged: dict[str, _Binding] = {}
        for name in dict.fromkeys(name for path in open_paths for name in path.names):
            merged[name] = self._merge(name, open_paths)
        after = self.cx.build.new_block("join")
        for path in open_paths:
            self.cx.build.block = path.block
            self.cx.build.jump(after)
        self.names = merged
        self.cx.assigned = {
            state: frozenset.intersection(*(path.assigned.get(state, state.absent) for path in open_paths))
            for path in open_paths
            for state in path.assigned
        }
        self.cx.build.enter(after)
        return None

    def _merge(self, name: str, paths: list[Path]) -> _Binding:
        bindings = [path.names.get(name) for path in paths]
        first = next(binding for binding in bindings if binding is not None)
        if any(binding is None for binding in bindings):
            return _Unusable(f"{name} is not set on every path to here", _notes(name, bindings))
        found = [binding for binding in bindings if binding is not None]
        for binding in found:
            if isinstance(binding, _Unusable):
                return binding
        if all(_same(first, binding) for binding in found):
            return _merged(found)
        kinds = [binding.kind for binding in found if isinstance(binding, _Variable)]
        numbers = [binding.value for binding in found if isinstance(binding, _Constant)]
        if all(isinstance(number, int) for number in numbers):
            layout = _common(kinds, numbers)
            if layout is not None:
                return self._as_number(name, layout, paths)
        whole = self._as_maybe(name, paths) or self._as_record(name, paths)
        if whole is not None:
            return whole
        nullable = next((kind for kind in kinds if kind.nullable), None)
        if len(kinds) == len(found) and nullable and all(_like(nullable, kind) for kind in kinds):
            whole = next(b for b in found if isinstance(b, _Variable) and b.kind is nullable)
            if all(isinstance(b, _Variable) and b.locals == whole.locals for b in found):
                return whole
        two = "of two kinds on the paths to here"
        if len(kinds) == len(found) and len({kind.describe() for kind in kinds}) == 1:
            two = f"{kinds[0].describe()} or another, as the path has it: make one first, and set its members"
        return _Unusable(f"{name} is {two}", _notes(name, bindings))

    def _as_number(self, name: str, layout: Int, paths: list[Path]) -> _Binding:
        local = self._local(name, 0)
        build = self.cx.build
        for path in paths:
            binding = path.names[name]
            if isinstance(binding, _Constant):
                build.block = path.block
                build.set(local, integer(self.cx, binding.value, layout, name))
        least, most = layout.maximum, layout.minimum
        for path in paths:
            binding = path.names[name]
            low, high = _range(binding)
            least, most = min(least, low), max(most, high)
        return _Variable(Scalar(Op("get", attr=local), layout, most, least), (local,), build.location)

    def _as_record(self, name: str, paths: list[Path]) -> _Binding | None:
        """One of several records of a kind, which nothing else stands for: a copy of its members."""
        kinds = []
        for path in paths:
            binding = path.names[name]
            kind = binding.kind if isinstance(binding, _Variable) else None
            others = [each for other, each in path.names.items() if other != name]
            if not isinstance(kind, RecordValue) or kind.prefix or _holds([*others, *self.given], kind):
                return None
            kinds.append(kind)
        if any(kind.layout is not kinds[0].layout for kind in kinds):
            return None
        made = RecordValue.new(kinds[0].layout)
        for path, kind in zip(paths, kinds):
            self.cx.build.block = path.block
            for member, local in made.members.items():
                self.cx.build.set(local, self.cx.build.get(kind.members[member]))
        return _Variable(made, (), self.cx.build.location)

    def _as_maybe(self, name: str, paths: list[Path]) -> _Binding | None:
        """A variable that is None on some paths, and on others a value or one that may be None."""
        found = [path.names[name] for path in paths]
        kinds = [binding.kind.checked() for binding in found if isinstance(binding, _Variable)]
        others = [binding.value for binding in found if isinstance(binding, _Constant)]
        if not kinds or any(other is not None for other in others) or isinstance(kinds[0], KernelPointer):
            return None
        if not all(kinds[0].same_kind(kind) for kind in kinds):
            return None
        build = self.cx.build
        locals_ = tuple(self._local(name, index) for index in range(len(kinds[0].parts) + 1))
        for path, binding in zip(paths, found):
            build.block = path.block
            values = [build.const(0) for _ in locals_]
            if isinstance(binding, _Variable):
                there = () if binding.kind.nullable else (build.const(1),)
                values = [*(build.get(local) for local in binding.locals), *there]
            for local, value in zip(locals_, values):
                build.set(local, value)
        kind = Maybe(kinds[0], Op("get", attr=locals_[-1]))
        return _Variable(kind, locals_, build.location)


def _holds(owner: Any, record: RecordValue) -> bool:
    """Whether a record, or a part of it, is what `owner` stands for, or is in it."""
    if isinstance(owner, (_Variable, _Constant)):
        return _holds(owner.kind if isinstance(owner, _Variable) else owner.value, record)
    if isinstance(owner, dict):
        owner = list(owner.values())
    if isinstance(owner, (list, tuple)):
        return any(_holds(each, record) for each in owner)
    if isinstance(owner, Maybe):
        owner = owner.value
    return isinstance(owner, RecordValue) and owner.members is record.members


def _range(binding: _Binding) -> tuple[int, int]:
    """Between what a number lies."""
    if isinstance(binding, _Constant):
        return int(binding.value), int(binding.value)
    assert isinstance(binding, _Variable)
    assert isinstance(binding.kind, Scalar)
    return binding.kind.least, binding.kind.most


def _merged(bindings: list[_Binding]) -> _Binding:
    """One for all that are the same, but for what was found out about them on some paths."""
    first = bindings[0]
    if not isinstance(first, _Variable):
        return first
    kinds = [each.kind for each in bindings if isinstance(each, _Variable)]
    return first._replace(kind=functools.reduce(lambda one, other: one.joined(other), kinds))


def _copies(a: _Binding, b: _Binding) -> bool:
    """Whether two names stand for the same thing, which may be None."""
    kinds = [each.kind if isinstance(each, _Variable) else None for each in (a, b)]
    origins = [kind.origin if isinstance(kind, Maybe) else None for kind in kinds]
    return origins[0] is origins[1] and origins[0] is not None


def _renewed(binding: _Binding) -> _Binding:
    """From here on, the name may stand for anything of its kind."""
    return binding._replace(kind=binding.kind.renewed()) if isinstance(binding, _Variable) else binding


def _same(a: _Binding, b: _Binding) -> bool:
    if isinstance(a, _Constant) and isinstance(b, _Constant):
        return a.value is b.value or (type(a.value) is type(b.value) and bool(a.value == b.value))
    if isinstance(a, _Variable) and isinstance(b, _Variable):
        return a.locals == b.locals and a.kind.nullable == b.kind.nullable and a.kind.same_kind(b.kind)
    return False


def _like(a: Value, b: Value) -> bool:
    return a.checked().same_kind(b.checked())


def _common(kinds: list[Value], numbers: list[int]) -> Int | None:
    """The narrowest type that holds what a variable is on every path; values need no conversion to it."""
    layouts = {kind.layout for kind in kinds if isinstance(kind, Scalar)}
    if len(kinds) != sum(isinstance(kind, Scalar) for kind in kinds):
        return None
    lowest = min([*numbers, *(layout.minimum for layout in layouts)])
    highest = max([*numbers, *(layout.maximum for layout in layouts)])
    if not layouts and all(isinstance(number, bool) for number in numbers):
        return boolean
    choices = sorted(layouts, key=lambda layout: layout.size) + ([i64] if lowest < 0 else [u64])
    return next((it for it in choices if it.minimum <= lowest and highest <= it.maximum), None)


def _notes(name: str, bindings: list[_Binding | None]) -> tuple[tuple[str, Location], ...]:
    notes = []
    for binding in bindings:
        if isinstance(binding, _Variable) and binding.location:
            notes.append((f"{name} is set here to {binding.kind.describe()}", binding.location))
        elif isinstance(binding, _Constant) and binding.location:
            notes.append((f"{name} is set here to {binding.value!r}", binding.location))
    return tuple(dict.fromkeys(notes))
