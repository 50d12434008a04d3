"""What a program runs on: its context, for the helpers that take it as one pointer among others."""

from __future__ import annotations

from pybpf.dsl.values import Value

__all__ = ["context"]


class _ProgramContext(Value):
    """The context of the program (`ctx` in C). Helpers that always take it get it by themselves."""

    def __repr__(self) -> str:
        return "<the context of a probe>"

    def describe(self) -> str:
        return "the context of the program"


context = _ProgramContext()
