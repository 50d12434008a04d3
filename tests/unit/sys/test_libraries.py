"""Where libraries lie, by the cache that ldconfig writes."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from pybpf.sys import libraries

WIDE = b"\x7fELF" + bytes([struct.calcsize("P") // 4])
NARROW = b"\x7fELF" + bytes([3 - struct.calcsize("P") // 4])


def cache(entries: list[tuple[str, str]], before: bytes = b"") -> bytes:
    start = 48 + 24 * len(entries)
    texts, rows = b"", b""
    for pair in entries:
        places = []
        for text in pair:
            places.append(start + len(texts))
            texts += os.fsencode(text) + b"\0"
        rows += struct.pack("=iIIIQ", 0x303, *places, 0, 0)
    head = struct.pack("=20sII20x", b"glibc-ld.so.cache1.1", len(entries), len(texts))
    return before + head + rows + texts


ENTRIES = [
    ("libc.so.6", "/lib32/libc.so.6"),
    ("libc.so.6", "/lib/libc.so.6"),
    ("libm.so.6", "/lib/libm.so.6"),
]
PATHS = {"libc.so.6": ["/lib32/libc.so.6", "/lib/libc.so.6"], "libm.so.6": ["/lib/libm.so.6"]}


@pytest.mark.parametrize("before", [b"", b"ld.so-1.7.0\0" + bytes(36)])
def test_the_cache(before: bytes) -> None:
    assert libraries.parse(cache(ENTRIES, before)) == PATHS


def test_what_is_no_cache() -> None:
    assert libraries.parse(b"") == {}
    assert libraries.parse(b"something else") == {}


def test_a_library_is_of_this_width(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, head in (("narrow", NARROW), ("wide", WIDE), ("text", b"/* GNU ld script */")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "libx.so").write_bytes(head)
    entries = [("libx.so", f"{tmp_path}/{name}/libx.so") for name in ("gone", "text", "narrow", "wide")]
    monkeypatch.setattr(libraries, "read_bytes", lambda path: cache(entries))
    libraries._cached.cache_clear()
    assert libraries.find("libx.so") == f"{tmp_path}/wide/libx.so"
    assert libraries.find("libnosuch.so") == ""
    libraries._cached.cache_clear()


def test_a_damaged_cache_finds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libraries, "read_bytes", lambda path: cache(ENTRIES)[:100])
    libraries._cached.cache_clear()
    assert libraries.find("libnosuch.so") == ""
    libraries._cached.cache_clear()


def test_paths_and_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "tool"
    program.write_bytes(WIDE)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert libraries.find("tool") == str(program)
    assert libraries.find(str(program)) == str(program)
    assert libraries.find(f"{tmp_path}/no") == ""


def test_a_library_without_its_version(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    names = ["libx.so.2", "libx.so.10.1", "libx.so", "libxy.so.99", "libx.so.old"]
    for name in names:
        (tmp_path / name).write_bytes(WIDE)
    entries = [(name, f"{tmp_path}/{name}") for name in names]
    monkeypatch.setattr(libraries, "read_bytes", lambda path: cache(entries))
    libraries._cached.cache_clear()
    assert libraries.find("libx") == f"{tmp_path}/libx.so.10.1"
    (tmp_path / "libx.so.10.1").write_bytes(NARROW)
    assert libraries.find("libx") == f"{tmp_path}/libx.so.2"
    assert libraries.find("lib") == ""
    missing = libraries.missing("libx.so.3")
    assert missing.startswith(
        "no library or program of that name is installed: libx.so.3 (did you mean 'libx.so."
    )
    assert libraries.missing("/no") == "there is no such file: /no"
    libraries._cached.cache_clear()
