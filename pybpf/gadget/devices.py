"""Devices by their numbers, as gadgets show them."""

from __future__ import annotations

from pybpf.spec import Int

__all__ = ["Device"]

# A block device's dev_t in the kernel; shown as its name, such as `sda1`.
Device = Int("device", 4, role="device")
