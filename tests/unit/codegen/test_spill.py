"""Spilling: what is stored where, and that what was checked is loaded with its bounds."""

from __future__ import annotations

import textwrap

import pytest

from pybpf import btf
from pybpf.asm import link
from pybpf.codegen import Builder, compile_function
from pybpf.codegen.ir import Op
from pybpf.codegen.spill import spill
from pybpf.spec import Target
from pybpf.vm import run

TARGET = Target("t", btf.reference())


def check(build: Builder, text: str) -> None:
    assert str(build.function) == textwrap.dedent(text).strip()


def compared(build: Builder, condition: str, addresses: bool) -> Op:
    """A number that is compared, and used after a call; as an offset, if `addresses`."""
    value = build.load(build.context, 0, 8)
    yes, no = build.new_block("yes"), build.new_block("no")
    build.branch(condition, value, build.const(8), *((yes, no) if condition == "lt" else (no, yes)))
    for block in (yes, no) if condition == "lt" else (no, yes):
        build.enter(block)
        if block is yes:
            build.call("ktime_get_ns")
            place = build.call("map_lookup_elem", build.map("m"), build.slot(8, "key"))
            if addresses:
                value = build.load(build.alu("add", place, value), 0, 1)
            build.exit(value)
        else:
            build.exit(build.const(0))
    build.function.order()
    return build.function.blocks[0].ops[1]


def test_a_checked_number_is_stored_after_the_check():
    build = Builder("f")
    spill(build.function, compared(build, "lt", addresses=True), at_each_use=False)
    check(
        build,
        """
        f:
          entry:
            %0 = context
            %1 = load64 %0
            branch64 lt %1 8 yes no
          yes:
            begin spill
            store64 slot[spill] %1
            %2 = call ktime_get_ns
            begin key
            %3 = call map_lookup_elem map[m] slot[key]
            %4 = load64 slot[spill]
            %5 = add64 %3 %4
            %6 = load8 %5
            exit %6
          no:
            exit 0
        """,
    )


def test_it_is_stored_on_the_way_where_another_block_comes_first():
    build = Builder("f")
    spill(build.function, compared(build, "ge", addresses=True), at_each_use=False)
    assert "entry_yes:\n    begin spill\n    store64 slot[spill] %1\n    jump yes\n  no:" in str(
        build.function
    )


def test_it_is_stored_again_after_a_check_of_what_was_loaded():
    build = Builder("f")
    value = build.load(build.context, 0, 8)
    build.call("ktime_get_ns")
    yes, no = build.new_block("yes"), build.new_block("no")
    build.branch("lt", value, build.const(8), yes, no)
    build.enter(yes)
    place = build.call("map_lookup_elem", build.map("m"), build.slot(8, "key"))
    build.exit(build.load(build.alu("add", place, value), 0, 1))
    build.enter(no)
    build.exit(build.const(0))
    build.function.order()
    spill(build.function, value, at_each_use=False)
    check(
        build,
        """
        f:
          entry:
            %0 = context
            %1 = load64 %0
            begin spill
            store64 slot[spill] %1
            %2 = call ktime_get_ns
            %3 = load64 slot[spill]
            branch64 lt %3 8 yes no
          yes:
            begin spill
            store64 slot[spill] %3
            begin key
            %4 = call map_lookup_elem map[m] slot[key]
            %5 = load64 slot[spill]
            %6 = add64 %4 %5
            %7 = load8 %6
            exit %7
          no:
            exit 0
        """,
    )


@pytest.mark.parametrize("condition", ["lt", "ge"])
def test_a_number_that_only_one_way_needs_is_stored_on_that_way(condition):
    build = Builder("f")
    spill(build.function, compared(build, condition, addresses=False), at_each_use=False)
    text = str(build.function)
    assert text.count("store64") == 1
    assert text.index("branch64") < text.index("store64") < text.index("call ktime_get_ns")


def test_a_variable_that_changes_is_not_loaded_again_from_its_own_place():
    build = Builder("f")
    place = build.slot(64, "variables")
    for index in range(8):
        build.store(place, 8 * index, 8, build.load(build.context, 8 * index, 8))
    build.call("get_current_comm", place, build.const(0))
    values = [build.load(place, 8 * index, 8) for index in range(8)]
    for index in range(8):
        build.store(place, 8 * index, 8, build.const(0))
    build.call("get_current_comm", place, build.const(0))
    total = values[0]
    for value in values[1:]:
        total = build.alu("add", total, value)
        build.call("ktime_get_ns")
    build.exit(total)
    memory = b"".join((10**index).to_bytes(8, "little") for index in range(8))
    assert run(link(compile_function(build.function, TARGET), {}), memory) == 11111111


def test_what_falls_through_is_still_at_hand():
    build = Builder("f")
    value = build.load(build.context, 0, 8)
    build.call("ktime_get_ns")
    then, done = build.new_block("then"), build.new_block("done")
    build.branch("slt", value, build.const(0), then, done)
    build.enter(then)
    build.exit(build.alu("sub", build.const(0), value))
    build.enter(done)
    build.exit(build.const(0))
    build.function.order()
    spill(build.function, value, at_each_use=False)
    check(
        build,
        """
        f:
          entry:
            %0 = context
            %1 = load64 %0
            begin spill
            store64 slot[spill] %1
            %2 = call ktime_get_ns
            %3 = load64 slot[spill]
            branch64 slt %3 0 then done
          then:
            %4 = sub64 0 %3
            exit %4
          done:
            exit 0
        """,
    )
