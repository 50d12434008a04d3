"""What `pybpf doctor PROGRAM` says of a program, on a kernel that is played."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from pybpf import btf, features
from pybpf.errors import SyscallError, UnsupportedFeature
from pybpf.features import Feature
from pybpf.gadget import checkup as module
from pybpf.gadget.checkup import Answer, checkup, overall
from pybpf.gadget.programs import load
from pybpf.link import Missing, Resolved

LACK = SyscallError("bpf(BPF_PROG_LOAD)", errno.EPERM, "CAP_BPF is missing", ["CAP_BPF"])
PROGRAM = '''"""For a test."""
from pybpf import Events, Gadget, Record, tracepoint, u64
from pybpf.helpers import current

gadget = Gadget("mine", columns="number")

class Event(Record):
    number: u64

events = Events("events", Event)

@tracepoint("sched/sched_process_exec,sched/sched_proces_exit")
def on_exec(record: "struct trace_event_raw_sched_process_exec *"):
    event = events.reserve()
    if not event:
        return
    event.number = record.pid + current.pid
    events.submit(event)
'''


@pytest.fixture(autouse=True)
def played(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process may not find out what the kernel has; of tracepoints it has one."""

    def refused() -> None:
        raise LACK

    monkeypatch.setattr(features, "host_target", refused)
    monkeypatch.setattr(btf, "kernel", btf.reference)
    monkeypatch.setattr(module, "program_type", lambda name: Feature(name, "4.7"))
    monkeypatch.setattr(module, "attach_kind", lambda name: Feature(name, "4.7"))
    monkeypatch.setattr(module, "map_type", lambda name: Feature(name, "5.8", "older"))
    monkeypatch.setattr(module, "can_call", lambda name, type, attach: name != "ringbuf_output")
    found = Resolved(("sched/sched_process_exec",), (Missing("sched/sched_proces_exit", "no such"),))
    monkeypatch.setattr(module, "resolve", lambda places, kind: found)


def test_what_a_program_needs(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(PROGRAM)
    found = checkup(load(str(path)), {})
    refused = "this kernel doesn't let programs of this type call it"
    assert found.groups == [
        ("Types and fields of the kernel", [Feature("struct trace_event_raw_sched_process_exec.pid", "")]),
        ("Types of programs", [Feature("tracepoint", "4.7")]),
        ("Attached as", [Feature("tracepoint", "4.7")]),
        ("Functions are served by", []),
        (
            "Helpers that tracepoint programs call",
            [
                Feature("get_current_pid_tgid", ""),
                Feature("map_lookup_elem", ""),
                Feature("ringbuf_output", "", refused),
            ],
        ),
        ("Types of maps", [Feature("ringbuf", "5.8", "older"), Feature("percpu_array", "5.8", "older")]),
        (
            "Tracepoints",
            [Feature("sched/sched_process_exec", ""), Feature("sched/sched_proces_exit", "", "no such")],
        ),
    ]
    assert found.answer == Answer(None, "CAP_BPF is missing")


def test_a_field_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(PROGRAM.replace("record.pid", "record.pdi"))
    (groups, answer) = checkup(load(str(path)), {})
    assert (groups, answer.works) == ([], False)
    assert answer.said.startswith(f"{path}:17:20:")
    assert "has no field 'pdi'" in answer.said


def test_a_kernel_without_types(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> None:
        raise UnsupportedFeature("BTF", "5.4", "the cure")

    monkeypatch.setattr(features, "host_target", none)
    answer = Answer(False, "this kernel has no BTF (since Linux 5.4): the cure")
    assert checkup(load("trace_open"), {}) == ([], answer)


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("program_type", "programs can't be loaded: no"),
        ("attach_kind", "programs can't be attached to trace: no"),
        ("perf_buffer", "programs can't be given a buffer for events: no"),
        ("", "programs can be loaded, attached, and send events"),
    ],
)
def test_the_whole(monkeypatch: pytest.MonkeyPatch, missing: str, said: str) -> None:
    monkeypatch.setattr(features, "ringbuf", lambda: Feature("ringbuf", "5.8", "no"))
    monkeypatch.setattr(module, "perf_buffer", lambda: Feature("perf buffer", "4.4"))
    if missing:
        monkeypatch.setattr(module, missing, lambda *names: Feature("x", "", "no"))
    assert overall() == Answer(not missing, said)
