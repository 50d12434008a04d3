"""Trace the opening of files: name, flags, and the descriptor or the error."""

import enum

from pybpf import CString, Events, Flag, Gadget, HashMap, Record, func, i32, tracepoint, u32
from pybpf.gadget import Process, Timestamp, discard_current, fill_process
from pybpf.helpers import cast, current, full_path, ktime_get_boot_ns, ustr

gadget = Gadget(
    "trace_open", columns="runtime.containerName:container proc.comm proc.pid proc.tid fd error flags file"
)

failed = Flag("failed", "only what could not be opened")
full = Flag("full_path", "of what was opened, the whole path instead of the name that was given")


class Flags(enum.IntFlag):
    """As in <asm-generic/fcntl.h>."""

    O_RDONLY = 0
    O_WRONLY = 1
    O_RDWR = 2
    O_CREAT = 0o100
    O_EXCL = 0o200
    O_TRUNC = 0o1000
    O_APPEND = 0o2000
    O_NONBLOCK = 0o4000
    O_DSYNC = 0o10000
    O_DIRECT = 0o40000
    O_LARGEFILE = 0o100000
    O_DIRECTORY = 0o200000
    O_NOFOLLOW = 0o400000
    O_NOATIME = 0o1000000
    O_CLOEXEC = 0o2000000
    O_SYNC = 0o4010000
    O_PATH = 0o10000000
    O_TMPFILE = 0o20200000


class Start(Record):
    name: "const char __user *"
    flags: u32
    mode: u32


class Event(Record):
    timestamp: Timestamp
    proc: Process
    fd: i32
    error: u32
    flags: Flags
    mode: u32
    file: CString[256]


starts = HashMap("starts", u32, Start, max_entries=8192)
events = Events("events", Event)


@func
def enter(name, flags, mode):
    if not discard_current():
        starts[current.tid] = Start(cast(name, "const char __user *"), u32(flags), u32(mode))


@tracepoint("syscalls/sys_enter_open?")
def ig_open_e(ctx: "struct trace_event_raw_sys_enter *"):
    enter(ctx.args[0], ctx.args[1], ctx.args[2])


@tracepoint("syscalls/sys_enter_openat")
def ig_openat_e(ctx: "struct trace_event_raw_sys_enter *"):
    enter(ctx.args[1], ctx.args[2], ctx.args[3])


@tracepoint("syscalls/sys_enter_openat2?")
def ig_openat2_e(ctx: "struct trace_event_raw_sys_enter *"):
    how = cast(ctx.args[2], "u64 __user *")  # struct open_how: flags, mode, resolve
    enter(ctx.args[1], how[0], how[1])


@tracepoint("syscalls/sys_exit_open?, syscalls/sys_exit_openat, syscalls/sys_exit_openat2?")
def ig_open_x(ctx: "struct trace_event_raw_sys_exit *"):
    start = starts.pop(current.tid)
    if not start or (failed and ctx.ret >= 0):
        return
    event = events.reserve()
    if not event:
        return
    event.timestamp = ktime_get_boot_ns()
    fill_process(event.proc)
    event.fd = i32(ctx.ret) if ctx.ret >= 0 else -1
    event.error = u32(-ctx.ret) if ctx.ret < 0 else 0
    event.flags = start.flags
    event.mode = start.mode
    if full and ctx.ret >= 0:
        event.file = full_path(current.task.files.fdt.fd[u32(ctx.ret)].f_path)
    else:
        event.file = ustr(start.name)  # now that the kernel has brought the page into memory
    events.submit(event)
