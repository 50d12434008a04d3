"""Random probes, as source text, and what they compute: Python itself, on numbers of the probe's types."""

from __future__ import annotations

import random
import textwrap
from typing import Any, Callable

TYPES = {f"{sign}{size}": (size, sign == "i") for sign in "ui" for size in (8, 16, 32, 64)}
HEAD = """
from pybpf.dsl import *

class Pair(Record):
    small: i16
    wide: u64

out = HashMap("out", u64, u64, max_entries=64)

@func
def pick(x, y):
    if x > y:
        return x
    return y

"""


def wrap(value: int, name: str) -> int:
    """The low bits of a number, as a type reads them."""
    bits, signed = TYPES[name]
    value = int(value) & ((1 << bits) - 1)
    return value - (1 << bits) if signed and value >> (bits - 1) else value


class Number(int):
    """An integer of a type of the probe, with the arithmetic that pybpf/dsl/README.md describes."""

    name: str

    def __new__(cls, value: int, name: str) -> Number:
        made = super().__new__(cls, wrap(value, name))
        made.name = name
        return made

    def _meet(self, other: int) -> str:
        if not isinstance(other, Number):
            return self.name
        return max(self.name, other.name, key=lambda name: (TYPES[name][0], not TYPES[name][1]))

    def _with(self, other: int, work: Callable[[int, int], int], exact: bool = False) -> Number:
        name = self._meet(other)
        a, b = (wrap(self, name), wrap(other, name)) if exact else (int(self), int(other))
        return Number(work(a, b), name)

    def _shift(self, other: int, work: Callable[[int, int], int]) -> Number:
        return Number(work(int(self), int(other) & (63 if TYPES[self.name][0] == 64 else 31)), self.name)

    def __add__(self, other: int) -> Number:
        return self._with(other, lambda a, b: a + b)

    def __sub__(self, other: int) -> Number:
        return self._with(other, lambda a, b: a - b)

    def __mul__(self, other: int) -> Number:
        return self._with(other, lambda a, b: a * b)

    def __and__(self, other: int) -> Number:
        return self._with(other, lambda a, b: a & b)

    def __or__(self, other: int) -> Number:
        return self._with(other, lambda a, b: a | b)

    def __xor__(self, other: int) -> Number:
        return self._with(other, lambda a, b: a ^ b)

    def __floordiv__(self, other: int) -> Number:
        return self._with(other, lambda a, b: a // b if b else 0, exact=True)

    def __mod__(self, other: int) -> Number:
        return self._with(other, lambda a, b: a % b if b else a, exact=True)

    def __lshift__(self, other: int) -> Number:
        return self._shift(other, lambda a, b: a << b)

    def __rshift__(self, other: int) -> Number:
        return self._shift(other, lambda a, b: a >> b)

    def __neg__(self) -> Number:
        return Number(-int(self), self.name)

    def __invert__(self) -> Number:
        return Number(~int(self), self.name)


class _Pair:
    def __init__(self, small: int = 0, wide: int = 0) -> None:
        self.small = Number(small, "i16")
        self.wide = Number(wide, "u64")

    def __setattr__(self, key: str, value: int) -> None:
        super().__setattr__(key, Number(value, "i16" if key == "small" else "u64"))


class Probe:
    """A random probe of three parameters: `source`, and `run` to do it as Python."""

    def __init__(self, seed: int, size: int = 14) -> None:
        self.random = random.Random(seed)
        self.types = {name: self.random.choice(list(TYPES)) for name in "abc"}
        self.fresh = 0
        self.looping = 0
        self.budget = size
        body = self._block(2)
        ends = [f"out[{1000 + i}] = u64({name})" for i, name in enumerate(self.types) if name != "r"]
        ends += ["out[2000] = u64(r.small)", "out[2001] = r.wide"]
        self.body = "\n".join(["r = Pair(small=3)", *body, *ends])
        header = ", ".join(f"{name}: {self.types[name]}" for name in "abc")
        lines = textwrap.indent(self.body, "    ")
        self.source = f"{HEAD}@raw_tracepoint('sys_enter')\ndef probe({header}):\n{lines}\n"

    def run(self, values: list[int]) -> dict[int, int]:
        """What ends up in the map, for these parameters."""
        out: dict[int, int] = {}

        class Out:
            def __setitem__(self, key: int, value: int) -> None:
                out[int(key)] = wrap(int(value), "u64")

        names: dict[str, Any] = {"Pair": _Pair, "out": Out(), "pick": lambda x, y: x if x > y else y}
        for each in TYPES:
            names[each] = lambda value, each=each: Number(value, each)
        names["range"] = lambda *ends: (Number(i, self._counter(ends)) for i in range(*map(int, ends)))
        header = ", ".join("abc")
        exec(f"def probe({header}):\n{textwrap.indent(self.body, '    ')}\n", names)
        names["probe"](*(Number(value, self.types[name]) for name, value in zip("abc", values)))
        return out

    @staticmethod
    def _counter(ends: tuple[int, ...]) -> str:
        return "i64" if len(ends) == 3 and ends[2] < 0 else "u64"

    # Statements. `scope` is what may be read: names that are set on every path.

    def _block(self, depth: int) -> list[str]:
        lines: list[str] = []
        for _ in range(self.random.randrange(1, 5)):
            if self.budget <= 0:
                break
            self.budget -= 1
            lines += self._statement(depth)
        return lines or ["pass"]

    def _statement(self, depth: int) -> list[str]:
        kind = self.random.random()
        if depth and kind < 0.2:
            return self._if(depth)
        if depth and kind < 0.35:
            return self._loop(depth)
        if kind < 0.5:
            return [f"out[{self.random.randrange(8)}] = u64({self._expression(2)})"]
        if kind < 0.6:
            member, name = self.random.choice([("small", "i16"), ("wide", "u64")])
            return [f"r.{member} = {name}({self._expression(2)})"]
        name = self.random.choice(list(self.types))
        if kind < 0.75:
            operator = self.random.choice(["+", "-", "*", "^", "|", "&"])
            return [f"{name} = {self.types[name]}({name} {operator} {self._expression(1)})"]
        return [f"{name} = {self.types[name]}({self._expression(3)})"]

    def _inner(self, depth: int) -> list[str]:
        """A block whose new names are not seen outside it."""
        before = dict(self.types)
        lines = self._block(depth - 1)
        self.types = before
        return [f"    {line}" for line in lines]

    def _if(self, depth: int) -> list[str]:
        lines = [f"if {self._condition(2)}:", *self._inner(depth)]
        if self.random.random() < 0.3:
            lines += [f"elif {self._condition(1)}:", *self._inner(depth)]
        if self.random.random() < 0.5:
            lines += ["else:", *self._inner(depth)]
        return lines

    def _loop(self, depth: int) -> list[str]:
        self.fresh += 1
        counter = f"i{self.fresh}"
        # The verifier walks every path of every round: loops in loops must be short.
        long = ["5", "20", "2, 12", f"min({self._unsigned()}, {self.random.randrange(2, 12)})", "12, 1, -3"]
        ends = self.random.choice(["3", "1, 3", "2, 0, -1"] if self.looping else long)
        self.looping += 1
        before = dict(self.types)
        inner = self._inner(depth)
        if self.random.random() < 0.4:
            word = self.random.choice(["break", "continue"])
            inner.insert(
                self.random.randrange(len(inner) + 1) if len(inner) == 1 else 0,
                f"    if {self._condition(1)}:\n        {word}",
            )
        inner.append(f"    out[{8 + self.random.randrange(4)}] = u64({counter})")
        self.types = before
        self.looping -= 1
        return [f"for {counter} in range({ends}):", *"\n".join(inner).split("\n")]

    def _unsigned(self) -> str:
        return f"u64({self.random.choice(list(self.types))})"

    # Expressions.

    def _expression(self, depth: int) -> str:
        kind = self.random.random()
        if not depth or kind < 0.25:
            return self._leaf()
        if kind < 0.65:
            operator = self.random.choice(["+", "-", "*", "&", "|", "^", "//", "%"])
            return f"({self._expression(depth - 1)} {operator} {self._expression(depth - 1)})"
        if kind < 0.73:
            operator = self.random.choice(["<<", ">>"])
            return f"({self._expression(depth - 1)} {operator} {self.random.randrange(32)})"
        if kind < 0.8:
            return f"({self.random.choice('-~')}{self._expression(depth - 1)})"
        name = self.random.choice(list(TYPES))
        if kind < 0.88:
            a, b = self._expression(depth - 1), self._expression(depth - 1)
            return f"({name}({a}) if {self._condition(depth - 1)} else {name}({b}))"
        if kind < 0.93:
            function = self.random.choice(["pick", "min", "max"])
            return f"{function}({name}({self._expression(depth - 1)}), {name}({self._expression(depth - 1)}))"
        return f"{name}({self._expression(depth - 1)})"

    def _leaf(self) -> str:
        kind = self.random.random()
        if kind < 0.2:
            name = self.random.choice(list(TYPES))
            return f"{name}({self._constant()})"
        if kind < 0.35:
            return self.random.choice(["r.small", "r.wide"])
        return self.random.choice(list(self.types))

    def _constant(self) -> int:
        return self.random.choice(
            [0, 1, -1, 7, 255, 1 << 31, -(1 << 31), 1 << 32, (1 << 63) - 1, self.random.getrandbits(64)]
        )

    def _condition(self, depth: int) -> str:
        kind = self.random.random()
        if depth and kind < 0.3:
            word = self.random.choice(["and", "or"])
            return f"({self._condition(depth - 1)} {word} {self._condition(depth - 1)})"
        if depth and kind < 0.4:
            return f"(not {self._condition(depth - 1)})"
        name = self.random.choice(list(TYPES))
        operator = self.random.choice(["<", "<=", ">", ">=", "==", "!="])
        a, b = self._expression(depth), self._expression(depth)
        if kind < 0.5:
            return f"{name}({a}) {operator} {name}({b}) {operator} {name}({self._leaf()})"
        if kind < 0.6:
            return name + f"({a})"
        return f"{name}({a}) {operator} {name}({b})"
