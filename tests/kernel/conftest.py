"""What kernel tests share: what they need of a kernel, a file system to work on, nothing left behind.

They run natively, on what this machine's kernel can, and in guests, where PYBPF_GUEST names the kernel.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[2] / "tools"))
sys.path.append(str(Path(__file__).parent))

from file_systems import DRIVERS, IMAGES, mounted
from left_behind import left, traces
from since import unexcused

from pybpf import features
from pybpf.dsl import lower
from pybpf.load import Loaded, load
from pybpf.sys import kallsyms

REPO = Path(__file__).parents[2]
IN_GUEST = "PYBPF_GUEST" in os.environ


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _no_kprobes() -> str:
    if Path("/sys/bus/event_source/devices/kprobe/type").exists():
        return ""
    return "this kernel has no kprobes (CONFIG_KPROBE_EVENTS)"


def _no_kernel_memory() -> str:
    if "[confidentiality]" not in _text("/sys/kernel/security/lockdown"):
        return ""
    return "this kernel is locked down (confidentiality): programs may not read its memory"


def _no_fentry() -> str:
    return features.fentry().why


def _no_function(name: str, what: str) -> Callable[[], str]:
    return lambda: "" if kallsyms.find([name]) else f"this kernel has no {what}"


def _no_btf() -> str:
    return (
        "" if Path("/sys/kernel/btf/vmlinux").exists() else "this kernel has no BTF (CONFIG_DEBUG_INFO_BTF)"
    )


def _no_file_system(name: str) -> Callable[[], str]:
    def reason() -> str:
        for module in (name, "nfsd") if name == "nfs" else (name,):
            subprocess.run(["modprobe", "-q", module], check=False)
            if f"\t{module}\n" not in _text("/proc/filesystems"):
                return f"this kernel has no {module}"
        return _no_loop() if name in IMAGES else ""

    return reason


def _no_loop() -> str:
    return "" if Path("/dev/loop-control").exists() else "this kernel has no loop devices"


# What `@pytest.mark.needs(...)` may name, and the reason why this kernel can't, or nothing.
ABILITIES: dict[str, Callable[[], str]] = {
    "kprobes": _no_kprobes,
    "kernel_memory": _no_kernel_memory,
    "btf": _no_btf,
    "fentry": _no_fentry,
    "iterators": lambda: features.iterator().why,
    "uprobe_multi": lambda: features.uprobe_multi().why,
    "bpf_lsm": lambda: features.bpf_lsm().why,
    "loop": _no_loop,
    "tcx": _no_function("tcx_prog_attach", "tcx (6.6)"),
    "xdp_load_bytes": _no_function("bpf_xdp_load_bytes", "bpf_xdp_load_bytes (5.18)"),
    **{name: _no_file_system(name) for name in set(DRIVERS.values())},
}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(*abilities): skip where the kernel lacks one of ABILITIES")
    config.addinivalue_line("markers", "native: about other programs more than the kernel: not in a guest")


@functools.cache
def _lacks(ability: str) -> str:
    return ABILITIES[ability]()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what can't run here, before anything is set up for it."""
    if IN_GUEST and item.get_closest_marker("native"):
        pytest.skip("not about the kernel: runs natively")
    for mark in item.iter_markers("needs"):
        for name in mark.args:
            if why := _lacks(name):
                pytest.skip(f"{why}; tools/test runs this in a guest")


# What became of each test, by its name: `passed`, `failed`, or why it was skipped. See tools/kernel_table.py.
_outcomes: dict[str, str] = {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """In a guest, a test may only be skipped by a kernel that is too old for it."""
    report = yield
    reason = report.longrepr[2] if report.skipped and isinstance(report.longrepr, tuple) else ""
    if IN_GUEST and reason and (why := unexcused(reason, os.uname().release)):
        report.outcome, report.longrepr = "failed", why
    if report.outcome != "passed" or report.when == "call":
        _outcomes[item.nodeid] = reason if report.skipped else report.outcome
    return report


def pytest_sessionfinish() -> None:
    """Leave the outcomes where tools/test looks for them."""
    if folder := os.environ.get("PYBPF_VM_OUT"):
        found = {"release": os.uname().release, "outcomes": _outcomes}
        Path(folder, "outcomes.json").write_text(json.dumps(found, indent=1))


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """Fail the session if it leaves BPF objects, pins, probes or mounts behind; skip it if not root."""
    if os.geteuid() != 0:
        pytest.skip("kernel tests need root")
    before = traces()
    yield
    if found := left(before):
        pytest.fail(f"left behind: {', '.join(sorted(found))}")


@pytest.fixture(scope="session")
def tracefs() -> Iterator[None]:
    """tracefs, mounted for this session where it isn't."""
    if Path("/sys/kernel/tracing/events").is_dir():
        yield
        return
    subprocess.run(["mount", "-t", "tracefs", "tracefs", "/sys/kernel/tracing"], check=True)
    yield
    subprocess.run(["umount", "/sys/kernel/tracing"], check=True)


@pytest.fixture(scope="session")
def file_system() -> Iterator[Callable[[str], Path]]:
    """Mount one of tools/file_systems.py, once a session: its folder. It asks needs(...) of its driver."""
    with contextlib.ExitStack() as mounts:
        yield functools.cache(lambda name: mounts.enter_context(mounted(name)))


@pytest.fixture(scope="session")
def ext4(file_system: Callable[[str], Path]) -> Path:
    """A mounted ext4 file system, new for this session, in a file in memory; needs("ext4")."""
    return file_system("ext4")


@pytest.fixture(scope="session")
def lacks() -> Callable[[str], str]:
    """Why this kernel hasn't one of ABILITIES, or nothing."""
    return _lacks


@pytest.fixture(scope="session")
def workload() -> Callable[..., list[dict[str, Any]]]:
    """Run tools/workload in a folder: the operations that it did, as it lists them itself."""

    def run(folder: Path, *options: str) -> list[dict[str, Any]]:
        command = [REPO / "tools" / "workload", "--json", *options, folder]
        done: list[dict[str, Any]] = json.loads(subprocess.check_output(command))
        return done

    return run


@pytest.fixture
def probes(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], ModuleType]:
    """A module of a text, after the HEAD of the tests' own module."""

    def imported(text: str) -> ModuleType:
        path = tmp_path / "probe.py"
        path.write_text(request.module.HEAD + text)
        spec = importlib.util.spec_from_file_location("probe", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return imported


@pytest.fixture
def loaded(probes: Callable[[str], ModuleType]) -> Iterator[Callable[[str], Loaded]]:
    """Load the probes of such a text; `me` is this process."""
    with contextlib.ExitStack() as owned:

        def make(text: str) -> Loaded:
            spec = lower(probes(text), {"me": os.getpid()}, features.host_target())
            return owned.enter_context(load(spec))

        yield make
