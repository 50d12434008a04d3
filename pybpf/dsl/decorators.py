"""What makes a Python function a probe, or code that a probe can call."""

from __future__ import annotations

import ast
import functools
import linecache
from collections.abc import Mapping, Sequence
from types import FunctionType
from typing import Any, Callable, Union

from pybpf.errors import LoweringError, UsageError, near
from pybpf.source import Location
from pybpf.spec.cgroup import HOOKS
from pybpf.spec.params import Param, Sampling, Selected

__all__ = [
    "Func",
    "Probe",
    "Source",
    "cgroup",
    "fentry",
    "fexit",
    "fmod_ret",
    "func",
    "iterator",
    "kprobe",
    "kretprobe",
    "lsm",
    "netfilter",
    "perf_event",
    "raw_tracepoint",
    "socket_filter",
    "tc",
    "tp_btf",
    "tracepoint",
    "uprobe",
    "uretprobe",
    "usdt",
    "xdp",
]


_ASYNC = 0x80 | 0x200  # CO_COROUTINE, CO_ASYNC_GENERATOR


class Source:
    """The syntax tree of a function, and the names that it can see."""

    def __init__(self, function: Callable[..., Any]) -> None:
        if not isinstance(function, FunctionType):
            found = getattr(function, "__name__", None) or getattr(function, "name", function)
            raise LoweringError(f"a probe or a @func is a function that is defined with def; {found} is none")
        code = function.__code__
        if code.co_flags & _ASYNC:
            place = Location(code.co_filename, code.co_firstlineno)
            raise LoweringError(f"{function.__name__} can't wait: there is no async in a probe", place)
        self.name = function.__name__
        # Its own variables: reading one that isn't set yet is an error, whatever the module has of that name.
        self.variables = frozenset(code.co_varnames + code.co_cellvars)
        self.file = code.co_filename
        self.function = function
        self.tree = _find(self.file, code.co_firstlineno, self.name)

    def names(self) -> dict[str, Any]:
        """Globals and the closure, as they are now."""
        found = dict(self.function.__globals__)
        for name, cell in zip(self.function.__code__.co_freevars, self.function.__closure__ or ()):
            try:
                found[name] = cell.cell_contents
            except ValueError:  # not bound yet
                continue
        return found


@functools.lru_cache(maxsize=64)
def _functions(file: str, text: str) -> dict[tuple[int, str], ast.FunctionDef]:
    found = {}
    for node in ast.walk(ast.parse(text, file)):
        if isinstance(node, ast.FunctionDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            found[first, node.name] = node
    return found


def _find(file: str, line: int, name: str) -> ast.FunctionDef:
    node = _functions(file, "".join(linecache.getlines(file))).get((line, name))
    if node is None:
        raise LoweringError(
            f"{name} has no source to lower: a probe must be a function that is defined with def in a file",
            Location(file, line),
        )
    return node


class Func:
    """A function that is inlined where a probe calls it. Called from Python, it is the Python function."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.source = Source(function)
        functools.update_wrapper(self, function)

    def __repr__(self) -> str:
        return f"the function {self.source.name}"

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        return self.source.function(*args, **keywords)


# What a parameter for a process has when it isn't given.
_NO_PID = 0xFFFF_FFFF

Where = Union[str, Selected, Sampling]
Rate = Union[int, Param]
Cookie = Union[int, Param, Sequence[int]]
_Decorator = Callable[[Callable[..., Any]], "Probe"]


class Probe:
    """A function that becomes a BPF program; `kind` says how it is attached, `where` to what.

    `where` may name system calls, when `syscall`. `maxactive` is as `spec.Attach` has it; `cookie` is what
    `get_attach_cookie()` gives: everywhere the same, or one number for each place. A `sleepable` one may call
    helpers that wait. `pid` is the one process to be probed in, if not all.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        kind: str,
        where: Where,
        cookie: Cookie = 0,
        syscall: bool = False,
        maxactive: int = 0,
        sleepable: bool = False,
        pid: int | Param = 0,
    ) -> None:
        self.source = Source(function)
        self.name = function.__name__
        self.kind = kind
        self.where = where
        self.cookie = cookie
        self.syscall = syscall
        self.maxactive = maxactive
        self.sleepable = sleepable
        self.pid = pid

    def __repr__(self) -> str:
        return f"the probe {self.name}"

    def cookies(self, values: Mapping[str, Any], places: int) -> tuple[int, ...]:
        """The cookie of each place, when parameters have these values; none when there are none.

        Raises UsageError.
        """
        found = values[self.cookie.name] if isinstance(self.cookie, Param) else self.cookie
        numbers = (found,) * places if isinstance(found, int) else tuple(found)
        if len(numbers) != places:
            raise UsageError(f"there are {places} places, and {len(numbers)} cookies")
        if not all(isinstance(number, int) and 0 <= number < 1 << 64 for number in numbers):
            raise UsageError("a cookie is a number of 64 bits, without a sign")
        return numbers if any(numbers) else ()

    def process(self, values: Mapping[str, Any]) -> int:
        """The one process to be probed in, when parameters have these values; 0 for all."""
        found: int = values[self.pid.name] if isinstance(self.pid, Param) else self.pid
        return found if 0 < found < _NO_PID else 0


