"""All probes of an object attached: entry and exit of a function together, or neither."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from pybpf import features
from pybpf.errors import LoadError
from pybpf.link import Missing, attach, resolve
from pybpf.load import Loaded, Program
from pybpf.spec import Function, ObjectSpec

__all__ = ["Attachments"]


class Attachments:
    """Attaches the programs of an object, and owns what is attached.

    A function that is not there, or that can't be probed, is left out: a warning to `warn`, an error when
    `strict` or when nothing else is left (LoadError). A kernel without kprobes is UnsupportedFeature.
    """

    def __init__(self, spec: ObjectSpec, *, strict: bool, warn: Callable[[str], None]) -> None:
        if any(program.attach.kind in ("kprobe", "kretprobe") for program in spec.programs):
            features.require(features.kprobe())
        functions = dict.fromkeys(each for program in spec.programs for each in program.attach.functions)
        resolved = resolve(functions)
        there = set(resolved.found)
        # Of alternatives, the first that is there.
        self._symbols = {
            function: next(name for name in function.names if name in there)
            for function in functions
            if not there.isdisjoint(function.names)
        }
        self._strict = strict
        self._warn = warn
        self._owned = contextlib.ExitStack()
        self.attached: list[str] = []
        self._leave_out(resolved.missing, bool(self._symbols))

    def needed(self, spec: ObjectSpec) -> ObjectSpec:
        """The object without the programs that have nothing to be attached to."""
        programs = (
            each for each in spec.programs if not self._symbols.keys().isdisjoint(each.attach.functions)
        )
        return spec._replace(programs=tuple(programs))

    def attach(self, loaded: Loaded) -> None:
        """Attach each program to its functions; `attached` names those where this went well."""
        missing = []
        for function, programs in _operations(loaded).items():
            symbol = self._symbols.get(function)
            if symbol is None:
                continue
            try:
                self._attach(programs, symbol)
            except LoadError as error:
                missing.append(Missing(symbol, str(error)))
            else:
                self.attached.append(symbol)
        self._leave_out(tuple(missing), bool(self.attached))

    def _attach(self, programs: list[Program], symbol: str) -> None:
        with contextlib.ExitStack() as pair:
            for program in programs:
                pair.enter_context(attach(program.spec.attach.kind, program.fileno(), symbol))
            self._owned.enter_context(pair.pop_all())

    def _leave_out(self, missing: tuple[Missing, ...], others: bool) -> None:
        if missing and (self._strict or not others):
            raise LoadError(_summary(missing, others), missing[0].name)
        for name, why in missing:
            self._warn(f"{name} is not traced: {why}")

    def close(self) -> None:
        """Detach all."""
        self._owned.close()


def _operations(loaded: Loaded) -> dict[Function, list[Program]]:
    """The programs that go to each function, exits first: an exit without its entry does nothing.

    Were the entry first, an operation that ends before its exit is attached would leave its start behind.
    """
    operations: dict[Function, list[Program]] = {}
    for program in loaded.programs.values():
        for function in program.spec.attach.functions:
            operations.setdefault(function, []).append(program)
    for programs in operations.values():
        programs.sort(key=lambda program: program.spec.attach.kind != "kretprobe")
    return operations


def _summary(missing: tuple[Missing, ...], others: bool) -> str:
    """One line for all that is missing, with each reason once."""
    reasons: dict[str, list[str]] = {}
    for name, why in missing:
        reasons.setdefault(why, []).append(name)
    text = "; ".join(f"{', '.join(names)}: {why}" for why, names in reasons.items())
    return f"{'not all' if others else 'none'} of the functions can be traced: {text}"
