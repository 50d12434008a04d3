"""The passes that make code shorter where it is known what becomes of values, by the IR that they make."""

from __future__ import annotations

import textwrap

import pytest

from pybpf import btf
from pybpf.asm import KernelFunctionRef
from pybpf.codegen import Builder
from pybpf.codegen.arms import shorten_arms
from pybpf.codegen.casts import drop_casts
from pybpf.codegen.dce import drop_dead
from pybpf.codegen.demand import relax_extensions
from pybpf.codegen.ir import Local
from pybpf.codegen.narrow import narrow_jumps
from pybpf.codegen.pairs import join_stores
from pybpf.codegen.registers import allocate
from pybpf.codegen.select import legalise
from pybpf.codegen.ssa import to_ssa
from pybpf.spec import Target

CAST = KernelFunctionRef("bpf_rdonly_cast")


def check(build: Builder, text: str) -> None:
    assert str(build.function) == textwrap.dedent(text).strip()


def negative_or_zero(build: Builder) -> None:
    """Store `-x` as 4 bytes when the i32 `x` is negative, else 0."""
    local = Local("error")
    value = build.extend(build.load(build.context, 0, 8), 4, signed=True)
    then, other, join = (build.new_block(name) for name in ("then", "other", "join"))
    build.branch("slt", value, build.const(0), then, other, 4)
    build.enter(then)
    build.set(local, build.extend(build.alu("sub", build.const(0), value, 4), 4, signed=False))
    build.jump(join)
    build.enter(other)
    build.set(local, build.const(0))
    build.jump(join)
    build.enter(join)
    build.store(build.call("map_lookup_elem", build.map("m"), build.slot(8, "key")), 0, 4, build.get(local))
    build.exit(build.const(0))
    to_ssa(build.function)


def test_demand_follows_low_bytes_through_arithmetic_and_phis():
    build = Builder("f")
    negative_or_zero(build)
    narrow_jumps(build.function)
    relax_extensions(build.function)
    check(
        build,
        """
        f:
          entry:
            %0 = context
            %1 = load64 %0
            branch32 slt %1 0 then other
          then:
            %2 = sub32 0 %1
            jump join
          other:
            jump join
          join:
            %3 = phi %2 0
            begin key
            %4 = call map_lookup_elem map[m] slot[key]
            store32 %4 %3
            exit 0
        """,
    )


def test_demand_keeps_what_a_64_bit_comparison_looks_at():
    build = Builder("f")
    negative_or_zero(build)
    before = str(build.function)
    relax_extensions(build.function)
    after = str(build.function)
    assert "%2 = sext32 %1\n    branch32 slt %2 0 then other" in after
    assert (before.count("zext32"), after.count("zext32")) == (1, 0)


def test_narrow_leaves_a_value_that_an_address_is_made_of():
    build = Builder("f")
    index = build.extend(build.load(build.context, 0, 8), 4, signed=False)
    yes, no = build.new_block("yes"), build.new_block("no")
    build.branch("lt", index, build.const(8), yes, no, 4)
    build.enter(yes)
    build.exit(build.load(build.alu("add", build.map_value("m", 0), index), 0, 1))
    build.enter(no)
    build.exit(build.const(0))
    before = str(build.function)
    narrow_jumps(build.function)
    relax_extensions(build.function)
    assert str(build.function) == before


def test_arms_with_nothing_but_constants_are_jumped_over():
    build = Builder("f")
    negative_or_zero(build)
    narrow_jumps(build.function)
    relax_extensions(build.function)
    legalise(build.function)
    shorten_arms(build.function, allocate(build.function))
    check(
        build,
        """
        f:
          entry:
            %0 = context
            %1 = load64 %0
            %2 = copy 0
            branch32 slt %1 0 then join
          then:
            %3 = sub32 0 %1
            jump join
          join:
            %4 = phi %3 %2
            begin key
            %5 = call map_lookup_elem map[m] slot[key]
            store32 %5 %4
            exit 0
        """,
    )


