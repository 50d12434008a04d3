#!/usr/bin/env python3
"""Run random probes four ways, and compare what they leave in a map: needs CAP_BPF and CAP_PERFMON.

usage: tools/fuzz dsl [--count N] [--seed S] [--no-kernel] [--show]

As Python, on numbers with the probe's types; in pybpf.vm with all optional passes off, and with all on; and
by BPF_PROG_TEST_RUN in this kernel. Each probe has a seed of its own: S, S + 1, …. The first that differs,
or that the verifier rejects, is printed, and the status is 1. `--show` prints the probe of seed S.
"""

from __future__ import annotations

import argparse
import contextlib
import linecache
import random
import struct
import sys
import time
from types import ModuleType

from random_probes import Probe

from pybpf import btf, load
from pybpf.codegen import Options
from pybpf.dsl import lower
from pybpf.errors import BpfError, VerifierError
from pybpf.spec import ObjectSpec, Target
from pybpf.vm import Machine, VmError

RUNS = 3  # of each probe, with parameters of their own


def module_of(seed: int, source: str) -> ModuleType:
    """The probe as a module; its source is given to `linecache`, where lowering looks for it."""
    file = f"<probe {seed}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    module = ModuleType("probe")
    module.__file__ = file
    exec(compile(source, file, "exec"), module.__dict__)
    del linecache.cache[file]
    return module


def parameters(seed: int) -> list[list[int]]:
    """Numbers to run a probe with: small ones, and ones at the edges."""
    chance = random.Random(seed)
    edges = [0, 1, 2, 5, 127, 128, 255, 1 << 31, (1 << 32) - 1, 1 << 63, (1 << 64) - 1]
    return [
        [chance.choice([chance.choice(edges), chance.getrandbits(64)]) for _ in range(3)] for _ in range(RUNS)
    ]


def in_machine(spec: ObjectSpec, values: list[int]) -> dict[int, int]:
    machine = Machine(spec)
    machine.run("probe", struct.pack("<3Q", *values))
    return {
        int.from_bytes(key, "little"): int.from_bytes(value, "little")
        for key, value in machine.maps["out"].items()
    }


class _TooManyPaths(Exception):
    """The verifier, which walks every path of every round of a loop, gave up: a limit, and no verdict."""


def loaded(spec: ObjectSpec) -> load.Loaded:
    try:
        return load.load(spec)
    except VerifierError as error:
        if "too large" in error.log or "too complex" in error.log:
            raise _TooManyPaths from None
        raise


def in_kernel(spec: ObjectSpec, runs: list[list[int]]) -> list[dict[int, int]]:
    found = []
    with loaded(spec) as made:
        out = made.maps["out"]
        for values in runs:
            made.programs["probe"].test_run(context=struct.pack("<3Q", *values))
            found.append(
                {int.from_bytes(k, "little"): int.from_bytes(v, "little") for k, v in list(out.items())}
            )
            for key in list(out.keys()):
                out.delete(key)
    return found


def check(seed: int, kernel: bool = True) -> str | None:
    """None when all ways agree; else what is to be said."""
    probe = Probe(seed)
    runs = parameters(seed)
    target = Target("reference", btf.reference())
    try:
        module = module_of(seed, probe.source)
        plain = lower(module, {}, target, options=Options(passes=frozenset()))
        best = lower(module, {}, target)
        ways = {
            "Python": [probe.run(values) for values in runs],
            "the machine, no passes": [in_machine(plain, values) for values in runs],
            "the machine, all passes": [in_machine(best, values) for values in runs],
        }
        if kernel:
            with contextlib.suppress(_TooManyPaths):
                ways["the kernel"] = in_kernel(best, runs)
    except (BpfError, VmError) as error:
        return f"seed {seed}: {error}\n{probe.source}"
    if all(way == ways["Python"] for way in ways.values()):
        return None
    lines = [f"seed {seed}: not the same everywhere", probe.source]
    for index, values in enumerate(runs):
        lines.append(f"parameters {values}")
        lines += [f"  {name}: {sorted(way[index].items())}" for name, way in ways.items()]
    return "\n".join(lines)


def main() -> None:
    """Read the options, and go through the seeds."""
    parser = argparse.ArgumentParser(
        prog="tools/fuzz dsl", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=1000, help="how many probes (default 1000)")
    parser.add_argument("--seed", type=int, default=0, help="the first one's seed (default 0)")
    parser.add_argument("--no-kernel", action="store_true", help="leave the kernel out")
    parser.add_argument("--show", action="store_true", help="print the probe of the seed, and end")
    options = parser.parse_args()
    if options.show:
        print(Probe(options.seed).source)
        return
    started = time.monotonic()
    for number in range(options.count):
        wrong = check(options.seed + number, not options.no_kernel)
        if wrong:
            sys.exit(wrong)
        if number % 100 == 99:
            rate = (number + 1) / (time.monotonic() - started)
            print(f"{number + 1} probes agree, {rate:.0f} a second", file=sys.stderr)
    print(f"{options.count} probes agree")


if __name__ == "__main__":
    main()
