"""The other kinds: what is asked of the kernel, which places there are, and what is said of a refusal."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from pybpf import features, link
from pybpf.dsl import kinds
from pybpf.elf.usdt import Site
from pybpf.errors import BpfError, LoadError, SyscallError, UnsupportedFeature
from pybpf.features.usdt import Found
from pybpf.link import event, interfaces, perf_event, raw_tracepoint, uprobe
from pybpf.spec import Function
from pybpf.sys import Fd, cpus, kallsyms, libraries, perf, tracefs
from pybpf.sys.mounts import Mount
from pybpf.uapi import bpf

SYMBOLS = b"ffffffff81000200 T __traceiter_sys_enter\nffffffff81000300 t __traceiter_ext4_sync\t[ext4]\n"
TRACEFS = {
    "events": ["sched", "syscalls"],
    "events/sched": ["sched_switch", "sched_wakeup"],
    "events/syscalls": ["sys_enter_openat"],
}


class Kernel:
    """Writes down what is asked of it; refuses where it was told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.refuses: dict[str, int] = {}

    def open_event(self, what: str, cpu: int, *, pid: int = -1, **fields: Any) -> Fd:
        self.asked.append(("perf_event_open", cpu, pid, fields))
        if "perf_event_open" in self.refuses:
            raise SyscallError("perf_event_open", self.refuses["perf_event_open"])
        return Fd(-1, what)

    def command(self, number: int, **fields: Any) -> int:
        names = {
            bpf.BPF_LINK_CREATE: "BPF_LINK_CREATE",
            bpf.BPF_RAW_TRACEPOINT_OPEN: "BPF_RAW_TRACEPOINT_OPEN",
        }
        call = f"bpf({names[number]})"
        self.asked.append((call, fields))
        if call in self.refuses:
            raise SyscallError(call, self.refuses[call])
        return -1


@pytest.fixture(autouse=True)
def kernel(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kernel]:
    made = Kernel()
    features.uprobe.cache_clear()
    monkeypatch.setattr(perf, "open_event", made.open_event)
    monkeypatch.setattr(perf, "pmu_type", lambda name: 9)
    monkeypatch.setattr(perf, "pmu_bit", lambda name, term: 0)
    for module in (event, raw_tracepoint, interfaces):
        monkeypatch.setattr(module, "command", made.command)
    monkeypatch.setattr(cpus, "online", lambda: (0, 2))
    monkeypatch.setattr(kallsyms, "_text", lambda: SYMBOLS)
    monkeypatch.setattr(kallsyms, "read_bytes", lambda path: b"")
    monkeypatch.setattr(tracefs, "path", lambda: "/tracefs")
    monkeypatch.setattr(tracefs, "read", lambda name: b"")
    monkeypatch.setattr(tracefs, "names", lambda folder: TRACEFS.get(folder, []))
    monkeypatch.setattr(
        tracefs,
        "tracepoint_id",
        lambda category, name: 300 if name in TRACEFS.get(f"events/{category}", []) else None,
    )
    monkeypatch.setattr(libraries, "find", lambda name: "/lib/libc.so.6" if name == "libc.so.6" else "")
    monkeypatch.setattr(uprobe, "symbols_of", lambda path: SimpleNamespace(offsets={"malloc": 0x1230}))
    monkeypatch.setattr(interfaces.socket, "if_nameindex", lambda: [(1, "lo"), (2, "eth0")])
    monkeypatch.setattr(interfaces.socket, "if_nametoindex", {"lo": 1, "eth0": 2}.__getitem__)
    monkeypatch.setattr(perf_event, "read_text", lambda path: "50000")
    yield made
    features.uprobe.cache_clear()


def test_every_kind_of_probe_can_be_attached() -> None:
    assert {kind.partition(".")[0] for kind in link.KINDS} == set(kinds.KINDS)


def link_of_event(cookie: int = 0) -> tuple[str, dict[str, int]]:
    fields = {"prog_fd": 3, "target_fd": -1, "attach_type": bpf.BPF_PERF_EVENT, "bpf_cookie": cookie}
    return "bpf(BPF_LINK_CREATE)", fields


