"""Register allocation, judged by what the code computes."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pybpf import btf
from pybpf.asm import link
from pybpf.codegen import Builder, Options, compile_function
from pybpf.codegen.fold import fold_alu
from pybpf.codegen.ir import Local
from pybpf.spec import Target
from pybpf.vm import run

TARGET = Target("t", btf.reference())


def result(build: Builder, memory: bytes, options: Options | None = None) -> int:
    return run(link(compile_function(build.function, TARGET, options), {}), memory)


@pytest.mark.parametrize("count", [3, 9, 20])
def test_values_that_live_across_calls(count):
    """More of them than there are registers that survive: some go to the stack and come back."""
    build = Builder("f")
    values = [build.load(build.context, 8 * index, 8) for index in range(count)]
    build.call("ktime_get_ns")
    total = values[0]
    for value in values[1:]:
        total = build.alu("add", total, value)
        build.call("ktime_get_ns")
    build.exit(total)
    memory = b"".join((index * 1000 + 7).to_bytes(8, "little") for index in range(count))
    assert result(build, memory) == sum(index * 1000 + 7 for index in range(count))


@pytest.mark.parametrize("rounds", [0, 1, 2, 5])
def test_variables_that_change_places(rounds):
    """Phis whose moves go in a circle."""
    build = Builder("f")
    names = [Local(name) for name in "abc"]
    for index, local in enumerate(names):
        build.set(local, build.load(build.context, 8 * index, 8))
    counter = Local("i")
    build.set(counter, build.const(0))
    loop, body, done = (build.new_block(name) for name in ("loop", "body", "done"))
    build.jump(loop)
    build.enter(loop)
    build.branch("lt", build.get(counter), build.const(rounds), body, done)
    build.enter(body)
    a, b, c = (build.get(local) for local in names)
    for local, value in zip(names, (b, c, a)):
        build.set(local, value)
    build.set(counter, build.alu("add", build.get(counter), build.const(1)))
    build.jump(loop)
    build.enter(done)
    a, b, c = (build.get(local) for local in names)
    hundred = build.const(100)
    build.exit(
        build.alu("add", build.alu("mul", build.alu("add", build.alu("mul", a, hundred), b), hundred), c)
    )
    memory = b"".join(number.to_bytes(8, "little") for number in (1, 2, 3))
    order = ([1, 2, 3] * 3)[rounds % 3 :][:3]
    assert result(build, memory) == order[0] * 10000 + order[1] * 100 + order[2]


OPERATIONS = ["add", "sub", "mul", "div", "mod", "and", "or", "xor", "lsh", "rsh", "arsh"]


@settings(deadline=None)
@given(st.integers(0, 2**32), st.booleans())
def test_random_arithmetic(seed, optimise):
    """Random straight-line programs give what constant folding gives."""
    chance = random.Random(seed)
    build = Builder("f")
    numbers = [chance.getrandbits(chance.choice((3, 31, 33, 64))) for _ in range(4)]
    pool = [(build.load(build.context, 8 * index, 8), number) for index, number in enumerate(numbers)]
    for _ in range(chance.randrange(40)):
        (a, x), (b, y) = chance.choice(pool), chance.choice(pool)
        if chance.random() < 0.3:
            y = chance.getrandbits(chance.choice((3, 31, 40)))
            b = build.const(y)
        kind, size = chance.choice(OPERATIONS), chance.choice((4, 8))
        if chance.random() < 0.2:
            build.call("ktime_get_ns")
        pool.append((build.alu(kind, a, b, size), fold_alu(kind, x, y, size)))
    total, expected = pool[-1]
    for value, number in pool:
        total = build.alu("xor", total, value)
        expected ^= number
    build.exit(total)
    options = Options() if optimise else Options(passes=frozenset())
    assert result(build, b"".join(number.to_bytes(8, "little") for number in numbers), options) == expected
