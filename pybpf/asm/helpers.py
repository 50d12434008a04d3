"""Helper functions by name and by number, for calls."""

from __future__ import annotations

from functools import cache

from pybpf.errors import EncodingError, near
from pybpf.uapi.helpers import HELPERS

__all__ = ["helper_id", "helper_name"]


def helper_id(name: str) -> int:
    """The number of a helper: `helper_id("bpf_map_lookup_elem") == 1`; the `bpf_` may be left out."""
    for each in (name, f"bpf_{name}"):
        if each in HELPERS:
            return HELPERS[each]
    raise EncodingError(f"no helper function {name!r}{near(name, HELPERS)}")


def helper_name(number: int) -> str:
    """The name of a helper; `unknown` for one that did not exist when this was generated, as bpftool says."""
    return _names().get(number, "unknown")


@cache
def _names() -> dict[int, str]:
    return {number: name for name, number in HELPERS.items()}
