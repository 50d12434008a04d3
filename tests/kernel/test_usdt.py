"""USDT probes: their arguments wherever they lie, semaphores, several places; the back-ends of uprobes."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from pybpf import features, link, load
from pybpf.dsl import lower
from pybpf.errors import LoadError, UnsupportedFeature
from pybpf.link.trace_event import sweep
from pybpf.spec import Target
from pybpf.uapi import bpf

pytestmark = pytest.mark.usefixtures("tracefs")

HEAD = """
from pybpf.dsl import *
from pybpf.helpers import *

seen = ArrayMap("seen", u64, 8)
me = Param("me", u32, 0, "this process")
"""
ARGUMENTS = """
@usdt("{}:app:one", cookie=9)
def probe(number: i32, text: "char *", table: "u32 *", answer: u64, constant: i32, element: u32):
    if current.pid == me:
        seen.add(0)
        seen[1] = u64(number + 100)
        seen[2] = u64(text[0])
        seen[3] = u64(table[0])
        seen[4] = answer
        seen[5] = u64(constant + 100)
        seen[6] = u64(element)
"""
Probes = Callable[[str], ModuleType]
Attached = Callable[..., "contextlib.AbstractContextManager[load.Loaded]"]


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    path = tmp_path_factory.mktemp("usdt") / "libmarked.so"
    source = Path(__file__).with_name("marked.S")
    subprocess.run(["gcc", "-shared", "-nostdlib", "-o", path, source], check=True)
    return ctypes.CDLL(str(path))


@pytest.fixture
def attached(probes: Probes) -> Attached:
    """Load the one probe of a text, and attach it in all its programs."""

    @contextlib.contextmanager
    def make(text: str, multi: bool | None = None) -> Iterator[load.Loaded]:
        lowered = lower(probes(text), {"me": os.getpid()}, with_multi(features.host_target(), multi))
        with contextlib.ExitStack() as owned:
            made = owned.enter_context(load.load(lowered))
            for program in made.programs.values():
                how = program.spec.attach
                for symbol in link.resolve(how.functions, how.kind).found:
                    cookie = how.cookie(how.functions[0])
                    owned.enter_context(link.attach(how.kind, program.fileno(), symbol, cookie=cookie))
            yield made

    return make


def with_multi(target: Target, multi: bool | None) -> Target:
    """The host's target, but for whether one link goes to all places of a probe."""

    if multi is None:
        return target
    return target._replace(usdt=lambda place: target.usdt(place)._replace(multi=multi))


def values(loaded: load.Loaded) -> list[int]:
    return [loaded.maps["seen"][index] for index in range(7)]


WAYS = [
    pytest.param(False, id="perf events"),
    pytest.param(True, id="uprobe.multi", marks=pytest.mark.needs("uprobe_multi")),
]


@pytest.mark.parametrize("multi", WAYS)
def test_arguments(attached: Attached, library: ctypes.CDLL, multi: bool) -> None:
    table = (ctypes.c_uint32 * 8)(*range(1000, 1008))
    text = ARGUMENTS.format(library._name)
    with attached(text if features.perf_link() else text.replace(", cookie=9", ""), multi) as loaded:
        kinds = [program.spec.attach.kind for program in loaded.programs.values()]
        assert kinds == ["usdt.multi" if multi else "usdt"] * 2
        library.one(3, b"A text", table)
        assert values(loaded) == [1, 103, ord("A"), 1000, 4242, 93, 1004]
        library.one(-1, b"", table)
        assert values(loaded)[:6] == [2, 99, 0, 1000, 4242, 93]
        library.again(b"text", 2, table)
        assert values(loaded) == [3, 102, ord("t"), 1000, 4242, 93, 1003]
        library.other()
        assert values(loaded)[0] == 3
    library.one(3, b"A text", table)
    assert not library.asked()


@pytest.mark.parametrize("multi", WAYS)
def test_who_asks_is_told_that_somebody_listens(
    attached: Attached, library: ctypes.CDLL, multi: bool
) -> None:
    text = f"@usdt('{library._name}:app:one')\ndef probe():\n    seen.add(0)\n"
    assert library.asked() == 0
    with attached(text, multi):
        assert library.asked() == 2  # it has two places
        with attached(text, multi):  # the kernel counts places, not programs
            assert library.asked() == 2
        assert library.asked() == 2
    assert library.asked() == 0