def func(function: Callable[..., Any]) -> Func:
    """Let probes call this function: its code is put where the call stands."""
    return Func(function)


def _decorator(kind: str, where: Any, what: str, example: str, cookie: Cookie = 0, **more: Any) -> _Decorator:
    if not isinstance(where, (str, Selected)) or where == "":
        name = kind.partition("/")[0]
        raise LoweringError(f"@{name} takes {what}: @{name}({example!r})")
    return lambda function: Probe(function, kind, where, cookie, **more)


def kprobe(where: Where, *, syscall: bool = False, cookie: Cookie = 0) -> _Decorator:
    """Run at the entry of a kernel function (BPF since Linux 4.1).

    `where` names it: `"a"`; `"a,b?"` for a, and b where that exists; `"a|b"` for a, or else b; or a place in
    it, `"a+0x10"`; or an address, `"0xffffffff81000000"`. The parameters are the function's own, with their
    C types as annotations, as many as are needed. `cookie`, a number, a parameter, or a list with one number
    for each place, is what `get_attach_cookie()` gives (Linux 5.15); other kinds that have it have it too.

    With `syscall`, it names a system call, such as `"openat"`: parameters are those of the system call, and
    what pointers lead to is memory of the process.
    """
    return _decorator("kprobe", where, _FUNCTION, "vfs_read", cookie, syscall=syscall)


def kretprobe(where: Where, *, syscall: bool = False, maxactive: int = 0, cookie: Cookie = 0) -> _Decorator:
    """Run when a kernel function returns (BPF since Linux 4.1); the one parameter is what it returned.

    Where that is done by a kretprobe, it sees some calls at a time only, twice as many as there are CPUs or
    so; `maxactive` asks for room for more, by tracefs. What is missed is counted.
    """
    return _decorator("kretprobe", where, _FUNCTION, "vfs_read", cookie, syscall=syscall, maxactive=maxactive)


def fentry(where: Where, *, sleepable: bool = False, cookie: Cookie = 0) -> _Decorator:
    """Run at the entry of a kernel function that BTF describes (Linux 5.5; in a module 5.11).

    As a kprobe on one function, but cheaper: the kernel's own call to a trampoline; and what its pointers
    lead to is read by plain loads. A `sleepable` one may call helpers that wait, such as copy_from_user,
    where the kernel allows it (Linux 5.10); so may fexit and fmod_ret.
    """
    return _decorator("fentry", where, _FUNCTION, "vfs_read", cookie, sleepable=sleepable)


def fexit(where: Where, *, sleepable: bool = False, cookie: Cookie = 0) -> _Decorator:
    """Run when a kernel function returns (Linux 5.5; in a module 5.11).

    The parameters are all of the function's, as they were when it was called, and then what it returned.
    """
    return _decorator("fexit", where, _FUNCTION, "vfs_read", cookie, sleepable=sleepable)


def fmod_ret(where: Where, *, sleepable: bool = False, cookie: Cookie = 0) -> _Decorator:
    """Run at the entry of a kernel function, and decide whether it is called at all (Linux 5.7).

    The parameters are all of the function's, and then what it is to return so far: 0, if no other program
    said otherwise. The result, where it isn't 0, is returned in the function's stead. The kernel allows it
    in what may fail anyway: security hooks (`security_file_open`), and functions that are listed in
    /sys/kernel/debug/error_injection/list, system calls (`__x64_sys_mkdirat`) among them.
    """
    return _decorator("fmod_ret", where, _FUNCTION, "security_file_open", cookie, sleepable=sleepable)


