"""Loading: needs CAP_BPF and CAP_PERFMON."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from pybpf import load
from pybpf.asm import Statement, ops
from pybpf.asm.ops import R0, R1, R2, R6, R10
from pybpf.errors import AsmError, LoadError, SyscallError, VerifierError
from pybpf.source import Location
from pybpf.spec import Attach, MapSpec, ObjectSpec, ProgramSpec
from pybpf.uapi import bpf

PATH = f"{os.environ['PATH']}:/usr/sbin"

STARTS = MapSpec("starts", bpf.BPF_MAP_TYPE_HASH, 8, 16, 8)
RODATA = MapSpec(".rodata", bpf.BPF_MAP_TYPE_ARRAY, 4, 8, 1, bpf.BPF_F_RDONLY_PROG, data=b"\7\0\0\0\0\0\0\0")


def here(statement: Statement) -> Statement:
    return statement._replace(location=Location(__file__, sys._getframe(1).f_lineno, 5, 9))


def an_object(*code: Statement, name: str = "probe", kind: int = bpf.BPF_PROG_TYPE_KPROBE) -> ObjectSpec:
    program = ProgramSpec(name, kind, code, Attach("kprobe", ()))
    return ObjectSpec("object", (program,), (STARTS, RODATA))


LOOKUP = (
    here(ops.store(8, R10, -8, 0)),
    here(ops.mov64(R2, R10)),
    here(ops.alu("add", R2, -8)),
    here(ops.load_map(R1, "starts")),
    here(ops.call("map_lookup_elem")),
)


def descriptors() -> list[str]:
    return sorted(os.listdir("/proc/self/fd"))


def test_maps_are_resolved_and_constants_read() -> None:
    code = (
        *LOOKUP,
        here(ops.load_map_value(R6, ".rodata", 0)),
        here(ops.load(8, R0, R6)),
        here(ops.exit_()),
    )
    spec = an_object(*code, name="a_program_of_long-name", kind=bpf.BPF_PROG_TYPE_SOCKET_FILTER)
    with load.load(spec) as loaded:
        program = loaded.programs["a_program_of_long-name"]
        assert program.info().name == "a_program_of_lo"
        assert program.info().type == bpf.BPF_PROG_TYPE_SOCKET_FILTER
        assert program.test_run(data=bytes(64)) == 7
        assert loaded.maps["starts"].lookup(bytes(8)) is None
        assert loaded.spec is spec


@pytest.mark.parametrize(
    ("code", "line", "word"),
    [
        ((here(ops.mov64(R0, R2)), here(ops.exit_())), 0, "R2 !read_ok"),
        ((*LOOKUP, here(ops.load(8, R0, R0)), here(ops.exit_())), 5, "R0 invalid mem access"),
        (
            (here(ops.mov64(R0, 0)), here(ops.exit_()), here(ops.mov64(R0, 1)), here(ops.exit_())),
            2,
            "unreachable insn",
        ),
        ((here(ops.store(8, R10, -520, 0)), here(ops.exit_())), 0, "invalid write to stack"),
        ((here(ops.call("get_hash_recalc")), here(ops.exit_())), 0, "bpf_get_hash_recalc#34"),
        ((here(ops.mov64(R0, 0)), here(ops.ja(7))), 1, "jump out of range"),
    ],
)
def test_a_rejected_program_names_its_python_line(code: tuple[Statement, ...], line: int, word: str) -> None:
    before = descriptors()  # a program lives by its descriptor alone
    with pytest.raises(VerifierError) as caught:
        load.load(an_object(*code))
    error = caught.value
    assert error.location == code[line].location
    assert word in error.summary
    assert str(error).startswith(f"{code[line].location}: the verifier rejected probe: {error.summary}\n")
    assert descriptors() == before


def test_the_log_quotes_the_python_source() -> None:
    with pytest.raises(VerifierError) as caught:
        load.load(an_object(here(ops.mov64(R0, 0)), here(ops.load(8, R0, R0)), here(ops.exit_())))
    assert "; load.load(an_object(here(ops.mov64(R0, 0))" in caught.value.log


@pytest.mark.skipif(shutil.which("bpftool", path=PATH) is None, reason="no bpftool on this machine")
def test_bpftool_quotes_the_python_source() -> None:
    spec = an_object(here(ops.mov64(R0, 0)), here(ops.exit_()))
    with load.load(spec) as loaded:
        number = str(loaded.programs["probe"].info().id)
        dump = subprocess.run(
            ["bpftool", "prog", "dump", "xlated", "id", number, "linum"],
            env={**os.environ, "PATH": PATH},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    location = spec.programs[0].code[0].location
    assert location is not None
    assert "int probe():" in dump
    assert f"; spec = an_object(here(ops.mov64(R0, 0)), here(ops.exit_())) [file:{__file__}" in dump
    assert f"line_num:{location.line} line_col:5]" in dump


def test_a_long_log_is_fetched_whole() -> None:
    code = [here(ops.mov64(R0, number)) for number in range(3000)]
    with pytest.raises(VerifierError) as caught:
        load.load(an_object(*code, here(ops.mov64(R0, R6)), here(ops.exit_())))
    assert caught.value.index == 3000
    assert "\n2999: (b7) r0 = 2999" in caught.value.log


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        (
            an_object(ops.mov64(R0, 0), ops.exit_(), kind=999),
            LoadError,
            "program probe: the kernel refuses it before verifying it (EINVAL): it lacks the program type "
            "999, or something that was asked for with it: `pybpf doctor` shows what it has",
        ),
        (
            an_object(ops.load_map(R1, "start"), ops.exit_()),
            AsmError,
            "map 'start' is not known here (did you mean 'starts'?)",
        ),
    ],
)
def test_a_program_that_the_verifier_never_sees(spec: ObjectSpec, error: type, message: str) -> None:
    before = descriptors()
    with pytest.raises(error) as caught:
        load.load(spec)
    assert str(caught.value) == message
    assert descriptors() == before


def test_the_second_program_fails_and_the_first_goes_too() -> None:
    good = ProgramSpec(
        "good", bpf.BPF_PROG_TYPE_KPROBE, (ops.mov64(R0, 0), ops.exit_()), Attach("kprobe", ())
    )
    bad = good._replace(name="bad", code=(ops.mov64(R0, R6), ops.exit_()))
    before = descriptors()  # a program lives by its descriptor alone
    with pytest.raises(VerifierError, match=r"^the verifier rejected bad: R6 !read_ok\n"):
        load.load(ObjectSpec("two", (good, bad), (STARTS,)))
    assert descriptors() == before


def test_without_privilege_the_error_names_capability_and_cure() -> None:
    if os.fork() == 0:  # a child, since privilege doesn't come back
        os.setresuid(65534, 65534, 65534)
        try:
            load.load(an_object(ops.mov64(R0, 0), ops.exit_()))
        except SyscallError as error:
            os._exit(0 if "CAP_BPF" in str(error) and str(error).endswith("run it as root (sudo)") else 2)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.wait()[1]) == 0


def test_closing_twice_is_fine() -> None:
    before = descriptors()
    loaded = load.load(an_object(ops.mov64(R0, 0), ops.exit_()))
    loaded.close()
    loaded.close()
    assert descriptors() == before
    with pytest.raises(ValueError, match=r"^program probe is closed$"):
        loaded.programs["probe"].fileno()
