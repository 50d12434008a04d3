#!/usr/bin/env python3
"""Damage BTF at random and look at all of it: each mutation is read, or refused by a documented error.

usage: tools/fuzz btf [--count N] [--seed S] [--seconds T] [FILE]

Without FILE, small BTF of every kind is damaged, byte by byte and word by word; with it, that file's. A
failure is another exception than BpfError, more than 2 s of processor time for one, or more than 100 MB
of memory; it is printed with its seed, and the status is then 1. The tests run a few thousand of them.
"""

from __future__ import annotations

import argparse
import random
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from pybpf.btf import Btf, parse
from pybpf.btf.build import Builder
from pybpf.btf.describe import as_text
from pybpf.btf.dump_c import header
from pybpf.btf.extract import extract
from pybpf.btf.layout import show
from pybpf.btf.write import rebuild
from pybpf.errors import BpfError

LONGEST_S = 2.0
MOST_MEMORY = 100 << 20

# Values at the edges of what a word of BTF can mean: kinds, counts, ids and offsets that are too large.
WORDS = (0, 1, 2, 3, 7, 0x7F, 0xFF, 0xFFFF, 0xFFFFFF, 0x1000000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def seeds() -> list[bytes]:
    """Small BTF that has every kind, in both byte orders, split so that each is short."""
    b = Builder()
    u32, char = b.integer("u32", 4), b.integer("char", 1, signed=True)
    inner = b.structure("", 8, [("low", u32, 0, 0), ("high", u32, 32, 0)])
    union = b.structure("", 8, [("whole", u32, 0, 0), ("", inner, 0, 0)], kind="union")
    pointer = b.pointer(b.modifier("const", b.modifier("typedef", union, "union_t")))
    members = [("", union, 0, 0), ("next", pointer, 64, 0), ("bits", u32, 130, 3)]
    b.structure("file", 32, [*members, ("comm", b.array(char, 4), 160, 0), ("rest", b.array(u32, 0), 256, 0)])
    structs = b
    b = Builder()
    u32 = b.integer("u32", 4)
    b.enumeration("small", 4, [("A", -1), ("B", 2)])
    b.enumeration("large", 8, [("C", 1 << 40)])
    callback = b.pointer(b.prototype(u32, [("fwd", b.pointer(b.forward("inode"))), ("", 0)]))
    function = b.function("open", b.prototype(0, [("callback", callback)]))
    tagged = b.modifier("type_tag", u32, "user")
    variable = b.variable("count", b.modifier("volatile", b.modifier("restrict", tagged)))
    b.section(".data", 4, [(variable, 0, 4)])
    b.tag("kfunc", function, 0)
    return [made.finish(order) for made in (structs, b) for order in ("little", "big")]


def mutate(data: bytes, rng: random.Random) -> bytes:
    """`data` with one to four things wrong: bytes, words, pieces moved, doubled or cut off."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        at = rng.randrange(len(changed)) if changed else 0
        choice = rng.randrange(8)
        if choice < 2:
            changed[at : at + 1] = bytes([rng.randrange(256)])
        elif choice < 6:
            at &= ~3
            word = rng.choice(WORDS) if choice < 4 else rng.randrange(24)
            word |= rng.choice((0, rng.randrange(24) << 24))
            changed[at : at + 4] = word.to_bytes(4, rng.choice(("little", "big")))
        elif choice == 6:
            piece = changed[at : at + 4 * rng.randrange(1, 16)]
            changed[at:at] = piece
        else:
            del changed[at : at + rng.randrange(1, 64)]
    return bytes(changed)


def _types(btf: Btf) -> None:
    for type in btf:
        for look in (
            lambda t: (t.key, t.size, t.signed, t.resolve(), t.declaration),
            lambda t: [(m.name, m.bit_offset, m.bit_size, m.type) for m in t.members],
            lambda t: (t.parameters, t.values, [v.type for v in t.variables], t.component, t.linkage),
            lambda t: [t.field(m.name or "high").load for m in t.all_members()],
            lambda t: t.field("comm[1]"),
        ):
            with suppress(BpfError):
                look(type)


def _names(btf: Btf) -> None:
    for key in ("struct file", "u32", "enum small", "union_t", "struct fil"):
        with suppress(BpfError):
            btf[key].field("high")
    for question in (lambda: btf.function("open"), lambda: btf.type("struct inode *").target.size):
        with suppress(BpfError):
            question()


def _texts(btf: Btf) -> None:
    for type in btf:
        for text in (as_text, show):
            with suppress(BpfError):
                text(type)


def _header(btf: Btf) -> None:
    for _ in header(btf):
        pass


def _extract(btf: Btf) -> None:
    for type in btf:
        with suppress(BpfError):
            parse(extract(btf, [(type.id, "*")]))


def _construct(btf: Btf) -> None:
    for type in btf:
        if type.kind in ("struct", "union", "array") and type.size < 1 << 16:
            with suppress(BpfError):
                made = type.construct()
                made.parse(bytes(type.size))


def _rebuild(btf: Btf) -> None:
    data = rebuild(btf).finish(btf.byte_order)
    if rebuild(parse(data)).finish(btf.byte_order) != data:
        raise AssertionError("building and decoding again gives other bytes")


LOOKS: tuple[Callable[[Btf], None], ...] = (
    _types,
    _names,
    _texts,
    _header,
    _extract,
    _construct,
    _rebuild,
)


def once(sources: list[bytes], seed: int) -> bool:
    """Mutation number `seed`; whether it was read to its end (and not refused)."""
    rng = random.Random(seed)
    data = mutate(rng.choice(sources), rng)
    look = rng.choice(LOOKS)
    try:
        look(parse(data))
    except BpfError:
        return False
    return True


def _too_long(*_: object) -> None:
    raise TimeoutError(f"more than {LONGEST_S} s")


def run(sources: list[bytes], numbers: Iterator[int], until: float) -> tuple[int, int, int]:
    """(mutations, of them read to the end, failures)."""
    signal.signal(signal.SIGVTALRM, _too_long)
    count = read = failures = 0
    for seed in numbers:
        signal.setitimer(signal.ITIMER_VIRTUAL, LONGEST_S)
        try:
            read += once(sources, seed)
        except Exception:
            failures += 1
            print(f"seed {seed}:\n{traceback.format_exc(limit=-4)}", file=sys.stderr)
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        count += 1
        if time.monotonic() > until or failures >= 10:
            break
        if count % 100_000 == 0:
            print(f"{count} mutations, {read} of them readable, {failures} failures", file=sys.stderr)
    return count, read, failures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("file", nargs="?")
    args = parser.parse_args()
    sources = [Path(args.file).read_bytes()] if args.file else seeds()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.monotonic()
    numbers = iter(range(args.seed, args.seed + args.count))
    count, read, failures = run(sources, numbers, start + args.seconds)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
    if grown > MOST_MEMORY:
        failures += 1
        print(f"memory grew by {grown >> 20} MB", file=sys.stderr)
    took = time.monotonic() - start
    print(
        f"{count} mutations in {took:.0f} s: {read} readable, {count - read} refused, {failures} failures, "
        f"{grown >> 20} MB more memory"
    )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
