"""The index in the user's cache: used when sound, and in no other case."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pybpf.btf import graph, index, load
from pybpf.btf.build import Builder

COUNT = 50


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    # A walk is long from the first type on.
    monkeypatch.setattr(graph, "_LONG", 0)
    return tmp_path / "cache" / "pybpf" / "btf"


@pytest.fixture
def path(tmp_path) -> Path:
    b = Builder()
    for number in range(COUNT):
        b.structure(f"s{number}", number, [])
    (tmp_path / "some.btf").write_bytes(b.finish())
    return tmp_path / "some.btf"


def walked(path: Path) -> int:
    """How many records were stepped over, to find the last type."""
    btf = load(path, index=True)
    steps = 0

    class Counting(type(btf._steps)):
        def __getitem__(self, info: int) -> int:
            nonlocal steps
            steps += 1
            return super().__getitem__(info)

    btf._steps = Counting()
    assert btf[f"struct s{COUNT - 1}"].size == COUNT - 1
    assert len(btf) == COUNT + 1
    return steps


def test_the_second_time_it_is_there(cache, path):
    assert walked(path) == COUNT
    [file] = cache.iterdir()
    assert (file.stat().st_mode & 0o777, file.suffix) == (0o600, ".index")
    assert walked(path) == 0


def test_only_when_asked_for(cache, path):
    assert len(load(path)) == COUNT + 1
    assert not cache.exists()


def test_not_for_a_short_walk(cache, path, monkeypatch):
    monkeypatch.setattr(graph, "_LONG", 1 << 17)
    assert walked(path) == COUNT
    assert not cache.exists()


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: b"",
        lambda raw: raw[:10],
        lambda raw: raw[:-1],
        lambda raw: raw[:-4],
        lambda raw: raw + bytes(4),
        lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]),
        lambda raw: bytes([raw[0] ^ 1]) + raw[1:],
        lambda raw: raw[:16] + bytes([raw[16] ^ 1]) + raw[17:],
    ],
    ids=["empty", "short", "cut", "word", "longer", "flipped", "name", "checksum"],
)
def test_a_damaged_one_is_not_used_and_mended(cache, path, damage):
    walked(path)
    [file] = cache.iterdir()
    sound = file.read_bytes()
    file.write_bytes(damage(sound))
    assert walked(path) == COUNT
    assert file.read_bytes() == sound
    assert list(cache.iterdir()) == [file]


def test_that_of_another_btf_is_not_used(cache, path):
    walked(path)
    [file] = cache.iterdir()
    data = bytearray(path.read_bytes())
    data[-2] ^= 1
    path.write_bytes(data)
    assert Path(index._name(bytes(data))).name != file.name
    btf = load(path, index=True)
    assert len(btf) == COUNT + 1
    assert len(list(cache.iterdir())) == 2


def test_that_of_another_user_is_not_used(cache, path, monkeypatch):
    walked(path)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert walked(path) == COUNT


def test_a_cache_that_can_not_be_written(cache, path):
    cache.parent.parent.mkdir()
    cache.parent.write_text("in the way")
    assert walked(path) == COUNT
    assert walked(path) == COUNT


def test_nothing_is_written_where_others_can_or_through_a_link(cache, path, tmp_path, monkeypatch):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    (tmp_path / "own").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "own")
    for home in (shared, tmp_path / "link"):
        monkeypatch.setenv("XDG_CACHE_HOME", str(home))
        assert walked(path) == COUNT
    assert (list(shared.iterdir()), list((tmp_path / "own").iterdir())) == ([], [])


def test_a_link_a_pipe_and_a_file_that_others_can_write_are_not_read(cache, path):
    walked(path)
    [file] = cache.iterdir()
    sound = file.read_bytes()
    file.chmod(0o666)
    assert walked(path) == COUNT  # and it is written anew
    assert walked(path) == 0
    file.rename(cache / "other")
    file.symlink_to(cache / "other")
    assert walked(path) == COUNT
    assert (file.is_symlink(), file.read_bytes()) == (False, sound)
    file.unlink()
    os.mkfifo(file)
    assert walked(path) == COUNT
