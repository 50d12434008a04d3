"""`pybpf new`: a commented probe that runs as it is, and its test."""

from __future__ import annotations

import argparse
import keyword
import sys
from collections.abc import Sequence
from pathlib import Path

from pybpf.cli.arguments import Parser
from pybpf.errors import UsageError
from pybpf.gadget.programs import shipped

__all__ = ["add_arguments", "run"]

_PROBE = '''\
"""Show which files are read, and how much was asked for."""

from pybpf import CString, Events, Gadget, Param, Record, kprobe, u64
from pybpf.gadget import Process, Timestamp, discard_current, fill_process
from pybpf.helpers import kstr, ktime_get_boot_ns

# What people see: each word is a column, a field of the event or FIELD:HEADER. JSON has all fields.
gadget = Gadget("@NAME@", columns="proc.comm proc.pid count:bytes file")

# An option on the command line, --min BYTES. In the program it is a constant.
min_bytes = Param("min", u64, 4096, "only reads of at least so many bytes", metavar="BYTES")


# What is sent to user space, laid out as a struct of C. A text that comes last takes no more room than it
# needs.
class Event(Record):
    timestamp: Timestamp
    proc: Process
    count: u64
    file: CString[256]


events = Events("events", Event)


# Runs each time that the kernel calls vfs_read. The parameters are that function's own, with their C types,
# as many as are needed. What is known here and now, such as min_bytes, decides while the program is made;
# what only the kernel knows, such as count, becomes a branch.
@kprobe("vfs_read")
def on_read(file: "struct file *", buffer: "char __user *", count: u64):
    if count < min_bytes:
        return
    if discard_current():  # --pid, --tid, --uid, --gid, --comm and --mntns: not asked for, they cost nothing
        return
    event = events.reserve()
    if not event:  # pybpf insists on this check, as the kernel would
        return
    event.timestamp = ktime_get_boot_ns()
    fill_process(event.proc)
    event.count = count
    event.file = kstr(file.f_path.dentry.d_name.name)  # each dot after a kernel pointer reads its memory
    events.submit(event)
'''

_TEST = '''\
"""@NAME@ on the machine that pybpf has for tests: no kernel is asked, no privilege needed."""

from pathlib import Path

from pybpf.testing import machine
from pybpf.vm import Task

PROGRAM = Path(__file__).with_name("@NAME@.py")


def read(made, name, count):
    """Do as the kernel does when a file is read: objects of its types, and a call."""
    dentry = made.kernel.new("struct dentry", d_name={"name": name})
    file = made.kernel.new("struct file", f_path={"dentry": dentry})
    made.call("on_read", file, 0, count)


def test_a_large_read_is_shown():
    made = machine(PROGRAM)
    made.task = Task(pid=100, comm="cat")
    read(made, "notes.txt", 8192)
    (event,) = made.maps["events"].records()
    assert (event["file"], event["count"]) == (b"notes.txt", 8192)
    assert (event["proc.comm"], event["proc.pid"]) == (b"cat", 100)


def test_a_small_one_is_not():
    made = machine(PROGRAM, min=100)
    for count in (99, 100):
        read(made, "notes.txt", count)
    assert [event["count"] for event in made.maps["events"].records()] == [100]


def test_of_one_process_only():
    for pid, events in ((100, 1), (101, 0)):
        made = machine(PROGRAM, pid=pid)
        made.task = Task(pid=100)
        read(made, "notes.txt", 8192)
        assert len(made.maps["events"].records()) == events
'''


def add_arguments(parser: Parser, words: Sequence[str]) -> None:
    parser.description = (
        "Write NAME.py, a commented probe that runs as it is (pybpf run ./NAME.py), and test_NAME.py, its"
        " test (pytest test_NAME.py), into the folder that you are in. Change them to what you want to see."
    )
    parser.add_argument("name", metavar="NAME", help="letters, digits and _, such as my_probe")


def run(args: argparse.Namespace) -> int:
    """Write the two files, or neither."""
    name: str = args.name
    if not name.isidentifier() or keyword.iskeyword(name):
        better = "".join(letter if letter.isalnum() else "_" for letter in name.removesuffix(".py"))
        cure = f", such as {better}" if better.isidentifier() and not keyword.iskeyword(better) else ""
        raise UsageError(f"{name!r} can't be the name of a program: use letters, digits and _{cure}")
    if name in shipped():
        raise UsageError(f"pybpf has a program of the name {name!r}: choose another")
    files = {Path(f"{name}.py"): _PROBE, Path(f"test_{name}.py"): _TEST}
    for path in files:
        if path.exists() or path.is_symlink():
            raise UsageError(f"{path} is here already: choose another name, or remove it")
    for path, text in files.items():
        with path.open("x", encoding="utf-8") as file:
            file.write(text.replace("@NAME@", name))
    sys.stdout.write(f"{name}.py: a probe; run it by `pybpf run ./{name}.py`\n")
    sys.stdout.write(f"test_{name}.py: its test; run it by `pytest test_{name}.py`\n")
    return 0
