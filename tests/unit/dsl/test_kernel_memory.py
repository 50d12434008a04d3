"""Memory that is not the program's own: what is read, and by which means."""

from __future__ import annotations

import textwrap

import pytest

from pybpf import btf
from pybpf.dsl import lower
from pybpf.spec import Target
from pybpf.vm import Machine

PROBE = """
class Address(Record):
    bytes: [u8, 16]

class Named(Record):
    count: u64
    name: CString[16]

addresses = HashMap("addresses", u64, Address, max_entries=4)
events = Events("events", Named)

@kprobe("f")
def probe(p: "struct file *", n: u64, u: "const char __user *", o: "struct iovec __user *", q: "u32 *"):
{}
"""
REFERENCE = Target("reference", btf.reference())


def machine_for(module, text):
    body = textwrap.indent(textwrap.dedent(text), "    ")
    spec = lower(module(PROBE.format(body)), {}, REFERENCE)
    return Machine(spec, btf=REFERENCE.btf)


# What is written, and what `counts[1]` is then. The file's dentry is named "paper.txt" and is in "/"; its
# position is 7; the process's memory has "user text", and an iovec of (that, 9); `q` leads to 3, 4, 5.
VALUES = {
    "a field": ("p.f_pos", 7),
    "a path through pointers and structs": ("p.f_path.dentry.d_parent.d_name.len", 1),
    "through a null pointer": ("p.f_path.mnt.mnt_root.d_name.len", 0),
    "a letter of a text": ("p.f_path.dentry.d_name.name[2]", ord("p")),
    "a letter at an index that the kernel knows": ("p.f_path.dentry.d_name.name[n]", ord(".")),
    "an element of an array of characters": ("current.task.comm[1]", ord("e")),
    "what a pointer points to": ("q[0]", 3),
    "an element behind a pointer": ("q[2]", 5),
    "an index that the kernel knows": ("q[n & 1]", 4),
    "a struct in an array": ("cast(current.task.pid_links[2].next, 'u32 *')[0]", 3),
    "a pointer of another type": ('cast(p.private_data, "struct file *").f_pos', 7),
    "a number as a pointer": ('cast(n - n, "struct file *").f_pos', 0),
    "the struct around a member": ('container_of(p.f_path, "struct file", "f_path").f_pos', 7),
    "the struct around a pointer": (
        'container_of(p.f_path.dentry.d_name, "struct dentry", "d_name").d_name.len',
        9,
    ),
    "an address of a member": ('address_of(p, "f_pos")[0]', 7),
    "an address of a struct": ("address_of(p.f_path).dentry.d_name.len", 9),
    "user memory": ("u[1]", ord("s")),
    "a struct of the process's": ("o.iov_len", 9),
    "a pointer in user memory leads to user memory": ('cast(o.iov_base, "char __user *")[0]', ord("u")),
    "what isn't there": ('cast(p, "char __user *")[0]', 0),
    "sizes": ('sizeof("struct path") + sizeof(Key) + sizeof(u16) + sizeof(p.f_path)', 16 + 8 + 2 + 16),
    "an offset": ('offset_of("struct path", "dentry")', 8),
    "a value of an enum": ('enum_value("enum mq_rq_state", "MQ_RQ_COMPLETE")', 2),
    "what is there": ('has_type("struct file") + has_field("struct file", "f_path.dentry")', 2),
    "what is not": ('has_type("struct fil") + has_field("struct file", "x") + has_field("struct x", "x")', 0),
    "the field of this kernel": ('p.f_pos if has_field("struct file", "f_pos") else p.f_position', 7),
    "a bit field": ('cast(p.private_data, "struct sk_buff *").pkt_type', 0),
    "an object that the kernel gave": ("get_current_task_btf().real_parent.tgid", 1000),
    "an array in it, at an index that the kernel knows": ("get_current_task_btf().comm[n - 4]", ord("e")),
    "an array of characters is a text": ('current.task.comm == "test"', 1),
    "which differs": ('current.task.comm != "tes"', 1),
    "and begins": ('current.task.comm.startswith("te")', 1),
    "a length": ("len(current.task.comm) + len(current.task.pid_links)", 20),
    "a text that is equal": ('kstr(p.f_path.dentry.d_name.name, 16) == "paper.txt"', 1),
    "a text that is longer": ('kstr(p.f_path.dentry.d_name.name, 6) == "paper"', 1),
    "a text that begins": ('kstr(p.f_path.dentry.d_name.name, 16).startswith("pap")', 1),
    "a text of the process's": ('ustr(u, 16) == "user text"', 1),
    "no text": ('kstr(p.f_path.mnt.mnt_root.d_name.name, 16) == ""', 1),
}


def run(module, text):
    machine = machine_for(module, text)
    kernel = machine.kernel
    root = kernel.new("struct dentry", d_name={"name": "/", "len": 1})
    dentry = kernel.new("struct dentry", d_name={"name": "paper.txt", "len": 9}, d_parent=root)
    file = kernel.new("struct file", f_path={"dentry": dentry}, f_pos=7)
    file.set(private_data=file)
    user = kernel.user(b"user text\0")
    vector = kernel.user(user.to_bytes(8, "little") + (9).to_bytes(8, "little"))
    numbers = kernel.buffer(b"".join(number.to_bytes(4, "little") for number in (3, 4, 5)))
    machine.task.struct(kernel).set(**{"pid_links[2].next": numbers})
    machine.call("probe", file, 5, user, vector, numbers)
    return machine


