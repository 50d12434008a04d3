"""Trace the lines that people type into bash, in every shell that runs."""

from pybpf import CString, Events, Gadget, Record, uretprobe
from pybpf.gadget import Process, Timestamp, discard_current, fill_process
from pybpf.helpers import ktime_get_boot_ns, ustr

gadget = Gadget(
    "trace_readline",
    columns="runtime.containerName:container timestamp proc.pid proc.creds.user:user line",
)


class Event(Record):
    timestamp: Timestamp
    proc: Process
    line: CString[256]


events = Events("events", Event)


# bash has the function in itself, or uses the library.
@uretprobe("/bin/bash:readline | libreadline.so.8:readline")
def ig_readline(line: "char *"):
    if not line or discard_current():  # the end of the input
        return
    event = events.reserve()
    if not event:
        return
    event.timestamp = ktime_get_boot_ns()
    fill_process(event.proc)
    event.line = ustr(line)
    events.submit(event)
