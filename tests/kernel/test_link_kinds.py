"""Each kind of attachment: a probe that counts, attached, made to run so many times, and taken off."""

from __future__ import annotations

import ctypes
import os
import socket
import time
from collections.abc import Callable

import pytest

from pybpf import features, link, load
from pybpf.asm import ops
from pybpf.asm.ops import R0
from pybpf.dsl.kinds import KINDS
from pybpf.elf.symbols import symbols_of
from pybpf.errors import LoadError
from pybpf.link import uprobe
from pybpf.spec import Attach, Function, ObjectSpec, ProgramSpec
from pybpf.sys import libraries

HEAD = """
from pybpf.dsl import *
from pybpf.helpers import *

counts = ArrayMap("counts", u64, 2)
me = Param("me", u32, 0, "this process")

@func
def count(value):
    if current.pid == me:
        counts.add(0)
        counts[1] = value
"""
GETPPID = 110  # x86-64
LIBC = ctypes.CDLL(None)
Load = Callable[[str], load.Loaded]

pytestmark = pytest.mark.usefixtures("tracefs")


def attach(loaded: load.Loaded) -> link.Link:
    (program,) = loaded.programs.values()
    how = program.spec.attach
    (symbol,) = link.resolve(how.functions, how.kind).found
    return link.attach(how.kind, program.fileno(), symbol, pid=how.pid)


def count(loaded: load.Loaded) -> int:
    value = loaded.maps["counts"][0]
    assert isinstance(value, int)
    return value


def ask_for_the_parent() -> None:
    os.getppid()


def read_some_bytes() -> None:
    with open(__file__, "rb", buffering=0) as file:
        file.seek(7)
        assert len(file.read(10)) == 10


def ask_for_the_page_size() -> None:
    LIBC.getauxval(6)


# A probe; what makes it run once in this process, and what it sees then.
PROBES = {
    "raw_tracepoint": (
        """
@raw_tracepoint("sys_enter")
def probe(regs: "struct pt_regs *", number: u64):
    if number == 110:
        count(number)
""",
        ask_for_the_parent,
        GETPPID,
    ),
    "tp_btf": (
        """
@tp_btf("sys_exit")
def probe(regs: "struct pt_regs *", result: i64):
    if regs.orig_ax == 110:
        count(regs.orig_ax)
""",
        ask_for_the_parent,
        GETPPID,
    ),
    "tracepoint": (
        """
@tracepoint("raw_syscalls/sys_enter")
def probe(ctx: "struct trace_event_raw_sys_enter *"):
    if ctx.id == 110:
        count(u64(ctx.id))
""",
        ask_for_the_parent,
        GETPPID,
    ),
    "uprobe": (
        """
@uprobe("libc.so.6:getauxval")
def probe(type: u64):
    count(type)
""",
        ask_for_the_page_size,
        6,
    ),
    "uretprobe": (
        """
@uretprobe("libc.so.6:getauxval")
def probe(value: u64):
    count(value)
""",
        ask_for_the_page_size,
        os.sysconf("SC_PAGESIZE"),
    ),
    "fentry": (
        """
@fentry("vfs_read")
def probe(file: "struct file *", buf: "char __user *", size: u64):
    if size == 10:
        count(u64(file.f_pos))
""",
        read_some_bytes,
        7,
    ),
    "fexit": (
        """
@fexit("vfs_read")
def probe(file: "struct file *", buf: "char __user *", size: u64, pos: "u64 *", ret: i64):
    if size == 10:
        count(u64(ret) if ret > 0 else 0)
""",
        read_some_bytes,
        10,
    ),
}


def send_a_packet() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(bytes(1000), ("127.0.0.1", 9))


