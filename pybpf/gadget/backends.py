"""Which back-end serves each kernel function that a program probes: the cheapest of those that work here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pybpf.dsl import Declarations
from pybpf.dsl.backends import KPROBES, places_of
from pybpf.errors import BpfError, LoadError
from pybpf.features.backends import Wanted, choose
from pybpf.link import functions
from pybpf.spec import ObjectSpec, Target

__all__ = ["Backends"]

# These may turn out not to take a program that others do: trampolines want what they can follow, a session
# a kernel function that tells it where it is.
_PARTICULAR = ("fentry", "session")


class Backends:
    """The choice for each function that `@kprobe` and `@kretprobe` name, and its change when it fails.

    `wish` is `auto`, or the name of the only back-end to use. Raises LoweringError, SyscallError.
    """

    def __init__(
        self, declarations: Declarations, values: Mapping[str, Any], target: Target, wish: str = "auto"
    ) -> None:
        self._target = target
        self._wish = wish
        self._wanted = {each.symbol: each for each in _wanted(declarations, values, target)}
        self._choices = {symbol: choose(each, wish) for symbol, each in self._wanted.items()}

    @property
    def target(self) -> Target:
        """The target to lower for."""
        chosen = (choice.backend for choice in self._choices.values())
        return self._target._replace(backends=tuple(each for each in chosen if each is not None))

    @property
    def impossible(self) -> dict[str, str]:
        """The functions that the one back-end that was asked for can't serve, and why."""
        if self._wish == "auto":
            return {}
        none = {symbol: choice for symbol, choice in self._choices.items() if choice.backend is None}
        return {symbol: f"{self._wish}: {choice.refused[self._wish]}" for symbol, choice in none.items()}

    def fall_back(self, symbol: str, why: str) -> bool:
        """Choose another for a function whose back-end failed; False when there is none left."""
        choice = self._choices.get(symbol)
        if choice is None or choice.backend is None or self._wish != "auto":
            return False
        refused = {**choice.refused, choice.backend.name: why}
        self._choices[symbol] = choose(self._wanted[symbol], self._wish, refused)
        return self._choices[symbol].backend is not None

    def refused(self, error: BpfError, spec: ObjectSpec | None = None) -> bool:
        """After an error of lowering, or of loading the object: change what may be at fault, if there is."""
        symbols = {
            symbol
            for symbol, choice in self._choices.items()
            if choice.backend is not None and choice.backend.name in _PARTICULAR
        }
        if spec is not None and isinstance(error, LoadError):
            culprits = (program.attach for program in spec.programs if program.name == error.name)
            symbols &= {name for attach in culprits for place in attach.functions for name in place.names}
        if not symbols or self._wish != "auto":
            return False
        for symbol in symbols:
            self.fall_back(symbol, str(error).partition("\n")[0])
        return True

    def lines(self) -> Iterator[str]:
        """For people: what serves which functions, and why cheaper back-ends don't."""
        for name, symbols, why in self.serving():
            yield f"{name} serves {', '.join(symbols)}{f' ({why})' if why else ''}"

    def serving(self) -> Iterator[tuple[str, list[str], str]]:
        """Each back-end that was chosen, its functions, and why no cheaper one was."""
        groups: dict[tuple[str, tuple[tuple[str, str], ...]], list[str]] = {}
        for symbol, (backend, refused) in self._choices.items():
            if backend is not None:
                groups.setdefault((backend.name, tuple(refused.items())), []).append(symbol)
        for (name, reasons), symbols in groups.items():
            yield name, symbols, "; ".join(f"not {other}: {reason}" for other, reason in reasons)


def _wanted(declarations: Declarations, values: Mapping[str, Any], target: Target) -> Iterator[Wanted]:
    """What is asked of each function that is there; of a place's alternatives, of the first of these."""
    values = {param.name: values.get(param.name, param.default) for param in declarations.params}
    probes = [
        (probe, places_of(probe, values, target)) for probe in declarations.probes if probe.kind in KPROBES
    ]
    names = {name for _, places in probes for place in places for name in place.names}
    there = functions.there(names)
    found: dict[str, Wanted] = {}
    for probe, places in probes:
        for place, cookie in places.items():
            symbol = next((name for name in place.names if name in there), None)
            if symbol is None:
                continue
            before = found.get(symbol, Wanted(symbol))
            entry = probe.kind == "kprobe"
            count = 1 if probe.syscall else len(probe.source.tree.args.args)
            found[symbol] = before._replace(
                entries=before.entries + entry,
                exits=before.exits + (not entry),
                parameters=max(before.parameters, count if entry else 0),
                cookies=before.cookies or bool(cookie),
                maxactive=max(before.maxactive, probe.maxactive),
            )
    yield from found.values()
