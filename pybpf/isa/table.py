"""Every instruction of RFC 9669 and of Linux up to 7.3: one row each.

Encoder, decoder, printer and reader all work from these rows. A field (`dst`, `src`, `offset`, `imm`) that is
None is an operand; one with a number has that number, 0 meaning reserved. `text` is how the instruction is
written, with holes that `pybpf.asm` fills and reads; `symbol` is its text with a name in place of a number,
and `also` the other spellings that are read: llvm's where it differs, and the kernel's where it is ambiguous.

Facts: RFC 9669, sections 4, 5 and appendix A; kernel/bpf/disasm.c; llvm's BPFInstrInfo.td.
"""

# ruff: noqa: F405 (the names of the uapi header, all of them)
from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pybpf.isa.instruction import Instruction
from pybpf.isa.opcodes import *  # noqa: F403

__all__ = ["ALU_ROWS", "JUMP_ROWS", "OPS", "Op", "by_opcode", "find"]


class Op(NamedTuple):
    """One instruction. `version` is the ISA version (llvm's `-mcpu=v1` to `v4`) that brought it.

    `group` is its conformance group (RFC 9669, section 2.4), `linux` for what only Linux has, or `kernel` for
    what only the verifier writes. `target` names the field that holds a distance in slots, if any; `high`
    says whether the upper 32 bits of a 16-byte load's `imm` are an operand too.
    """

    name: str
    opcode: int
    text: str
    group: str
    version: int = 1
    dst: int | None = 0
    src: int | None = 0
    offset: int | None = 0
    imm: int | None = 0
    target: str = ""
    high: bool = False
    symbol: str = ""
    also: tuple[str, ...] = ()


# Name, operation, sign.
ALU_ROWS = (
    ("add", BPF_ADD, "+="),
    ("sub", BPF_SUB, "-="),
    ("mul", BPF_MUL, "*="),
    ("div", BPF_DIV, "/="),
    ("or", BPF_OR, "|="),
    ("and", BPF_AND, "&="),
    ("lsh", BPF_LSH, "<<="),
    ("rsh", BPF_RSH, ">>="),
    ("mod", BPF_MOD, "%="),
    ("xor", BPF_XOR, "^="),
    ("mov", BPF_MOV, "="),
    ("arsh", BPF_ARSH, "s>>="),
    ("sdiv", BPF_DIV, "s/="),
    ("smod", BPF_MOD, "s%="),
)
_WIDTHS = ((32, BPF_ALU, "w", "{imm32}"), (64, BPF_ALU64, "r", "{imm}"))


def _alu() -> Iterator[Op]:
    for width, cls, reg, imm in _WIDTHS:
        base = f"base{width}"
        for name, code, sign in ALU_ROWS:
            group = f"divmul{width}" if code in (BPF_MUL, BPF_DIV, BPF_MOD) else base
            signed = name in ("sdiv", "smod")
            version, offset = (4, 1) if signed else (1, 0)
            yield Op(
                f"{name}{width}_imm",
                cls | BPF_K | code,
                f"{reg}{{dst}} {sign} {imm}",
                group,
                version,
                dst=None,
                offset=offset,
                imm=None,
            )
            yield Op(
                f"{name}{width}",
                cls | BPF_X | code,
                f"{reg}{{dst}} {sign} {reg}{{src}}",
                group,
                version,
                dst=None,
                src=None,
                offset=offset,
                also=("r{dst} = w{src}",) if name == "mov" and width == 32 else (),
            )
        yield Op(f"neg{width}", cls | BPF_NEG, f"{reg}{{dst}} = -{reg}{{dst}}", base, dst=None)
        for bits in (8, 16, 32) if width == 64 else (8, 16):
            yield Op(
                f"movsx{bits}_{width}",
                cls | BPF_X | BPF_MOV,
                f"{reg}{{dst}} = (s{bits}){reg}{{src}}",
                base,
                4,
                dst=None,
                src=None,
                offset=bits,
            )
    for name, opcode, version in (
        ("le", BPF_ALU | BPF_END | BPF_TO_LE, 1),
        ("be", BPF_ALU | BPF_END | BPF_TO_BE, 1),
        ("bswap", BPF_ALU64 | BPF_END, 4),
    ):
        for bits in (16, 32, 64):
            group = "base64" if bits == 64 else "base32"
            text = f"r{{dst}} = {name}{bits} r{{dst}}"
            yield Op(f"{name}{bits}", opcode, text, group, version, dst=None, imm=bits)
    mov = BPF_ALU64 | BPF_MOV | BPF_X
    text = "r{dst} = addr_space_cast(r{src}, {to}, {from})"
    yield Op(
        "addr_space_cast", mov, text, "linux", 4, dst=None, src=None, offset=BPF_ADDR_SPACE_CAST, imm=None
    )
    text = "r{dst} = &(void __percpu *)(r{src})"
    yield Op("mov_percpu", mov, text, "kernel", dst=None, src=None, offset=-1)


