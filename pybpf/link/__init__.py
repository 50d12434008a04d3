"""Programs attached to the kernel: one file an attach kind."""

from __future__ import annotations

from pybpf.link.kinds import KINDS, Kind, Missing, Resolved, attach, resolve
from pybpf.link.link import Link, LinkInfo

__all__ = ["KINDS", "Kind", "Link", "LinkInfo", "Missing", "Resolved", "attach", "resolve"]
