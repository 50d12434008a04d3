"""Each pass, by the IR that it makes."""

from __future__ import annotations

import textwrap

import pytest

from pybpf import btf
from pybpf.codegen import OPTIONAL, Builder, Options, compile_function, parse_passes
from pybpf.codegen.blocks import merge_blocks
from pybpf.codegen.dce import drop_dead
from pybpf.codegen.demand import relax_extensions
from pybpf.codegen.frame import place_slots
from pybpf.codegen.ir import Local
from pybpf.codegen.narrow import narrow_jumps
from pybpf.codegen.reads import expand_reads
from pybpf.codegen.select import legalise
from pybpf.codegen.simplify import simplify
from pybpf.codegen.ssa import to_ssa
from pybpf.codegen.stores import drop_dead_stores
from pybpf.codegen.strength import reduce_strength
from pybpf.codegen.thread import thread_jumps
from pybpf.errors import LoweringError, UsageError
from pybpf.spec import Target


def check(build: Builder, text: str) -> None:
    assert str(build.function) == textwrap.dedent(text).strip()


def diamond(build: Builder, first: int, second: int) -> Local:
    """A local that is set to one constant or another, depending on the context."""
    local = Local("x")
    then, other, join = (build.new_block(name) for name in ("then", "other", "join"))
    build.branch("eq", build.load(build.context, 0, 8), build.const(0), then, other)
    for block, number in ((then, first), (other, second)):
        build.enter(block)
        build.set(local, build.const(number))
        build.jump(join)
    build.enter(join)
    return local


def test_thread_takes_the_way_that_is_decided():
    build = Builder("f")
    local = diamond(build, 0, 5)
    yes, no = build.new_block("yes"), build.new_block("no")
    build.branch("ne", build.get(local), build.const(0), yes, no)
    for block, number in ((yes, 1), (no, 2)):
        build.enter(block)
        build.exit(build.const(number))
    thread_jumps(build.function)
    merge_blocks(build.function)
    check(
        build,
        """
        f:
          entry:
            %0 = context
            %1 = load64 %0
            branch64 eq %1 0 then other
          then:
            set x 0
            exit 2
          other:
            set x 5
            exit 1
        """,
    )


def test_thread_remembers_a_null_check():
    build = Builder("f")
    pointer = build.load(build.context, 0, 8)
    some, after, yes, no = (build.new_block(name) for name in ("some", "after", "yes", "no"))
    build.branch("ne", pointer, build.const(0), some, after)
    build.enter(some)
    build.store(pointer, 0, 8, build.const(1))
    build.jump(after)
    build.enter(after)
    build.branch("eq", pointer, build.const(0), no, yes)
    for block, number in ((yes, 1), (no, 2)):
        build.enter(block)
        build.exit(build.const(number))
    thread_jumps(build.function)
    merge_blocks(build.function)
    check(
        build,
        """
        f:
          entry:
            %0 = context
            %1 = load64 %0
            branch64 ne %1 0 some no
          some:
            store64 %1 1
            exit 1
          no:
            exit 2
        """,
    )


def test_ssa_puts_a_phi_where_paths_meet():
    build = Builder("f")
    local = diamond(build, 3, 4)
    build.exit(build.get(local))
    to_ssa(build.function)
    check(
        build,
        """
        f:
          entry:
            %0 = context
            %1 = load64 %0
            branch64 eq %1 0 then other
          then:
            jump join
          other:
            jump join
          join:
            %2 = phi 3 4
            exit %2
        """,
    )


def test_ssa_needs_no_phi_for_what_a_loop_leaves_alone():
    build = Builder("f")
    kept, counted = Local("kept"), Local("counted")
    build.set(kept, build.load(build.context, 0, 8))
    build.set(counted, build.const(0))
    loop, done = build.new_block("loop"), build.new_block("done")
    build.jump(loop)
    build.enter(loop)
    build.set(counted, build.alu("add", build.get(counted), build.const(1)))
    build.branch("lt", build.get(counted), build.get(kept), loop, done)
    build.enter(done)
    build.exit(build.get(kept))
    to_ssa(build.function)
    check(
        build,
        """
        f:
          entry:
            %0 = context
            %1 = load64 %0
            jump loop
          loop:
            %2 = phi 0 %3
            %3 = add64 %2 1
            branch64 lt %3 %1 loop done
          done:
            exit %1
        """,
    )


