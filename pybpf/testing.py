"""Tests of probes, on the machine of `pybpf.vm`: no kernel, no privilege.

In a `conftest.py`: `pytest_plugins = ["pybpf.testing"]`. Then:

    def test_a_slow_read(probes):
        machine = probes("programs/trace_fsslower.py", min=10)
        iocb = machine.kernel.new("struct kiocb", ki_pos=4096, ki_filp=...)
        machine.call("ig_fssl_read_e", iocb)
        machine.time_ns += 20_000
        machine.call("ig_fssl_read_x", returns=5)
        assert machine.maps["events"].records() == [...]
"""

from __future__ import annotations

import importlib.util
import linecache
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import FrameType, ModuleType, TracebackType
from typing import Any

import pytest

from pybpf import btf
from pybpf.dsl import Declarations, lower
from pybpf.errors import UsageError
from pybpf.spec import ObjectSpec, Target
from pybpf.vm import Machine

__all__ = ["Coverage", "machine", "probes"]


def machine(
    program: ModuleType | Declarations | str | os.PathLike[str],
    *,
    target: Target | None = None,
    buffer: str | None = None,
    cpus: int = 2,
    **params: Any,
) -> Machine:
    """A machine with the probes of a program: its file, module, or what was collected from it.

    They are lowered for `target`, by default the reference kernel that ships with pybpf, with the parameters
    given here as constants. `buffer` is `ringbuf` or `perf`. Raises LoweringError and UsageError.
    """
    if target is None:
        target = _reference()
    if isinstance(program, (str, os.PathLike)):
        path = Path(program)
        spec = _lowered(path, path.stat().st_mtime_ns, target, buffer, tuple(params.items()))
    else:
        spec = lower(program, params, target, buffer=buffer)
    return Machine(spec, btf=target.btf, cpus=cpus)


@cache
def _reference() -> Target:
    return Target("reference", btf.reference())


@cache
def _lowered(
    path: Path, modified: int, target: Target, buffer: str | None, params: tuple[tuple[str, Any], ...]
) -> ObjectSpec:
    """A file's programs, which many tests want: lowered once, as equal input gives equal output."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is no Python file")
    linecache.checkcache(str(path))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return lower(module, dict(params), target, buffer=buffer)


@pytest.fixture
def probes() -> Callable[..., Machine]:
    """The function `machine`."""
    return machine


class Coverage:
    """Which instructions ran, and which jumps went both ways, in all programs that ran within `with`."""

    def __init__(self) -> None:
        self._lines: dict[str, set[int]] = {}
        self._outer: Any = None

    def __enter__(self) -> Coverage:
        self._outer = sys.gettrace()
        sys.settrace(self._function)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sys.settrace(self._outer)

    def _function(self, frame: FrameType, event: str, argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith("<bpf "):
            return None
        lines = self._lines.setdefault(frame.f_code.co_filename, set())

        def line(frame: FrameType, event: str, argument: Any) -> Any:
            lines.add(frame.f_lineno)
            return line

        return line

    def missing(self, machine: Machine, name: str) -> list[str]:
        """What never ran of a program, one line an instruction; jumps that only ever went one way too.

        The same program may have run in other machines, if it was lowered with the same parameters.
        """
        program = machine.program(name)
        ran = self._lines.get(f"<bpf {name}>", set())
        missing: dict[int, str] = {}
        slots = program.translation().slots
        for line, slot in enumerate(slots):
            if slot >= 0 and line not in ran:
                both = any(other == slot and at in ran for at, other in enumerate(slots))
                missing[slot] = f"{program.text(slot)}: {'went one way only' if both else 'never ran'}"
        return [f"instruction {slot}: {text}" for slot, text in sorted(missing.items())]
