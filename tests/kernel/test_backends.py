"""Back-ends of probes on kernel functions: the same events by each, nothing left, misses counted."""

from __future__ import annotations

import contextlib
import errno
import functools
import json
import os
import re
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pybpf import features
from pybpf.errors import LoadError, SyscallError
from pybpf.gadget.clock import Clock
from pybpf.gadget.fields import fields
from pybpf.gadget.inflight import InFlight
from pybpf.gadget.output.json import JsonLines
from pybpf.gadget.programs import Program, load
from pybpf.gadget.session import Session
from pybpf.link import fentry, kprobe_events
from pybpf.link.functions import absent
from pybpf.spec import BACKENDS
from pybpf.sys import kallsyms

pytestmark = [
    pytest.mark.needs("kprobes", "kernel_memory", "btf"),
    pytest.mark.usefixtures("tracefs"),
]

EVENTS = Path("/sys/kernel/tracing/kprobe_events")
HEADER = """\
from pybpf import Events, Gadget, Record, i32, i64, kprobe, kretprobe, u32, u64
from pybpf.helpers import current

gadget = Gadget("test", columns="what value")


class Event(Record):
    what: u32
    value: i64


events = Events("events", Event)


"""
LSEEK = """\
@kprobe("lseek", syscall=True)
def entry(fd: i32, offset: i64, whence: u32):
    if current.pid == {pid} and whence == 1:
        event = events.reserve()
        if event:
            event.what = 1
            event.value = offset
            events.submit(event)


@kretprobe("lseek", syscall=True)
def leave(ret: i64):
    if current.pid == {pid}:
        event = events.reserve()
        if event:
            event.what = 2
            event.value = ret
            events.submit(event)
"""
POLL = """\
@kretprobe("poll", syscall=True, maxactive=1)
def leave(ret: i64):
    if current.pid == {pid}:
        event = events.reserve()
        if event:
            event.what = 3
            event.value = ret
            events.submit(event)
"""
FUNCTION = "__x64_sys_getpriority"  # nobody calls it by the way
INSIDE = """\
@kprobe("{where}")
def inside():
    if current.pid == {pid}:
        event = events.reserve()
        if event:
            event.what = 4
            event.value = 0
            events.submit(event)
"""


WAITING = """\
from pybpf import HashMap
from pybpf.helpers import ktime_get_ns

gadget = Gadget("test", columns="what value", inflight="starts")
starts = HashMap("starts", u32, u64, max_entries=64)


@kprobe("poll", syscall=True)
def entry(fds: u64):
    if current.pid == {pid}:
        starts[current.tid] = ktime_get_ns()


@kretprobe("poll", syscall=True)
def leave(ret: i64):
    if starts.pop(current.tid) is None:
        return
    event = events.reserve()
    if event:
        event.what = 5
        event.value = ret
        events.submit(event)
"""


SINCE = {"fentry": (5, 11), "session": (6, 10), "multi": (5, 18), "kprobe": (4, 17), "tracefs": (4, 1)}


def backends() -> list[str]:
    """Those that this kernel has, for functions of modules too."""
    there = {
        "fentry": Path("/sys/kernel/btf/ext4").exists() and features.fentry(),
        "session": features.kprobe_session(),
        "multi": features.kprobe_multi(),
        "kprobe": features.kprobe(),
        "tracefs": features.kprobe_events(),
    }
    return [name for name in BACKENDS if there[name]]


def written(folder: Path, text: str, **values: Any) -> Program:
    path = folder / "test.py"
    path.write_text(HEADER + text.format(pid=os.getpid(), **values))
    return load(str(path))


def shown(session: Session) -> list[dict[str, Any]]:
    lines = JsonLines(fields(session.layout, Clock()))
    batches = session.batches(timeout=0)
    return [json.loads(line) for batch in batches for line in lines.lines(batch).splitlines()]


def numbers(session: Session) -> list[tuple[int, int]]:
    return [(event["what"], event["value"]) for event in shown(session)]


def work(folder: Path) -> None:
    """One of each operation that trace_fsslower shows."""
    file = os.open(folder / "file", os.O_RDWR | os.O_CREAT)
    os.pwrite(file, b"12345", 10)
    os.pread(file, 100, 3)
    os.fsync(file)
    os.close(file)
    os.statvfs(folder)


DONE = [
    ("F_OPEN", "file", 0, 0),
    ("F_WRITE", "file", 10, 5),
    ("F_READ", "file", 3, 12),
    ("F_FSYNC", "file", 0, 2**63 - 1),
    ("F_STATFS", "/", 0, 0),
]


