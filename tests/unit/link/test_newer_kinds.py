"""Control groups, security hooks, iterators, netfilter: what is asked of the kernel, and what it says."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from pybpf import btf, features, link
from pybpf.btf.build import Builder
from pybpf.errors import BpfError, LoadError, SyscallError, UnsupportedFeature
from pybpf.features import Feature
from pybpf.link import cgroup, iterator, netfilter, raw_tracepoint
from pybpf.spec import Function
from pybpf.sys import Fd, cgroups, kallsyms
from pybpf.sys.mounts import Mount
from pybpf.uapi import bpf

SYMBOLS = (
    b"ffffffff81000300 t bpf_lsm_file_open\nffffffff81000400 T bpf_lsm_bpf\nffffffff81000500 T bpf_link_get\n"
)


class Kernel:
    """Writes down what is asked of it; refuses where it was told to. A descriptor leads to /etc/hostname."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.refuses = 0
        self.why = ""

    def command(self, number: int, **fields: Any) -> int:
        names = {
            bpf.BPF_LINK_CREATE: "LINK_CREATE",
            bpf.BPF_RAW_TRACEPOINT_OPEN: "RAW_TRACEPOINT_OPEN",
            bpf.BPF_ITER_CREATE: "ITER_CREATE",
        }
        self.asked.append({"call": names[number], **fields})
        if self.refuses:
            raise SyscallError(f"bpf(BPF_{names[number]})", self.refuses, self.why)
        return os.open("/dev/null" if "attach_type" in fields else __file__, os.O_RDONLY)


@pytest.fixture(autouse=True)
def kernel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Kernel:
    made = Kernel()
    for module in (cgroup, iterator, netfilter, raw_tracepoint):
        monkeypatch.setattr(module, "command", made.command)
    for name in ("bpf_lsm", "netfilter"):
        monkeypatch.setattr(features, name, lambda: Feature("it", "9.9"))
    (tmp_path / "system.slice" / "ssh.service").mkdir(parents=True)
    monkeypatch.setattr(cgroups, "mounts", lambda: [Mount("/", "ext4"), Mount(str(tmp_path), "cgroup2")])
    monkeypatch.setattr(kallsyms, "_text", lambda: SYMBOLS)
    types = Builder()
    types.function("bpf_iter_task")
    types.structure("bpf_iter__task", 0, [])
    parsed = btf.parse(types.finish())
    monkeypatch.setattr(btf, "kernel", lambda: parsed)
    return made


@pytest.mark.parametrize(
    ("kind", "symbol", "asked"),
    [
        (
            "netfilter",
            "ipv6/forward/-100",
            {"netfilter_pf": 10, "netfilter_hooknum": 2, "netfilter_priority": -100, "attach_type": 45},
        ),
        (
            "netfilter",
            "ipv4/local_in",
            {"netfilter_pf": 2, "netfilter_hooknum": 1, "netfilter_priority": 0, "attach_type": 45},
        ),
        ("lsm", "file_open", {"call": "RAW_TRACEPOINT_OPEN", "cookie": 0}),
        ("iterator", "task", {"attach_type": bpf.BPF_TRACE_ITER}),
    ],
)
def test_what_is_asked(kernel: Kernel, kind: str, symbol: str, asked: dict[str, Any]) -> None:
    with link.attach(kind, 3, symbol) as attached:
        assert (attached.kind, attached.symbol) == (kind, symbol)
    assert kernel.asked == [{"call": "LINK_CREATE", "prog_fd": 3, **asked}]


def test_a_control_group_by_its_path_or_its_name(kernel: Kernel, tmp_path: Path) -> None:
    for symbol in ("/system.slice/ssh.service", "/", str(tmp_path), f"{tmp_path}/system.slice"):
        with link.attach("cgroup/connect4", 3, symbol) as attached:
            assert (attached.kind, attached.symbol) == ("cgroup/connect4", symbol)
        asked = kernel.asked.pop()
        group = asked.pop("target_fd")
        assert not os.path.exists(f"/proc/self/fd/{group}")
        assert asked == {"call": "LINK_CREATE", "prog_fd": 3, "attach_type": bpf.BPF_CGROUP_INET4_CONNECT}


def test_a_control_group_that_goes_away(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "find", lambda name: "/no/such")
    with pytest.raises(LoadError) as caught:
        link.attach("cgroup/device", 3, "/x")
    assert str(caught.value) == "cgroup/device /x: /no/such can't be opened: No such file or directory"


def test_an_iterator_is_read(kernel: Kernel) -> None:
    with iterator.attach(3, "bpf_map_elem", map_fd=7) as attached:
        assert attached.read() == Path(__file__).read_bytes()
        assert attached.read() == Path(__file__).read_bytes()
        number = attached.fileno()
    assert kernel.asked == [
        {
            "call": "LINK_CREATE",
            "prog_fd": 3,
            "attach_type": bpf.BPF_TRACE_ITER,
            "iter_info": b"\x07" + bytes(15),
            "iter_info_len": 16,
        },
        {"call": "ITER_CREATE", "link_fd": number},
        {"call": "ITER_CREATE", "link_fd": number},
    ]