@pytest.mark.parametrize(
    ("kind", "symbol", "asked"),
    [
        ("tracepoint", "sched/sched_switch", [(0, {"type": 2, "config": 300})]),
        (
            "uprobe",
            "libc.so.6:malloc+0x4",
            [(0, {"type": 9, "config": 0, "config1": b"/lib/libc.so.6\0", "config2": 0x1234})],
        ),
        (
            "uretprobe",
            "libc.so.6:0x99",
            [(0, {"type": 9, "config": 1, "config1": b"/lib/libc.so.6\0", "config2": 0x99})],
        ),
        (
            "perf_event",
            "cpu-clock/freq=99/",
            [(cpu, {"type": 1, "config": 0, "sample_period": 99, "flags": 1 << 10}) for cpu in (0, 2)],
        ),
        (
            "perf_event",
            "cache-misses/period=1000/",
            [(cpu, {"type": 0, "config": 3, "sample_period": 1000, "flags": 0}) for cpu in (0, 2)],
        ),
    ],
)
def test_events(
    monkeypatch: pytest.MonkeyPatch, kernel: Kernel, kind: str, symbol: str, asked: list[tuple[int, Any]]
) -> None:
    monkeypatch.setattr(Fd, "fileno", lambda self: -1)
    assert repr(link.attach(kind, 3, symbol)) == f"<{kind} {symbol}: detached>"
    wanted: list[tuple[Any, ...]] = []
    for cpu, fields in asked:
        wanted += [("perf_event_open", cpu, -1, fields), link_of_event()]
    assert kernel.asked == wanted


@pytest.mark.parametrize(
    ("kind", "symbol", "call", "fields"),
    [
        (
            "raw_tracepoint",
            "sys_enter",
            "RAW_TRACEPOINT_OPEN",
            {"prog_fd": 3, "cookie": 0, "name": b"sys_enter\0"},
        ),
        ("tp_btf", "sys_enter", "RAW_TRACEPOINT_OPEN", {"prog_fd": 3, "cookie": 0}),
        ("fentry", "vfs_read", "RAW_TRACEPOINT_OPEN", {"prog_fd": 3, "cookie": 0}),
        ("fexit", "vfs_read", "RAW_TRACEPOINT_OPEN", {"prog_fd": 3, "cookie": 0}),
        ("xdp", "eth0", "LINK_CREATE", {"prog_fd": 3, "target_fd": 2, "attach_type": bpf.BPF_XDP}),
        ("tc", "lo", "LINK_CREATE", {"prog_fd": 3, "target_fd": 1, "attach_type": bpf.BPF_TCX_INGRESS}),
        (
            "tc/egress",
            "lo",
            "LINK_CREATE",
            {"prog_fd": 3, "target_fd": 1, "attach_type": bpf.BPF_TCX_EGRESS},
        ),
    ],
)
def test_links(kernel: Kernel, kind: str, symbol: str, call: str, fields: dict[str, Any]) -> None:
    link.attach(kind, 3, symbol)
    assert kernel.asked == [(f"bpf(BPF_{call})", fields)]


@pytest.mark.parametrize(
    ("kind", "symbol", "asked", "since"),
    [
        ("tracepoint", "sched/sched_switch", link_of_event(5), "perf events (since Linux 5.15)"),
        (
            "tp_btf",
            "sys_enter",
            ("bpf(BPF_RAW_TRACEPOINT_OPEN)", {"prog_fd": 3, "cookie": 5}),
            "tp_btf (since Linux 6.10)",
        ),
        (
            "fexit",
            "vfs_read",
            (
                "bpf(BPF_LINK_CREATE)",
                {"prog_fd": 3, "attach_type": bpf.BPF_TRACE_FEXIT, "tracing_cookie": 5},
            ),
            "fexit (since Linux 5.19)",
        ),
    ],
)
def test_cookies(
    monkeypatch: pytest.MonkeyPatch, kernel: Kernel, kind: str, symbol: str, asked: Any, since: str
) -> None:
    monkeypatch.setattr(Fd, "fileno", lambda self: -1)
    assert link.attach(kind, 3, symbol, 5).cookie == 5
    assert kernel.asked[-1] == asked
    kernel.refuses[asked[0]] = errno.EINVAL
    with pytest.raises(UnsupportedFeature) as caught:
        link.attach(kind, 3, symbol, 5)
    assert str(caught.value) == f"this kernel has no cookies of {since}: write a probe for each place"


