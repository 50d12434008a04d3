"""Variables of which every CPU has its own, such as the scheduler's run queues."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pybpf.asm import Statement
from pybpf.codegen.ir import Op
from pybpf.dsl.intrinsics.intrinsic import Intrinsic
from pybpf.dsl.kernel import DIRECT, KernelPointer
from pybpf.dsl.types import u32
from pybpf.dsl.values import describe, integer
from pybpf.errors import near
from pybpf.isa import Instruction
from pybpf.isa.opcodes import BPF_PSEUDO_BTF_ID, LDDW

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["per_cpu"]


@Intrinsic
def per_cpu(cx: Context, name: Any, cpu: Any = None) -> KernelPointer:
    """A pointer to a per-CPU variable of the kernel: `per_cpu("runqueues").nr_running`.

    That of the CPU that the probe runs on; or of the one with that number, which is None when there is none.
    Known by the kernel's own BTF, so not in a portable program. Linux 5.10.
    """
    if not isinstance(name, str):
        raise cx.error(f"per_cpu takes a name known at build time, not {describe(name)}")
    variable = _variable(cx, name)
    type = cx.type_of(f"{variable.target.declaration} *")
    address = _address(cx, variable.id)
    if cpu is None:
        return KernelPointer(cx.build.call("this_cpu_ptr", address), type, DIRECT)
    number = integer(cx, cpu, u32, "the number of a CPU")
    return KernelPointer(cx.build.call("per_cpu_ptr", address, number), type, DIRECT, nullable=True)


def _variable(cx: Context, name: str) -> Any:
    known = {each.name: each for each in cx.target.btf if each.kind == "var"}
    if not known:
        raise cx.error(f"the types of {cx.target.name} have no variables: lower for the kernel that runs")
    if name not in known:
        raise cx.error(f"the types of {cx.target.name} have no per-CPU variable {name!r}{near(name, known)}")
    if known[name].target.resolve().kind not in ("struct", "union", "int"):
        raise cx.error(f"{name} is {known[name].target.declaration}: per_cpu gives structs and numbers")
    return known[name]


def _address(cx: Context, variable: int) -> Op:
    """The variable itself, which the kernel finds by the id of its BTF."""
    load = Instruction(LDDW, 0, BPF_PSEUDO_BTF_ID, 0, variable)
    return cx.build.call((Statement(load),))
