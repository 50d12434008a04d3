"""Control flow: each probe runs on the machine, and gives what the same Python gives."""

from __future__ import annotations

import textwrap
from types import SimpleNamespace

import pytest

from pybpf import btf
from pybpf.dsl import lower
from pybpf.spec import Target
from pybpf.vm import Machine

# Functions of two unsigned numbers. As plain Python on small numbers they give the same.
FUNCTIONS = {
    "comprehensions, and what goes over their elements": """
        i = 100
        parts = [a * weight + i for i, weight in enumerate(WEIGHTS) if i != 1]
        table = {str(n): b + n for n in range(3)}
        first, *rest = parts
        both = sum(rest) + sum(x * 2 for x in [*parts, a]) + table[f"{1 + 1}"]
        return both + i + first * any(part == b for part in parts) + 7 * all([a, b, True])
    """,
    "arguments from sequences and dicts": """
        quotient, rest = divmod(a, 7)
        limits = {"default": 3}
        return max(*[quotient, rest, 2]) + min(a, *(b, 9)) + len(dict(a=1, **limits))
    """,
    "in a range": """
        inside = 2 * (b in range(3, 9)) + 4 * (a not in range(5)) + 8 * (b in range(9, 9))
        return a + inside + 16 * (a in range(0, 40))
    """,
    "any and all that are known": """
        return a + 2 * any([]) + 4 * all(()) + 8 * any([0, False, 3]) + 16 * all([1, b == b, 0])
    """,
    "a loop with a bound that the kernel knows": """
        total = 0
        for i in range(min(a, 20)):
            total += i * b
        return total
    """,
    "a range too long to unroll": """
        total = 0
        for i in range(3, 40, 2):
            total += i
        return total + a
    """,
    "two loops, one in the other, that count in one variable": """
        total = a
        for i in range(10):
            for i in range(20, 32):
                total += i
            total += b
        return total
    """,
    "a range that counts down": """
        total = 0
        for i in range(min(a, 30), 2, -3):
            total = total * 2 + i
        return total
    """,
    "a short range is unrolled": """
        total = a
        for i in range(4):
            total += WEIGHTS[i]
        return total
    """,
    "unrolled on purpose": """
        total = a
        for i in unroll(range(20)):
            total += WEIGHTS[i % 4]
        return total
    """,
    "while": """
        n = min(a, 50)
        steps = 0
        while n > 0:
            n = n >> 1
            steps += 1
        return steps
    """,
    "while, break and else": """
        n = 0
        while n < 40:
            if n == a:
                n = 1000
                break
            n += 1
        else:
            n = 2000
        return n + b
    """,
    "continue": """
        total = 0
        for i in range(30):
            if i & 1:
                continue
            if i > a:
                break
            total += i
        return total
    """,
    "for and else, unrolled": """
        for i in range(5):
            if i == a:
                break
        else:
            return 77
        return i
    """,
    "a return from inside a loop": """
        for i in range(50):
            if i * 3 > a:
                return i
        return 99
    """,
    "loops in loops": """
        total = 0
        for i in range(min(a, 10)):
            for j in range(min(b, 10)):
                if j > i:
                    break
                total += i * 10 + j
        return total
    """,
    "a value from before a loop, chosen in it": """
        kept = a & 15
        total = b
        if kept:
            for i in range(12):
                total = ((kept if total > a else 7) ^ (total * b)) & 0xFFFF
        return total
    """,
    "match": """
        match a:
            case 0:
                r = 5
            case 1 | 2:
                r = 6
            case 3 if b > 4:
                r = 7
            case _:
                r = 8
        return r
    """,
    "min, max and a chain": """
        return max(min(a, b), 3) + (1 if 2 < a <= 5 < b else 0)
    """,
    "conditions in conditions": """
        if (a > 3 and b > 3) or not (a == 1 or b == 1):
            r = 1
        elif a:
            r = 2
        else:
            r = 3
        return r
    """,
    "a truth as a number": """
        x = a > b
        y = not x and b != 4
        return u64(x) * 2 + u64(y)
    """,
    "a swap": """
        x = a
        y = b
        for i in range(min(a, 9)):
            x, y = y, x + y
        return x
    """,
}
NUMBERS = [(0, 0), (1, 1), (2, 7), (3, 9), (3, 2), (5, 6), (17, 4), (60, 40)]


def expected(source: str, a: int, b: int) -> int:
    names = {
        "unroll": lambda elements: elements,
        "u64": int,
        "WEIGHTS": (3, 1, 4, 1),
    }
    exec("def f(a, b):\n" + textwrap.indent(textwrap.dedent(source), "    "), names)
    return names["f"](a, b)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_as_python(name, module):
    source = FUNCTIONS[name]
    body = textwrap.indent(textwrap.dedent(source), "    ")
    probe = (
        "\nWEIGHTS = (3, 1, 4, 1)\n\n@func\ndef f(a, b):\n"
        + body
        + "\n@kprobe('f')\ndef probe(a: u64, b: u64):\n    counts[7] = u64(f(a, b))\n"
    )
    target = Target("reference", btf.reference())
    spec = lower(module(probe), {}, target)
    for a, b in NUMBERS:
        machine = Machine(spec, btf=target.btf)
        machine.call("probe", a, b)
        assert machine.maps["counts"][7] == expected(source, a, b), SimpleNamespace(a=a, b=b)
