"""Every way to read memory wrongly that is not the program's own, and what is said of it."""

from __future__ import annotations

import pytest

from pybpf import btf
from pybpf.dsl import lower
from pybpf.errors import LoweringError
from pybpf.spec import Target

PROBE = """
@kprobe("f")
def probe(
    p: "struct file *", n: u64, u: "const char __user *", v: "void *", pp: "struct file **", ii: "int *"
):
    e = events.reserve()
    if not e:
        return
    {}
"""

# What is written, what is said of it; and what is underlined, where that isn't all.
ERRORS = {
    'has_field("struct file", n)': "has_field takes names as text known at build time, not a u64",
    'has_field("struct file", "a b")': "'a b' is no path to a field: such as 'd_name.name' or 'comm[0]'",
    "has_type(5)": "has_type takes names as text known at build time, not 5",
    'sizeof("struct filee")': (
        "no type 'struct filee' in this BTF (did you mean 'struct file'?); the types are those of reference"
    ),
    'sizeof("struct timer_base")': (
        "no type 'struct timer_base' in this BTF (did you mean 'struct timer_list' or 'struct "
        "timer_rand_state' or 'struct timespec64'?); the types are those of reference"
    ),
    'offset_of("struct file", "f_paht")': ("struct file has no field 'f_paht' (did you mean 'f_path'?)"),
    'enum_value("enum pid_type", "PIDTYPE_TGI")': (
        "no type 'enum pid_type' in this BTF (did you mean 'enum bpf_map_type'?); the types are those of"
        " reference"
    ),
    'enum_value("struct file", "X")': "struct file is no enum",
    'cast(p, "struct file")': (
        "cast takes a pointer's declaration, such as \"struct file *\", not 'struct file'"
    ),
    'cast(p, "struct filee *")': (
        "no type 'struct filee' in this BTF (did you mean 'struct file'?); the types are those of reference"
    ),
    'cast(e, "struct file *")': "cast takes a kernel pointer, not an Event",
    "cast(p, 5)": "cast takes names as text known at build time, not 5",
    'container_of(n, "struct mount", "mnt")': "container_of takes a kernel pointer, not a u64",
    'container_of(p, "struct mount", "mntt")': ("struct mount has no field 'mntt' (did you mean 'mnt'?)"),
    'address_of(p, "f_pth")': ("struct file has no field 'f_pth' (did you mean 'f_path'?)"),
    'address_of(n, "f_path")': "address_of takes a kernel pointer, not a u64",
    'address_of(cast(p, "struct sk_buff *"), "pkt_type")': (
        "pkt_type of struct sk_buff is a bit field, and has no address"
    ),
    "full_path(5)": "full_path takes a struct path or a struct dentry *, not 5",
    "full_path(p)": "full_path takes a struct path or a struct dentry *, not a struct file *",
    "for x in p.f_path: pass": (
        "p.f_path",
        "for goes over a range or a sequence known at build time, not over a struct path in kernel memory",
    ),
    "per_cpu(5)": "per_cpu takes a name known at build time, not 5",
    "per_cpu('runqueues')": ("the types of reference have no variables: lower for the kernel that runs"),
    "kstr(5)": "kstr reads from a pointer to kernel memory, not from 5",
    "kstr(u)": "kstr reads kernel memory, and this is a const char __user *: ustr reads that",
    "ustr(p)": (
        "ustr reads user memory, and this is a struct file *: kstr reads that; if it is one of "
        "the process's, say __user in its C declaration"
    ),
    "kstr(p, n)": "the size of kstr is a number from 1 to 256, known at build time, not a u64",
    "kstr(p, 0)": "the size of kstr is a number from 1 to 256, known at build time, not 0",
    "kstr(p, 999)": "the size of kstr is a number from 1 to 256, known at build time, not 999",
    "probe_read_kernel_str(e, p)": (
        "probe_read_kernel_str writes to a text member of an event, not to an Event"
    ),
    "probe_read_user_str(e.comm, p)": (
        "probe_read_user_str reads user memory, and this is a struct file *: "
        "probe_read_kernel_str reads that; if it is one of the process's, say __user in its C "
        "declaration"
    ),
    "probe_read_kernel_str(e.comm, u)": (
        "probe_read_kernel_str reads kernel memory, and this is a const char __user *: "
        "probe_read_user_str reads that"
    ),
    "p.f_pth": "struct file has no field 'f_pth' (did you mean 'f_path'?)",
    "p.f_path.dentri": "struct path has no field 'dentri' (did you mean 'dentry'?)",
    "u.x": "a const char __user * has no fields, so no 'x': p[0] is the number that it points to",
    "v.x": ("a void * has no fields, so no 'x': say what it points to, as in cast(p, \"struct file *\")"),
    "v[0]": 'a void * has no elements: say what it points to, as in cast(p, "struct file *")',
    "pp.x": "a struct file ** has no fields, so no 'x': it points to a pointer; p[0] is that",
    "ii.x": "an int * has no fields, so no 'x': p[0] is the number that it points to",
    'p["x"]': "an index is a number, not 'x'",
    'p[n].f_pos + p["y"]': (
        'p["y"]',
        "an index is a number, not 'y'",
    ),
    "p[-1]": "there is no element -1: it begins at 0",
    "current.task.comm[16]": "there is no element 16: this array has 16 elements",
    'current.task.comm["x"]': "an index is a number, not 'x'",
    "current.task.nsproxy[p]": "an index is a number, not a struct file *",
    "p.f_path[0]": "a struct path in kernel memory is no array: it can't be indexed",
    "p.f_pos.x": "an i64 has no attribute 'x'",
    "p.f_path.mnt = 5": (
        "p.f_path.mnt",
        "a probe can't write to kernel memory",
    ),
    "p.f_pos = 5": (
        "p.f_pos",
        "a probe can't write to kernel memory",
    ),
    "p.f_path[1] = 5": (
        "p.f_path[1]",
        "a probe can't write to kernel memory",
    ),
    "get_current_task_btf().comm.x": "a text of 16 bytes has no 'x'; it has startswith",
    "e.comm = p": (
        "e.comm",
        "Event.comm is a text of 16 bytes, and can't be set to a struct file *",
    ),
}


def test_a_path_needs_the_room_behind_an_event(module):
    source = """
class Named(Record):
    name: CString[16]

@kprobe("f")
def probe(p: "struct file *"):
    named = Named()
    named.name = full_path(p.f_path)
"""
    with pytest.raises(LoweringError) as caught:
        lower(module(source), {}, Target("reference", btf.reference()))
    assert caught.value.message == (
        "a path is put together behind an event of at most 5880 bytes: set a text of 8 bytes or more of what"
        " events.reserve() gave"
    )


@pytest.mark.parametrize("source", ERRORS)
def test_error(source, module):
    expected = ERRORS[source]
    underlined, message = (source, expected) if isinstance(expected, str) else expected
    with pytest.raises(LoweringError) as caught:
        lower(module(PROBE.format(source)), {}, Target("reference", btf.reference()))
    assert caught.value.message == message
    place = caught.value.location
    assert place is not None
    assert place.text[place.column - 1 : place.end_column - 1] == underlined
