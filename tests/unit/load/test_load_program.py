"""Which of a program's refusals is shown: that of the load with debug information, when there is a log."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from pybpf.asm import ops
from pybpf.asm.ops import R0
from pybpf.errors import LoadError, SyscallError, VerifierError
from pybpf.load import program
from pybpf.spec import Attach, ProgramSpec

SPEC = ProgramSpec("p", 5, (ops.mov64(R0, 0), ops.exit_()), Attach("tracepoint", ()))
DEBUG = {"func_info_cnt": 1}
TOO_LARGE = b"BPF program is too large. Processed 1000001 insn\n"


class Kernel:
    """Refuses to load; what it says depends on whether there is debug information."""

    def __init__(self, with_debug: tuple[int, bytes], without: tuple[int, bytes]) -> None:
        self.answers = {True: with_debug, False: without}
        self.asked: list[tuple[bool, bool]] = []

    def __call__(self, number: int, **fields: Any) -> int:
        debug, log = "func_info_cnt" in fields, fields.get("log_buf")
        self.asked.append((debug, log is not None))
        error, text = self.answers[debug]
        if log is not None:
            log[: len(text)] = text
        raise SyscallError("bpf(BPF_PROG_LOAD)", error)


def test_a_program_that_is_too_large_is_not_tried_without_debug_information(monkeypatch):
    kernel = Kernel((errno.E2BIG, TOO_LARGE), (errno.EINVAL, b"missing btf func_info\n"))
    monkeypatch.setattr(program, "command", kernel)
    with pytest.raises(VerifierError) as caught:
        program.load_program(SPEC, {}, DEBUG)
    assert caught.value.log == TOO_LARGE.decode()
    assert kernel.asked == [(True, False), (True, True)]


def test_a_kernel_that_knows_no_debug_information_gets_none(monkeypatch):
    kernel = Kernel((errno.E2BIG, b""), (errno.E2BIG, b""))
    monkeypatch.setattr(program, "command", kernel)
    with pytest.raises(LoadError) as caught:
        program.load_program(SPEC, {}, DEBUG)
    assert str(caught.value) == "program p: 2 instructions are too many for this kernel"
    assert kernel.asked == [(True, False), (True, True), (False, False), (False, True)]