@pytest.mark.parametrize("name", VALUES)
def test_value(name, module):
    source, expected = VALUES[name]
    assert run(module, f"counts[1] = u64({source})").maps["counts"][1] == expected


TEXTS = {
    "kstr": "e.name = kstr(p.f_path.dentry.d_name.name)",
    "probe_read_kernel_str": "e.count = u64(probe_read_kernel_str(e.name, p.f_path.dentry.d_name.name))",
    "ustr": "e.name = ustr(u)",
    "probe_read_user_str": "e.count = u64(probe_read_user_str(e.name, u))",
    "nothing there": "e.name = kstr(p.f_path.mnt.mnt_root.d_name.name)",
    "an array of the kernel's": "e.name = current.task.comm",
}


@pytest.mark.parametrize(
    ("name", "count", "sent", "size"),
    [
        ("kstr", 0, b"paper.txt", 18),
        ("probe_read_kernel_str", 10, b"paper.txt", 18),
        ("ustr", 0, b"user text", 18),
        ("probe_read_user_str", 10, b"user text", 18),
        ("nothing there", 0, b"", 9),
        ("an array of the kernel's", 0, b"test", 24),
    ],
)
def test_texts_are_sent_at_their_length(name, count, sent, size, module):
    text = f"e = events.reserve()\nif not e:\n    return\ne.count = 0\n{TEXTS[name]}\nevents.submit(e)"
    machine = run(module, text)
    (record,) = machine.maps["events"].take()
    assert record[:8] == count.to_bytes(8, "little")
    assert record[8:].split(b"\0")[0] == sent
    assert len(record) == size


def test_an_array_is_copied_to_bytes(module):
    text = """
    found = addresses.setdefault(1, Address())
    if found:
        found.bytes = current.task.comm
    """
    machine = run(module, text)
    assert bytes(machine.maps["addresses"][1][0]) == b"test".ljust(16, b"\0")


def test_an_object_that_the_kernel_gave_is_read_by_loads(listing):
    source = (
        "@kprobe('f')\ndef probe():\n    counts[u64(get_current_task_btf().real_parent.start_time)] = 1\n"
    )
    task = REFERENCE.btf["struct task_struct"]
    assert listing(source).split("\n")[:3] == [
        "call bpf_get_current_task_btf#158",
        f"r0 = *(u64 *)(r0 +{task.offset_of('real_parent')})",
        f"r0 = *(u64 *)(r0 +{task.offset_of('start_time')})",
    ]


def test_a_bool_parameter(module):
    source = (
        "@kprobe('f')\ndef probe(preempt: bool, n: u64):\n    if preempt:\n        counts[n] = u64(preempt)\n"
    )
    machine = Machine(lower(module(source), {}, REFERENCE), btf=REFERENCE.btf)
    machine.call("probe", 0xFFFF_FF00, 1)
    machine.call("probe", 0xFFFF_FF01, 2)
    assert 1 not in machine.maps["counts"]
    assert machine.maps["counts"][2] == 1


def test_before_5_5_user_memory_is_read_as_kernel_memory_is(module):
    spec = lower(
        module(PROBE.format("    counts[1] = u64(u[0])")), {}, REFERENCE._replace(features=frozenset())
    )
    machine = Machine(spec, btf=REFERENCE.btf)
    machine.call("probe", 0, 0, machine.kernel.user(b"x"), 0, 0)
    assert machine.maps["counts"][1] == ord("x")


def tree(kernel):
    """/home is a mount point; the file system there has deep/sub/file.txt."""

    def dentry(name, parent=None):
        made = kernel.new("struct dentry", d_name={"name": name, "len": len(name)})
        return made.set(d_parent=parent or made)

    root, other = dentry("/"), dentry("/")
    home = dentry("home", root)
    file = dentry("file.txt", dentry("sub", dentry("deep", other)))
    top = kernel.new("struct mount", mnt={"mnt_root": root})
    top.set(mnt_parent=top)
    below = kernel.new("struct mount", mnt_parent=top, mnt_mountpoint=home, mnt={"mnt_root": other})
    far = other
    for number in range(40):
        far = dentry(str(number), far)
    for entry, mount in ((file, below), (other, below), (home, top), (root, top), (far, below), (None, top)):
        yield {"dentry": entry, "mnt": mount.address_of("mnt")}


DEEP = "..." + "".join(f"/{number}" for number in range(9, 40))


@pytest.mark.parametrize(
    ("source", "size", "expected"),
    [
        ("p.f_path", 256, ["/home/deep/sub/file.txt", "/home", "/home", "/", DEEP, ""]),
        ("p.f_path.dentry", 256, ["/deep/sub/file.txt", "/", "/home", "/", DEEP, ""]),
        ("address_of(p, 'f_path')", 16, ["...sub/file.txt", "/home", "/home", "/", ".../36/37/38/39", ""]),
        ("p.f_path", 8, ["....txt", "/home", "/home", "/", "...8/39", ""]),
    ],
)
def test_full_path(source, size, expected, module):
    steps = ["e = events.reserve()", "if not e:", "    return", "e.count = 1"]
    steps += [f"e.name = full_path({source})", "events.submit(e)"]
    body = "".join(f"    {step}\n" for step in steps)
    probe = PROBE.replace("CString[16]", f"CString[{size}]").format(body)
    machine = Machine(lower(module(probe), {}, REFERENCE), btf=REFERENCE.btf)
    for path in tree(machine.kernel):
        machine.call("probe", machine.kernel.new("struct file", f_path=path))
    found = [record[8:].decode() for record in machine.maps["events"].take()]
    assert found == [f"{each}\0" for each in expected]
