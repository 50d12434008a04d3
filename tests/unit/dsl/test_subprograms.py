"""Functions of BPF: called, and called back."""

from __future__ import annotations

import pytest

from pybpf import btf
from pybpf.dsl import lower
from pybpf.errors import LoweringError
from pybpf.spec import Target
from pybpf.vm import Machine

SOURCE = """
class State(Record):
    total: u64
    last: u32

@subprogram
def double(x: u64) -> u64:
    return x * 2

@subprogram
def weigh(x: u64, y: i32, state: State) -> i64:
    state.total += double(x)
    if y < 0:
        return y
    return i64(double(x) + 1)

@subprogram
def add(i: u64, state: State) -> u64:
    if i == 7:
        return 1
    state.total += double(i)
    state.last = u32(i)
    return 0

@kprobe("f")
def probe(a: u64, b: i32):
    state = loop(a, add, State(total=100))
    counts[1] = state.total
    counts[2] = u64(state.last)
    counts[3] = u64(weigh(a, b, state))
    counts[4] = state.total
"""


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (0, 1, [100, 0, 1, 100]),
        (3, -5, [106, 2, 2**64 - 5, 112]),
        (20, 5, [142, 6, 41, 182]),
    ],
)
def test_calls(a, b, expected, module):
    target = Target("reference", btf.reference())
    spec = lower(module(SOURCE), {}, target)
    machine = Machine(spec, btf=target.btf)
    machine.call("probe", a, b)
    assert [machine.maps["counts"][key] for key in (1, 2, 3, 4)] == expected


ERRORS = {
    "no type": (
        "@subprogram\ndef f(x):\n    return x\n",
        "x has no type: a subprogram's parameters need one, such as u64",
    ),
    "too many": (
        "@subprogram\ndef f(a: u64, b: u64, c: u64, d: u64, e: u64, f: u64):\n    pass\n",
        "a subprogram takes at most 5 plain parameters",
    ),
    "the result is no number": (
        "@subprogram\ndef f() -> Key:\n    return 1\n",
        "a subprogram returns a number or nothing, not a Key",
    ),
    "how many": (
        "@subprogram\ndef f(a: u64):\n    pass\n\n@kprobe('f')\ndef probe():\n    f()\n",
        "f(a) takes these, in this order, no keywords",
    ),
    "which kind": (
        "@subprogram\ndef f(k: Key):\n    pass\n\n@kprobe('f')\ndef probe():\n    f(5)\n",
        "k of f is a Key, not 5",
    ),
    "nothing returned": (
        "@subprogram\ndef f() -> u64:\n    pass\n\n@kprobe('f')\ndef probe():\n    f()\n",
        "the subprogram f returns a u64, and there is a way to its end without one",
    ),
    "a context": (
        "@subprogram\ndef f():\n    e = events.reserve()\n    if not e:\n        return\n"
        "    e.ts = 1\n    e.op = 2\n    e.comm = 'x'\n    events.submit(e)\n\n"
        "@kprobe('f')\ndef probe():\n    f()\n",
        "a subprogram has no context: do this in the probe, or in a @func",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name, module):
    source, message = ERRORS[name]
    with pytest.raises(LoweringError) as caught:
        lower(module(source), {}, Target("reference", btf.reference()), buffer="perf")
    assert caught.value.message == message
    assert caught.value.location is not None
