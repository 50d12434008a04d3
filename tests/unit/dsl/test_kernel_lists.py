"""Linked lists of the kernel in a `for`: what is seen, where it ends, and what is said of misuse."""

from __future__ import annotations

import textwrap

import pytest

from pybpf import btf
from pybpf.dsl import lower
from pybpf.errors import LoweringError
from pybpf.spec import Target
from pybpf.vm import Machine

PROBE = """
@kprobe("f")
def probe(p: "struct file *", n: u64):
{}
"""
REFERENCE = Target("reference", btf.reference())


def lowered(module, text):
    return lower(module(PROBE.format(textwrap.indent(textwrap.dedent(text), "    "))), {}, REFERENCE)


def machine_for(module, text):
    return Machine(lowered(module, text), btf=REFERENCE.btf)


LISTS = {
    "all": ("total = total * 10 + child.pid", 1234),
    "up to one": ("if child.pid == 3:\n        break\n    total = total * 10 + child.pid", 12),
    "but one": ("if child.pid == 3:\n        continue\n    total = total * 10 + child.pid", 124),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_is_walked(name, module):
    body, expected = LISTS[name]
    source = f"""
total = 0
for child in list_entries(current.task.children, "struct task_struct", "sibling", 8):
    {body}
counts[1] = u64(total)
"""
    machine = machine_for(module, source)
    task = machine.task.struct(machine.kernel)
    children = [machine.kernel.new("struct task_struct", pid=number) for number in (1, 2, 3, 4)]
    links = [task.address_of("children"), *(child.address_of("sibling") for child in children)]
    task.set(**{"children.next": links[1]})
    for child, following in zip(children, [*links[2:], links[0]]):
        child.set(**{"sibling.next": following})
    machine.call("probe", 0, 0)
    assert machine.maps["counts"][1] == expected


@pytest.mark.parametrize(("length", "expected"), [(0, 0), (3, 3), (5, 5), (9, 5)])
def test_a_walk_ends(length, expected, module):
    """At a null pointer, or after so many elements."""
    source = """
    total = 0
    for entry in list_entries(cast(n, "struct list_head *"), "struct task_struct", "sibling", 5):
        total += 1
    else:
        counts[1] = u64(total)
    """
    machine = machine_for(module, source)
    first = 0
    for _ in range(length):
        entry = machine.kernel.new("struct task_struct", **{"sibling.next": first})
        first = entry.address_of("sibling")
    machine.call("probe", 0, machine.kernel.buffer(first.to_bytes(16, "little")))
    assert machine.maps["counts"][1] == expected


# What is written, what is said of it; and what is underlined, where that isn't all.
ERRORS = {
    'list_entries(p, "struct task_struct", "sibling", 5)': (
        "list_entries takes a struct list_head or a struct hlist_head, not a struct file *"
    ),
    'list_entries(5, "struct task_struct", "sibling", 5)': (
        "list_entries takes the head of a list of the kernel's, not 5"
    ),
    "list_entries(current.task.children, n, n, 5)": (
        "list_entries takes the names of a struct and of its member, known at build time"
    ),
    'list_entries(current.task.children, "struct task_struct", "sibling", n)': (
        "the most elements of a list are a number from 1 to 65536 that is known at build time, not a u64"
    ),
    'list_entries(current.task.children, "struct task_struct", "siblings", 5)': (
        "struct task_struct has no field 'siblings' (did you mean 'sibling'?)"
    ),
    'list_entries(current.task.children, "struct task_struct", "pid", 5)': (
        "pid of struct task_struct is a int, and this list links its elements by a struct list_head"
    ),
    'for x, y in list_entries(current.task.children, "struct task_struct", "sibling", 5): pass': (
        "x, y",
        "a list gives one element at a time: for task in list_entries(...)",
    ),
}


@pytest.mark.parametrize("source", ERRORS)
def test_error(source, module):
    expected = ERRORS[source]
    underlined, message = (source, expected) if isinstance(expected, str) else expected
    with pytest.raises(LoweringError) as caught:
        lowered(module, source)
    assert caught.value.message == message
    place = caught.value.location
    assert place is not None
    assert place.text[place.column - 1 : place.end_column - 1] == underlined


@pytest.mark.parametrize(("length", "expected"), [(0, 0), (3, 123), (9, 12345)])
def test_a_list_with_a_null_end(length, expected, module):
    """An hlist: its head leads to a node, and its last node nowhere."""
    source = """
total = 0
for alias in list_entries(p.f_inode.i_dentry, "struct dentry", "d_u.d_alias", 5):
    total = total * 10 + alias.d_time
counts[1] = u64(total)
"""
    machine = machine_for(module, source)
    new = machine.kernel.new
    aliases = [new("struct dentry", d_time=number + 1) for number in range(length)]
    nodes = [alias.address_of("d_u.d_alias") for alias in aliases]
    for alias, following in zip(aliases, nodes[1:]):
        alias.set(**{"d_u.d_alias.next": following})
    inode = new("struct inode", **{"i_dentry.first": nodes[0] if nodes else None})
    machine.call("probe", new("struct file", f_inode=inode), 0)
    assert machine.maps["counts"][1] == expected