@pytest.mark.needs("ext4")
def test_which_this_kernel_has(ext4: Path) -> None:
    """A kernel has what its version has: nothing that is tried here fails for another reason."""
    version = tuple(map(int, os.uname().release.split(".")[:2]))
    expected = {name for name in BACKENDS if version >= SINCE[name]}
    if not kallsyms.find(["register_fprobe_ips"]):  # Debian's 6.1 is built without CONFIG_FPROBE
        expected -= {"multi"}
    assert set(backends()) == expected


@pytest.mark.needs("ext4")
@pytest.mark.parametrize("name", BACKENDS)
def test_the_same_events_by_each(ext4: Path, name: str) -> None:
    if name not in backends():
        pytest.skip(f"this kernel has no {name} ({'.'.join(map(str, SINCE[name]))})")
    with Session(load("trace_fsslower"), {"min": 0, "pid": os.getpid()}, attach=name, strict=True) as session:
        work(ext4)
        found = shown(session)
        (line,) = session.backends
        assert session.missed == {}
    assert line.startswith(f"{name} serves ext4_file_open, ")
    assert [tuple(event[field] for field in ("op", "file", "offset", "size")) for event in found] == DONE
    assert EVENTS.read_text() == ""


@pytest.mark.needs("ext4")
def test_the_best_is_chosen_and_the_reasons_said(ext4: Path) -> None:
    best = backends()[0]
    with Session(load("trace_fsslower"), {}, strict=True) as session:
        (line,) = session.backends
    assert line.startswith(f"{best} serves ext4_file_open, ext4_file_read_iter, ")
    if best == "kprobe":
        assert (
            "(not fentry: this kernel has no BTF of a module 'ext4' (since Linux 5.11): there is no" in line
        )
        assert "; not session: this kernel has no kprobe.session (6.10): " in line
    else:
        assert "(" not in line


@pytest.mark.needs("ext4")
def test_one_that_fails_is_replaced_at_that_place(monkeypatch: pytest.MonkeyPatch, ext4: Path) -> None:
    if backends()[0] != "fentry":
        pytest.skip("this kernel has no BTF of modules (5.11)")
    attach = fentry.open_link

    def refuse(kind: str, program: int, symbol: str, **options: Any) -> Any:
        if symbol == "ext4_file_open" and kind == "fentry":
            raise SyscallError("bpf(BPF_RAW_TRACEPOINT_OPEN)", errno.EBUSY)
        return attach(kind, program, symbol, **options)

    monkeypatch.setattr(fentry, "open_link", refuse)
    with Session(load("trace_fsslower"), {"min": 0, "pid": os.getpid()}, strict=True) as session:
        work(ext4)
        assert [event["op"] for event in shown(session)] == [op for op, *_ in DONE]
        lines = session.backends
    other = backends()[1]
    assert sorted(line.partition(" serves ")[0] for line in lines) == sorted(["fentry", other])
    why = "not fentry: fentry ext4_file_open: another program has the function "
    assert any(line.startswith(f"{other} serves ext4_file_open ({why}") for line in lines)


def test_system_calls_by_name(tmp_path: Path) -> None:
    program = written(tmp_path, LSEEK)
    with open("/proc/self/maps", "rb") as file:
        for name in ("auto", *backends()):
            os.lseek(file.fileno(), 0, os.SEEK_SET)
            with Session(program, {}, attach=name, strict=True) as session:
                os.lseek(file.fileno(), 123456789012, os.SEEK_CUR)
                found = [each for each in numbers(session) if each[1] == 123456789012]
                assert found == [(1, 123456789012), (2, 123456789012)], name


def test_places_inside_of_a_function_and_addresses(tmp_path: Path) -> None:
    (address,) = kallsyms.addresses(FUNCTION)
    for where in (f"{address:#x}", _second_instruction(FUNCTION)):
        for name in ("auto", "kprobe", "tracefs"):
            with Session(written(tmp_path, INSIDE, where=where), {}, attach=name) as session:
                os.getpriority(os.PRIO_PROCESS, 0)
                assert numbers(session) == [(4, 0)], (where, name)
                serving = "kprobe" if name == "auto" else name
                assert session.backends[0].startswith(f"{serving} serves {where}")
    with pytest.raises(LoadError) as caught, Session(written(tmp_path, INSIDE, where=f"{FUNCTION}+0x1"), {}):
        pass
    assert "offset 1 is not the start of an instruction of it" in str(caught.value)


