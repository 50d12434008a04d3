"""What a program needs of this kernel, and whether it is there; found out without attaching it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from pybpf import btf, features
from pybpf.btf import Btf
from pybpf.btf.compare import by_name
from pybpf.dsl import lower
from pybpf.errors import BpfError, LoweringError, SyscallError, UnsupportedFeature
from pybpf.features import Feature
from pybpf.features.attach_kinds import attach_kind
from pybpf.features.buffers import perf_buffer
from pybpf.features.feature import answer, answered
from pybpf.features.helper_calls import can_call
from pybpf.features.map_types import MAP_TYPES, map_type
from pybpf.features.program_types import PROGRAM_TYPES, program_type
from pybpf.gadget.host import HostBuild
from pybpf.gadget.programs import Program
from pybpf.gadget.running import Running
from pybpf.isa.opcodes import BPF_CALL, BPF_JMP
from pybpf.link import KINDS, resolve
from pybpf.spec import ARCHITECTURES, ObjectSpec, Target
from pybpf.uapi import bpf
from pybpf.uapi.helpers import HELPERS

__all__ = ["Answer", "Checkup", "checkup", "overall"]

_PROGRAMS = {getattr(bpf, f"BPF_PROG_TYPE_{name.upper()}"): name for name in PROGRAM_TYPES}
_MAPS = {getattr(bpf, f"BPF_MAP_TYPE_{name.upper()}"): name for name in MAP_TYPES}
_HELPERS = {number: name.partition("_")[2] for name, number in HELPERS.items()}
_CALL = BPF_JMP | BPF_CALL


class Answer(NamedTuple):
    """Whether it works here, None when this process may not find out; what does, or why it doesn't."""

    works: bool | None
    said: str


class Checkup(NamedTuple):
    """What a program needs, in groups with their titles; and whether it runs."""

    groups: list[tuple[str, list[Feature]]]
    answer: Answer


def _best(found: Iterable[Feature]) -> Feature:
    """One of them that is there, or the last."""
    states = list(found)
    return next((each for each in states if each), states[-1])


def overall() -> Answer:
    """Can programs be loaded here, attached to something, and heard?"""
    tracing = ("kprobe", "fentry", "tracepoint", "raw_tracepoint", "uprobe", "perf_event")
    steps = {
        "loaded": program_type("socket_filter"),
        "attached to trace": _best(map(attach_kind, tracing)),
        "given a buffer for events": _best(answered(probe) for probe in (features.ringbuf, perf_buffer)),
    }
    for what, step in steps.items():
        if not step:
            return Answer(step.state, f"programs can't be {what}: {step.why}")
    return Answer(True, "programs can be loaded, attached, and send events")


def checkup(program: Program, values: Mapping[str, Any]) -> Checkup:
    """`values` are those of the program's parameters, by name. Raises UsageError for those that are wrong."""
    given = {each.name: each.resolve(values[each.name]) for each in program.params if each.name in values}
    made = HostBuild(program, values)
    build: HostBuild | None = made
    lack = ""
    try:
        target = made.backends.target
    except SyscallError as error:
        build = None
        # What it may not find out is taken for that of Linux 5.8.
        lack = error.why or str(error)
        target = Target("host", btf.kernel(), arch=ARCHITECTURES[os.uname().machine])
    except UnsupportedFeature as error:
        return Checkup([], Answer(False, str(error)))
    with target.btf.recording() as asked:
        # First, since a back-end that fails makes room for another.
        verdict = _trial(build, values) if build else Answer(None, lack)
        try:
            spec = build.spec() if build else lower(program.declarations, given, target)
        except LoweringError as error:
            return Checkup([], Answer(False, str(error).splitlines()[0]))
    groups = [
        ("Types and fields of the kernel", [Feature(name, "") for name in _types(target.btf, asked)]),
        (
            "Types of programs",
            [program_type(name) for name in _distinct(_PROGRAMS[each.type] for each in spec.programs)],
        ),
        (
            "Attached as",
            [attach_kind(name) for name in _distinct(each.attach.kind for each in spec.programs)],
        ),
        ("Functions are served by", _serving(build) if build else []),
        *_helpers(spec),
        ("Types of maps", [map_type(name) for name in _distinct(_MAPS[each.type] for each in spec.maps)]),
        *_places(spec),
    ]
    return Checkup(groups, verdict)


def _serving(build: HostBuild) -> list[Feature]:
    """Which back-end serves which functions."""
    return [
        Feature(name, "", value=f"{', '.join(symbols)}{f' ({why})' if why else ''}")
        for name, symbols, why in build.backends.serving()
    ]


def _types(source: Btf, asked: Iterable[tuple[int, str]]) -> list[str]:
    """Structs and functions by name, with the fields that were asked for; no plain numbers."""
    named = {each for each in by_name(source, asked) if " " in each[0] or each[0].endswith("()")}
    with_fields = {key for key, path in named if path}
    return sorted(f"{key}.{path}" if path else key for key, path in named if path or key not in with_fields)


def _distinct(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _helpers(spec: ObjectSpec) -> Iterator[tuple[str, list[Feature]]]:
    """What programs of each type call."""
    called: dict[tuple[str, int], dict[str, None]] = {}
    for program in spec.programs:
        for insn in (statement.insn for statement in program.code):
            if insn.opcode == _CALL and insn.src == 0:
                key = _PROGRAMS[program.type], program.attach_type
                called.setdefault(key, {})[_HELPERS.get(insn.imm, str(insn.imm))] = None
    for (type, attach_type), names in called.items():
        yield (
            f"Helpers that {type} programs call",
            [_helper(name, type, attach_type) for name in sorted(names)],
        )


def _helper(name: str, type: str, attach_type: int) -> Feature:
    def try_it() -> str:
        there = can_call(name, type, attach_type)
        return "" if there else "this kernel doesn't let programs of this type call it"

    return answer(name, "", try_it)


def _places(spec: ObjectSpec) -> Iterator[tuple[str, list[Feature]]]:
    """Where programs go, by what such places are called."""
    found: dict[str, dict[str, Feature]] = {}
    for program in spec.programs:
        kind = program.attach.kind
        resolved = resolve(program.attach.functions, kind)
        known = found.setdefault(KINDS[kind].places, {})
        known.update({name: Feature(name, "") for name in resolved.found})
        known.update({each.name: Feature(each.name, "", each.why) for each in resolved.missing})
    for title, rows in found.items():
        yield f"{title[:1].upper()}{title[1:]}", list(rows.values())


def _trial(build: HostBuild, values: Mapping[str, Any]) -> Answer:
    """All of it loaded, as a run begins; nothing is attached."""
    missing: list[str] = []
    try:
        Running(build, values, strict=False, warn=missing.append).close()
    except SyscallError as error:
        return Answer(None if error.lacking else False, error.why or str(error))
    except BpfError as error:
        return Answer(False, str(error).splitlines()[0])
    return Answer(True, "it can run" + (f", but for {len(missing)} of the places" if missing else ""))