@pytest.mark.parametrize(
    ("kind", "symbol", "code", "why", "error", "text"),
    [
        (
            "cgroup/ingress",
            "/",
            errno.EPERM,
            "",
            LoadError,
            "{}: a program is there, or on a group above, that lets no other beside it",
        ),
        (
            "cgroup/ingress",
            "/",
            errno.EPERM,
            "CAP_NET_ADMIN is missing",
            SyscallError,
            "bpf(BPF_LINK_CREATE): Operation not permitted (EPERM): {}: CAP_NET_ADMIN is missing",
        ),
        (
            "cgroup/sysctl",
            "/system.slize",
            0,
            "",
            LoadError,
            "{}: there is no such control group in TMP (did you mean 'system.slice'?)",
        ),
        ("cgroup/sysctl", "/no/such", 0, "", LoadError, "{}: there is no control group /no in TMP"),
        (
            "netfilter",
            "ipv4/local_in",
            errno.EBUSY,
            "",
            LoadError,
            "{}: another program is there with priority 0: give it one of its own, ipv4/local_in/10",
        ),
        (
            "netfilter",
            "ipv4/locl_in",
            0,
            "",
            LoadError,
            "{}: there is no hook 'locl_in' (did you mean 'local_in'?): it is one of"
            " pre_routing, local_in, forward, local_out, post_routing",
        ),
        (
            "netfilter",
            "ipv5/x",
            0,
            "",
            LoadError,
            "{}: there is no family 'ipv5' (did you mean 'ipv6' or 'ipv4'?)",
        ),
        (
            "netfilter",
            "ipv4/forward",
            errno.ERANGE,
            "",
            SyscallError,
            "bpf(BPF_LINK_CREATE): Numerical result out of range (ERANGE): {}",
        ),
        (
            "iterator",
            "task",
            errno.EINVAL,
            "",
            SyscallError,
            "bpf(BPF_LINK_CREATE): Invalid argument (EINVAL): {}",
        ),
        (
            "iterator",
            "bpf_map_elem",
            0,
            "",
            LoadError,
            "{}: it goes through the elements of a map, and none is given",
        ),
    ],
)
def test_refusals(
    kernel: Kernel,
    tmp_path: Path,
    kind: str,
    symbol: str,
    code: int,
    why: str,
    error: type[BpfError],
    text: str,
) -> None:
    kernel.refuses, kernel.why = code, why
    with pytest.raises(error) as caught:
        link.attach(kind, 3, symbol)
    assert str(caught.value).replace(str(tmp_path), "TMP") == text.format(f"{kind} {symbol}")


@pytest.mark.parametrize(
    ("kind", "there", "missing", "why"),
    [
        ("lsm", "file_open", "file_opn", "this kernel has no such security hook (did you mean 'file_open'?)"),
        ("iterator", "task", "tasks", "this kernel has no iterator of that name (did you mean 'task'?)"),
        ("cgroup/egress", "/system.slice", "/user.slice/x", "there is no control group /user.slice in TMP"),
        (
            "netfilter",
            "ipv4/forward/5",
            "ipx/forward",
            "there is no family 'ipx'",
        ),
    ],
)
def test_places(tmp_path: Path, kind: str, there: str, missing: str, why: str) -> None:
    found, absent = link.resolve([Function((missing, there)), Function((missing,))], kind)
    assert found == (there,)
    assert [(name, said.replace(str(tmp_path), "TMP")) for name, said in absent] == [(missing, why)]


def test_nothing_to_look_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "mounts", lambda: [Mount("/", "ext4")])
    monkeypatch.setattr(kallsyms, "_text", lambda: b"")

    def no_btf() -> None:
        raise UnsupportedFeature("BTF", "5.2", "its kernel has none")

    monkeypatch.setattr(btf, "kernel", no_btf)
    for kind, why in (
        ("cgroup/device", "no control groups of version 2 are mounted: mount -t cgroup2 none /sys/fs/cgroup"),
        ("lsm", "the kernel was built without CONFIG_BPF_LSM, or its symbols can't be read: run it as root"),
        ("iterator", "this kernel has no BTF (since Linux 5.2): its kernel has none"),
    ):
        assert link.resolve([Function(("/x",))], kind) == ((), (link.Missing("/x", why),))


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (errno.EACCES, "read: Permission denied (EACCES): iterator task"),
        (
            errno.E2BIG,
            "read: Argument list too long (E2BIG): iterator task: it writes too much for one object",
        ),
    ],
)
def test_the_descriptor_that_iterates_is_closed(
    monkeypatch: pytest.MonkeyPatch, code: int, text: str
) -> None:
    opened: list[Fd] = []
    monkeypatch.setattr(iterator, "Fd", lambda number, what: opened.append(Fd(number, what)) or opened[-1])

    def read(fd: int, size: int) -> bytes:
        raise OSError(code, "")

    with iterator.attach(3, "task") as attached:
        monkeypatch.setattr(iterator.os, "read", read)
        with pytest.raises(SyscallError) as caught:
            attached.read()
    assert str(caught.value) == text
    assert [each.closed for each in opened] == [True, True]


def test_an_iterator_that_says_nothing_of_a_million_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Any] = [BlockingIOError(), b"a", BlockingIOError(), b"b", b""]

    def read(fd: int, size: int) -> bytes:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, bytes)
        return answer

    with iterator.attach(3, "task") as attached:
        monkeypatch.setattr(iterator.os, "read", read)
        assert attached.read() == b"ab"