# An IPv4 and a UDP header, and the refusal that comes back, which is shorter.
PACKETS = {
    "socket_filter": (
        """
@socket_filter("lo")
def probe(skb: "struct __sk_buff *"):
    if skb.len > 1000:
        counts.add(0)
        counts[1] = u64(skb.len)
    return 0
""",
        2 * 10,  # it goes out, and comes in
        14 + 20 + 8 + 1000,
    ),
    "xdp": (
        """
@xdp("lo")
def probe(ctx: "struct xdp_md *"):
    some = Array[u8, 8]()
    if xdp_load_bytes(1000, some) == 0:
        counts.add(0)
        counts[1] = u64(ctx.ingress_ifindex)
    return 2
""",
        10,
        socket.if_nametoindex("lo"),
    ),
    "tc": (
        """
@tc("lo")
def probe(skb: "struct __sk_buff *"):
    if skb.len > 1000:
        counts.add(0)
        counts[1] = u64(skb.len)
    return -1
""",
        10,
        14 + 20 + 8 + 1000,
    ),
    "tc/egress": (
        """
@tc("lo", egress=True)
def probe(skb: "struct __sk_buff *"):
    if skb.len > 1000:
        counts.add(0)
        counts[1] = u64(skb.len)
    return -1
""",
        10,
        14 + 20 + 8 + 1000,
    ),
}


@pytest.mark.parametrize(
    "kind",
    [
        "socket_filter",
        pytest.param("xdp", marks=pytest.mark.needs("xdp_load_bytes")),
        pytest.param("tc", marks=pytest.mark.needs("tcx")),
        pytest.param("tc/egress", marks=pytest.mark.needs("tcx")),
    ],
)
def test_packets(loaded: Load, kind: str) -> None:
    text, times, seen = PACKETS[kind]
    made = loaded(text)
    with attach(made) as attached:
        for _ in range(10):
            send_a_packet()
        assert (count(made), made.maps["counts"][1]) == (times, seen)
        assert attached.info().symbol == "lo"
    send_a_packet()
    assert count(made) == times


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=pytest.mark.needs("fentry")) if kind in ("fentry", "fexit") else kind
        for kind in PROBES
    ],
)
def test_it_runs_while_attached_and_no_longer(loaded: Load, kind: str) -> None:
    text, work, seen = PROBES[kind]
    made = loaded(text)
    work()
    with attach(made) as attached:
        assert count(made) == 0
        for _ in range(10):
            work()
        assert (count(made), made.maps["counts"][1]) == (10, seen)
        info = attached.info()
        (place,) = made.spec.programs[0].attach.functions
        assert (info.kind, info.symbol) == (kind, place.names[0])
        assert info.id > 0 or (kind in ("tracepoint", "uprobe", "uretprobe") and not features.perf_link())
        assert repr(attached) == f"<{kind} {place.names[0]}: attached>"
    work()
    assert count(made) == 10
    assert repr(attached) == f"<{kind} {place.names[0]}: detached>"


@pytest.mark.parametrize(("rate", "least", "most"), [("freq=1000", 50, 400), ("period=1000000", 50, 400)])
def test_samples(loaded: Load, rate: str, least: int, most: int) -> None:
    """200 ms of work on the processor, a sample each millisecond of it; two cores share the rest."""
    made = loaded(f"""
@perf_event("task-clock", {rate})
def probe(ctx: "struct bpf_perf_event_data *"):
    count(ctx.regs.ip)
""")
    with attach(made) as attached:
        end = time.process_time() + 0.2
        while time.process_time() < end:
            pass
        assert (attached.info().id > 0) is bool(features.perf_link())
    assert least <= count(made) <= most
    before = count(made)
    sum(range(1_000_000))
    assert count(made) == before


@pytest.mark.parametrize("kind", ["uprobe", "uretprobe"])
def test_a_probe_of_one_process_only(loaded: Load, kind: str) -> None:
    text = f"@{kind}('libc.so.6:getauxval', pid={{}})\ndef probe(x: u64):\n    counts.add(0)\n"
    made = loaded(text.format(os.getpid()))
    with attach(made):
        ask_for_the_page_size()
        assert count(made) == 1
    (program,) = made.spec.programs
    assert program.attach.pid == os.getpid()


def test_one_process_only(loaded: Load) -> None:
    made = loaded(PROBES["uprobe"][0])
    (program,) = made.programs.values()
    for pid, times in ((os.getppid(), 0), (os.getpid(), 1)):
        with uprobe.attach(program.fileno(), "libc.so.6:getauxval", pid=pid):
            ask_for_the_page_size()
            assert count(made) == times


