"""Reading an ELF file that may be anything."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from pybpf.errors import UsageError

if TYPE_CHECKING:
    from elftools.elf.elffile import ELFFile

__all__ = ["read"]

_Result = TypeVar("_Result")


def read(path: str, what: Callable[[ELFFile], _Result]) -> _Result:
    """What is read of an open file. Raises UsageError when it is no ELF file, or damaged; OSError."""
    from elftools.elf.elffile import ELFFile

    # A pipe, that somebody put in a library's place, would keep us waiting.
    with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
        try:
            return what(ELFFile(file))
        except Exception as error:
            # Of a damaged file pyelftools raises not only its own errors, but whatever comes of reading on.
            raise UsageError(f"{path} is no ELF file, or damaged: {error}") from None