def lsm(where: Where, *, sleepable: bool = False, cookie: Cookie = 0) -> _Decorator:
    """Run at a security hook of the kernel, and decide whether something may be done (Linux 5.7).

    `where` is the hook's name, `"file_open"`; the parameters are the hook's own, and after all of them what
    programs before this one returned. The result is 0, or an error number below it: -1 is EPERM. A
    `sleepable` one may call helpers that wait, where the hook allows it (Linux 5.11).
    """
    return _decorator("lsm", where, "the name of a security hook", "file_open", cookie, sleepable=sleepable)


def iterator(where: Where, *, sleepable: bool = False) -> _Decorator:
    """Run for each object of a kind, when it is read like a file (Linux 5.8).

    `where` says of what: `"task"`, `"task_file"`, `"bpf_map"`, and what else the kernel has. The parameter is
    `ctx: "struct bpf_iter__task *"`, after the last object with None in place of one. What is written by
    `seq_write(ctx.meta.seq, record)` and `seq_printf(ctx.meta.seq, "%d\\n", n)` is the file.
    """
    return _decorator("iterator", where, "what the kernel has iterators of", "task", sleepable=sleepable)


def tracepoint(where: Where, *, cookie: Cookie = 0) -> _Decorator:
    """Run at a tracepoint of the kernel, by its category and name (Linux 4.7).

    The one parameter is its record, in the C type that the kernel has for it:
    `ctx: "struct trace_event_raw_sys_enter *"`, or another. `ctx.id` is a plain load. Where the record has a
    text of no fixed length (`__data_loc_filename`), `ctx.filename` is a pointer to it: `kstr(ctx.filename)`.
    """
    return _decorator("tracepoint", where, "a tracepoint's category and name", "sched/sched_switch", cookie)


def raw_tracepoint(where: Where, *, cookie: Cookie = 0) -> _Decorator:
    """Run at a tracepoint of the kernel, such as `sys_enter`, with its arguments as they are (Linux 4.17)."""
    return _decorator("raw_tracepoint", where, "a tracepoint's name", "sched_switch", cookie)


def tp_btf(where: Where, *, cookie: Cookie = 0) -> _Decorator:
    """A raw tracepoint whose arguments BTF describes: their pointers are read by plain loads (Linux 5.5)."""
    return _decorator("tp_btf", where, "a tracepoint's name", "sched_switch", cookie)


def uprobe(where: Where, *, pid: Rate = 0, sleepable: bool = False, cookie: Cookie = 0) -> _Decorator:
    """Run at the entry of a function of a program or library, in any process (perf PMU, Linux 4.17).

    `where` is a file and a symbol of it, `"/bin/bash:readline"`, or an offset, `"/bin/bash:0x1000"`; a
    library goes by its name, as in `"libc.so.6:malloc"`. The parameters are the function's own; pointers are
    to memory of the process. `pid`, a number or a parameter, makes it run in one process only, at no cost
    for others; so it does for uretprobe and usdt. A `sleepable` one may call helpers that wait, such as
    copy_from_user, which brings pages into memory (Linux 6.0); so may uretprobe.
    """
    return _decorator("uprobe", where, _SYMBOL, "libc.so.6:malloc", cookie, sleepable=sleepable, pid=pid)


def uretprobe(where: Where, *, pid: Rate = 0, sleepable: bool = False, cookie: Cookie = 0) -> _Decorator:
    """Run when such a function returns (Linux 4.17); the one parameter is what it returned."""
    return _decorator("uretprobe", where, _SYMBOL, "libc.so.6:malloc", cookie, sleepable=sleepable, pid=pid)


def usdt(where: Where, *, pid: Rate = 0, cookie: Cookie = 0) -> _Decorator:
    """Run at a place that the authors of a program or library marked, with what they hand over (Linux 4.20).

    `where` is file, provider and name, `"/usr/bin/python3:python:gc__start"`; a library goes by its name. The
    parameters are the probe's arguments, in its order; pointers are to memory of the process. Where the
    arguments lie is read from the file when the program is lowered for this host.
    """
    return _decorator(
        "usdt", where, "a file, a provider and a name", "libc.so.6:libc:setjmp", cookie, pid=pid
    )


