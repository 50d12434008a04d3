#!/usr/bin/env python3
"""Run random programs in pybpf.vm and in this kernel (its JIT), and compare: needs CAP_BPF and CAP_NET_ADMIN.

usage: tools/fuzz isa [--count N] [--seed S] [--show]

Compared are the result, the packet afterwards (with all registers and the stack in it), and the maps. Each
program has a seed of its own: S, S + 1, …. One that differs is made smaller as long as it differs, and
printed as assembly; then the status is 1. `--show` prints the program of seed S and what both made of it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from random_programs import MAPS, PACKET, random_program

from pybpf import load
from pybpf.asm import Statement, format_statements
from pybpf.errors import BpfError, VerifierError
from pybpf.source import Location
from pybpf.spec import Attach, ObjectSpec, ProgramSpec
from pybpf.sys import query
from pybpf.uapi import bpf
from pybpf.vm import Machine, VmError


class Outcome(NamedTuple):
    """What a run left: the low half of r0, the packet, and what the maps hold."""

    result: int
    packet: bytes
    maps: tuple[tuple[str, tuple[tuple[bytes, bytes], ...]], ...]


def specification(statements: list[Statement]) -> ObjectSpec:
    """The object with that program and the maps of all random programs."""
    # Callbacks need BTF, which the loader makes for programs whose lines are known.
    lines = enumerate(statements, 1)
    code = tuple(each._replace(location=Location("random program", line)) for line, each in lines)
    program = ProgramSpec("fuzz", bpf.BPF_PROG_TYPE_SCHED_CLS, code, Attach("tc", ()))
    return ObjectSpec("fuzz", (program,), MAPS)


def in_machine(spec: ObjectSpec, packet: bytes, shift: int = 0) -> Outcome | VmError:
    """Run it in pybpf.vm; all memory but the maps themselves is `shift` regions further on."""
    machine = Machine(spec)
    for _ in range(shift):
        machine.memory.map(bytearray(), "a gap")
    try:
        result, after = machine.receive("fuzz", packet)
    except VmError as error:
        return error
    return Outcome(result & 0xFFFF_FFFF, after, _contents(machine.maps))


def in_kernel(spec: ObjectSpec, packet: bytes) -> Outcome:
    """Run it in the kernel. Raises VerifierError for a program that is not valid."""
    with load.load(spec) as loaded:
        after = bytearray(PACKET)
        fields = {"data_in": packet, "data_size_in": PACKET, "data_out": after, "data_size_out": PACKET}
        program = loaded.programs["fuzz"]
        result = query(bpf.BPF_PROG_TEST_RUN, ("retval",), prog_fd=program.fileno(), **fields)[1]
        return Outcome(result, bytes(after), _contents(loaded.maps))


def _contents(maps: Mapping[str, Any]) -> tuple[tuple[str, tuple[tuple[bytes, bytes], ...]], ...]:
    return tuple((name, tuple(sorted(map.items()))) for name, map in sorted(maps.items()))


def differs(statements: list[Statement], packet: bytes) -> bool:
    """Is it a valid program that the two run differently?"""
    try:
        spec = specification(statements)
        outcome = in_machine(spec, packet)
        # What depends on addresses can't be compared. Random programs don't, but parts of one may.
        return outcome == in_machine(spec, packet, shift=1) and in_kernel(spec, packet) != outcome
    except BpfError:
        return False


def shrink(statements: list[Statement], packet: bytes) -> list[Statement]:
    """Leave out as many statements as possible, half of them at a time, then fewer."""
    size = len(statements) // 2
    while size:
        start = 0
        while start < len(statements):
            left = _without(statements, start, start + size)
            if left and differs(left, packet):
                statements = left
            else:
                start += size
        size //= 2
    return statements


def _without(statements: list[Statement], start: int, stop: int) -> list[Statement]:
    """All but those; labels move to what follows."""
    labels = tuple(label for each in statements[start:stop] for label in each.labels)
    rest = statements[stop:]
    if rest:
        rest = [rest[0]._replace(labels=labels + rest[0].labels), *rest[1:]]
    return statements[:start] + rest


def report(statements: list[Statement], packet: bytes) -> str:
    """The program as assembly, the packet, and both outcomes."""
    spec = specification(statements)
    kernel, machine = in_kernel(spec, packet), in_machine(spec, packet)
    lines = [*format_statements(statements), f"packet: {packet.hex()}"]
    for name, outcome in (("kernel ", kernel), ("machine", machine)):
        if not isinstance(outcome, Outcome):
            lines.append(f"{name}: {outcome}")
            continue
        lines.append(f"{name}: r0 {outcome.result:#x}")
        for row in range(128, PACKET, 64):
            numbers = (outcome.packet[at : at + 8] for at in range(row, row + 64, 8))
            values = " ".join(f"{int.from_bytes(number, 'little'):x}" for number in numbers)
            lines.append(f"         {'r0-r5 r7 r8' if row == 128 else 'stack      '}: {values}")
        lines += [
            f"         {map}: {key.hex()}: {value.hex()}" for map, rows in outcome.maps for key, value in rows
        ]
    return "\n".join(lines)


def check(seed: int) -> str | None:
    """None when the program of that seed is run alike; else what is to be said. Raises for an invalid one."""
    statements, packet = random_program(seed)
    spec = specification(statements)
    if in_kernel(spec, packet) == in_machine(spec, packet):
        return None
    return f"seed {seed}:\n" + report(shrink(statements, packet), packet)


def main() -> None:
    """Read the options, and go through the seeds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=1000, help="how many programs (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the first program (default %(default)s)")
    parser.add_argument("--show", action="store_true", help="print one program")
    options = parser.parse_args()
    if options.show:
        print(report(*random_program(options.seed)))
        return
    started, invalid, steps = time.perf_counter(), 0, 0
    for seed in range(options.seed, options.seed + options.count):
        try:
            found = check(seed)
        except VerifierError as error:
            invalid += 1
            print(f"seed {seed}: not valid: {error.summary}", file=sys.stderr)
            continue
        if found:
            print(found)
            raise SystemExit(1)
        steps += 1
        if steps % 10_000 == 0:
            print(f"{steps} alike after {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    print(f"{steps} programs run alike, {invalid} were not valid, in {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