def _second_instruction(function: str) -> str:
    """A place in it: after endbr64, where kernels are built with it, and after the call of ftrace."""
    with contextlib.suppress(LoadError):
        _probe(f"{function}+0x5")
        return f"{function}+0x5"
    _probe(f"{function}+0x9")
    return f"{function}+0x9"


def _probe(symbol: str) -> None:
    from pybpf import link
    from pybpf.asm import link as assemble
    from pybpf.asm import ops
    from pybpf.features.feature import trial

    with trial(assemble([ops.mov64(ops.R0, 0), ops.exit_()])) as program:
        link.attach("kprobe", program.fileno(), symbol).close()


def test_returns_that_are_missed_are_counted(tmp_path: Path) -> None:
    program = written(tmp_path, POLL)
    with Session(program, {}, attach="tracefs", strict=True) as session:
        _wait_together(6)
        seen = numbers(session)
        missed = session.missed
    assert list(missed) == ["__x64_sys_poll"]
    assert len(seen) < 6
    assert len(seen) + missed["__x64_sys_poll"] >= 6
    assert session.missed == missed  # after the end, too


def test_what_is_under_way_is_listed_with_its_age(tmp_path: Path) -> None:
    with Session(written(tmp_path, WAITING), {}, strict=True) as session:
        found: list[list[InFlight]] = []
        _wait_together(2, lambda: found.append(session.in_flight()))
        (first, second), after = found[0], session.in_flight()
    assert first.age > second.age > 0
    assert first.said.startswith("key ")
    assert after == []


def test_room_is_made_for_returns(tmp_path: Path) -> None:
    text = POLL.replace("maxactive=1", "maxactive=100")
    for name in ("auto", "tracefs"):
        with Session(written(tmp_path, text), {}, attach=name, strict=True) as session:
            _wait_together(20)
            assert len(numbers(session)) >= 20  # the reader polls, too
            assert session.missed == {}


def _wait_together(count: int, then: Callable[[], object] = lambda: None) -> None:
    """So many threads inside of poll() at a time; something is done while they are."""
    read, write = os.pipe()

    def wait() -> None:
        poll = select.poll()
        poll.register(read, select.POLLIN)
        poll.poll()

    threads = [threading.Thread(target=wait) for _ in range(count)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 20
    for thread in threads:
        # The system call that it is in: 7 is poll, on x86-64.
        place = Path(f"/proc/self/task/{thread.native_id}/syscall")
        while not place.read_text().startswith("7 ") and time.monotonic() < end:
            time.sleep(0.01)
    then()
    os.write(write, b"x")
    for thread in threads:
        thread.join()
    os.close(read)
    os.close(write)


def test_what_a_killed_run_left_is_removed_by_the_next(tmp_path: Path) -> None:
    program = written(tmp_path, LSEEK)
    command = "import sys; from pybpf.cli import main; sys.exit(main())"
    words = [sys.executable, "-c", command, "run", program.path, "--attach", "tracefs"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert any("tracing" in line for line in process.stderr)
        ours = f"pybpf_{process.pid}/"
        assert EVENTS.read_text().count(ours) == 2
        assert kprobe_events.sweep() == []
        process.kill()
    assert EVENTS.read_text().count(ours) == 2
    with Session(program, {}):
        assert EVENTS.read_text().count(ours) == 0


@functools.cache
def _functions() -> set[str]:
    return set(re.findall(r" [tT] (\S+)", Path("/proc/kallsyms").read_text()))


def _renamed(suffix: str) -> Iterator[str]:
    """Functions of which there is only what the compiler made of them."""
    names = _functions()
    for name in names:
        base, _, rest = name.partition(".")
        if re.fullmatch(rf"{suffix}\.\d+", rest) and base not in names:
            yield base


@pytest.mark.parametrize(
    ("suffix", "words"),
    [
        ("isra", "the compiler changed it, and renamed it to {}.isra."),
        ("constprop", "the compiler changed it, and renamed it to {}.constprop."),
        ("part", "the compiler left only a part of it, {}.part."),
    ],
)
def test_functions_that_compilers_changed(suffix: str, words: str) -> None:
    name = next(_renamed(suffix), None)
    if name is None:
        pytest.skip(f"this kernel has no function of which only a .{suffix} is left")
    assert absent(name).startswith(words.format(name))
