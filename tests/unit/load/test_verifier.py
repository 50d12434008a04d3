"""What is read out of verifier logs, as kernels wrote them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pybpf.asm import ops
from pybpf.asm.ops import R1, R10
from pybpf.load import verifier
from pybpf.source import Location
from pybpf.spec import Attach, ProgramSpec
from pybpf.uapi import bpf

LOGS = Path(__file__).parents[2] / "data" / "verifier"

NULL = "R0 invalid mem access 'map_value_or_null'"
BOUNDS = "R0 min value is outside of the allowed memory range"
HELPER = "program of this type cannot use helper bpf_get_hash_recalc#34"
NO_EXIT = "last insn is not an exit or jmp"
NEGATIVE = "R2 min value is negative, either use unsigned or 'var &= const'"


@pytest.mark.parametrize(
    ("name", "summary", "at", "count"),
    [
        ("5.10-null", NULL, 6, 4),
        ("6.1-null", NULL, 6, 4),
        ("7.3-null", NULL, 6, 6),
        ("5.10-unreachable", "unreachable insn 2", 2, 1),
        ("6.1-unreachable", "unreachable insn 2", 2, 1),
        ("7.3-unreachable", "unreachable insn 2", 2, 3),
        ("5.10-bounds", BOUNDS, 7, 5),
        ("6.1-bounds", BOUNDS, 7, 4),
        ("7.3-bounds", BOUNDS, 7, 6),
        ("6.18-helper", HELPER, 0, 4),
        ("7.3-argument", NEGATIVE, 3, 4),
        ("7.3-no_exit", NO_EXIT, -1, 3),
    ],
)
def test_the_reason_and_its_instruction(name: str, summary: str, at: int, count: int) -> None:
    verdict = verifier.read((LOGS / f"{name}.log").read_text())
    assert (verdict.summary, verdict.at, len(verdict.lines)) == (summary, at, count)


def test_the_report_of_newer_kernels_is_folded_into_two_lines() -> None:
    assert verifier.read((LOGS / "7.3-null.log").read_text()).lines == (
        "5: (85) call bpf_map_lookup_elem#1    ; R0=map_value_or_null(id=1,map=starts,ks=8,vs=16)",
        "; here(ops.load(8, R0, R0, 0)), @ cases.py:24",
        "6: (79) r0 = *(u64 *)(r0 +0)",
        NULL,
        "Reason: R0 may be NULL here (a nullable map value pointer). The program could dereference NULL on "
        "this path, so the verifier cannot prove this access is safe.",
        "Suggestion: Add a NULL check before the access and dereference the pointer only on the non-NULL "
        "path.",
    )


@pytest.mark.parametrize(
    ("log", "verdict"),
    [
        ("", ("it gave no reason", -1, ("it gave no reason",))),
        ("processed 3 insns (limit 1)\n", ("it gave no reason", -1, ("it gave no reason",))),
        (
            "Verification failed: Policy: No\n\nReason:\n  a\n  b\n",
            ("Policy: No", -1, ("Policy: No", "Reason: a b")),
        ),
        ("back-edge from insn 5 to 2\n", ("back-edge from insn 5 to 2", 5, ("back-edge from insn 5 to 2",))),
    ],
)
def test_short_logs(log: str, verdict: tuple[str, int, tuple[str, ...]]) -> None:
    assert verifier.read(log) == verdict


def test_the_error_names_the_python_line_behind_a_wide_instruction(tmp_path: Path) -> None:
    file = tmp_path / "probe.py"
    file.write_text("one\nentry = starts[key]\nthree\n")
    places = [Location(str(file), line, 9, 20) for line in (1, 2, 3)]
    code = (
        ops.load_map(R1, "starts")._replace(location=places[0]),
        ops.load(8, R1, R10, -8)._replace(location=places[1]),
        ops.exit_()._replace(location=places[2]),
    )
    spec = ProgramSpec("probe", bpf.BPF_PROG_TYPE_KPROBE, code, Attach("kprobe", ()))
    error = verifier.error(
        spec, "first\nsecond\n2: (79) r1 = *(u64 *)(r10 -8)\ninvalid read\nprocessed 3 insns\n"
    )
    assert str(error) == (
        f"{file}:2:9: the verifier rejected probe: invalid read\n"
        "    entry = starts[key]\n"
        "            ^^^^^^^^^^^\n"
        "    first\n"
        "    second\n"
        "    2: (79) r1 = *(u64 *)(r10 -8)\n"
        "    invalid read\n"
        "    (1 lines omitted; --debug shows the whole log)"
    )
    assert (error.index, error.location, error.program) == (2, places[1], "probe")
