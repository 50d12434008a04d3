"""All probes of an object attached: entry and exit of a function together, or neither."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from types import MappingProxyType

from pybpf import features
from pybpf.errors import LoadError, SyscallError, UnsupportedFeature
from pybpf.link import KINDS, Link, Missing, attach, kprobe_events, resolve
from pybpf.load import Loaded, Program
from pybpf.spec import Function, ObjectSpec, ProgramSpec

__all__ = ["Attachments", "Place"]


# A place, beside what such places are called: what the kinds of probes that go there share.
Place = tuple[str, Function]

# For a place, the symbol that is there, and why a back-end failed: the programs of the next one, or none.
Instead = Callable[[Function, str, str], list[Program]]

# They are attached before what goes to the same place. Were the entry first, an operation that ends before
# its exit is attached would leave its start behind; an exit without its entry does nothing.
_EXITS = ("kretprobe", "kretprobe.multi", "kretprobe.tracefs", "uretprobe", "fexit")


class Attachments:
    """Attaches the programs of an object, and owns what is attached.

    A place that is not there, or that can't be probed, is left out: a warning to `warn`, an error when
    `strict` or when nothing else is left (LoadError); so are those functions that are `impossible`, with the
    reason. A kernel without kprobes is UnsupportedFeature. `symbols` says what is there of each place; it is
    found out where it isn't given.
    """

    def __init__(
        self,
        spec: ObjectSpec,
        *,
        strict: bool,
        warn: Callable[[str], None],
        impossible: Mapping[str, str] = MappingProxyType({}),
        symbols: Mapping[Place, str] | None = None,
    ) -> None:
        if not impossible:
            _require_kprobes(spec)
        self.symbols: dict[Place, str] = dict(symbols or {})
        self._strict = strict
        self._warn = warn
        self._owned = contextlib.ExitStack()
        self._runs: list[tuple[Program, str, Link]] = []
        self._missed: dict[str, int] | None = None
        self.attached: list[str] = []
        missing: list[Missing] = []
        for kind, functions in _by_kind(spec).items() if symbols is None else ():
            resolved = resolve(functions, kind)
            there = set(resolved.found)
            missing += resolved.missing
            for function in functions:
                # Of alternatives, the first that is there.
                symbol = next((name for name in function.names if name in there), None)
                if symbol is None:
                    continue
                if symbol in impossible:
                    missing.append(Missing(symbol, impossible[symbol]))
                else:
                    self.symbols[KINDS[kind].places, function] = symbol
        self._leave_out(missing, bool(self.symbols))

    def needed(self, spec: ObjectSpec) -> ObjectSpec:
        """The object without the programs that have nothing to be attached to."""
        programs = (each for each in spec.programs if not self.symbols.keys().isdisjoint(_places(each)))
        found = spec._replace(programs=tuple(programs))
        _require_kprobes(found)
        return found

    def attach(self, loaded: Loaded, instead: Instead = lambda place, symbol, why: []) -> None:
        """Attach each program to its functions; `attached` names those where this went well.

        Where it doesn't, `instead` gives programs to attach by another back-end, as long as there are any.
        """
        missing = []
        operations = _operations(loaded)
        if any(places == "functions" for places, _ in operations):
            kprobe_events.sweep()
        for place, programs in operations.items():
            symbol = self.symbols.get(place)
            if symbol is None:
                continue
            try:
                self._attach(programs, place[1], symbol, instead)
            except LoadError as error:
                missing.append(Missing(symbol, str(error)))
            else:
                self.attached.append(symbol)
        self._leave_out(missing, bool(self.attached))

    def _attach(self, programs: list[Program], place: Function, symbol: str, instead: Instead) -> None:
        try:
            with contextlib.ExitStack() as pair:
                for program in programs:
                    how = program.spec.attach
                    options = (how.cookie(place), how.maxactive, how.pid)
                    link = pair.enter_context(attach(how.kind, program.fileno(), symbol, *options))
                    self._runs.append((program, symbol, link))
                self._owned.enter_context(pair.pop_all())
        except (LoadError, SyscallError, UnsupportedFeature) as error:
            others = instead(place, symbol, str(error))
            if not others:
                raise
            self._attach(_exits_first(others), place, symbol, instead)

    @property
    def links(self) -> list[Link]:
        """What is attached, in the order in which it was."""
        return [link for _, _, link in self._runs]

    def missed(self) -> dict[str, int]:
        """How often programs could not run, by place: of a program at several places, these together."""
        if self._missed is not None:
            return self._missed
        counts: dict[str, int] = {}
        places: dict[Program, list[str]] = {}
        for program, symbol, link in self._runs:
            counts[symbol] = counts.get(symbol, 0) + (link.missed() or 0)
            places.setdefault(program, []).append(symbol)
        for program, symbols in places.items():
            name = ", ".join(symbols)
            counts[name] = counts.get(name, 0) + program.misses()
        return {name: count for name, count in counts.items() if count}

    def _leave_out(self, missing: list[Missing], others: bool) -> None:
        if missing and (self._strict or not others):
            raise LoadError(_summary(missing, others), missing[0].name)
        for name, why in missing:
            self._warn(f"{name} is not traced: {why}")

    def close(self) -> None:
        """Detach all."""
        # Who gave up what it takes to ask has asked before.
        with contextlib.ExitStack() as last, contextlib.suppress(SyscallError):
            last.callback(self._owned.close)
            self._missed = self.missed()


def _require_kprobes(spec: ObjectSpec) -> None:
    if any(program.attach.kind in ("kprobe", "kretprobe") for program in spec.programs):
        features.require(features.kprobe())


def _places(program: ProgramSpec) -> list[Place]:
    return [(KINDS[program.attach.kind].places, function) for function in program.attach.functions]


def _by_kind(spec: ObjectSpec) -> dict[str, list[Function]]:
    """The places to look up at once, by the first kind that goes to such places."""
    kinds: dict[str, str] = {}
    found: dict[str, dict[Function, None]] = {}
    for program in spec.programs:
        kind = kinds.setdefault(KINDS[program.attach.kind].places, program.attach.kind)
        found.setdefault(kind, {}).update(dict.fromkeys(program.attach.functions))
    return {kind: list(functions) for kind, functions in found.items()}


def _operations(loaded: Loaded) -> dict[Place, list[Program]]:
    """The programs that go to each place, exits first."""
    operations: dict[Place, list[Program]] = {}
    for program in loaded.programs.values():
        for place in _places(program.spec):
            operations.setdefault(place, []).append(program)
    return {place: _exits_first(programs) for place, programs in operations.items()}


def _exits_first(programs: list[Program]) -> list[Program]:
    return sorted(programs, key=lambda program: program.spec.attach.kind not in _EXITS)


def _summary(missing: list[Missing], others: bool) -> str:
    """One line for all that is missing, with each reason once."""
    reasons: dict[str, list[str]] = {}
    for name, why in missing:
        reasons.setdefault(why, []).append(name)
    text = "; ".join(f"{', '.join(names)}: {why}" for why, names in reasons.items())
    return f"{'not all' if others else 'none'} of the places can be traced: {text}"
