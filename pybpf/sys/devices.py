"""Block devices by their numbers."""

from __future__ import annotations

import functools
import os

__all__ = ["block_device"]

# As the kernel keeps a dev_t: 12 bits of major and 20 of minor number (include/linux/kdev_t.h).
_MINOR_BITS = 20


@functools.lru_cache(maxsize=256)
def block_device(number: int) -> str:
    """The name of the device that has this dev_t in the kernel, such as `sda1`; `8:1` when it has none."""
    numbers = f"{number >> _MINOR_BITS}:{number & (1 << _MINOR_BITS) - 1}"
    try:
        return os.path.basename(os.readlink(f"/sys/dev/block/{numbers}"))
    except OSError:
        return numbers