def test_simplify_folds_and_shares():
    build = Builder("f")
    first = build.call("get_current_pid_tgid")
    low = build.extend(first, 4, signed=False)
    high = build.alu("rsh", build.call("get_current_pid_tgid"), build.const(32))
    same = build.extend(build.alu("rsh", first, build.const(32)), 4, signed=False)
    slot = build.slot(24, "s")
    build.store(slot, 0, 4, low)
    build.store(build.address(slot, 8), 0, 8, build.alu("xor", high, build.const(0)))
    build.store(slot, 16, 8, same)
    build.exit(build.alu("add", build.const(2), build.const(3)))
    simplify(build.function)
    check(
        build,
        """
        f:
          entry:
            %0 = context
            %1 = call get_current_pid_tgid
            %2 = zext32 %1
            %3 = rsh64 %1 32
            begin s
            store32 slot[s] %1
            store64 slot[s]+8 %3
            store64 slot[s] %3 +16
            exit 5
        """,
    )


def test_simplify_cuts_a_branch_that_is_known():
    build = Builder("f")
    local = diamond(build, 7, 7)
    yes, no = build.new_block("yes"), build.new_block("no")
    build.branch("eq", build.get(local), build.const(7), yes, no)
    for block, number in ((yes, 1), (no, 2)):
        build.enter(block)
        build.exit(build.const(number))
    to_ssa(build.function)
    simplify(build.function)
    merge_blocks(build.function)
    assert "no" not in [block.name for block in build.function.blocks]


def test_dce_keeps_what_acts():
    build = Builder("f")
    build.call("get_current_pid_tgid")
    build.call("ktime_get_ns")
    build.load(build.context, 8, 8)
    build.exit(build.const(0))
    drop_dead(build.function)
    check(
        build,
        """
        f:
          entry:
            %0 = call ktime_get_ns
            exit 0
        """,
    )


def test_demand_spares_a_sign_extension():
    build = Builder("f")
    pointer = build.load(build.context, 0, 8)
    slot = build.slot(8, "s")
    build.store(slot, 0, 4, build.load(pointer, 0, 4, signed=True))
    build.exit(build.load(pointer, 4, 4, signed=True))
    relax_extensions(build.function)
    check(
        build,
        """
        f:
          entry:
            %0 = context
            %1 = load64 %0
            begin s
            %2 = load32 %1
            store32 slot[s] %2
            %3 = load32 signed %1 +4
            exit %3
        """,
    )


def test_reads_of_one_object_share_a_call():
    build = Builder("f")
    pointer = build.load(build.context, 0, 8)
    first = build.kread(pointer, 20, 4)
    second = build.kread(pointer, 32, 8)
    far = build.kread(pointer, 200, 1)
    build.exit(build.alu("add", build.alu("add", first, second), far))
    expand_reads(build.function, "probe_read_kernel")
    check(
        build,
        """
        f:
          entry:
            %0 = context
            %1 = load64 %0
            %2 = add64 %1 20
            begin read
            %3 = call probe_read_kernel slot[read]+4 20 %2
            %4 = load32 slot[read] +4
            %5 = load64 slot[read] +16
            %6 = add64 %1 200
            begin read
            %7 = call probe_read_kernel slot[read] 1 %6
            %8 = load8 slot[read]
            %9 = add64 %4 %5
            %10 = add64 %9 %8
            exit %10
        """,
    )


def test_strength_takes_shifts_for_powers_of_two():
    build = Builder("f")
    value = build.load(build.context, 0, 8)
    total = build.alu("mul", value, build.const(8))
    for name, number, size in (("div", 1024, 8), ("mod", 16, 4), ("div", 10, 8), ("sdiv", 4, 8)):
        total = build.alu(name, total, build.const(number), size)
    build.exit(total)
    reduce_strength(build.function)
    check(
        build,
        """
        f:
          entry:
            %0 = context
            %1 = load64 %0
            %2 = lsh64 %1 3
            %3 = rsh64 %2 10
            %4 = and32 %3 15
            %5 = div64 %4 10
            %6 = sdiv64 %5 4
            exit %6
        """,
    )


def test_stores_that_nobody_looks_at():
    build = Builder("f")
    value = build.load(build.context, 0, 8)
    slot = build.slot(16, "s")
    build.store(slot, 0, 8, build.const(0))
    build.store(slot, 8, 8, build.const(1))
    build.store(slot, 0, 4, value)
    build.store(slot, 4, 4, build.const(2))
    build.call("map_delete_elem", build.map("m"), slot)
    build.store(slot, 8, 8, build.const(3))
    build.exit(build.load(slot, 0, 8))
    drop_dead_stores(build.function)
    check(
        build,
        """
        f:
          entry:
            %0 = context
            %1 = load64 %0
            begin s
            store64 slot[s] 1 +8
            store32 slot[s] %1
            store32 slot[s] 2 +4
            %2 = call map_delete_elem map[m] slot[s]
            %3 = load64 slot[s]
            exit %3
        """,
    )