def test_without_a_semaphore_and_arguments(attached: Attached, library: ctypes.CDLL) -> None:
    text = (
        f"@usdt('{library._name}:app:other')\ndef probe():\n    if current.pid == me:\n        seen.add(0)\n"
    )
    with attached(text) as loaded:
        assert [program.spec.attach.kind for program in loaded.programs.values()] == ["usdt"]
        for _ in range(5):
            library.other()
        assert values(loaded)[0] == 5
        assert library.asked() == 0


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("{}:app:on", "{} has no USDT probe app:on (did you mean 'app:one'?)"),
        ("/bin/true:app:one", "/bin/true has no USDT probes"),
        ("/no/such:app:one", "there is no such file: /no/such"),
        ("/etc/passwd:app:one", "/etc/passwd is no ELF file, or damaged: Magic number does not match"),
    ],
)
def test_what_is_not_there(library: ctypes.CDLL, place: str, why: str) -> None:
    place, why = place.format(library._name), why.format(library._name)
    for kind in ("usdt", "usdt.multi"):
        with pytest.raises(LoadError) as caught:
            link.attach(kind, 0, place)
        assert str(caught.value) == f"{kind} {place}: {why}"


@pytest.mark.native
def test_a_program_of_the_distribution(attached: Attached) -> None:
    """Debian's python3 has probes, and its collector of garbage says when it starts and what it found."""
    python = os.path.realpath("/usr/bin/python3")
    if not features.usdt_sites(f"{python}:python:gc__start").sites:
        pytest.skip(f"{python} was built without USDT probes")
    text = f"""
@usdt("{python}:python:gc__start")
def probe(generation: i32):
    if generation == 2:
        seen.add(0)

@usdt("{python}:python:gc__done")
def done(collected: i64):
    if collected > 30:
        seen.add(1)
"""
    code = "import gc; gc.disable(); gc.collect(); x = [[] for i in range(50)]\nfor a in x: a.append(a)\n"
    with attached(text) as loaded:
        subprocess.run([python, "-S", "-c", f"{code}del x, a; gc.collect()"], check=True)
        assert values(loaded)[0] >= 2
        assert values(loaded)[1] >= 1


@pytest.mark.parametrize("backend", ["multi", "tracefs"])
@pytest.mark.parametrize("kind", ["uprobe", "uretprobe"])
def test_other_back_ends_of_uprobes(probes: Probes, library: ctypes.CDLL, kind: str, backend: str) -> None:
    place = f"{library._name}:one"
    if backend == "multi" and not features.uprobe_multi():
        with pytest.raises(
            UnsupportedFeature, match=r"^this kernel has no uprobe\.multi links \(since Linux 6\.6\)"
        ):
            link.attach(f"{kind}.multi", 0, place)
        pytest.skip("this kernel has no uprobe.multi links (6.6)")
    cookie = 7 if features.perf_link() else 0
    cookies = "seen[1] = get_attach_cookie()" if cookie else "seen[1] = 0"
    made = probes(f"@{kind}('{place}')\ndef probe(x: u64):\n    seen.add(0)\n    {cookies}\n")
    lowered = lower(made, {}, features.host_target())
    if backend == "multi":
        (program,) = lowered.programs
        lowered = lowered._replace(programs=(program._replace(attach_type=bpf.BPF_TRACE_UPROBE_MULTI),))
    with load.load(lowered) as loaded:
        fd = loaded.programs["probe"].fileno()
        with link.attach(f"{kind}.{backend}", fd, place, cookie=cookie) as attachment:
            library.one(1, b"", None)
            assert values(loaded)[:2] == [1, cookie]
            assert attachment.info()[:2] == (f"{kind}.{backend}", place)
            assert (attachment.info().id > 0) is (backend == "multi" or bool(features.perf_link()))
            assert (f"pybpf_{os.getpid()}" in trace_events()) is (backend == "tracefs")
        library.one(1, b"", None)
        assert values(loaded)[0] == 1
    assert f"pybpf_{os.getpid()}" not in trace_events()


def trace_events() -> str:
    return Path("/sys/kernel/tracing/uprobe_events").read_text()


def test_who_dies_leaves_an_event_that_the_next_one_removes(library: ctypes.CDLL, tmp_path: Path) -> None:
    code = f"""
import os, signal
from pybpf import link, load
from pybpf.dsl.kinds import KINDS
from pybpf.asm import ops
from pybpf.spec import Attach, ObjectSpec, ProgramSpec
code = (ops.mov64(ops.R0, 0), ops.exit_())
program = ProgramSpec("p", KINDS["uprobe"].type, code, Attach("uprobe", ()))
with load.load(ObjectSpec("p", (program,), ())) as loaded:
    with link.attach("uprobe.tracefs", loaded.programs["p"].fileno(), "{library._name}:one"):
        os.kill(os.getpid(), signal.SIGKILL)
"""
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        assert process.wait() == -signal.SIGKILL
    assert f"pybpf_{process.pid}" in trace_events()
    assert [name for name in sweep() if name.startswith(f"pybpf_{process.pid}/")] != []
    assert f"pybpf_{process.pid}" not in trace_events()