_SIZES = (("b", BPF_B, 8), ("h", BPF_H, 16), ("w", BPF_W, 32), ("dw", BPF_DW, 64))


def _memory() -> Iterator[Op]:
    for letter, size, bits in _SIZES:
        group = "base64" if bits == 64 else "base32"
        small = bits < 64
        at_src, at_dst = f"*(u{bits} *)(r{{src}} {{offset}})", f"*(u{bits} *)(r{{dst}} {{offset}})"
        imm = "{imm32}" if small else "{imm}"
        yield Op(
            f"ldx{letter}",
            BPF_LDX | BPF_MEM | size,
            f"r{{dst}} = {at_src}",
            group,
            dst=None,
            src=None,
            offset=None,
            also=(f"w{{dst}} = {at_src}",) if small else (),
        )
        yield Op(
            f"stx{letter}",
            BPF_STX | BPF_MEM | size,
            f"{at_dst} = r{{src}}",
            group,
            dst=None,
            src=None,
            offset=None,
            also=(f"{at_dst} = w{{src}}",) if small else (),
        )
        yield Op(
            f"st{letter}",
            BPF_ST | BPF_MEM | size,
            f"{at_dst} = {imm}",
            group,
            dst=None,
            offset=None,
            imm=None,
        )
        if small:
            yield Op(
                f"ldxs{letter}",
                BPF_LDX | BPF_MEMSX | size,
                f"r{{dst}} = *(s{bits} *)(r{{src}} {{offset}})",
                "base64",
                4,
                dst=None,
                src=None,
                offset=None,
            )
            text = f"r0 = *(u{bits} *)skb["
            opcode = BPF_LD | BPF_ABS | size
            yield Op(f"ldabs{letter}", opcode, text + "{imm}]", "packet", imm=None)
            yield Op(
                f"ldind{letter}",
                BPF_LD | BPF_IND | size,
                text + "r{src} {signed}]",
                "packet",
                src=None,
                imm=None,
                also=(text + "r{src}]",),
            )
    # BPF_NOSPEC of <linux/filter.h>, which has the number of BPF_ATOMIC.
    yield Op("nospec", BPF_ST | BPF_ATOMIC | BPF_W, "nospec", "kernel")


