"""The instructions of a loaded program, which the verifier has rewritten."""

from __future__ import annotations

from struct import Struct

from pybpf.isa.codec import Undecoded, decode_lenient
from pybpf.isa.instruction import Instruction
from pybpf.isa.opcodes import BPF_CALL, BPF_JMP, BPF_PSEUDO_CALL, BPF_PSEUDO_FUNC, LDDW

__all__ = ["decode_loaded"]

_HEAD = Struct("<BBhi")


def decode_loaded(code: bytes) -> list[Instruction | Undecoded]:
    """Decode what the kernel shows of a program (`bpf_prog_info.xlated_prog_insns`).

    A map is loaded by its id, not by a descriptor; a helper is called by its distance from
    `__bpf_call_base`. What the just-in-time compiler put in the fields of local calls (`jit_subprogs()` in
    kernel/bpf/verifier.c: the distance is in `offset`) and of function addresses is put back.
    """
    fixed = bytearray(code)
    for position in range(0, len(code) - 7, 8):
        opcode, registers, offset, _ = _HEAD.unpack_from(code, position)
        source = registers >> 4
        if opcode == BPF_JMP | BPF_CALL and source == BPF_PSEUDO_CALL and offset:
            _HEAD.pack_into(fixed, position, opcode, registers, 0, offset)
        elif opcode == LDDW and source == BPF_PSEUDO_FUNC and position + 16 <= len(code):
            fixed[position + 12 : position + 16] = bytes(4)
    return decode_lenient(bytes(fixed))
