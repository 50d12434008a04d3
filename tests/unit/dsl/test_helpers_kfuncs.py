"""Kernel functions by their prototypes: what they are given, what they give, and what is said of misuse."""

from __future__ import annotations

import textwrap

import pytest

from pybpf import btf
from pybpf.btf.build import Builder
from pybpf.dsl import lower
from pybpf.errors import LoweringError
from pybpf.spec import Target
from pybpf.vm import Machine


def types():
    """A kernel with a few functions, each for one thing that a prototype may say."""
    made = Builder()
    i32, u32 = made.integer("int", 4, True), made.integer("unsigned int", 4)
    u64, i8 = made.integer("long unsigned int", 8), made.integer("signed char", 1, True)
    task = made.structure("task_struct", 8, [("pid", i32, 0, 0), ("tgid", i32, 32, 0)])
    other = made.structure("cgroup", 8, [("id", u64, 0, 0)])
    to_task, to_void, to_u64 = made.pointer(task), made.pointer(0), made.pointer(u64)
    to_dynptr = made.pointer(made.structure("bpf_dynptr", 16, [("a", u64, 0, 0), ("b", u64, 64, 0)]))
    to_text = made.pointer(i8)
    wide = made.structure("wide", 16, [("a", u64, 0, 0), ("b", u64, 64, 0)])
    for name, result, parameters in (
        ("nothing", 0, ()),
        ("add", i32, (("a", i32), ("b", u64))),
        ("narrow", i8, ()),
        ("get_task", to_task, (("pid", i32),)),
        ("put_task", 0, (("task", to_task),)),
        ("copy", i32, (("to", to_void), ("to__sz", u32), ("flags", u32))),
        ("number", to_u64, (("p__nullable", to_u64),)),
        ("anything", u64, (("obj__ign", to_void), ("id__k", u32))),
        ("implied", u64, (("aux__prog", to_void),)),
        ("many", 0, tuple((f"a{number}", u64) for number in range(6))),
        ("by_value", 0, (("w", wide),)),
        ("get_cgroup", made.pointer(other), ()),
        ("view", i32, (("text__str", to_text), ("p__uninit", to_dynptr))),
    ):
        made.function(name, made.prototype(result, parameters), "global")
    return btf.parse(made.finish())


TARGET = Target("small", types())
PROBE = """
f = kernel_function

@kprobe("f")
def probe():
{}
"""


def lowered(module, text):
    return lower(module(PROBE.format(textwrap.indent(textwrap.dedent(text), "    "))), {}, TARGET)


# What is written; the function, what it gives; what it is given, and what `counts[1]` is then.
CALLS = {
    "nothing": ("f('nothing')()\ncounts[1] = 1", "nothing", 0, [], 1),
    "numbers": ("counts[1] = u64(f('add')(3, 5))", "add", 8, [3, 5], 8),
    "by name": ("counts[1] = u64(f('add')(3, b=5))", "add", 8, [3, 5], 8),
    "half of a register": ("counts[1] = u64(f('add')(1, 2) == -1)", "add", 0x1234_FFFF_FFFF, [1, 2], 1),
    "a byte": ("counts[1] = u64(f('narrow')() + 2)", "narrow", 0xFF, [], 1),
    "memory and its size": (
        "e = Key(tid=1)\ncounts[1] = u64(f('copy')(b'abc', 7))",
        "copy",
        3,
        [None, 3, 7],
        3,
    ),
    "an object": ("t = f('get_task')(9)\nif t:\n    counts[1] = u64(t.tgid)", "get_task", "task", [9], 7),
    "no object": ("counts[1] = 4\nt = f('get_task')(9)\nif t:\n    counts[1] = 5", "get_task", 0, [9], 4),
    "an optional pointer": (
        "n = f('number')(None)\nif n:\n    counts[1] = n[0]",
        "number",
        "number",
        [0],
        66,
    ),
    "what isn't checked": ("counts[1] = f('anything')(7, 3)", "anything", 2, [7, 3], 2),
    "what the kernel gives": ("counts[1] = f('implied')()", "implied", 6, [0], 6),
}


@pytest.mark.parametrize("name", CALLS)
def test_call(name, module):
    source, function, result, arguments, expected = CALLS[name]
    machine = Machine(lowered(module, source), btf=TARGET.btf)
    objects = {
        "task": machine.kernel.new("struct task_struct", pid=6, tgid=7).address,
        "number": machine.kernel.buffer((66).to_bytes(8, "little")),
    }
    given = []

    def called(machine, *values):
        given.append([value for value, wanted in zip(values, arguments) if wanted is not None])
        return objects.get(result, result)

    machine.kernel_functions[function] = called
    machine.run("probe")
    assert machine.maps["counts"][1] == expected
    assert given == [[each for each in arguments if each is not None]]


def test_a_dynptr_that_it_sets_and_a_text_that_nobody_can_change(module):
    machine = Machine(
        lowered(module, "p = bpf_dynptr()\nf('view')('abc', p)\nf('view')('abc', bpf_dynptr())")
    )
    texts = []
    machine.kernel_functions["view"] = lambda machine, text, *_: texts.append(text)
    machine.run("probe")
    assert texts[0] == texts[1]
    assert machine.memory.read(texts[0], 4) == b"abc\0"
    assert not machine.memory.regions[texts[0] >> 32].writable


ERRORS = {
    "p = bpf_dynptr(); f('view')('x', p); f('view')('x', p)": (
        "this dynptr is in use already: make another by bpf_dynptr()"
    ),
    "f('get_tsk')": "the types of small have no function 'get_tsk' (did you mean 'get_task'?)",
    "f('add')(1)": "add(a, b) needs b",
    "f('add')(1, 2, 3)": "add(a, b) takes 2 arguments, not 3",
    "f('add')(1, c=2)": "add(a, b) has no parameter 'c'",
    "f('add')(1 << 40, 2)": "1099511627776 does not fit a of add, an i32",
    "f('add')(b'x', 2)": "a of add is an i32, and b'x' is no number",
    "f('put_task')(5)": "task of put_task is a struct task_struct *, not 5",
    "f('put_task')(f('get_task')(1))": (
        "task of put_task may be None: check it first, as in `if not ...: return`"
    ),
    "f('put_task')(get_current_task_btf().pid)": "task of put_task is a struct task_struct *, not an i32",
    "f('put_task')(current.task)": (
        "task of put_task is a struct task_struct * that the verifier follows, and this one was read from"
        " memory: get it from the kernel itself, as by get_current_task_btf()"
    ),
    "f('put_task')(cast(7 + current.cgroup_id, 'struct cgroup *'))": (
        "task of put_task is a struct task_struct *, not a struct cgroup *"
    ),
    "f('copy')(7, 0)": "to of copy is a void *, not 7",
    "f('number')(7)": "p__nullable of number is a long unsigned int *, not 7",
    "f('many')(1, 2, 3, 4, 5, 6)": "many takes 6 arguments: a program can give 5",
    "f('by_value')(1)": "w of by_value is a struct wide, which a register can't hold",
    "f('get_task')(1).pid": "this may be None: check it before .pid is used, as in `if not ...: return`",
}


@pytest.mark.parametrize("source", ERRORS)
def test_error(source, module):
    with pytest.raises(LoweringError) as caught:
        lowered(module, source)
    assert caught.value.message == ERRORS[source]