def _atomic() -> Iterator[Op]:
    for _, size, bits in _SIZES:
        opcode, wide = BPF_STX | BPF_ATOMIC | size, bits == 64
        pointer, reg = f"(u{bits} *)(r{{dst}} {{offset}})", "r" if wide else "w"

        def op(
            name: str,
            imm: int,
            text: str,
            version: int,
            *also: str,
            group: str = f"atomic{bits}",
            opcode: int = opcode,
        ) -> Op:
            return Op(name, opcode, text, group, version, dst=None, src=None, offset=None, imm=imm, also=also)

        text = f"r{{dst}} = load_acquire((u{bits} *)(r{{src}} {{offset}}))"
        also = () if wide else ("w" + text[1:],)
        yield op(f"load_acquire{bits}", BPF_LOAD_ACQ, text, 4, *also, group="linux")
        text = f"store_release({pointer}, "
        also = () if wide else (text + "w{src})",)
        yield op(f"store_release{bits}", BPF_STORE_REL, text + "r{src})", 4, *also, group="linux")
        if bits < 32:
            continue
        kernel = "atomic64" if wide else "atomic"
        peer = "_64" if wide else "32_32"
        for name, code, sign in ALU_ROWS:
            if name not in ("add", "and", "or", "xor"):
                continue
            text = f"lock *{pointer} {sign} "
            also = () if wide else (text + "w{src}",)
            yield op(f"atomic_{name}{bits}", code, text + "r{src}", 1 if name == "add" else 3, *also)
            call = f"fetch_{name}({pointer}, "
            text = f"r{{src}} = {kernel}_{call}r{{src}})"
            yield op(
                f"atomic_fetch_{name}{bits}",
                code | BPF_FETCH,
                text,
                3,
                f"{reg}{{src}} = atomic_{call}{reg}{{src}})",
            )
        yield op(
            f"xchg{bits}",
            BPF_XCHG,
            f"r{{src}} = {kernel}_xchg({pointer}, r{{src}})",
            3,
            f"{reg}{{src}} = xchg{peer}(r{{dst}} {{offset}}, {reg}{{src}})",
        )
        yield op(
            f"cmpxchg{bits}",
            BPF_CMPXCHG,
            f"r0 = {kernel}_cmpxchg({pointer}, r0, r{{src}})",
            3,
            f"{reg}0 = cmpxchg{peer}(r{{dst}} {{offset}}, {reg}0, {reg}{{src}})",
        )


def _probe_atomic() -> Iterator[Op]:
    # BPF_PROBE_ATOMIC of <linux/filter.h>: what the verifier makes of an atomic operation on an arena (6.10).
    for op in _atomic():
        opcode, text = op.opcode | 0x20, f"probe {op.text}"
        yield op._replace(name=f"probe_{op.name}", opcode=opcode, text=text, group="kernel", also=())


# Name, operation, sign, ISA version of the 64-bit form.
JUMP_ROWS = (
    ("jeq", BPF_JEQ, "==", 1),
    ("jgt", BPF_JGT, ">", 1),
    ("jge", BPF_JGE, ">=", 1),
    ("jset", BPF_JSET, "&", 1),
    ("jne", BPF_JNE, "!=", 1),
    ("jsgt", BPF_JSGT, "s>", 1),
    ("jsge", BPF_JSGE, "s>=", 1),
    ("jlt", BPF_JLT, "<", 2),
    ("jle", BPF_JLE, "<=", 2),
    ("jslt", BPF_JSLT, "s<", 2),
    ("jsle", BPF_JSLE, "s<=", 2),
)


