"""`pybpf run` with no more capabilities than it needs, and after it has given them up."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pybpf.sys import memlock
from pybpf.sys.files import read_text

PYBPF = [sys.executable, "-c", "import sys; from pybpf.cli import main; sys.exit(main())"]
PROGRAM = '''"""Events of one process."""

from pybpf import Events, Gadget, Param, Record, raw_tracepoint, u64
from pybpf.helpers import current

gadget = Gadget("mine", columns="number")
target = Param("target", u64, 0, "this process")

class Event(Record):
    number: u64

events = Events("events", Event)

@raw_tracepoint("sys_enter")
def on_enter(regs: u64, number: u64):
    if current.pid != target:
        return
    event = events.reserve()
    if not event:
        return
    event.number = 7
    events.submit(event)
'''
NOBODY = 65534
BPF, PERFMON = 1 << 39, 1 << 38
# Before 5.19, kernel.unprivileged_bpf_disabled keeps all of bpf(2) to CAP_BPF, also lookups.
_REFINED = tuple(map(int, os.uname().release.split("-")[0].split(".")[:2])) >= (5, 19)
_KEPT = BPF if not _REFINED and read_text("/proc/sys/kernel/unprivileged_bpf_disabled") != "0" else 0


@pytest.fixture
def program() -> Iterator[Path]:
    """Where every user can read it, which pytest's own folders are not for."""
    with tempfile.TemporaryDirectory(prefix="pybpf-") as folder:
        path = Path(folder, "mine.py")
        path.write_text(PROGRAM)
        path.parent.chmod(0o755)
        yield path


@pytest.fixture
def perf_allowed() -> Iterator[None]:
    """Debian's kernels keep perf_event_open from CAP_PERFMON too where this is 3."""
    path = Path("/proc/sys/kernel/perf_event_paranoid")
    before = path.read_text()
    path.write_text("2")
    yield
    path.write_text(before)


def as_nobody(*capabilities: str) -> list[str]:
    """The beginning of a command that runs as an ordinary user, with these capabilities only."""
    sets = ",".join(["-all", *(f"+{name}" for name in capabilities)])
    ids = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    return ["setpriv", *ids, f"--inh-caps={sets}", f"--ambient-caps={sets}", f"--bounding-set={sets}"]


@contextmanager
def tracing(*command: object) -> Iterator[subprocess.Popen[str]]:
    """A `pybpf run` that has attached."""
    with subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            said = process.stderr.readline()
            assert said == "pybpf: tracing mine … Ctrl-C to end\n", said + process.stderr.read()
            yield process
        finally:
            process.kill()


def status(pid: int) -> dict[str, int]:
    lines = (line.split() for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {words[0]: int(words[1], 16) for words in lines if words[0][:3] in ("Cap", "NoN")}


@pytest.mark.needs("btf")
@pytest.mark.usefixtures("perf_allowed")
@pytest.mark.parametrize(
    "prefix",
    [[], as_nobody("bpf", "perfmon")],
    ids=["root", "nobody"],
)
@pytest.mark.parametrize("buffer", ["ringbuf", "perf"])
def test_all_is_given_up_and_events_still_come(program: Path, prefix: list[str], buffer: str) -> None:
    me = str(os.getpid())
    options = ["--target", me, "--buffer", buffer, "--max-events", "3"]
    with tracing(*prefix, *PYBPF, "run", program, *options) as process:
        sets = status(process.pid)
        assert (sets["CapPrm:"], sets["CapEff:"], sets["CapInh:"], sets["CapAmb:"]) == (_KEPT, _KEPT, 0, 0)
        assert sets["NoNewPrivs:"] == 1
        for _ in range(3):
            os.getppid()
        out, err = process.communicate(timeout=120)
    assert out == "    NUMBER\n" + "         7\n" * 3
    assert (process.returncode, err) == (0, "pybpf: 3 events shown, 0 lost\n")


@pytest.mark.needs("btf")
def test_no_drop_keeps_them(program: Path) -> None:
    with tracing(*PYBPF, "run", program, "--no-drop", "--target", os.getpid()) as process:
        assert (status(process.pid)["CapEff:"], status(process.pid)["NoNewPrivs:"]) == (
            status(os.getpid())["CapEff:"],
            status(os.getpid())["NoNewPrivs:"],
        )


@pytest.mark.needs("btf")
@pytest.mark.parametrize(
    ("having", "missing"),
    [
        ([], "CAP_BPF is missing"),
        (["perfmon"], "CAP_BPF is missing"),
        (["bpf"], "CAP_PERFMON is missing"),
    ],
)
def test_what_is_missing_is_said(program: Path, having: list[str], missing: str) -> None:
    done = subprocess.run(
        [*as_nobody(*having), *PYBPF, "run", program],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith("pybpf: error: bpf(BPF_")
    assert f"Operation not permitted (EPERM): {missing} (" in done.stderr


MAPS = """
import sys
from pybpf import maps
from pybpf.errors import SyscallError
from pybpf.gadget.privilege import give_up
from pybpf.spec import MapSpec
from pybpf.uapi import bpf

spec = MapSpec("kept", bpf.BPF_MAP_TYPE_HASH, 4, 8, 4)
with maps.create(spec) as made:
    print(*give_up([made]))
    made.update(b"aaaa", b"12345678")
    assert dict(made.items()) == {b"aaaa": b"12345678"}
    assert made.delete(b"aaaa")
    try:
        maps.create(spec).close()
    except SyscallError as error:
        print(error)
"""


def test_a_map_by_its_descriptor_needs_no_more_than_is_kept() -> None:
    """What follows containers writes to a map, and who asks for what is in flight goes through one."""
    out = subprocess.check_output([sys.executable, "-c", MAPS], text=True).splitlines()
    if _KEPT:
        assert out == ["CAP_BPF"]
    else:
        assert out[0] == ""
        assert out[1].startswith(
            "bpf(BPF_MAP_CREATE): Operation not permitted (EPERM): map kept: CAP_BPF is missing ("
        )


@pytest.mark.needs("btf")
def test_a_limit_of_locked_memory_is_named_where_it_counts(program: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (65536, 65536))

    done = subprocess.run(
        [*as_nobody("bpf", "perfmon"), *PYBPF, "run", program, "--timeout", "0.1"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        preexec_fn=limit,
    )
    if memlock.charged():
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.endswith(
            "before Linux 5.11 the memory of maps and programs counts against RLIMIT_MEMLOCK, here 64 KiB: "
            "ulimit -l unlimited, or give it CAP_SYS_RESOURCE\n"
        )
    else:
        assert (done.returncode, done.stderr.splitlines()[-1]) == (0, "pybpf: 0 events shown, 0 lost")
