#!/usr/bin/env python3
"""Feed the decoder, the printer and the reader what is broken.

usage: tools/fuzz disasm [--count N] [--seed S] [--jobs J] [--seconds T]

Each input is a small program, made from the instruction table, with a few bytes or characters changed. Bytes
must decode or raise EncodingError, and what decodes must read back from its text to the same bytes; a text
must assemble or raise AsmError. Anything else, or an input that takes more than a second of processor time,
is a failure: it is printed, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import signal
import sys
import time

from pybpf.asm import assemble, disassemble, format_instruction
from pybpf.errors import AsmError, EncodingError
from pybpf.isa import OPS, Instruction, Undecoded, decode, decode_lenient, encode
from pybpf.isa.opcodes import LDDW

SECONDS = 1.0
CHUNK = 10_000
CHARACTERS = "rw0123456789abcdefx+-*/%&|^=!<>()[]#:;,._ \t\n\"'\\$@ {}é\x00"
WORDS = (
    "r1",
    "w2",
    "goto",
    "pc",
    "u64",
    "s>>=",
    "ll",
    "map",
    "lock",
    "0x",
    "call",
    ":",
    "0: (b7) ",
    "1: b7 01 00 00 ",
)


def program(chance: random.Random) -> list[Instruction]:
    """One to six valid instructions; their jumps may go anywhere near."""
    instructions = []
    for _ in range(chance.randint(1, 6)):
        op = chance.choice(OPS)
        imm = chance.getrandbits(64 if op.high else 32)
        if op.target == "imm":
            imm = chance.randint(-4, 4) & 0xFFFFFFFF
        if op.opcode != LDDW:
            imm = (imm & 0xFFFFFFFF ^ 0x80000000) - 0x80000000
        offset = chance.randint(-4, 4) if op.target else chance.randint(-32768, 32767)
        drawn = (chance.randint(0, 10), chance.randint(0, 10), offset, imm)
        fixed = (op.dst, op.src, op.offset, op.imm)
        instructions.append(Instruction(op.opcode, *(b if a is None else a for a, b in zip(fixed, drawn))))
    return instructions


def mutated_bytes(code: bytes, chance: random.Random) -> bytes:
    """The bytes with some changed, cut out, or put in."""
    raw = bytearray(code)
    for _ in range(chance.randint(0, 4)):
        place = chance.randrange(len(raw) + 1)
        kind = chance.randrange(4)
        if kind == 0:
            del raw[place : place + chance.choice((1, 8))]
        elif kind == 1:
            raw[place:place] = chance.randbytes(chance.choice((1, 8)))
        elif place < len(raw):
            raw[place] = chance.getrandbits(8) if kind == 2 else raw[place] ^ 1 << chance.randrange(8)
    return bytes(raw)


def mutated_text(text: str, chance: random.Random) -> str:
    """The text with some characters changed, cut out, or put in."""
    for _ in range(chance.randint(0, 4)):
        place = chance.randrange(len(text) + 1)
        cut = chance.randrange(3)
        new = chance.choice(("", chance.choice(CHARACTERS), chance.choice(WORDS)))
        text = text[:place] + new + text[place + cut :]
    return text


def check_bytes(code: bytes) -> None:
    """Raise anything but what is documented, when the decoder or the printer are wrong about these bytes."""
    items = decode_lenient(code)
    assert b"".join(item.raw if isinstance(item, Undecoded) else encode([item]) for item in items) == code
    disassemble(code, lenient=True)
    try:
        instructions = decode(code)
    except EncodingError:
        return
    assert instructions == items
    assert assemble(disassemble(code)) == code


def check_text(text: str) -> None:
    """Raise anything but what is documented, when the reader is wrong about this text."""
    try:
        code = assemble(text)
    except AsmError as error:
        if not (error.line and error.column):
            raise AssertionError(f"no place: {error}") from None
        return
    assert assemble(disassemble(code)) == code


def run(seed: int, count: int) -> tuple[float, str]:
    """Check `count` inputs. Returns the longest time of one, and the first failure."""
    chance = random.Random(seed)
    longest = 0.0
    signal.signal(signal.SIGVTALRM, _too_long)
    for number in range(count):
        instructions = program(chance)
        subject: bytes | str
        if number % 2:
            subject = mutated_text("\n".join(map(format_instruction, instructions)), chance)
        else:
            subject = mutated_bytes(encode(instructions), chance)
        signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
        start = time.process_time()
        try:
            check_text(subject) if isinstance(subject, str) else check_bytes(subject)
        except Exception as error:
            shown = subject if isinstance(subject, str) else subject.hex()
            return longest, f"{type(error).__name__}: {error}\n  {shown!r}"
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        longest = max(longest, time.process_time() - start)
    return longest, ""


def _too_long(*_: object) -> None:
    raise TimeoutError(f"took longer than {SECONDS} s of processor time")


def main() -> int:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--count", type=int, default=100_000, help="how many inputs (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="where to begin (default %(default)s)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=1e9, help="stop after so long")
    arguments = parser.parse_args()
    sizes = [CHUNK] * (arguments.count // CHUNK) + [arguments.count % CHUNK]
    chunks = [(arguments.seed * 1_000_003 + number, size) for number, size in enumerate(sizes) if size]
    start = time.monotonic()
    longest, failures, done = 0.0, 0, 0
    with multiprocessing.Pool(arguments.jobs) as pool:
        for (seed, size), (seconds, failure) in zip(chunks, pool.imap(_run_chunk, chunks)):
            longest = max(longest, seconds)
            done += size
            if failure:
                failures += 1
                print(f"chunk {seed}: {failure}", file=sys.stderr)
            if time.monotonic() - start > arguments.seconds:
                break
    took = time.monotonic() - start
    print(f"{done} inputs in {took:.0f} s, longest {longest * 1e3:.1f} ms, {failures} failures")
    return 1 if failures else 0


def _run_chunk(chunk: tuple[int, int]) -> tuple[float, str]:
    return run(*chunk)


if __name__ == "__main__":
    sys.exit(main())
