"""All probes of an object attached: entry and exit of a function together, or neither."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from pybpf.errors import LoadError
from pybpf.link import Missing, attach, resolve
from pybpf.load import Loaded, Program
from pybpf.spec import Function

__all__ = ["attach_all"]


def attach_all(
    loaded: Loaded, owned: contextlib.ExitStack, *, strict: bool, warn: Callable[[str], None]
) -> list[str]:
    """Attach all programs of an object; `owned` ends the attachments. Returns the functions attached to.

    A function that is not there, or that can't be probed, is a warning, and an error when `strict`; LoadError
    when nothing is left. What no function would help, such as a kernel without kprobes, is raised as it is.
    """
    attached: list[str] = []
    missing: list[Missing] = []
    for functions, programs in _operations(loaded).items():
        resolved = resolve(functions)
        missing += resolved.missing
        for symbol in resolved.found:
            try:
                _attach(programs, symbol, owned)
            except LoadError as error:
                missing.append(Missing(symbol, str(error)))
            else:
                attached.append(symbol)
    if missing and (strict or not attached):
        raise LoadError(_nothing(missing, attached), missing[0].name)
    for name, why in missing:
        warn(f"{name} is not traced: {why}")
    return attached


def _operations(loaded: Loaded) -> dict[tuple[Function, ...], list[Program]]:
    """The programs that go to the same functions, exits first: an exit without its entry does nothing.

    Were the entry first, an operation that ends before its exit is attached would leave its start behind.
    """
    operations: dict[tuple[Function, ...], list[Program]] = {}
    for program in loaded.programs.values():
        operations.setdefault(program.spec.attach.functions, []).append(program)
    for programs in operations.values():
        programs.sort(key=lambda program: program.spec.attach.kind != "kretprobe")
    return operations


def _attach(programs: list[Program], symbol: str, owned: contextlib.ExitStack) -> None:
    with contextlib.ExitStack() as pair:
        for program in programs:
            pair.enter_context(attach(program.spec.attach.kind, program.fileno(), symbol))
        owned.enter_context(pair.pop_all())


def _nothing(missing: list[Missing], attached: list[str]) -> str:
    """One line for all that's missing, with each reason once."""
    reasons: dict[str, list[str]] = {}
    for name, why in missing:
        reasons.setdefault(why, []).append(name)
    text = "; ".join(f"{', '.join(names)}: {why}" for why, names in reasons.items())
    return f"{'not all' if attached else 'none'} of the functions can be traced: {text}"