def perf_event(
    event: str, *, freq: Rate | None = None, period: Rate | None = None, cookie: Cookie = 0
) -> _Decorator:
    """Run again and again while an event goes on, on every CPU (Linux 4.9).

    `event` is a counter of the kernel or the processor, as perf calls it: `cpu-clock`, `page-faults`,
    `cycles`. `freq`: so many times a second; `period`: at each n-th event (of a clock: each n nanoseconds);
    each a number or a parameter. The context, if it is wanted, is `ctx: "struct bpf_perf_event_data *"`.
    """
    if freq is not None and period is None:
        sampling = Sampling(event, "freq", freq)
    elif period is not None and freq is None:
        sampling = Sampling(event, "period", period)
    else:
        raise LoweringError(f"@perf_event takes either freq or period: @perf_event({event!r}, freq=99)")
    return lambda function: Probe(function, "perf_event", sampling, cookie)


def socket_filter(where: Where) -> _Decorator:
    """Run for each packet that comes in or goes out of an interface, on a socket that sees them (Linux 3.19).

    The parameter is `skb: "struct __sk_buff *"`; the result how much of the packet the socket gets, 0 for
    nothing.
    """
    return _decorator("socket_filter", where, _INTERFACE, "lo")


def xdp(where: Where) -> _Decorator:
    """Run for each packet that comes in, before the kernel looks at it (Linux 4.8).

    The parameter is `ctx: "struct xdp_md *"`; the result is an XDP_* code: 2 (XDP_PASS) lets it pass.
    """
    return _decorator("xdp", where, _INTERFACE, "lo")


def tc(where: Where, *, egress: bool = False) -> _Decorator:
    """Run for each packet that comes in, or with `egress` goes out, as traffic control (tcx, Linux 6.6).

    The parameter is `skb: "struct __sk_buff *"`; the result is a TC_ACT_* code: -1 goes on to the next.
    """
    return _decorator("tc/egress" if egress else "tc", where, _INTERFACE, "lo")


def netfilter(where: Where) -> _Decorator:
    """Run for each packet at a hook of netfilter, among its rules (Linux 6.4).

    `where` is family and hook, with a priority, of which the lowest runs first, where it isn't 0:
    `"ipv4/local_in"`, `"ipv6/forward/-100"`. The parameter is `ctx: "struct bpf_nf_ctx *"`; the result is
    1 (NF_ACCEPT) or 0 (NF_DROP).
    """
    return _decorator("netfilter", where, "a hook of netfilter", "ipv4/local_in")


def cgroup(hook: str, where: Where) -> _Decorator:
    """Run for what the processes of a control group do, and of the groups below it (Linux 5.7).

    `hook` is what they do: `ingress` and `egress` (packets; the parameter is `skb: "struct __sk_buff *"`),
    `sock_create`, `sock_release`, `post_bind4` (`struct bpf_sock *`), `bind4`, `connect4`, `sendmsg4`,
    `recvmsg4`, `getpeername4`, `getsockname4` (`struct bpf_sock_addr *`), all of these with 6, too,
    `sock_ops` (`struct bpf_sock_ops *`), `device` (`struct bpf_cgroup_dev_ctx *`), `sysctl` (`struct
    bpf_sysctl *`), `getsockopt`, `setsockopt` (`struct bpf_sockopt *`). `where` is the group's path, or its
    name below the root, as in `"/system.slice"`. The result is 1, or 0 to deny it.
    """
    if hook not in HOOKS:
        raise LoweringError(f"control groups have no hook {hook!r}{near(hook, HOOKS)}")
    if not isinstance(where, (str, Selected)):
        raise LoweringError(f"@cgroup takes a control group's path: @cgroup({hook!r}, '/system.slice')")
    return lambda function: Probe(function, f"cgroup/{hook}", where)


# What decorators take, in errors.
_FUNCTION = "the name of a kernel function"
_SYMBOL = "a file and a function of it"
_INTERFACE = "the name of a network interface"
