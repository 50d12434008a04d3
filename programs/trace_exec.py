"""Trace new programs: each execve that succeeds, with its arguments."""

from pybpf import CString, Events, Gadget, Record, tracepoint
from pybpf.gadget import Process, Timestamp, discard_current, fill_process
from pybpf.helpers import cast, current, kstr, ktime_get_boot_ns, ubytes

gadget = Gadget(
    "trace_exec",
    columns="runtime.containerName:container proc.comm proc.pid proc.parent.pid:ppid proc.creds.user args",
)

ARGUMENTS = 512  # bytes that are shown, at most


class Event(Record):
    timestamp: Timestamp
    proc: Process
    file: CString[256]
    args: CString[ARGUMENTS]


events = Events("events", Event)


@tracepoint("sched/sched_process_exec")
def ig_execve(ctx: "struct trace_event_raw_sched_process_exec *"):
    if discard_current():
        return
    event = events.reserve()
    if not event:
        return
    event.timestamp = ktime_get_boot_ns()
    fill_process(event.proc)
    event.file = kstr(ctx.filename)
    # The arguments lie one after another, each with a NUL.
    mm = current.task.mm
    size = min(mm.arg_end - mm.arg_start, ARGUMENTS - 1)
    event.args = ubytes(cast(mm.arg_start, "char __user *"), size)
    for i in range(1, size):
        if event.args[i] == 0 and i + 1 < size:
            event.args[i] = ord(" ")
    events.submit(event)