@pytest.mark.parametrize(
    ("kind", "symbol", "call", "code", "error", "text"),
    [
        (
            "tracepoint",
            "sched/sched_switch",
            "bpf(BPF_LINK_CREATE)",
            errno.EACCES,
            LoadError,
            "{}: the program reads past the end of its record: see /tracefs/events/sched/sched_switch/format",
        ),
        (
            "raw_tracepoint",
            "sys_entre",
            "bpf(BPF_RAW_TRACEPOINT_OPEN)",
            errno.ENOENT,
            LoadError,
            "{}: this kernel has no such tracepoint (did you mean sys_enter?)",
        ),
        (
            "raw_tracepoint",
            "sys_enter",
            "bpf(BPF_RAW_TRACEPOINT_OPEN)",
            errno.EINVAL,
            SyscallError,
            "bpf(BPF_RAW_TRACEPOINT_OPEN): Invalid argument (EINVAL): {}",
        ),
        (
            "fentry",
            "vfs_read",
            "bpf(BPF_RAW_TRACEPOINT_OPEN)",
            errno.EBUSY,
            LoadError,
            "{}: another program has the function (live patching, or ftrace with its own trampoline)",
        ),
        (
            "fexit",
            "vfs_read",
            "bpf(BPF_RAW_TRACEPOINT_OPEN)",
            errno.E2BIG,
            LoadError,
            "{}: as many programs as the kernel allows (38) are on this function already",
        ),
        (
            "fentry",
            "vfs_read",
            "bpf(BPF_RAW_TRACEPOINT_OPEN)",
            524,
            LoadError,
            "{}: this kernel has no trampolines for this architecture: kprobe works there",
        ),
        (
            "fentry",
            "vfs_read",
            "bpf(BPF_RAW_TRACEPOINT_OPEN)",
            errno.EINVAL,
            LoadError,
            "{}: it can't be traced: the kernel does not allow it",
        ),
        (
            "uprobe",
            "libc.so.6:malloc",
            "perf_event_open",
            errno.EIO,
            LoadError,
            "{}: /lib/libc.so.6 lies on a file system that has no pages to put a breakpoint in",
        ),
        (
            "uretprobe",
            "libc.so.6:malloc+1",
            "perf_event_open",
            524,
            LoadError,
            "{}: there is an instruction at this place that can't be probed",
        ),
        (
            "perf_event",
            "cycles/freq=99/",
            "perf_event_open",
            errno.ENOENT,
            LoadError,
            "{}: this processor, or the virtual machine, doesn't count that: cpu-clock works everywhere",
        ),
        (
            "perf_event",
            "cpu-clock/freq=50001/",
            "perf_event_open",
            errno.EINVAL,
            LoadError,
            "{}: kernel.perf_event_max_sample_rate allows 50000 a second",
        ),
        (
            "perf_event",
            "cpu-clock/freq=99/",
            "perf_event_open",
            errno.EMFILE,
            SyscallError,
            "perf_event_open: Too many open files (EMFILE): {}",
        ),
        (
            "xdp",
            "lo",
            "bpf(BPF_LINK_CREATE)",
            errno.EBUSY,
            SyscallError,
            "bpf(BPF_LINK_CREATE): Device or resource busy (EBUSY): {}",
        ),
        (
            "tc",
            "lo",
            "bpf(BPF_LINK_CREATE)",
            errno.EINVAL,
            UnsupportedFeature,
            "this kernel has no tcx (since Linux 6.6): xdp, or a socket_filter, sees packets too",
        ),
    ],
)
def test_a_refusal_and_its_cause(
    monkeypatch: pytest.MonkeyPatch,
    kernel: Kernel,
    kind: str,
    symbol: str,
    call: str,
    code: int,
    error: type[BpfError],
    text: str,
) -> None:
    kernel.refuses[call] = code
    monkeypatch.setattr(Fd, "fileno", lambda self: -1)
    with pytest.raises(error) as caught:
        link.attach(kind, 3, symbol)
    assert str(caught.value) == text.format(f"{kind} {symbol}")
    assert getattr(caught.value, "name", symbol) in (symbol, "tcx")


