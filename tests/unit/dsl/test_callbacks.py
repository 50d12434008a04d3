"""What the kernel calls back: timers, and functions for records from user space; on the machine."""

from __future__ import annotations

import errno

import pytest

from pybpf import btf
from pybpf.dsl import lower
from pybpf.errors import UsageError
from pybpf.spec import Target
from pybpf.vm import Machine

TARGET = Target("reference", btf.reference())

TIMERS = """
class Timed(Record):
    hits: u64
    timer: bpf_timer

timed = HashMap("timed", u64, Timed, max_entries=4)

@subprogram
def fire(map: u64, key: Key, value: Timed) -> u64:
    value.hits += 1
    counts.add(u64(key.tid), 100 + value.hits)
    if value.hits < 3:
        timer_start(value.timer, 50, 0)
    return 0

@tc("lo")
def start(skb: "struct __sk_buff *") -> i32:
    key = u64(skb.len)
    timed[key] = Timed()
    found = timed.get(key)
    if found:
        counts[0] = u64(0 - timer_start(found.timer, 1, 0))
        timer_init(found.timer, timed, 1)
        counts[1] = u64(0 - timer_init(found.timer, timed, 1))
        counts[2] = u64(0 - timer_start(found.timer, 1, 0))
        timer_set_callback(found.timer, fire)
        timer_start(found.timer, 10 * key, 0)
    return 0

@tc("lo")
def cancel(skb: "struct __sk_buff *") -> i32:
    found = timed.get(u64(skb.len))
    return i32(timer_cancel(found.timer)) if found else -1
"""


@pytest.fixture
def timers(module):
    machine = Machine(lower(module(TIMERS), {}, TARGET), btf=TARGET.btf)
    for size in (40, 30):
        machine.receive("start", bytes(size))
    return machine


def after(machine, nanoseconds):
    machine.time_ns += nanoseconds
    return machine.run_timers()


def test_timers_go_off_when_they_are_due(timers):
    assert [timers.maps["counts"][key] for key in range(3)] == [errno.EINVAL, errno.EBUSY, errno.EINVAL]
    assert [after(timers, 299), after(timers, 1), after(timers, 100)] == [0, 1, 2]
    counts = timers.maps["counts"]
    assert (counts[30], counts[40]) == (101 + 102, 101)
    assert [after(timers, 50) for _ in range(4)] == [2, 1, 0, 0]
    assert (counts[30], counts[40]) == (306, 306)


def test_a_timer_that_is_cancelled_or_gone(timers):
    assert [timers.receive("cancel", bytes(size))[0] for size in (30, 30, 50)] == [1, 0, (1 << 64) - 1]
    del timers.maps["timed"][40]
    assert after(timers, 1000) == 0


COMMANDS = """
class Command(Record):
    number: u64
    name: CString[8]

class Sum(Record):
    total: u64

commands = UserEvents("commands", Command, size=4096)

@subprogram
def obey(command: Command, sum: Sum) -> u64:
    sum.total += command.number
    return u64(command.name == "stop")

@kprobe("f")
def probe():
    sum = Sum(total=100)
    counts[1] = u64(commands.drain(obey, sum))
    counts[2] = sum.total
"""


def test_records_from_user_space(module):
    machine = Machine(lower(module(COMMANDS), {}, TARGET), btf=TARGET.btf)
    commands, counts = machine.maps["commands"], machine.maps["counts"]
    machine.call("probe")
    assert (counts[1], counts[2]) == (0, 100)
    for number, name in ((5, b"x"), (7, b"stop"), (9, b"")):
        commands.push((number, name))
    machine.call("probe")
    assert (counts[1], counts[2], len(commands)) == (2, 112, 1)
    commands.push(bytes(4000))
    with pytest.raises(UsageError, match=r"^map commands is full \(4096 bytes\)$"):
        commands.push(bytes(100))
