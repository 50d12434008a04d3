"""Maps against the kernel: needs CAP_BPF."""

from __future__ import annotations

import errno
import os
import resource
import struct

import pytest

from pybpf import maps
from pybpf.errors import LoadError, SyscallError
from pybpf.spec import CString, Int, MapSpec, Struct
from pybpf.sys import cpus
from pybpf.uapi import bpf

U32, U64 = Int("u32", 4), Int("u64", 8)
PAIR = Struct("pair", [("tid", U32), ("at", Int("i64", 8, signed=True)), ("comm", CString[4])])


def spec(kind: int, key: int = 4, value: int = 8, entries: int = 4, **more: object) -> MapSpec:
    return MapSpec("a-map.of.long.name", kind, key, value, entries, **more)  # type: ignore[arg-type]


def test_a_hash() -> None:
    with maps.create(spec(bpf.BPF_MAP_TYPE_HASH)) as made:
        assert made.lookup(b"aaaa") is None
        assert list(made.keys()) == []
        made.update(b"aaaa", b"12345678")
        made.update(b"bbbb", b"87654321")
        made.update(b"aaaa", b"........")
        assert made.lookup(b"aaaa") == b"........"
        assert dict(made.items()) == {b"aaaa": b"........", b"bbbb": b"87654321"}
        assert made.delete(b"aaaa") is True
        assert made.delete(b"aaaa") is False
        assert made.info()[2:] == (4, 8, 4, 0, "a_map.of.long.n")


def test_a_full_hash_says_so() -> None:
    with maps.create(spec(bpf.BPF_MAP_TYPE_HASH, entries=1)) as made:
        made.update(b"aaaa", bytes(8))
        with pytest.raises(SyscallError) as caught:
            made.update(b"bbbb", bytes(8))
        assert str(caught.value) == (
            "bpf(BPF_MAP_UPDATE_ELEM): Argument list too long (E2BIG): the map is full, or has no such index:"
            " it needs more max_entries"
        )


def test_an_array_has_all_its_elements() -> None:
    with maps.create(spec(bpf.BPF_MAP_TYPE_ARRAY, entries=3)) as made:
        assert [struct.unpack("<I", key)[0] for key, _ in made.items()] == [0, 1, 2]
        assert made.lookup(struct.pack("<I", 2)) == bytes(8)
        assert made.lookup(struct.pack("<I", 3)) is None


def test_a_per_cpu_array_has_a_value_for_each_cpu() -> None:
    with maps.create(spec(bpf.BPF_MAP_TYPE_PERCPU_ARRAY, value=12, entries=1)) as made:
        count = len(cpus.possible())
        made.update(bytes(4), b"".join(bytes([cpu]) * 16 for cpu in range(count)))
        assert made.lookup_per_cpu(bytes(4)) == [bytes([cpu]) * 12 for cpu in range(count)]
        with pytest.raises(KeyError):
            made.lookup_per_cpu(b"\1\0\0\0")


def test_elements_by_layout() -> None:
    typed = MapSpec("typed", bpf.BPF_MAP_TYPE_HASH, 8, PAIR.size, 8, key=U64, value=PAIR)
    with maps.create(typed) as made:
        made[7] = (1, -2, b"ab")
        assert made[7] == (1, -2, b"ab\0\0")
        assert 7 in made
        assert 8 not in made
        assert list(made) == [7]
        del made[7]
        for use in (lambda: made[7], lambda: made.__delitem__(7)):
            with pytest.raises(KeyError):
                use()


def test_initial_data_is_written_and_frozen() -> None:
    rodata = MapSpec(".rodata", bpf.BPF_MAP_TYPE_ARRAY, 4, 6, 1, flags=bpf.BPF_F_RDONLY_PROG, data=b"abcdef")
    with maps.create(rodata) as made:
        assert made.lookup(bytes(4)) == b"abcdef"
        with pytest.raises(SyscallError) as caught:
            made.update(bytes(4), b"......")
        assert caught.value.errno == errno.EPERM
        assert caught.value.why == "map .rodata is frozen"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            MapSpec("d", bpf.BPF_MAP_TYPE_ARRAY, 4, 8, 1, data=b"abc"),
            "map d: 3 bytes of initial data, expected 8",
        ),
        (
            MapSpec("r", bpf.BPF_MAP_TYPE_RINGBUF, 0, 0, 5000),
            "map r: a ring buffer of 5000 bytes: it must be a power of 2 of at least 4096",
        ),
        (
            MapSpec("h", bpf.BPF_MAP_TYPE_HASH, 0, 8, 1),
            "bpf(BPF_MAP_CREATE): Invalid argument (EINVAL): this kernel refuses map h: it lacks the type "
            "HASH or its flags (0x0), or has no such size (key 0, value 8 bytes, 1 entries)",
        ),
        (
            MapSpec("n", 999, 4, 8, 1),
            "bpf(BPF_MAP_CREATE): Invalid argument (EINVAL): this kernel refuses map n: it lacks the type "
            "999 or its flags (0x0), or has no such size (key 4, value 8 bytes, 1 entries)",
        ),
    ],
)
def test_a_map_that_can_not_be(wrong: MapSpec, message: str) -> None:
    before = os.listdir("/proc/self/fd")
    with pytest.raises((LoadError, SyscallError)) as caught:
        maps.create(wrong)
    assert str(caught.value) == message
    assert os.listdir("/proc/self/fd") == before


def test_sizes_are_checked_before_the_kernel_reads_past_a_buffer() -> None:
    with maps.create(spec(bpf.BPF_MAP_TYPE_HASH)) as made:
        for use in (lambda: made.lookup(b"a"), lambda: made.update(b"aaaa", b"1"), lambda: made.delete(b"")):
            with pytest.raises(ValueError, match="bytes, expected"):
                use()


def test_a_limit_of_locked_memory_is_lifted() -> None:
    """Before 5.11 maps count against it; here a map of 4 MiB with a limit of nothing."""
    if os.fork() == 0:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]))
        maps.create(spec(bpf.BPF_MAP_TYPE_ARRAY, value=4096, entries=1024)).close()
        os._exit(0)
    assert os.wait()[1] == 0


def test_a_closed_map_says_what_it_is() -> None:
    made = maps.create(spec(bpf.BPF_MAP_TYPE_HASH))
    made.close()
    made.close()
    with pytest.raises(ValueError, match=r"^map a-map.of.long.name is closed$"):
        made.lookup(b"aaaa")
