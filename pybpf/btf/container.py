"""BTF out of a file, whatever it is wrapped in: raw, an ELF's section, compressed, in a tar archive."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, cast

from pybpf.errors import BtfError

if TYPE_CHECKING:
    from elftools.elf.elffile import ELFFile

__all__ = ["read", "sections"]

_MAGICS = (b"\x9f\xeb", b"\xeb\x9f")
_MAX_UNPACKED = 1 << 28


def read(path: str) -> bytes:
    """The BTF in the file at `path`; raises `BtfError` when it has none, `OSError` when it can't be read.

    It is read, not mapped: 1 ms for a kernel's, the same memory once it was searched, no descriptor is kept
    open, and /sys/kernel/btf can be mapped only since Linux 6.16.
    """
    with open(path, "rb", buffering=0) as file:
        data = file.readall()
    return data if data[:2] in _MAGICS else _unwrap(data)


def _unwrap(data: bytes) -> bytes:
    for _ in range(4):
        if data[:2] in _MAGICS:
            return data
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
        "no BTF: neither raw, nor in an ELF file, nor compressed (gzip, bzip2, xz, zstd) or in a tar archive"
    )


def sections(data: bytes) -> dict[str, bytes]:
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


def _from_tar(data: bytes) -> bytes:
    # The archives of distribution kernels' BTF hold one file each.
    import tarfile

    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
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


def _zstd(file: IO[bytes]) -> IO[bytes]:
    if sys.version_info >= (3, 14):
        from compression import zstd  # novermin

        return cast("IO[bytes]", zstd.open(file))
    try:
        import zstandard
    except ImportError:
        raise BtfError(
            "it is compressed by zstd, which Python reads from 3.14 on: pip install zstandard, or unpack it"
            " (zstd -d)"
        ) from None
    return cast("IO[bytes]", zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True))


_PACKED: tuple[tuple[bytes, Callable[[IO[bytes]], IO[bytes]]], ...] = (
    (b"\x1f\x8b", _gzip),
    (b"BZh", _bzip2),
    (b"\xfd7zXZ\0", _xz),
    (b"\x28\xb5\x2f\xfd", _zstd),
)


def _unpack(opener: Callable[[IO[bytes]], IO[bytes]], data: bytes) -> bytes:
    import zlib

    try:
        with opener(io.BytesIO(data)) as file:
            found = file.read(_MAX_UNPACKED + 1)
    except BtfError:
        raise
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise BtfError(f"this compressed file is damaged: {error}") from None
    except Exception as error:  # lzma.LZMAError and zstd's, whose modules may not be there to name them.
        raise BtfError(f"this compressed file is damaged: {error}") from None
    if len(found) > _MAX_UNPACKED:
        raise BtfError(f"this compressed file holds more than {_MAX_UNPACKED >> 20} MB: no BTF is as large")
    return found
