"""The diagrams of an object with trace_fsslower's shape, and of a small one, to the byte."""

from __future__ import annotations

from pathlib import Path

from pybpf.asm import Statement, ops
from pybpf.asm.ops import R1, R2
from pybpf.inspect.flowchart import flowchart
from pybpf.inspect.sequence import sequence
from pybpf.spec import Attach, MapSpec, ObjectSpec, ProgramSpec
from pybpf.uapi import bpf

GOLDEN = Path(__file__).parents[2] / "data" / "golden"


def steps(*pairs: str) -> tuple[Statement, ...]:
    """`"map helper"` for each call."""
    code = []
    for map, helper in (pair.split() for pair in pairs):
        code += [ops.load_map(R2 if helper == "perf_event_output" else R1, map), ops.call(helper)]
    return (*code, ops.exit_())


def probe(name: str, *pairs: str) -> ProgramSpec:
    return ProgramSpec(name, bpf.BPF_PROG_TYPE_KPROBE, steps(*pairs), Attach("kprobe", ()))


def maps(names: str) -> tuple[MapSpec, ...]:
    return tuple(MapSpec(name, bpf.BPF_MAP_TYPE_HASH, 4, 4, 1) for name in names.split())


def fsslower(output: str) -> ObjectSpec:
    """The interactions of trace_fsslower, written down in another order than the diagrams'."""
    programs = []
    for operation in ("read", "wr", "open", "sync", "statfs"):
        programs.append(
            probe(
                f"ig_fssl_{operation}_x",
                "starts map_lookup_elem",
                "starts map_delete_elem",
                "gadget_heap map_lookup_elem",
                f"events {output}",
            )
        )
        programs.append(
            probe(
                f"ig_fssl_{operation}_e",
                "gadget_mntns_filter_map map_lookup_elem",
                "starts map_update_elem",
            )
        )
    names = "starts events gadget_heap .rodata gadget_mntns_filter_map"
    return ObjectSpec("trace_fsslower", tuple(programs), maps(names))


def test_golden_flowchart() -> None:
    expected = (GOLDEN / "trace_fsslower.flowchart.mmd").read_text()
    assert flowchart(fsslower("ringbuf_output")) == expected
    assert flowchart(fsslower("perf_event_output")) == expected


def test_golden_sequence() -> None:
    expected = (GOLDEN / "trace_fsslower.sequence.mmd").read_text()
    assert sequence(fsslower("ringbuf_output")) == expected
    assert sequence(fsslower("perf_event_output")) == expected


def test_operations_of_one_map_share_an_arrow() -> None:
    spec = ObjectSpec(
        "small",
        (probe("p", "b map_lookup_elem", "a map_update_elem", "b map_delete_elem"), probe("idle")),
        maps("b a unused"),
    )
    assert flowchart(spec) == (
        "flowchart LR\n"
        'a[("a")]\n'
        'b[("b")]\n'
        'unused[("unused")]\n'
        'idle["idle"]\n'
        'p -- "Lookup+Delete" --> b\n'
        'p -- "Update" --> a\n'
        'p["p"]\n'
    )
    assert sequence(spec) == (
        "sequenceDiagram\n"
        "box eBPF Programs\n"
        "participant idle\n"
        "participant p\n"
        "end\n"
        "box eBPF Maps\n"
        "participant b\n"
        "participant a\n"
        "end\n"
        "p->>b: Lookup\n"
        "p->>a: Update\n"
        "p->>b: Delete\n"
    )
