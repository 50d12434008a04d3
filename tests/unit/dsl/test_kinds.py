"""Every kind of probe: what it becomes, where its parameters come from, how they are read."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import pybpf.dsl
from pybpf import btf
from pybpf.btf.build import Builder
from pybpf.dsl import lower
from pybpf.dsl.kinds import KINDS
from pybpf.errors import LoweringError
from pybpf.spec import Attach, Function, ObjectSpec, Target
from pybpf.spec.cgroup import HOOKS
from pybpf.uapi import bpf
from pybpf.vm import Machine

PROBES = {
    "kprobe": ("vfs_read", "file: 'struct file *', n: u32"),
    "kretprobe": ("vfs_read", "ret: i64"),
    "uprobe": ("libc.so.6:malloc", "text: 'const char *', n: u32"),
    "uretprobe": ("/bin/bash:readline", "text: 'char *'"),
    "usdt": ("/bin/python3:python:line", ""),
    "tracepoint": ("raw_syscalls/sys_enter", "ctx: 'struct trace_event_raw_sys_enter *'"),
    "raw_tracepoint": ("sys_enter", "regs: 'struct pt_regs *', n: u32"),
    "tp_btf": ("sched_process_exit", "task: 'struct task_struct *'"),
    "fentry": ("vfs_read", "file: 'struct file *', n: u32"),
    "fexit": ("vfs_read", "file: 'struct file *', ret: i64"),
    "perf_event": ("cpu-clock", "ctx: 'struct bpf_perf_event_data *'"),
    "socket_filter": ("lo", "skb: 'struct __sk_buff *'"),
    "xdp": ("lo", "ctx: 'struct xdp_md *'"),
    "tc": ("lo", "skb: 'struct __sk_buff *'"),
    "tc/egress": ("lo", "skb: 'struct __sk_buff *'"),
    "fmod_ret": ("security_file_open", "file: 'struct file *', ret: i32"),
    "lsm": ("file_open", "file: 'struct file *'"),
    "iterator": ("task", "ctx: 'struct bpf_iter__task *'"),
    "netfilter": ("ipv4/local_in", "ctx: 'struct bpf_nf_ctx *'"),
    **{f"cgroup/{hook}": ("/x.slice", "") for hook in HOOKS},
}
TYPES = {
    "kprobe": (bpf.BPF_PROG_TYPE_KPROBE, 0),
    "kretprobe": (bpf.BPF_PROG_TYPE_KPROBE, 0),
    "uprobe": (bpf.BPF_PROG_TYPE_KPROBE, 0),
    "uretprobe": (bpf.BPF_PROG_TYPE_KPROBE, 0),
    "usdt": (bpf.BPF_PROG_TYPE_KPROBE, 0),
    "tracepoint": (bpf.BPF_PROG_TYPE_TRACEPOINT, 0),
    "raw_tracepoint": (bpf.BPF_PROG_TYPE_RAW_TRACEPOINT, 0),
    "tp_btf": (bpf.BPF_PROG_TYPE_TRACING, bpf.BPF_TRACE_RAW_TP),
    "fentry": (bpf.BPF_PROG_TYPE_TRACING, bpf.BPF_TRACE_FENTRY),
    "fexit": (bpf.BPF_PROG_TYPE_TRACING, bpf.BPF_TRACE_FEXIT),
    "perf_event": (bpf.BPF_PROG_TYPE_PERF_EVENT, 0),
    "socket_filter": (bpf.BPF_PROG_TYPE_SOCKET_FILTER, 0),
    "xdp": (bpf.BPF_PROG_TYPE_XDP, bpf.BPF_XDP),
    "tc": (bpf.BPF_PROG_TYPE_SCHED_CLS, 0),
    "tc/egress": (bpf.BPF_PROG_TYPE_SCHED_CLS, 0),
    "fmod_ret": (bpf.BPF_PROG_TYPE_TRACING, bpf.BPF_MODIFY_RETURN),
    "lsm": (bpf.BPF_PROG_TYPE_LSM, bpf.BPF_LSM_MAC),
    "iterator": (bpf.BPF_PROG_TYPE_TRACING, bpf.BPF_TRACE_ITER),
    "netfilter": (bpf.BPF_PROG_TYPE_NETFILTER, bpf.BPF_NETFILTER),
    **{f"cgroup/{name}": tuple(hook) for name, hook in HOOKS.items()},
}

Lowered = Callable[..., ObjectSpec]


def written(kind: str, parameters: str, body: str, where: str = "") -> str:
    name, more = where or PROBES[kind][0], {"perf_event": ", freq=99", "tc/egress": ", egress=True"}
    lines = "".join(f"\n    {line}" for line in body.split("; "))
    decorator, _, hook = kind.partition("/")
    start = f"{decorator}({hook!r}, " if decorator == "cgroup" else f"{decorator}("
    return f"@{start}{name!r}{more.get(kind, '')})\ndef probe({parameters}):{lines}\n"


def test_every_kind_is_tested() -> None:
    assert sorted(PROBES) == sorted(TYPES) == sorted(KINDS)


@pytest.mark.parametrize("kind", PROBES)
def test_what_it_becomes(lowered: Lowered, kind: str) -> None:
    where, parameters = PROBES[kind]
    body = "return 1" if KINDS[kind].returns else "return"
    (program,) = lowered(written(kind, parameters, body)).programs
    name = f"{where}/freq=99/" if kind == "perf_event" else where
    assert (program.type, program.attach_type) == TYPES[kind]
    assert program.attach == Attach(kind, (Function((name,)),))
    result = "r0 = 1" if KINDS[kind].returns else "r0 = 0"
    assert [str(statement.insn.imm) for statement in program.code] == [result[-1], "0"]


@pytest.mark.parametrize(
    ("kind", "body", "code"),
    [
        ("kprobe", "counts[0] = n", "r0 = *(u64 *)(r1 +104)\nw0 = w0\n"),
        ("kretprobe", "counts[0] = u64(ret)", "*(u64 *)(r1 +80)"),
        ("uprobe", "counts[0] = u64(text[0])", "call bpf_probe_read_user#112"),
        ("uretprobe", "counts[0] = u64(text[0])", "call bpf_probe_read_user#112"),
        ("tracepoint", "counts[0] = ctx.args[1]", "*(u64 *)(r1 +24)"),
        ("tracepoint", "counts[0] = u64(ctx.id)", "*(u64 *)(r1 +8)"),
        ("raw_tracepoint", "counts[0] = regs.di", "call bpf_probe_read_kernel#113"),
        ("tp_btf", "counts[0] = u64(task.pid)", "r0 = *(u64 *)(r1 +0)\nr0 = *(u32 *)(r0 +2432)\n"),
        ("fentry", "counts[0] = n", "*(u64 *)(r1 +8)"),
        ("fentry", "counts[0] = u64(file.f_flags)", "r0 = *(u64 *)(r1 +0)\nr0 = *(u32 *)(r0 +48)\n"),
        ("fexit", "counts[0] = u64(ret)", "*(u64 *)(r1 +8)"),
        ("perf_event", "counts[0] = ctx.regs.ip", "*(u64 *)(r1 +128)"),
        ("perf_event", "counts[0] = ctx.sample_period", "*(u64 *)(r1 +168)"),
        ("socket_filter", "return skb.len", "*(u32 *)(r1 +0)"),
        ("xdp", "return u32(2 if ctx.ingress_ifindex else 1)", "*(u32 *)(r1 +12)"),
        ("tc", "return -1", "r0 = -1"),
        ("tc/egress", "return i32(skb.len)", "r0 = *(u32 *)(r1 +0)"),
        ("fmod_ret", "return ret", "r0 = *(u64 *)(r1 +8)\nr0 <<= 32\nr0 s>>= 32\n"),
        ("lsm", "if file.f_flags: return -1; return 0", "r0 = *(u64 *)(r1 +0)\nr0 = *(u32 *)(r0 +48)\n"),
        (
            "iterator",
            "task = ctx.task; if not task: return; counts[0] = u64(task.pid)",
            "r0 = *(u64 *)(r1 +8)\nif r0 == 0x0 goto",
        ),
        ("netfilter", "return u32(ctx.state.hook)", "r0 = *(u64 *)(r1 +0)\nr0 = *(u8 *)(r0 +0)\n"),
    ],
)
def test_how_parameters_are_read(listing: Callable[..., str], kind: str, body: str, code: str) -> None:
    text = listing(written(kind, PROBES[kind][1], body))
    assert code in text
    reads_kernel = "probe_read_kernel" in text
    assert reads_kernel is (kind == "raw_tracepoint" and "regs" in body)


def run(lowered: Lowered, text: str) -> Machine:
    return Machine(lowered(text), btf=btf.reference())


def test_a_text_of_a_tracepoint_lies_after_its_record(lowered: Lowered) -> None:
    parameter = 'ctx: "struct trace_event_raw_sched_process_exec *"'
    lines = [
        "e = events.reserve()",
        "if not e: return",
        "e.ts, e.op = u64(ctx.pid), 0",
        "e.comm = kstr(ctx.filename)",
        "events.submit(e)",
    ]
    text = written("tracepoint", parameter, "; ".join(lines), "sched/sched_process_exec")
    machine = run(lowered, text)
    size = btf.reference()["struct trace_event_raw_sched_process_exec"].size
    record = machine.kernel.new("struct trace_event_raw_sched_process_exec", pid=7, old_pid=7)
    record.set(__data_loc_filename=len(b"/bin/true") + 1 << 16 | size)
    data = machine.memory.read(record.address, size)
    machine.run("probe", data + b"/bin/true\0")
    assert machine.maps["events"].records() == [{"ts": 7, "op": 0, "comm": b"/bin/true"}]  # type: ignore[attr-defined]


def test_the_context_is_of_the_first_type_that_the_target_has(listing: Callable[..., str]) -> None:
    types = "struct trace_event_raw_block_rq_done * | struct trace_event_raw_block_rq *"
    text = written("tracepoint", f"ctx: {types!r}", "counts[0] = u64(ctx.bytes)", "block/block_rq_complete")
    assert "*(u32 *)(r1 +28)" in listing(text)


def test_a_string_of_a_process(lowered: Lowered) -> None:
    body = "n = u64(text[0]); counts[n] = 1"
    machine = run(lowered, written("uretprobe", PROBES["uretprobe"][1], body))
    machine.call("probe", returns=machine.kernel.user(b"ls"))
    assert machine.maps["counts"][ord("l")] == 1


def test_what_a_function_got_and_what_it_gave(lowered: Lowered) -> None:
    machine = run(lowered, written("fexit", PROBES["fexit"][1], "counts[u64(file.f_flags)] = u64(ret)"))
    machine.call("probe", machine.kernel.new("struct file", f_flags=3), returns=9)
    assert machine.maps["counts"][3] == 9


def test_a_rate_that_is_a_parameter(lowered: Lowered) -> None:
    text = """
        @perf_event("cpu-clock", freq=limit)
        def often(): pass

        @perf_event("page-faults", period=100)
        def seldom(): pass
    """
    for portable, values, rate in ((False, {"limit": 49}, 49), (False, {}, 10), (True, {"limit": 49}, 49)):
        often, seldom = lowered(text, portable=portable, **values).programs
        assert often.attach.functions == (Function((f"cpu-clock/freq={rate}/",)),)
        assert seldom.attach.functions == (Function(("page-faults/period=100/",)),)


ERRORS = {
    "@tracepoint('sched_switch')": (
        "'sched_switch' is not a tracepoint: write category/name, such as sched/sched_switch"
    ),
    "@raw_tracepoint('sched/sched_switch')": (
        "'sched/sched_switch' is not a tracepoint: write its name alone, such as sched_switch"
    ),
    "@tp_btf('sched_switch,sys_enter')": (
        "'sched_switch,sys_enter' names 2 places, and a probe of this kind goes to one"
    ),
    "@fentry('vfs_read,vfs_write')": (
        "'vfs_read,vfs_write' names 2 places, and a probe of this kind goes to one"
    ),
    "@kprobe('vfs/read')": "'vfs/read' is not the name of a kernel function",
    "@uprobe('readline')": (
        "'readline' is not a function of a file: write file:symbol, such as /bin/bash:readline"
        " or libc.so.6:malloc"
    ),
    "@perf_event('cpu clock', freq=1)": (
        "'cpu clock/freq=1/' is not an event with a rate: write it as perf does, such as cpu-clock/freq=99/"
    ),
    "@perf_event('cpu-clock', freq=0)": (
        "'cpu-clock/freq=0/' is not an event with a rate: write it as perf does, such as cpu-clock/freq=99/"
    ),
    "@xdp('a/b')": "'a/b' is not the name of a network interface",
    "@usdt('libc.so.6:setjmp')": (
        "'libc.so.6:setjmp' is not a USDT probe: write file:provider:name, such as"
        " /usr/bin/python3:python:gc__start"
    ),
    "@lsm('file open')": "'file open' is not the name of a security hook, such as file_open",
    "@lsm('a,b')": "'a,b' names 2 places, and a probe of this kind goes to one",
    "@iterator('task/file')": "'task/file' is not what the kernel has iterators of, such as task",
    "@netfilter('local_in')": (
        "'local_in' is not a hook of netfilter: write family/hook, such as ipv4/local_in, or"
        " ipv4/local_in/-100"
    ),
    "@cgroup('device', 'system.slice')": (
        "'system.slice' is not a control group: write its path, such as /system.slice"
    ),
}


@pytest.mark.parametrize("decorator", ERRORS)
def test_a_place_that_is_none(lowered: Lowered, decorator: str) -> None:
    with pytest.raises(LoweringError) as caught:
        lowered(f"{decorator}\ndef probe(): pass")
    assert caught.value.message == ERRORS[decorator]
    assert caught.value.location is not None
    assert caught.value.location.snippet().splitlines()[0].strip() == decorator


PARAMETERS = {
    ("kprobe", "a: u64, *rest"): "a kprobe takes plain parameters only: no *, no defaults",
    ("kprobe", "a"): 'a has no type: write its C declaration, such as "struct file *", or u64',
    ("kprobe", "a: Key"): "a is a record, and a register holds none",
    ("kprobe", "a: CString[8]"): "a is a text, and a register holds none",
    ("kprobe", "a: u64, b: u64, c: u64, d: u64, e: u64, f: u64, g: u64"): (
        "a kprobe has no parameter 7: it takes 6"
    ),
    ("uretprobe", "a: u64, b: u64"): "a uretprobe has no parameter 2: it takes one",
    ("tracepoint", "a: u64"): (
        'a is the context: write its C declaration, such as "struct trace_event_raw_sys_enter *"'
    ),
    ("tracepoint", "a: 'char *'"): "the context is a struct, and 'char *' points to none",
    ("perf_event", "a: 'struct bpf_perf_event_data *', b: u64"): (
        "a perf_event has no parameter 2: it takes one"
    ),
    ("tracepoint", "a: 'struct no_such *'"): (
        "no type 'struct no_such' in this BTF; the types are those of reference"
    ),
}


@pytest.mark.parametrize(("kind", "parameters"), PARAMETERS)
def test_parameters_that_are_none(lowered: Lowered, kind: str, parameters: str) -> None:
    with pytest.raises(LoweringError) as caught:
        lowered(written(kind, parameters, "pass"))
    assert caught.value.message == PARAMETERS[kind, parameters]


def kernel() -> Target:
    """A kernel with `int f(struct file *file, long flags)` and the tracepoint `f(struct file *file)`."""
    make = Builder()
    long, void = make.integer("long int", 8, True), make.pointer(0)
    file, inode = (make.structure(name, 8, [("f_flags", long, 0, 0)]) for name in ("file", "inode"))
    pointer = make.pointer(make.modifier("const", file))
    make.pointer(inode)
    make.function("f", make.prototype(make.integer("int", 4, True), [("file", pointer), ("flags", long)]))
    make.function("bpf_lsm_f", make.prototype(make.integer("int", 4, True), [("file", pointer)]))
    hook = make.prototype(0, [("__data", void), ("file", pointer)])
    make.modifier("typedef", make.pointer(hook), "btf_trace_f")
    return Target("test", btf.parse(make.finish()))


@pytest.mark.parametrize(
    ("kind", "parameters", "message"),
    [
        ("fentry", "file: 'struct file *', flags: i64", ""),
        ("fentry", "file: 'struct file *'", ""),
        ("fentry", "a: u64, b: u64, c: u64", "f has 2 parameters, not 3"),
        ("fentry", "a: 'struct inode *'", "a of f is a struct file *, not a struct inode *"),
        (
            "fentry",
            "a: 'struct file *', b: 'struct file *'",
            "b of f is a long int, not a struct file *",
        ),
        ("fentry", "a: 'void *', b: 'void *'", ""),
        ("fexit", "file: 'struct file *', flags: i64, ret: i32", ""),
        (
            "fexit",
            "file: 'struct file *', ret: i32",
            "f has 2 parameters: write them all, and then what it returns",
        ),
        (
            "fmod_ret",
            "file: 'struct file *'",
            "f has 2 parameters: write them all, and then what it returns",
        ),
        ("fmod_ret", "file: 'struct file *', flags: i64, ret: i32", ""),
        ("lsm", "file: 'struct file *'", ""),
        ("lsm", "file: 'struct file *', ret: i32", ""),
        ("lsm", "inode: 'struct inode *'", "inode of f is a struct file *, not a struct inode *"),
        (
            "lsm",
            "file: 'struct file *', ret: i32, more: i32",
            "f has 1 parameter: write them all, and then what it returns",
        ),
        ("tp_btf", "file: 'struct file *'", ""),
        ("tp_btf", "data: 'void *', file: 'struct file *'", "f has 1 parameter, not 2"),
        ("tp_btf", "a: 'struct inode *'", "a of f is a struct file *, not a struct inode *"),
    ],
)
def test_parameters_are_those_of_the_kernel(
    module: Callable[[str], ModuleType], kind: str, parameters: str, message: str
) -> None:
    made = module(written(kind, parameters, "return 0" if KINDS[kind].returns else "pass", "f"))
    if message:
        with pytest.raises(LoweringError) as caught:
            lower(made, {}, kernel())
        assert caught.value.message == message
    else:
        lower(made, {}, kernel())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("@kprobe(5)", "@kprobe takes the name of a kernel function: @kprobe('vfs_read')"),
        ("@uprobe(5)", "@uprobe takes a file and a function of it: @uprobe('libc.so.6:malloc')"),
        ("@cgroup('ingres', '/')", "control groups have no hook 'ingres' (did you mean 'ingress'?)"),
        (
            "@cgroup('ingress', 5)",
            "@cgroup takes a control group's path: @cgroup('ingress', '/system.slice')",
        ),
        ("@tc(5, egress=True)", "@tc takes the name of a network interface: @tc('lo')"),
        ("@xdp(None)", "@xdp takes the name of a network interface: @xdp('lo')"),
        (
            "@perf_event('cycles')",
            "@perf_event takes either freq or period: @perf_event('cycles', freq=99)",
        ),
        (
            "@perf_event('cycles', freq=1, period=1)",
            "@perf_event takes either freq or period: @perf_event('cycles', freq=99)",
        ),
    ],
)
def test_a_decorator_that_gets_something_else(
    module: Callable[[str], ModuleType], text: str, message: str
) -> None:
    with pytest.raises(LoweringError) as caught:
        module(f"{text}\ndef probe(): pass")
    assert caught.value.message == message


def documented() -> list[tuple[str, str]]:
    """The decorators and parameters that the reference has."""
    text = (Path(pybpf.dsl.__file__).parent / "README.md").read_text()
    section = text.partition("## Kinds of probes\n")[2].partition("\n## ")[0]
    rows = [line.split("|") for line in section.splitlines() if line.startswith("|") and "`@" in line]
    return [(row[2].strip(" `"), row[3].split("`")[1]) for row in rows]


@pytest.mark.parametrize(("decorator", "parameters"), documented())
def test_what_the_reference_says(lowered: Lowered, decorator: str, parameters: str) -> None:
    kind = re.sub(r'^@(\w+)\((?:"(\w+)", )?.*', r"\1/\2", decorator).rstrip("/")
    result = "return 1" if KINDS[kind].returns else "return"
    (program,) = lowered(f"{decorator}\ndef probe({parameters}):\n    {result}\n").programs
    assert program.attach.kind == kind


def test_the_reference_has_every_kind() -> None:
    """Of the hooks of control groups, one of each type of program, which the others are beside."""
    found = [re.split(r"\W", decorator[1:])[0] for decorator, _ in documented()]
    alone = [kind for kind in KINDS if "/" not in kind]
    types = {hook.type for hook in HOOKS.values()}
    assert sorted(found) == sorted(alone + ["cgroup"] * len(types))


@pytest.mark.parametrize("hook", HOOKS)
def test_the_reference_names_every_hook_of_control_groups(hook: str) -> None:
    names = re.findall(r"\w+", (Path(pybpf.dsl.__file__).parent / "README.md").read_text())
    assert hook in names or hook.replace("6", "4") in names


@pytest.mark.parametrize(
    ("cookie", "cookies"), [("0", ()), ("7", (7, 7)), ("[1, 2]", (1, 2)), ("Param('c', u32, 3, '')", (3, 3))]
)
def test_a_cookie_for_each_place(lowered: Lowered, cookie: str, cookies: tuple[int, ...]) -> None:
    head = f"@kprobe('vfs_read, vfs_write', cookie={cookie})"
    text = f"{head}\ndef probe():\n    counts[0] = get_attach_cookie()\n"
    (program,) = lowered(text).programs
    assert program.attach.cookies == cookies
    last = program.attach.functions[-1]
    assert program.attach.cookie(last) == (cookies[-1] if cookies else 0)


@pytest.mark.parametrize(
    ("cookie", "message"),
    [
        ("[1, 2]", "there are 1 places, and 2 cookies"),
        ("-1", "a cookie is a number of 64 bits, without a sign"),
        ("1 << 64", "a cookie is a number of 64 bits, without a sign"),
    ],
)
def test_a_wrong_cookie(lowered: Lowered, cookie: str, message: str) -> None:
    with pytest.raises(LoweringError) as caught:
        lowered(f"@kprobe('vfs_read', cookie={cookie})\ndef probe():\n    return\n")
    assert caught.value.message == message


ITERATOR = "@iterator('task')\ndef probe(ctx: 'struct bpf_iter__task *'):\n    {}\n"


def test_what_an_iterator_writes(listing: Callable[..., str]) -> None:
    lines = ["task = ctx.task", 'seq_printf(ctx.meta.seq, "%d\\n", task.pid if task else 7)']
    text = listing(ITERATOR.format("; ".join(lines)))
    assert "r1 = *(u64 *)(r1 +0)\nr1 = *(u64 *)(r1 +0)\n" in text  # ctx.meta, and its seq
    assert "r3 = 4\nr4 = r10\nr4 += -16\nr5 = 8\ncall bpf_seq_printf#126" in text


def test_an_iterator_writes_a_text_without_values(listing: Callable[..., str]) -> None:
    text = listing(ITERATOR.format('seq_printf(ctx.meta.seq, "end")'))
    assert "r3 = 4\nr4 = 0\nr5 = 0\ncall bpf_seq_printf#126" in text


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            'seq_printf(ctx.meta, "x")',
            "seq_printf writes to ctx.meta.seq of an iterator, not to a struct bpf_iter_meta *",
        ),
        ('seq_printf(ctx.meta.seq, "%d")', "this format takes 1 value, and there are no values"),
        (
            "counts[0] = u64(ctx.task.pid)",
            "this may be None: check it before .pid is used, as in `if not ...: return`",
        ),
    ],
)
def test_what_an_iterator_can_not_do(lowered: Lowered, line: str, message: str) -> None:
    with pytest.raises(LoweringError) as caught:
        lowered(ITERATOR.format(line))
    assert caught.value.message == message


def test_only_an_iterator_writes_to_its_file(lowered: Lowered) -> None:
    with pytest.raises(LoweringError, match="a kprobe can't call seq_printf: only programs of type iter can"):
        lowered("@kprobe('f')\ndef probe(m: 'struct seq_file *'):\n    seq_printf(m, 'x')\n")


def test_what_an_iterators_file_holds(module):
    lines = [
        "task = ctx.task",
        "    if task:",
        '        seq_printf(ctx.meta.seq, "%d %s\\n", task.pid, task.comm)',
        "    else:",
        '        seq_printf(ctx.meta.seq, "end\\n")',
    ]
    target = Target("reference", btf.reference())
    machine = Machine(lower(module(ITERATOR.format("\n".join(lines))), {}, target), btf=target.btf)
    new = machine.kernel.new
    meta = new("struct bpf_iter_meta", seq=new("struct seq_file"))
    for number in (7, 8, None):
        task = new("struct task_struct", pid=number, comm="cat") if number else None
        machine.run("probe", new("struct bpf_iter__task", meta=meta, task=task))
    assert machine.written == b"7 cat\n8 cat\nend\n"


@pytest.mark.parametrize(
    ("given", "pid"), [("", 0), (", pid=7", 7), (", pid=target", 9), (", pid=unset", 0), (", pid=0", 0)]
)
@pytest.mark.parametrize("kind", ["uprobe", "uretprobe", "usdt"])
def test_one_process_only(lowered: Lowered, kind: str, given: str, pid: int) -> None:
    params = "target = Param('target', u32, 9, '')\nunset = Param('unset', u32, 0xFFFFFFFF, '')\n"
    text = f"{params}@{kind}({PROBES[kind][0]!r}{given})\ndef probe():\n    return\n"
    assert lowered(text).programs[0].attach.pid == pid
