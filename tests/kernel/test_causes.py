"""What this kernel's verifier says of bad programs is understood: needs CAP_BPF and CAP_PERFMON."""

from __future__ import annotations

import pytest

from pybpf import asm, load
from pybpf.errors import VerifierError
from pybpf.spec import Attach, MapSpec, ObjectSpec, ProgramSpec
from pybpf.uapi import bpf

STARTS = MapSpec("starts", bpf.BPF_MAP_TYPE_HASH, 8, 16, 8)
LOOKUP = """
    *(u64 *)(r10 -8) = 0
    r2 = r10
    r2 += -8
    r1 = map[starts]
    call bpf_map_lookup_elem
"""
# A bad program, the first words of why, and those of what is said of the register.
PROGRAMS = {
    f"{LOOKUP} *(u64 *)(r10 -16) = r0\n r7 = *(u64 *)(r10 -16)\n r6 = r7\n r0 = *(u64 *)(r6 +8)\n exit": (
        "this may be None here",
        "r6 comes from probe.s:6:",
    ),
    "r6 = *(u64 *)(r1 +112)\n r0 = *(u64 *)(r6 +0)\n exit": (
        "this is a number to the verifier",
        "r6 comes from probe.s:1:",
    ),
    f"{LOOKUP} if r0 == 0 goto out\n r1 = *(u64 *)(r0 +16)\n out: r0 = 0\n exit": (
        "this access may lie outside",
        "r0 comes from probe.s:6:",
    ),
    "r0 = r7\n exit": ("this register holds nothing here", ""),
    "r0 = 0\n exit\n r0 = 1\n exit": ("no path leads to this instruction", ""),
    "call bpf_get_hash_recalc\n r0 = 0\n exit": ("this kernel doesn't let", ""),
    "r1 *= 2\n r0 = 0\n exit": ("the verifier lets only bounded numbers", ""),
    "*(u64 *)(r10 -12) = 0\n r0 = 0\n exit": ("the address is no multiple", ""),
    "r0 = *(u64 *)(r1 +4096)\n exit": ("what a program of this type runs on", ""),
    "r0 = 0\n r0 = 1": ("the program runs past its end", ""),
    "call f\n r0 = 0\n exit\n f: call f\n r0 = 0\n exit": ("", ""),
}


@pytest.mark.parametrize("text", PROGRAMS)
def test_a_rejection_is_explained(text: str) -> None:
    why, register = PROGRAMS[text]
    program = ProgramSpec(
        "probe", bpf.BPF_PROG_TYPE_KPROBE, tuple(asm.parse(text, "probe.s")), Attach("kprobe", ())
    )
    with pytest.raises(VerifierError) as caught:
        load.load(ObjectSpec("object", (program,), (STARTS,)))
    notes = caught.value.notes
    assert notes[0].startswith(f"that is: {why}"), caught.value.log
    assert notes[-1].startswith(register), caught.value.log
