"""BTF out of a file, whatever it is wrapped in: raw, an ELF's section, compressed, in a tar archive."""

from __future__ import annotations

import io
import mmap
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Union, cast

from pybpf.errors import BtfError

if TYPE_CHECKING:
    from elftools.elf.elffile import ELFFile

__all__ = ["read", "sections"]

Data = Union[bytes, mmap.mmap]

_MAGICS = (b"\x9f\xeb", b"\xeb\x9f")
_MAX_UNPACKED = 1 << 28


def read(path: str) -> Data:
    """The BTF in the file at `path`: mapped where it is raw, copied where it is not.

    Raises `BtfError` when there is none in it, `OSError` when it can't be read.
    """
    with open(path, "rb", buffering=0) as file:
        try:
            data: Data = mmap.mmap(file.fileno(), 0, mmap.MAP_PRIVATE, mmap.PROT_READ)
        except (OSError, ValueError):
            # An empty file or a pipe; /sys/kernel/btf before Linux 6.16.
            data = file.readall()
    return data if data[:2] in _MAGICS else _unwrap(data)


def _unwrap(data: Data) -> bytes:
    for _ in range(4):
        if data[:2] in _MAGICS:
            return bytes(data)
        if data[:4] == b"\x7fELF":
            found = sections(data).get(".BTF")
            if found is None:
                raise BtfError("this ELF file has no .BTF section")
            return found
        if data[257:262] == b"ustar":
            data = _from_tar(data)
            continue
        opener = next((opener for magic, opener in _PACKED if data[: len(magic)] == magic), None)
        if opener is None:
            break
        data = _unpack(opener, data)
    raise BtfError(
        "no BTF: neither raw, nor in an ELF file, nor compressed (gzip, bzip2, xz) or in a tar archive"
    )


def sections(data: Data) -> dict[str, bytes]:
    """The sections of an ELF file whose names begin with `.BTF`."""
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    try:
        elf: ELFFile = ELFFile(io.BytesIO(data))
        names = (".BTF", ".BTF.ext", ".BTF.base")
        found = {name: elf.get_section_by_name(name) for name in names}
        return {name: section.data() for name, section in found.items() if section is not None}
    except (ELFError, ValueError, KeyError, IndexError, OverflowError, UnicodeDecodeError) as error:
        raise BtfError(f"this ELF file is damaged: {error}") from None


def _from_tar(data: Data) -> bytes:
    # The archives of distribution kernels' BTF hold one file each.
    import tarfile

    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for member in archive:
                file = archive.extractfile(member) if member.isfile() else None
                if file is not None and member.size <= _MAX_UNPACKED:
                    return file.read()
    except (tarfile.TarError, EOFError) as error:
        raise BtfError(f"this tar archive is damaged: {error}") from None
    raise BtfError("this tar archive holds no file")


def _gzip(file: IO[bytes]) -> IO[bytes]:
    import gzip

    return cast("IO[bytes]", gzip.open(file))


def _bzip2(file: IO[bytes]) -> IO[bytes]:
    import bz2

    return cast("IO[bytes]", bz2.open(file))


def _xz(file: IO[bytes]) -> IO[bytes]:
    import lzma

    return cast("IO[bytes]", lzma.open(file))


_PACKED: tuple[tuple[bytes, Callable[[IO[bytes]], IO[bytes]]], ...] = (
    (b"\x1f\x8b", _gzip),
    (b"BZh", _bzip2),
    (b"\xfd7zXZ\0", _xz),
)


def _unpack(opener: Callable[[IO[bytes]], IO[bytes]], data: Data) -> bytes:
    import zlib

    try:
        with opener(io.BytesIO(data)) as file:
            found = file.read(_MAX_UNPACKED + 1)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise BtfError(f"this compressed file is damaged: {error}") from None
    except Exception as error:  # lzma.LZMAError, whose module may not be there to name it.
        raise BtfError(f"this compressed file is damaged: {error}") from None
    if len(found) > _MAX_UNPACKED:
        raise BtfError(f"this compressed file holds more than {_MAX_UNPACKED >> 20} MB: no BTF is as large")
    return found