@pytest.mark.parametrize(
    ("kind", "there", "missing", "why"),
    [
        (
            "tracepoint",
            "sched/sched_switch",
            "sched/sched_swich",
            "this kernel has no such tracepoint (did you mean 'sched_switch'?)",
        ),
        (
            "tracepoint",
            "syscalls/sys_enter_openat",
            "shed/x",
            "this kernel has no tracepoints of 'shed' (did you mean 'sched'?)",
        ),
        (
            "tp_btf",
            "ext4_sync",
            "ext4_synk",
            "this kernel has no such tracepoint (did you mean ext4_sync?)",
        ),
        (
            "uprobe",
            "libc.so.6:malloc",
            "libc.so.6:malok",
            "/lib/libc.so.6 has no function 'malok' (did you mean 'malloc'?)",
        ),
        (
            "uprobe",
            "libc.so.6:0x10",
            "nosuch:f",
            "no library or program of that name is installed: nosuch",
        ),
        ("uretprobe", "libc.so.6:malloc+8", "/nosuch:f", "there is no such file: /nosuch"),
        (
            "perf_event",
            "page-faults/period=1/",
            "cpu-clok/freq=1/",
            "there is no event 'cpu-clok' (did you mean 'cpu-clock'?)",
        ),
        ("tc", "eth0", "eth1", "this network namespace has no such interface (did you mean 'eth0'?)"),
    ],
)
def test_places(kind: str, there: str, missing: str, why: str) -> None:
    wanted = [Function((missing, there)), Function((missing,), optional=True), Function((missing,))]
    assert link.resolve(wanted, kind) == ((there,), (link.Missing(missing, why),))


@pytest.mark.parametrize(
    ("mounted", "why"),
    [
        ([], "tracefs is not mounted: mount -t tracefs nodev /sys/kernel/tracing"),
        (
            [Mount("/sys/kernel/tracing", "tracefs")],
            "this user may not look into /sys/kernel/tracing: run it as root (sudo), or give it"
            " CAP_DAC_READ_SEARCH",
        ),
    ],
)
def test_without_tracefs_there_are_no_tracepoints(
    monkeypatch: pytest.MonkeyPatch, mounted: list[Mount], why: str
) -> None:
    monkeypatch.setattr(tracefs, "path", lambda: None)
    monkeypatch.setattr(tracefs, "mounts", lambda: mounted)
    monkeypatch.setattr(tracefs, "tracepoint_id", lambda category, name: None)
    with pytest.raises(LoadError) as caught:
        link.attach("tracepoint", 3, "sched/sched_switch")
    assert str(caught.value) == f"tracepoint sched/sched_switch: {why}"


def test_a_kernel_without_uprobes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perf, "pmu_type", lambda name: None)
    monkeypatch.setattr(tracefs, "exists", lambda name: False)
    with pytest.raises(UnsupportedFeature, match=r"^this kernel has no uprobes: it was built "):
        link.attach("uprobe", 3, "libc.so.6:malloc")


@pytest.mark.parametrize(("counter", "config"), [(32, 0x88 << 32), (0, None)])
def test_the_semaphore_of_a_usdt_probe(
    monkeypatch: pytest.MonkeyPatch, kernel: Kernel, counter: int, config: int | None
) -> None:
    bits = {"retprobe": 0, "ref_ctr_offset": counter}
    monkeypatch.setattr(perf, "pmu_bit", lambda name, term: bits[term])
    monkeypatch.setattr(Fd, "fileno", lambda self: -1)
    sites = (Site("a", "b", 0x10, 0x88, ""), Site("a", "b", 0x20, 0, ""))
    monkeypatch.setattr(features, "usdt_sites", lambda place: Found("/lib/x.so", sites))
    if config is None:
        with pytest.raises(UnsupportedFeature) as caught:
            link.attach("usdt", 3, "x:a:b")
        assert str(caught.value) == (
            "this kernel has no semaphores of USDT probes (since Linux 4.20): run a newer kernel"
        )
        return
    made = link.attach("usdt", 3, "x:a:b")
    assert (made.kind, made.symbol) == ("usdt", "x:a:b")
    opened = [fields for call, *_, fields in kernel.asked if call == "perf_event_open"]
    assert [(each["config"], each["config2"]) for each in opened] == [(config, 0x10), (0, 0x20)]
