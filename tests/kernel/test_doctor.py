"""`pybpf doctor` on the kernel that this runs on, and what it finds beside what bpftool finds."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from pybpf.cli import main
from pybpf.features.attach_kinds import attach_kind
from pybpf.features.groups import GROUPS
from pybpf.features.helper_calls import can_call, helpers
from pybpf.features.instruction_sets import instruction_sets
from pybpf.features.map_types import MAP_TYPES, map_type
from pybpf.features.program_types import PROGRAM_TYPES, program_type

sys.path.insert(0, str(Path(__file__).parent))
from btf_kernels import bpftool

VERSION = tuple(int(part) for part in platform.release().split("-")[0].split(".")[:2])
# Built without it, in Debian's kernels or in others: that says nothing of the trial.
_OPTIONAL_PROGRAMS = {"lirc_mode2", "lsm", "ext"}
_OPTIONAL_MAPS = {"struct_ops"}


def at_least(since: str) -> bool:
    return tuple(int(part) for part in since.split(".")) <= VERSION


@pytest.mark.parametrize("name", sorted(set(PROGRAM_TYPES) - _OPTIONAL_PROGRAMS))
def test_a_kernel_has_the_types_of_programs_that_came_before_it(name: str) -> None:
    found = program_type(name)
    assert found.state is at_least(found.since), found


@pytest.mark.parametrize("name", sorted(set(MAP_TYPES) - _OPTIONAL_MAPS))
def test_a_kernel_has_the_types_of_maps_that_came_before_it(name: str) -> None:
    found = map_type(name)
    assert found.state is at_least(found.since), found


def test_a_kernel_has_the_instructions_that_came_before_it() -> None:
    for found in instruction_sets():
        if found.name == "arrays on the stack with an index" and not at_least(found.since):
            continue  # 5.10 has got it later
        assert found.state is at_least(found.since), found


@pytest.mark.usefixtures("tracefs")
@pytest.mark.parametrize("name", ["tracepoint", "raw_tracepoint", "perf_event", "socket_filter", "xdp", "tc"])
def test_what_programs_can_be_attached_to(name: str) -> None:
    found = attach_kind(name)
    assert found.state is at_least(found.since), found


@pytest.mark.needs("btf")
def test_helpers() -> None:
    assert can_call("ringbuf_output", "kprobe") is at_least("5.8")
    assert can_call("get_attach_cookie", "kprobe") is at_least("5.15")
    assert can_call("redirect", "kprobe") is False
    assert can_call("redirect", "xdp") is True


@lru_cache(maxsize=1)
def by_bpftool() -> dict[str, Any]:
    command = [bpftool(), "-j", "feature", "probe", "kernel", "full"]
    found: dict[str, Any] = json.loads(subprocess.check_output(command, stderr=subprocess.DEVNULL))
    return found


def named(rows: dict[str, Any], end: str) -> Iterator[tuple[str, Any]]:
    for key, value in rows.items():
        match = re.fullmatch(f"(?:have_)?(\\w+?)_{end}", key)
        assert match is not None
        yield match[1], value


def test_types_are_those_that_bpftool_finds() -> None:
    for name, there in named(by_bpftool()["program_types"], "prog_type"):
        # It tries fentry for this one, which some kernels refuse while they take typed tracepoints.
        if name != "tracing":
            assert bool(program_type(name)) is there, name
    for name, there in named(by_bpftool()["map_types"], "map_type"):
        assert bool(map_type(name)) is there, name


@pytest.mark.parametrize("type", ["kprobe", "xdp", "cgroup_sock_addr"])
def test_helpers_are_those_that_bpftool_finds(type: str) -> None:
    known = dict(named(by_bpftool()["helpers"], "available_helpers"))
    if "bpf_redirect" in known["kprobe"]:
        pytest.skip("this bpftool doesn't know the verifier's newer words for a refused helper")
    # What came after this bpftool, it can't know.
    ours = [f"bpf_{name}" for name in helpers(type)]
    last = max(index for index, name in enumerate(ours) if name in known[type])
    assert ours[: last + 1] == known[type]


@pytest.mark.usefixtures("tracefs")
def test_nothing_is_left_behind(capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(os.listdir("/proc/self/fd"))
    assert main(["doctor"]) in (0, 1)
    assert sorted(os.listdir("/proc/self/fd")) == before
    out, err = capsys.readouterr()
    assert err == ""
    assert [
        group.title for group in GROUPS.values() if not group.lengthy and f"\n{group.title}\n" not in out
    ] == []


@pytest.mark.usefixtures("tracefs")
@pytest.mark.needs("btf")
def test_a_program_that_runs_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "trace_exec", "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["works"], found["said"]) == (True, "it can run")
    names = {title: [each["name"] for each in rows] for title, rows in found["groups"].items()}
    assert names["types of programs"] == ["tracepoint"]
    assert names["attached as"] == ["tracepoint"]
    assert names["tracepoints"] == ["sched/sched_process_exec"]
    assert "get_current_pid_tgid" in names["helpers that tracepoint programs call"]
    assert "struct task_struct.tgid" in names["types and fields of the kernel"]
    assert all(each["works"] for rows in found["groups"].values() for each in rows)


@pytest.mark.needs("kprobes", "kernel_memory", "btf")
@pytest.mark.skipif(Path("/sys/module/nfs").exists(), reason="the module nfs is loaded")
def test_a_module_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "trace_fsslower", "--filesystem", "nfs"]) == 1
    assert "module nfs is not loaded: modprobe nfs" in " ".join(capsys.readouterr().out.split())


@pytest.mark.needs("btf")
def test_as_an_ordinary_user() -> None:
    ids = ["--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"]
    code = "import sys; from pybpf.cli import main; sys.exit(main(sys.argv[1:]))"
    command = ["setpriv", *ids, sys.executable, "-c", code, "doctor", "trace_exec", "-o", "json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    found = json.loads(done.stdout)
    assert (done.returncode, done.stderr, found["works"]) == (1, "", None)
    assert found["said"].startswith("CAP_BPF is missing (")
    for title in ("types of programs", "types of maps", "helpers that tracepoint programs call"):
        for each in found["groups"][title]:
            assert (each["works"], "CAP_BPF" in each["why"]) == (None, True)