def _jumps() -> Iterator[Op]:
    for width, cls, reg in ((32, BPF_JMP32, "w"), (64, BPF_JMP, "r")):
        for name, code, sign, since in JUMP_ROWS:
            version = 3 if width == 32 else since
            condition = f"if {reg}{{dst}} {sign} "
            yield Op(
                f"{name}{width}_imm",
                cls | BPF_K | code,
                condition + "{hex} goto {target}",
                f"base{width}",
                version,
                dst=None,
                offset=None,
                imm=None,
                target="offset",
            )
            yield Op(
                f"{name}{width}",
                cls | BPF_X | code,
                condition + f"{reg}{{src}} goto {{target}}",
                f"base{width}",
                version,
                dst=None,
                src=None,
                offset=None,
                target="offset",
            )
    yield Op("goto", BPF_JMP | BPF_JA, "goto {target}", "base32", offset=None, target="offset")
    yield Op("gotol", BPF_JMP32 | BPF_JA, "gotol {target}", "base32", 4, imm=None, target="imm")
    yield Op("gotox", BPF_JMP | BPF_JA | BPF_X, "gotox r{dst}", "linux", 4, dst=None)
    text = "may_goto {target}"
    yield Op(
        "may_goto", BPF_JMP | BPF_JCOND, text, "linux", 4, src=BPF_MAY_GOTO, offset=None, target="offset"
    )
    yield Op("exit", BPF_JMP | BPF_EXIT, "exit", "base32")
    call = BPF_JMP | BPF_CALL
    yield Op("call", call, "call {helper}", "base32", imm=None)
    yield Op(
        "call_local",
        call,
        "call {function}",
        "base32",
        src=BPF_PSEUDO_CALL,
        imm=None,
        target="imm",
        # llvm's text for all calls, where only the bytes before it tell them apart.
        also=("call {imm}",),
    )
    yield Op(
        "call_kernel",
        call,
        "call kernel-function#{imm}{btf_fd}",
        "base32",
        src=BPF_PSEUDO_KFUNC_CALL,
        offset=None,
        imm=None,
        symbol="call kernel-function[{name}]",
        also=("call {imm}",),
    )


def _wide() -> Iterator[Op]:
    def op(
        name: str, src: int, text: str, *also: str, high: bool = False, symbol: str = "", target: str = ""
    ) -> Op:
        texts = tuple("r{dst} = " + each for each in (text, symbol, *also))
        return Op(
            name,
            LDDW,
            texts[0],
            "base64",
            dst=None,
            src=src,
            imm=None,
            target=target,
            high=high,
            symbol=texts[1] if symbol else "",
            also=texts[2:],
        )

    value = "[0]{high}"
    # Without `ll` it is the kernel's text, where only the opcode before it tells it from a move.
    yield op("lddw", 0, "{imm64} ll", "{imm64}", high=True)
    yield op("lddw_map_fd", BPF_PSEUDO_MAP_FD, "map[fd:{low}]", "map[id:{low}]", symbol="map[{name}]")
    yield op(
        "lddw_map_value",
        BPF_PSEUDO_MAP_VALUE,
        f"map[fd:{{low}}]{value}",
        f"map[id:{{low}}]{value}",
        symbol=f"map[{{name}}]{value}",
        high=True,
    )
    yield op("lddw_btf_id", BPF_PSEUDO_BTF_ID, "btf[fd:{upper}][id:{low}]", high=True)
    yield op("lddw_func", BPF_PSEUDO_FUNC, "subprog[{target}]", target="imm")
    yield op("lddw_map_idx", BPF_PSEUDO_MAP_IDX, "map[idx:{low}]")
    yield op(
        "lddw_map_idx_value",
        BPF_PSEUDO_MAP_IDX_VALUE,
        f"map[idx:{{low}}]{value}",
        "map[idx:{low}]{high}",
        high=True,
    )


OPS = (*_alu(), *_memory(), *_atomic(), *_probe_atomic(), *_jumps(), *_wide())

_BY_OPCODE: list[tuple[Op, ...]] = [()] * 256
for _op in OPS:
    _BY_OPCODE[_op.opcode] += (_op,)


def by_opcode(opcode: int) -> tuple[Op, ...]:
    """The rows of that opcode; several where `src`, `offset` or `imm` tells them apart; none if unknown."""
    return _BY_OPCODE[opcode] if 0 <= opcode < 256 else ()


def find(insn: Instruction) -> Op | None:
    """The row of an instruction; None when its opcode is unknown or a reserved field is not as it must be."""
    opcode, dst, src, offset, imm = insn
    for op in by_opcode(opcode):
        if (
            (op.dst is None or op.dst == dst)
            and (op.src is None or op.src == src)
            and (op.offset is None or op.offset == offset)
            and (op.imm is None or op.imm == imm)
            and (op.high or imm >> 32 <= 0)
        ):
            return op
    return None
