"""What else the verifier takes, each tried with the least program that has it."""

from __future__ import annotations

from pybpf.asm import link, ops
from pybpf.asm.ops import R0, R10
from pybpf.features.feature import Feature, answer, answered, program_feature
from pybpf.features.instructions import isa_v4, jmp32, stack_index

__all__ = ["instruction_sets"]

# Name, first kernel, and the program.
_OTHERS = (
    (
        "subprograms",
        "4.16",
        [ops.call_subprogram("sub"), ops.exit_(), ops.at("sub", ops.mov64(R0, 0)), ops.exit_()],
    ),
    (
        "more than 4096 instructions",
        "5.2",
        [*[ops.mov64(R0, 0)] * 4096, ops.exit_()],
    ),
    (
        "loops",
        "5.3",
        [
            ops.mov64(R0, 8),
            ops.at("again", ops.alu("sub", R0, 1)),
            ops.jump("jne", R0, 0, "again"),
            ops.exit_(),
        ],
    ),
    (
        "atomic operations with a result",
        "5.12",
        [
            ops.store(8, R10, -8, 0),
            ops.mov64(R0, 1),
            ops.atomic("add", 8, R10, -8, R0, fetch=True),
            ops.mov64(R0, 0),
            ops.exit_(),
        ],
    ),
    (
        "may_goto",
        "6.9",
        [ops.mov64(R0, 0), ops.at("again", ops.may_goto("out")), ops.ja("again"), ops.at("out", ops.exit_())],
    ),
    (
        "load_acquire and store_release",
        "6.15",
        [
            ops.store(8, R10, -8, 0),
            ops.load_acquire(8, R0, R10, -8),
            ops.store_release(8, R10, -8, R0),
            ops.mov64(R0, 0),
            ops.exit_(),
        ],
    ),
)


def instruction_sets() -> list[Feature]:
    """All of them, those that generated code depends on among them, in the order in which they came."""
    found = [answered(probe) for probe in (jmp32, stack_index, isa_v4)]
    found += [_tried(name, since, link(code)) for name, since, code in _OTHERS]
    return sorted(found, key=lambda each: [int(part) for part in each.since.split(".") if part])


def _tried(name: str, since: str, code: bytes) -> Feature:
    return answer(name, since, lambda: program_feature(name, since, code).why)
