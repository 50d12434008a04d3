"""trace_tcpconnect on the machine."""

from __future__ import annotations

import errno
import socket
from typing import Any

import pytest

from pybpf.vm import Machine, Task

ESTABLISHED, SYN_SENT, CLOSE = 1, 2, 7
TCP, DCCP = 6, 33


def change(machine: Machine, record: Any, sock: Any, new: int, old: int = CLOSE, **fields: Any) -> None:
    """A socket changes its state."""
    values = {
        "protocol": TCP,
        "sport": 40000,
        "dport": 80,
        "saddr_v6": bytes(16),
        "daddr_v6": bytes(16),
        **fields,
    }
    texts = ("saddr_v6", "daddr_v6")
    arrays = {name: list(values.pop(name)) for name in texts}
    context = record(
        machine, "inet_sock_set_state", skaddr=sock, oldstate=old, newstate=new, **values, **arrays
    )
    machine.run("ig_tcp_state", context)


def address(text: str) -> bytes:
    if ":" in text:
        return socket.inet_pton(socket.AF_INET6, text)
    return bytes(10) + b"\xff\xff" + socket.inet_pton(socket.AF_INET, text)


@pytest.mark.parametrize(("source", "target"), [("127.0.0.1", "192.0.2.7"), ("::1", "2001:db8::7")])
@pytest.mark.parametrize(("state", "error"), [(ESTABLISHED, 0), (CLOSE, errno.ECONNREFUSED)])
def test_a_connection(
    make: Any, record: Any, process: Any, source: str, target: str, state: int, error: int
) -> None:
    machine = make("trace_tcpconnect")
    sock = machine.kernel.new("struct sock")
    change(machine, record, sock, SYN_SENT, sport=0)
    assert len(machine.maps["starts"]) == 1
    # The answer comes while something else runs.
    machine.task = Task(pid=1, comm="swapper")
    machine.time_ns += 1_234_567
    sock.set(sk_err=error)
    ends = {"saddr_v6": address(source), "daddr_v6": address(target)}
    change(machine, record, sock, state, old=SYN_SENT, **ends)
    assert machine.maps["events"].records() == [
        {
            "timestamp": 1_001_234_567,
            **process,
            "source": address(source),
            "target": address(target),
            "sport": 40000,
            "dport": 80,
            "error": error,
            "delta_us": 1234,
        }
    ]
    assert len(machine.maps["starts"]) == 0


def test_what_is_no_beginning_of_a_connection(make: Any, record: Any) -> None:
    machine = make("trace_tcpconnect")
    sock = machine.kernel.new("struct sock")
    change(machine, record, sock, SYN_SENT, protocol=DCCP)
    change(machine, record, sock, ESTABLISHED, old=3)  # accepted
    change(machine, record, sock, CLOSE, old=ESTABLISHED)
    assert len(machine.maps["starts"]) == 0
    assert len(machine.maps["events"]) == 0


def test_two_sockets_at_once(make: Any, record: Any) -> None:
    machine = make("trace_tcpconnect")
    socks = [machine.kernel.new("struct sock") for _ in range(2)]
    for sock in socks:
        change(machine, record, sock, SYN_SENT)
    for port, sock in enumerate(socks):
        change(machine, record, sock, ESTABLISHED, dport=port)
    assert [event["dport"] for event in machine.maps["events"].records()] == [0, 1]


@pytest.mark.parametrize(("params", "starts"), [({"pid": 100}, 1), ({"pid": 99}, 0)])
def test_filters(make: Any, record: Any, params: dict[str, Any], starts: int) -> None:
    machine = make("trace_tcpconnect", **params)
    change(machine, record, machine.kernel.new("struct sock"), SYN_SENT)
    assert len(machine.maps["starts"]) == starts
