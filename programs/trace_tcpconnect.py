"""Trace TCP connections that processes of this machine open, over IPv4 and IPv6, and how they ended up."""

from pybpf import Events, Gadget, HashMap, Record, func, tracepoint, u16, u32, u64
from pybpf.gadget import IpAddress, Process, Timestamp, discard_current, fill_process
from pybpf.helpers import cast, ktime_get_boot_ns, ktime_get_ns

gadget = Gadget(
    "trace_tcpconnect",
    columns="runtime.containerName:container proc.comm proc.pid source sport target dport delta_us error",
)

# Of <net/tcp_states.h> and <linux/in.h>.
TCP_SYN_SENT = 2
IPPROTO_TCP = 6


class Start(Record):
    ts: u64
    proc: Process


class Event(Record):
    timestamp: Timestamp
    proc: Process
    source: IpAddress
    target: IpAddress
    sport: u16
    dport: u16
    error: u32
    delta_us: u64


starts = HashMap("starts", u64, Start, max_entries=8192)  # by the socket's address
events = Events("events", Event)


@func
def begin(socket):
    start = Start(ts=ktime_get_ns())
    fill_process(start.proc)
    starts[socket] = start


@tracepoint("sock/inet_sock_set_state")
def ig_tcp_state(ctx: "struct trace_event_raw_inet_sock_set_state *"):
    if ctx.protocol != IPPROTO_TCP:
        return
    socket = u64(cast(ctx.skaddr, "struct sock *"))
    if ctx.newstate == TCP_SYN_SENT:  # in the process that connects; all that follows may be anywhere
        if not discard_current():
            begin(socket)
        return
    start = starts.pop(socket)
    if not start:
        return
    event = events.reserve()
    if not event:
        return
    event.timestamp = ktime_get_boot_ns()
    event.proc = start.proc
    event.source = ctx.saddr_v6  # of IPv4 too: mapped, as ::ffff:127.0.0.1
    event.target = ctx.daddr_v6
    event.sport = ctx.sport
    event.dport = ctx.dport
    event.error = u32(cast(ctx.skaddr, "struct sock *").sk_err)
    event.delta_us = (ktime_get_ns() - start.ts) // 1000
    events.submit(event)