def test_stores_through_a_computed_address_are_kept():
    build = Builder("f")
    slot = build.slot(16, "s")
    build.store(slot, 0, 8, build.const(1))
    other = build.slot(8, "t")
    build.store(other, 0, 8, build.const(7))
    place = build.alu("add", slot, build.load(build.context, 0, 8))
    build.exit(build.alu("add", build.load(place, 0, 8), build.load(other, 0, 8)))
    before = str(build.function)
    drop_dead_stores(build.function)
    assert str(build.function) == before
    assert place_slots(build.function) == -32


def test_narrow_compares_low_halves():
    build = Builder("f")
    value = build.extend(build.load(build.context, 0, 8), 4, signed=False)
    yes, no = build.new_block("yes"), build.new_block("no")
    build.branch("eq", value, build.const(0xFFFFFFFF), yes, no, 4)
    for block in (yes, no):
        build.enter(block)
        build.exit(build.const(0))
    narrow_jumps(build.function)
    assert "branch32 eq %1 4294967295 yes no" in str(build.function)


def test_select_copies_what_no_immediate_holds():
    build = Builder("f")
    value = build.load(build.context, 0, 8)
    big = build.alu("add", value, build.const(1 << 40))
    build.store(build.slot(8, "s"), 0, 8, build.const(1 << 33))
    build.store(build.slot(8, "t"), 0, 8, build.const(-1))
    build.exit(big)
    legalise(build.function)
    check(
        build,
        """
        f:
          entry:
            %0 = context
            %1 = load64 %0
            %2 = copy 1099511627776
            %3 = add64 %1 %2
            begin s
            %4 = copy 8589934592
            store64 slot[s] %4
            begin t
            store64 slot[t] -1
            exit %3
        """,
    )


def test_slots_that_are_not_needed_at_once_share_a_place():
    build = Builder("f")
    for number in range(100):
        slot = build.slot(64, f"s{number}")
        build.store(slot, 0, 8, build.const(number))
        build.call("map_delete_elem", build.map("m"), slot)
    build.exit(build.const(0))
    assert place_slots(build.function) == -72


def test_a_slot_that_is_kept_round_a_loop_has_its_own_place():
    build = Builder("f")
    kept = build.slot(8, "kept")
    build.store(kept, 0, 8, build.const(0))
    loop, done = build.new_block("loop"), build.new_block("done")
    build.jump(loop)
    build.enter(loop)
    build.store(kept, 0, 8, build.alu("add", build.load(kept, 0, 8), build.const(1)))
    other = build.slot(8, "other")
    build.store(other, 0, 8, build.const(5))
    build.branch("lt", build.load(other, 0, 8), build.load(build.context, 0, 8), loop, done)
    build.enter(done)
    build.exit(build.const(0))
    build.function.order()
    assert place_slots(build.function) == -24
    assert {kept.attr.offset, other.attr.offset} == {-8, -16}


def test_a_frame_that_is_too_big():
    build = Builder("big")
    slots = [build.slot(64, f"s{number}") for number in range(8)]
    total = build.const(0)
    for slot in slots:
        build.store(slot, 0, 8, build.load(build.context, 0, 8))
    for slot in slots:
        total = build.alu("add", total, build.load(slot, 0, 8))
    build.exit(total)
    with pytest.raises(LoweringError) as caught:
        compile_function(build.function, Target("t", btf.reference()))
    assert str(caught.value) == (
        "big needs more than the 512 bytes of stack that there are; keep large data in a map"
    )


EVERY = set(OPTIONAL)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", EVERY),
        ("none", set()),
        ("all", EVERY),
        ("-dce", EVERY - {"dce"}),
        ("thread, dce", {"thread", "dce"}),
    ],
)
def test_passes_as_a_person_names_them(text, expected):
    assert parse_passes(text) == expected


def test_an_unknown_pass():
    with pytest.raises(UsageError) as caught:
        parse_passes("simplfy")
    assert str(caught.value) == (
        "no pass 'simplfy' (did you mean 'simplify'?): there are thread, blocks, simplify, casts, strength,"
        " dce, narrow, demand, stores, pairs, arms"
    )


def test_watching_the_passes():
    build = Builder("f")
    build.exit(build.const(0))
    names = []
    compile_function(
        build.function,
        Target("t", btf.reference()),
        Options(watch=lambda name, function: names.append((name, str(function).count("\n")))),
    )
    expected = "lowered thread blocks ssa simplify casts strength blocks dce narrow demand reads stores pairs"
    assert [name for name, _ in names] == [*expected.split(), "dce", "select", "registers", "arms"]
