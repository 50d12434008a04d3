"""Names of numbers, for messages."""

from __future__ import annotations

from pybpf.uapi import bpf

__all__ = ["name_of"]


def name_of(prefix: str, number: int) -> str:
    """`HASH` for `BPF_MAP_TYPE_` and 1; the number where there is no name.

    Of two names of one number, the last: the one before it is deprecated.
    """
    names = [name for name, value in vars(bpf).items() if name.startswith(prefix) and value == number]
    return names[-1][len(prefix) :] if names else str(number)