def test_an_arm_keeps_its_constant_where_the_register_is_in_use():
    """The other way brings what is there already: there is one register for that and for the constant."""
    build = Builder("f")
    local = Local("x")
    value = build.load(build.context, 0, 8)
    then, other, join = (build.new_block(name) for name in ("then", "other", "join"))
    build.branch("eq", build.load(build.context, 8, 8), build.const(0), then, other)
    for block, number in ((then, build.const(7)), (other, value)):
        build.enter(block)
        build.set(local, number)
        build.jump(join)
    build.enter(join)
    build.exit(build.get(local))
    to_ssa(build.function)
    legalise(build.function)
    registers = allocate(build.function)
    before = str(build.function)
    shorten_arms(build.function, registers)
    assert str(build.function) == before


def test_the_current_task_is_asked_for_with_its_type():
    kernel = btf.reference()
    build = Builder("f")
    task = build.call("get_current_task")
    for kind in ("struct task_struct", "struct file"):
        build.store(build.slot(8), 0, 8, build.call(CAST, task, build.const(kernel[kind].id)))
    build.exit(build.const(0))
    drop_casts(build.function, Target("t", kernel))
    check(
        build,
        f"""
        f:
          entry:
            %0 = context
            %1 = call get_current_task
            begin{" "}
            %2 = call get_current_task_btf
            store64 slot[] %2
            begin{" "}
            %3 = call bpf_rdonly_cast %1 {kernel["struct file"].id}
            store64 slot[] %3
            exit 0
        """,
    )


def test_pairs_of_halves_and_constants_are_stored_at_once():
    build = Builder("f")
    value = build.call("get_current_uid_gid")
    event = build.call("ringbuf_reserve", build.map("m"), build.const(64), build.const(0))
    build.store(event, 8, 4, value)
    build.store(event, 12, 4, build.alu("rsh", value, build.const(32)))
    slot = build.slot(16, "s")
    for offset, number in enumerate((1, 2, 0, 0)):
        build.store(slot, 2 * offset, 2, build.const(number))
    build.store(slot, 8, 4, build.const(0))
    build.store(slot, 12, 4, build.const(1))
    build.call("map_delete_elem", build.map("m"), slot)
    build.exit(build.const(0))
    join_stores(build.function)
    drop_dead(build.function)
    check(
        build,
        """
        f:
          entry:
            %0 = call get_current_uid_gid
            %1 = call ringbuf_reserve map[m] 64 0
            store64 %1 %0 +8
            begin s
            store64 slot[s] 131073
            store32 slot[s] 0 +8
            store32 slot[s] 1 +12
            %2 = call map_delete_elem map[m] slot[s]
            exit 0
        """,
    )


def two_stores(build: Builder, name: str) -> None:
    """Two stores that can't be one, since…"""
    value = build.load(build.context, 0, 8)
    high = build.alu("rsh", value, build.const(16 if name == "that is no half of it" else 32))
    at = 4 if name == "they are not aligned" else 8
    slot, other = build.slot(16, "s"), build.slot(16, "t")
    base = build.load(build.context, 8, 8) if name == "nobody knows what is aligned" else slot
    build.store(base, at, 4, high if name == "they are swapped" else value)
    if name == "something looks between them":
        build.load(slot, at, 4)
    last = value if name == "they are swapped" else high
    build.store(other if name == "they are apart" else base, at + 4, 4, last)
    build.exit(build.const(0))


@pytest.mark.parametrize(
    "name",
    [
        "they are not aligned",
        "nobody knows what is aligned",
        "they are swapped",
        "something looks between them",
        "they are apart",
        "that is no half of it",
    ],
)
def test_pairs_that_are_none(name):
    build = Builder("f")
    two_stores(build, name)
    before = str(build.function)
    join_stores(build.function)
    assert str(build.function) == before