def test_a_place_in_a_file(loaded: Load) -> None:
    """By the offset, and by the distance from a symbol: the same place."""
    made = loaded(PROBES["uprobe"][0])
    (program,) = made.programs.values()
    path = libraries.find("libc.so.6")
    offset = symbols_of(path).offsets["getauxval"]
    for symbol in (f"{path}:{offset:#x}", f"{path}:getauxval+0x0"):
        before = count(made)
        with uprobe.attach(program.fileno(), symbol):
            ask_for_the_page_size()
        assert count(made) == before + 1


def test_a_record_that_is_shorter_than_what_the_probe_reads(loaded: Load) -> None:
    made = loaded(
        """
@tracepoint("syscalls/sys_enter_getppid")
def probe(ctx: "struct trace_event_raw_sys_enter *"):
    count(u64(ctx.id))
"""
    )
    with pytest.raises(LoadError) as caught:
        attach(made)
    assert str(caught.value) == (
        "tracepoint syscalls/sys_enter_getppid: the program reads past the end of its record: see"
        " /sys/kernel/tracing/events/syscalls/sys_enter_getppid/format"
    )


@pytest.mark.parametrize(
    ("kind", "place", "why"),
    [
        ("raw_tracepoint", "sys_entre", "this kernel has no such tracepoint (did you mean sys_enter"),
        (
            "tracepoint",
            "sched/sched_swich",
            "this kernel has no such tracepoint (did you mean 'sched_switch'",
        ),
        ("tracepoint", "shed/sched_switch", "this kernel has no tracepoints of 'shed' (did you mean 'sched'"),
        ("uprobe", "libc.so.6:mallok", " has no function 'mallok' (did you mean 'malloc'"),
        ("uprobe", "/no/such:main", "there is no such file: /no/such"),
        ("uprobe", "nosuchlib.so:f", "no library or program of that name is installed: nosuchlib.so"),
        ("uprobe", "/etc/passwd:main", "/etc/passwd is no ELF file, or damaged: "),
        ("xdp", "lol", "this network namespace has no such interface (did you mean 'lo'"),
        ("perf_event", "cpu-clok/freq=99/", "there is no event 'cpu-clok' (did you mean 'cpu-clock'"),
    ],
)
def test_places_that_are_not_there(kind: str, place: str, why: str) -> None:
    found, missing = link.resolve([Function((place,)), Function((place,), optional=True)], kind)
    assert found == ()
    ((name, said),) = missing
    assert name == place
    assert why in said


@pytest.mark.parametrize(
    ("kind", "place", "why"),
    [
        ("raw_tracepoint", "sys_entre", "this kernel has no such tracepoint"),
        ("tracepoint", "sched/sched_swich", "this kernel has no such tracepoint"),
        ("uprobe", "/bin/true:no_such", "/bin/true has no function 'no_such'"),
        ("uprobe", "/usr:0x10", "the kernel doesn't take this place in /usr: is it a file that is run?"),
        ("perf_event", "cpu-clock/freq=100000000/", "kernel.perf_event_max_sample_rate allows "),
    ],
)
def test_a_refusal_leaves_nothing_open(kind: str, place: str, why: str) -> None:
    before = sorted(os.listdir("/proc/self/fd"))
    with load.load(ObjectSpec("p", (empty(kind),), ())) as made, pytest.raises(LoadError) as caught:
        link.attach(kind, made.programs["p"].fileno(), place)
    assert str(caught.value).startswith(f"{kind} {place}: {why}")
    assert caught.value.name == place
    assert sorted(os.listdir("/proc/self/fd")) == before


def empty(kind: str) -> ProgramSpec:
    return ProgramSpec("p", KINDS[kind].type, (ops.mov64(R0, 0), ops.exit_()), Attach(kind, ()))


def test_a_tracing_program_without_its_place() -> None:
    code = (ops.mov64(R0, 0), ops.exit_())
    for kind, names, why in (
        ("tp_btf", ("sys_entre",), "sys_entre: this kernel has no such tracepoint (did you mean sys_enter"),
        ("fentry", ("vfs_raed",), "vfs_raed: this kernel has no such function (did you mean vfs_read"),
    ):
        attach_type = KINDS[kind].attach_type
        program = ProgramSpec(
            "p", KINDS[kind].type, code, Attach(kind, (Function(names),)), attach_type=attach_type
        )
        with pytest.raises(LoadError) as caught:
            load.load(ObjectSpec("p", (program,), ()))
        assert str(caught.value).startswith(f"program p: {why}")
