"""What all links have in common, on a kernel: cookies, what is said of them, pins."""

from __future__ import annotations

import ctypes
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pybpf import features, link, load
from pybpf.asm import ops
from pybpf.asm.ops import R0, R1, R2, R10
from pybpf.dsl.kinds import KINDS
from pybpf.errors import LoadError, SyscallError, UnsupportedFeature
from pybpf.spec import Attach, Function, MapSpec, ObjectSpec, ProgramSpec
from pybpf.sys import cpus
from pybpf.sys.mounts import mount_of
from pybpf.uapi import bpf

pytestmark = pytest.mark.usefixtures("tracefs")

PLACES = {
    "tracepoint": "syscalls/sys_enter_getppid",
    "uprobe": "libc.so.6:getauxval",
    "raw_tracepoint": "sys_enter",
    "tp_btf": "sys_enter",
    "fentry": "vfs_read",
    "perf_event": "cpu-clock/freq=499/",
}
SINCE = {"raw_tracepoint": "6.10", "tp_btf": "6.10", "fentry": "5.19"}


def do_all() -> None:
    """What makes each of them run."""
    os.getppid()
    ctypes.CDLL(None).getauxval(6)
    with open(__file__, "rb", buffering=0) as file:
        file.read(10)


def spec(kind: str, *code: ops.Statement) -> ObjectSpec:
    """A program that puts its cookie into a map."""
    place = Attach(kind, (Function((PLACES[kind],)),))
    program = ProgramSpec("p", KINDS[kind].type, code, place, attach_type=KINDS[kind].attach_type)
    return ObjectSpec("p", (program,), (MapSpec("seen", bpf.BPF_MAP_TYPE_ARRAY, 4, 8, 1),))


def noting(kind: str, *value: ops.Statement) -> ObjectSpec:
    """A program that notes, in the map, what `value` leaves in r0."""
    return spec(
        kind,
        *value,
        ops.store(8, R10, -8, R0),
        ops.store(4, R10, -12, 0),
        ops.mov64(R2, R10),
        ops.alu("add", R2, -12),
        ops.load_map(R1, "seen"),
        ops.call("map_lookup_elem"),
        ops.jump("jeq", R0, 0, "out"),
        ops.load(8, R1, R10, -8),
        ops.store(8, R0, 0, R1),
        ops.mov64(R0, 0),
        ops.at("out", ops.exit_()),
    )


def with_cookie(kind: str) -> ObjectSpec:
    return noting(kind, ops.call("get_attach_cookie"))


def empty(kind: str) -> ObjectSpec:
    return spec(kind, ops.mov64(R0, 0), ops.exit_())


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=pytest.mark.needs("fentry")) if kind == "fentry" else kind for kind in PLACES],
)
def test_a_program_gets_its_cookie(kind: str) -> None:
    try:
        loaded = load.load(with_cookie(kind))
    except LoadError:
        # The kernel has no cookies for programs of this type: then it takes none, either.
        with load.load(empty(kind)) as plain, pytest.raises(UnsupportedFeature) as caught:
            link.attach(kind, plain.programs["p"].fileno(), PLACES[kind], 1)
        assert caught.value.since == SINCE.get(kind, "5.15")
        pytest.skip(f"this kernel has no cookies of {kind} ({caught.value.since})")
    cookie = 0xFEDC_BA98_7654_3210
    with loaded, link.attach(kind, loaded.programs["p"].fileno(), PLACES[kind], cookie) as attached:
        end = time.monotonic() + 30
        while loaded.maps["seen"].lookup(bytes(4)) == bytes(8) and time.monotonic() < end:
            do_all()  # until the clock has ticked
        assert loaded.maps["seen"].lookup(bytes(4)) == cookie.to_bytes(8, "little")
        info = attached.info()
        assert (info.kind, info.symbol, info.cookie) == (kind, PLACES[kind], cookie)
        assert (info.id > 0, info.program) == (True, loaded.programs["p"].info().id)


@pytest.fixture
def bpffs() -> Iterator[Path]:
    """A folder on a bpffs."""
    where = Path("/sys/fs/bpf")
    mounted = mount_of(str(where)).type == "bpf"
    if not mounted:
        subprocess.run(["mount", "-t", "bpf", "bpf", where], check=True)
    folder = where / f"pybpf-test-{os.getpid()}"
    folder.mkdir()
    yield folder
    folder.rmdir()
    if not mounted:
        subprocess.run(["umount", where], check=True)


@pytest.mark.parametrize("kind", ["raw_tracepoint", "tracepoint"])
def test_a_pinned_link_outlives_its_owner(bpffs: Path, kind: str, tmp_path: Path) -> None:
    def is_seen() -> bool:
        loaded.maps["seen"].update(bytes(4), bytes(8))
        os.getppid()
        return loaded.maps["seen"].lookup(bytes(4)) != bytes(8)

    with load.load(noting(kind, ops.mov64(R0, 1))) as loaded:
        attached = link.attach(kind, loaded.programs["p"].fileno(), PLACES[kind])
        if kind == "tracepoint" and not features.perf_link():
            with attached, pytest.raises(UnsupportedFeature) as lack:
                attached.pin(str(bpffs / "pin"))
            assert lack.value.since == "5.15"
            return
        with pytest.raises(SyscallError) as refused:
            attached.pin(str(tmp_path / "pin"))
        assert f"{tmp_path} is on no BPF file system: mount -t bpf bpf /sys/fs/bpf" in str(refused.value)
        attached.pin(str(bpffs / "pin"))
        assert attached.info().pinned == str(bpffs / "pin")
        attached.detach()
        assert is_seen()
        attached.unpin()
        assert not (bpffs / "pin").exists()
        end = time.monotonic() + 60
        while is_seen() and time.monotonic() < end:  # the kernel lets go of it when it comes to that
            time.sleep(0.01)
        assert not is_seen()


def test_a_socket_filter_is_never_pinned(bpffs: Path) -> None:
    code = (ops.mov64(R0, 0), ops.exit_())
    place = Attach("socket_filter", (Function(("lo",)),))
    program = ProgramSpec("p", bpf.BPF_PROG_TYPE_SOCKET_FILTER, code, place)
    loaded = load.load(ObjectSpec("p", (program,), ()))
    attached = link.attach("socket_filter", loaded.programs["p"].fileno(), "lo")
    with loaded, attached, pytest.raises(LoadError, match="socket_filter lo has no bpf_link"):
        attached.pin(str(bpffs / "pin"))
    assert not (bpffs / "pin").exists()


def test_a_link_a_cpu_is_pinned_as_a_folder(bpffs: Path) -> None:
    if not features.perf_link():
        return  # as tested above
    event = PLACES["perf_event"]
    with load.load(empty("perf_event")) as loaded:
        with link.attach("perf_event", loaded.programs["p"].fileno(), event) as attached:
            attached.pin(str(bpffs / "pin"))
            names = {each.relative_to(bpffs).as_posix() for each in bpffs.rglob("*")}
            several = {f"pin/{number}" for number in range(len(cpus.online()))}
            assert names == {"pin", *(several if len(several) > 1 else ())}
            with pytest.raises(LoadError, match=f"perf_event {event} is pinned already, at {bpffs}/pin"):
                attached.pin(str(bpffs / "other"))
        attached.unpin()
    assert list(bpffs.iterdir()) == []
