"""Which processors there are."""

from __future__ import annotations

from pybpf.sys.files import read_text

__all__ = ["online", "parse", "possible"]


def parse(text: str) -> tuple[int, ...]:
    """Read the kernel's list form: `"0-2,4"` is `(0, 1, 2, 4)`."""
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if first:
            found.extend(range(int(first), int(last or first) + 1))
    return tuple(found)


def online() -> tuple[int, ...]:
    """Processors that run now; one ring of a perf buffer belongs to each."""
    return parse(read_text("/sys/devices/system/cpu/online")) or (0,)


def possible() -> tuple[int, ...]:
    """Processors that may ever run: a per-CPU map holds a value for each."""
    return parse(read_text("/sys/devices/system/cpu/possible")) or (0,)
