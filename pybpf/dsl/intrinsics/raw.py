"""Escape hatches: a helper by its number, and instructions as they are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pybpf.asm import LabelRef, Statement, SubprogramRef, format_statement, parse
from pybpf.codegen.ir import Op
from pybpf.dsl.intrinsics.context import context
from pybpf.dsl.intrinsics.intrinsic import Function
from pybpf.dsl.intrinsics.memory import memory
from pybpf.dsl.kernel import KernelMemory, KernelPointer
from pybpf.dsl.maps import Map
from pybpf.dsl.subprograms import Subprogram
from pybpf.dsl.types import u64
from pybpf.dsl.values import Scalar, describe
from pybpf.errors import AsmError, EncodingError, near
from pybpf.isa.opcodes import BPF_CALL, BPF_EXIT, BPF_JMP, LDDW

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["asm", "helper", "operand"]

_MOST = 5  # a call's registers, r1 to r5


def operand(cx: Context, value: Any) -> Op:
    """Any value as 64 bits in a register: a number, a pointer, the address of memory, a map, a callback."""
    if value is None:
        return cx.build.const(0)
    if value is context:
        return cx.context
    if isinstance(value, int):
        return cx.build.const(int(value))
    if isinstance(value, Scalar):
        return value.op
    if isinstance(value, (KernelPointer, KernelMemory)):
        return value.address(cx)
    if isinstance(value, Subprogram):
        return cx.build.function_address(value.reference(cx).name)
    if isinstance(value, Map):
        return value.op(cx)
    lies = memory(cx, value)
    if lies is None:
        raise cx.error(
            f"{describe(value)} is no number, and lies nowhere in memory: it can't be in a register"
        )
    return lies.address


def _operands(cx: Context, what: str, values: tuple[Any, ...]) -> list[Op]:
    if len(values) > _MOST:
        raise cx.error(f"{what} takes at most {_MOST} values, in r1 to r{_MOST}, not {len(values)}")
    return [operand(cx, value) for value in values]


@Function
def helper(cx: Context, number: Any) -> Function:
    """A helper by its number: `helper(115)(place, 64, pointer)`.

    Arguments go into r1 to r5 as they are: a number, a pointer, the address of a record or text, a map,
    `context`, a @subprogram; None is 0. Nothing is checked before the verifier does. The result is a u64.
    """
    if isinstance(number, bool) or not isinstance(number, int) or not 0 < number < 1 << 31:
        raise cx.error(
            f"helper takes the number of a helper, not {describe(number)}; by name, it is in pybpf.helpers"
        )

    def call(cx: Context, *values: Any) -> Scalar:
        return Scalar(cx.build.call(number, *_operands(cx, f"helper {number}", values)), u64)

    call.__name__ = f"helper {number}"
    return Function(call)


@Function
def asm(cx: Context, code: Any, *values: Any) -> Scalar:
    """Instructions as they are: `asm("r0 = r1; r0 += r2", a, b)` is `a + b`.

    They get the values in r1 to r5, as a helper does, and leave their result in r0, a u64. r1 to r5 may
    change; r6 to r10 are not theirs, and neither is the stack: give the address of a record instead. `code`
    is text, an instruction a line or after a `;`, or a list of what `pybpf.asm.ops` makes. A `map[name]` may
    be named; a label is their own.
    """
    operands = _operands(cx, "asm", values)
    if isinstance(code, str):
        try:
            statements = parse(code.replace(";", "\n"))
        except (AsmError, EncodingError) as error:
            raise cx.error(f"asm: {error}") from None
    elif isinstance(code, (list, tuple)) and all(isinstance(each, Statement) for each in code):
        statements = list(code)
    else:
        raise cx.error(f"asm takes text, or a list of what pybpf.asm.ops makes, not {describe(code)}")
    if not statements:
        raise cx.error("asm has no instruction: its result would be nowhere")
    own = {label for statement in statements for label in statement.labels}
    for statement in statements:
        _check(cx, statement, own)
    return Scalar(cx.build.call(_own_labels(cx, statements), *operands), u64)


def _check(cx: Context, statement: Statement, own: set[str]) -> None:
    """Refuse what would upset the code around."""
    insn = statement.insn
    text = format_statement(statement).strip()
    if insn.opcode == BPF_JMP | BPF_EXIT:
        raise cx.error(f"asm: {text!r} would leave the program; return from the probe instead")
    if isinstance(statement.ref, LabelRef) and statement.ref.name not in own:
        raise cx.error(f"asm: {text!r} goes to a label that isn't here{near(statement.ref.name, own)}")
    if isinstance(statement.ref, SubprogramRef):
        raise cx.error(f"asm: {text!r} calls a subprogram; call it from the probe instead")
    uses_src = insn.opcode != LDDW and insn.opcode != BPF_JMP | BPF_CALL
    highest = max(insn.dst, insn.src if uses_src else 0)
    if highest > _MOST:
        name = "the stack" if highest == 10 else f"r{highest}"
        raise cx.error(f"asm: {text!r} uses {name}, which belongs to the program: asm has r0 to r5")


def _own_labels(cx: Context, statements: Iterable[Statement]) -> tuple[Statement, ...]:
    """The statements with labels that no other code has."""
    blocks = cx.build.function.blocks
    prefix = f"{cx.build.function.name}.asm{len(blocks)}_{len(blocks[-1].ops)}."
    own = {label for statement in statements for label in statement.labels}
    renamed = []
    for statement in statements:
        ref = statement.ref
        if ref is not None and ref.name in own:
            ref = ref._replace(name=prefix + ref.name)
        labels = tuple(prefix + label for label in statement.labels)
        renamed.append(statement._replace(ref=ref, labels=labels, location=None))
    return tuple(renamed)
