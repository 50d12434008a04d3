"""The machine's maps: what a program finds there, and a test."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from pybpf.errors import UsageError
from pybpf.spec import CString, Int, MapSpec, Struct
from pybpf.uapi import bpf
from pybpf.vm import Fault, Machine
from pybpf.vm.maps import Map

U32, U64 = Int("u32", 4), Int("u64", 8)
PAIR = Struct("pair", [("tid", U32), ("at", Int("i64", 8, signed=True)), ("comm", CString(4))])
ONE, TWO, THREE = (number.to_bytes(4, "little") for number in (1, 2, 3))
A, B = b"aaaaaaaa", b"bbbbbbbb"


def new(kind: str, key: int = 4, value: int = 8, entries: int = 2, **more: Any) -> Any:
    machine = Machine(cpus=2)
    return machine.new_map(MapSpec("m", getattr(bpf, f"BPF_MAP_TYPE_{kind}"), key, value, entries, **more))


HASHES = ["HASH", "LRU_HASH", "PERCPU_HASH", "LRU_PERCPU_HASH"]


@pytest.mark.parametrize("kind", HASHES)
def test_a_hash_by_flags(kind: str) -> None:
    made = new(kind)
    assert made.address_of(ONE) == 0
    assert made.put(ONE, A, bpf.BPF_EXIST) == -errno.ENOENT
    assert made.put(ONE, A, bpf.BPF_NOEXIST) == 0
    assert made.put(ONE, A, bpf.BPF_NOEXIST) == -errno.EEXIST
    assert made.put(ONE, B, bpf.BPF_EXIST) == 0
    assert made.put(ONE, B, 99) == -errno.EINVAL
    assert made.machine.memory.read(made.address_of(ONE), 8) == B
    assert made.remove(ONE) == 0
    assert made.remove(ONE) == -errno.ENOENT
    assert list(made.keys()) == []


@pytest.mark.parametrize("kind", HASHES)
def test_a_hash_that_is_full(kind: str) -> None:
    made = new(kind)
    assert (made.put(ONE, A), made.put(TWO, A)) == (0, 0)
    made.address_of(ONE)  # used last
    assert made.put(THREE, A) == (0 if "LRU" in kind else -errno.E2BIG)
    assert sorted(made.keys()) == ([ONE, THREE] if "LRU" in kind else [ONE, TWO])


def test_an_update_of_a_hash_leaves_the_old_value_to_those_who_hold_it() -> None:
    made = new("HASH")
    made.put(ONE, A)
    old = made.address_of(ONE)
    made.put(ONE, B)
    assert made.machine.memory.read(old, 8) == A
    assert made.machine.memory.read(made.address_of(ONE), 8) == B


@pytest.mark.parametrize("kind", ["ARRAY", "PERCPU_ARRAY"])
def test_an_array(kind: str) -> None:
    made = new(kind)
    assert made.machine.memory.read(made.address_of(ONE), 8) == bytes(8)
    assert made.address_of(TWO) == 0
    assert made.put(ONE, A) == 0
    assert made.put(ONE, A, bpf.BPF_NOEXIST) == -errno.EEXIST
    assert made.put(ONE, A, 99) == -errno.EINVAL
    assert made.put(TWO, A) == -errno.E2BIG
    assert made.remove(ONE) == -errno.EINVAL
    assert made.machine.memory.read(made.address_of(ONE), 8) == A
    assert len(made) == 2


@pytest.mark.parametrize("kind", ["PERCPU_HASH", "PERCPU_ARRAY"])
def test_each_cpu_has_its_own_value(kind: str) -> None:
    made = new(kind, value=4)
    made.update(ONE, b"1111")
    made.machine.cpu = 1
    made.put(ONE, b"2222")
    assert made.machine.memory.read(made.address_of(ONE), 4) == b"2222"
    made.machine.cpu = 0
    assert made.machine.memory.read(made.address_of(ONE), 4) == b"1111"
    assert made.lookup(ONE) == b"1111" + bytes(4) + b"2222" + bytes(4)
    made.update(ONE, b"3333" + bytes(4) + b"4444" + bytes(4))
    assert made[1] == [b"3333", b"4444"]


def test_keys_and_values_by_their_layouts() -> None:
    spec = MapSpec("m", bpf.BPF_MAP_TYPE_HASH, 4, PAIR.size, 2, 0, U32, PAIR)
    made = Machine().new_map(spec)
    made[7] = (1, -5, b"ab")
    assert made.lookup(b"\7\0\0\0") == b"\1\0\0\0\0\0\0\0\xfb" + b"\xff" * 7 + b"ab\0\0\0\0\0\0"
    assert made[7] == (1, -5, b"ab")
    assert 7 in made
    assert 8 not in made
    with pytest.raises(KeyError):
        made[8]
    with pytest.raises(KeyError):
        del made[8]
    with pytest.raises(UsageError, match=r"^\(1, 2\) is no pair: pack expected 3 items for packing"):
        made[7] = (1, 2)
    made[8] = (0, 0, b"")
    with pytest.raises(OSError, match="map m: Argument list too long"):
        made[9] = (0, 0, b"")
    del made[7]
    assert dict(made.items()) == {b"\x08\0\0\0": bytes(PAIR.size)}


def test_initial_data_and_read_only_values() -> None:
    made = new("ARRAY", entries=1, flags=bpf.BPF_F_RDONLY_PROG, data=b"12345678")
    address = made.address_of(bytes(4))
    assert made.machine.memory.read(address, 8) == b"12345678"
    with pytest.raises(Fault, match=r"1 byte at .*: a value of m is read-only"):
        made.machine.memory.write(address, b"x")


def test_a_trie_finds_the_longest_prefix() -> None:
    made = new("LPM_TRIE", key=8, entries=3)

    def key(bits: int, *address: int) -> bytes:
        return bits.to_bytes(4, "little") + bytes(address)

    assert made.put(key(8, 10, 0, 0, 0), A) == 0
    assert made.put(key(24, 10, 1, 2, 99), B) == 0  # the last byte does not count
    assert made.put(key(33, 0, 0, 0, 0), B) == -errno.EINVAL
    assert made.lookup(key(32, 10, 1, 2, 3)) == B
    assert made.lookup(key(32, 10, 1, 3, 3)) == A
    assert made.lookup(key(16, 10, 1, 2, 3)) == A
    assert made.lookup(key(32, 11, 1, 2, 3)) is None
    assert made.put(key(0, 0, 0, 0, 0), A) == 0
    assert made.put(key(1, 0, 0, 0, 0), A) == -errno.ENOSPC
    assert made.remove(key(24, 10, 1, 2, 0)) == 0
    assert made.lookup(key(32, 10, 1, 2, 3)) == A


def test_queue_stack_and_bloom_filter() -> None:
    queue, stack, bloom = (new(kind, key=0) for kind in ("QUEUE", "STACK", "BLOOM_FILTER"))
    for made in (queue, stack):
        assert (made.push(A), made.push(B), made.push(A)) == (0, 0, -errno.E2BIG)
    assert (queue.peek(), queue.pop(), queue.pop(), queue.pop()) == (A, A, B, None)
    assert (stack.peek(), stack.pop(), stack.pop(), stack.pop()) == (B, B, A, None)
    queue.push(A), queue.push(B)
    assert queue.push(A, bpf.BPF_EXIST) == 0
    assert queue.values == [B, A]
    assert queue.push(A, 1) == -errno.EINVAL
    assert bloom.push(A) == 0
    assert (bloom.test(A), bloom.test(B)) == (0, -errno.ENOENT)


def test_a_ring_buffer() -> None:
    ring = new("RINGBUF", key=0, value=0, entries=4096)
    memory = ring.machine.memory
    assert ring.send(b"x" * 4096) == -errno.EAGAIN
    assert ring.send(b"first") == 0
    one, two = ring.reserve(4), ring.reserve(8)
    memory.write(one, b"1234")
    ring.commit(one, discard=False)
    ring.commit(two, discard=True)
    with pytest.raises(Fault, match=r"is no record that was reserved in m"):
        ring.commit(two, discard=True)
    assert ring.used() == 48
    assert ring.take() == [b"first", b"1234"]
    assert (ring.used(), ring.take()) == (0, [])
    unfinished = ring.reserve(8)
    memory.write(unfinished, b"1234")
    with pytest.raises(Fault, match=r"8 bytes at .*: byte 4 of a record of m was never written"):
        ring.commit(unfinished, discard=False)


def test_a_perf_buffer() -> None:
    made = new("PERF_EVENT_ARRAY", value=4)
    assert made.send(b"12345", bpf.BPF_F_CURRENT_CPU) == 0
    assert made.send(b"x", 7) == -errno.E2BIG
    assert made.send(b"x", 1) == -errno.EOPNOTSUPP  # another CPU's
    assert made.take() == [b"12345".ljust(12, b"\0")]  # the record's size is a multiple of 8, with its header
    made.pages = 1
    assert [made.send(bytes(2000), 0) for _ in range(3)] == [0, 0, -errno.ENOSPC]
    assert made.lost == 1
    made.take()
    assert made.send(bytes(2000), 0) == 0


def test_events_by_their_layout() -> None:
    machine = Machine()
    ring: Any = machine.new_map(MapSpec("m", bpf.BPF_MAP_TYPE_RINGBUF, 0, 0, 4096, value=PAIR))
    ring.send(b"\1\0\0\0\0\0\0\0\xff" + b"\xff" * 7 + b"ab")  # cut short, as an event at its true length
    assert ring.records() == [{"tid": 1, "at": -1, "comm": b"ab"}]
    with pytest.raises(UsageError, match="has no layout of its events"):
        new("RINGBUF", key=0, value=0, entries=4096).records()


def test_stack_traces() -> None:
    made = new("STACK_TRACE", value=32, entries=8)
    number = made.identify([1, 2, 3], 0)
    assert made.identify([1, 2, 3], 0) == number
    assert made.lookup(number.to_bytes(4, "little")) == b"".join(
        each.to_bytes(8, "little") for each in (1, 2, 3, 0)
    )
    assert made.identify([], 0) == -errno.EFAULT
    assert made.identify([0, 1, 2, 3], 1) == number  # the innermost is left out
    assert made.identify([1], 1 << 40) == -errno.EINVAL


def test_maps_of_maps_programs_and_cgroups() -> None:
    machine = Machine()
    inner = machine.new_map(MapSpec("inner", bpf.BPF_MAP_TYPE_HASH, 4, 8, 2))
    outer: Any = machine.new_map(MapSpec("outer", bpf.BPF_MAP_TYPE_ARRAY_OF_MAPS, 4, 4, 2))
    outer.refer(1, inner)
    assert (outer.address_of(ONE), outer.address_of(TWO)) == (inner.address, 0)
    outer.refer(0, inner)
    with pytest.raises(UsageError, match=r"map outer is full \(2 entries\)"):
        outer.refer(2, inner)
    assert outer.remove(ONE) == 0
    assert outer.remove(ONE) == -errno.ENOENT


def test_a_type_that_the_machine_does_not_have() -> None:
    with pytest.raises(UsageError, match=r"^map m: the machine has no maps of type 17$"):
        new("XSKMAP")


def test_a_map_that_is_none() -> None:
    machine = Machine()
    with pytest.raises(Fault, match=r"^0x7 is the address of no Map$"):
        machine.map_at(7, Map)
