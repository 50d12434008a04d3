"""Helpers, kernel functions and escape hatches: what lowers passes the verifier, and does what it says."""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from pybpf import load
from pybpf.dsl import lower
from pybpf.dsl.kinds import KINDS
from pybpf.errors import LoadError
from pybpf.features import host_target
from pybpf.load.kernel_functions import kernel_function
from pybpf.spec import ObjectSpec
from pybpf.uapi import bpf
from pybpf.uapi.helpers import HELPERS

HEAD = """
from pybpf.asm import ops
from pybpf.asm.ops import R0, R1, R2
from pybpf.dsl import *
from pybpf.helpers import *

class Key(Record):
    tid: u32
    op: u32

class Start(Record):
    ts: u64
    start: i64

class Event(Record):
    ts: u64
    comm: CString[16]
    path: CString[256]

class Account(Record):
    lock: bpf_spin_lock
    balance: u64

class Timed(Record):
    timer: bpf_timer

accounts = HashMap("accounts", u64, Account, max_entries=4)
timed = HashMap("timed", u64, Timed, max_entries=4)
starts = HashMap("starts", Key, Start, max_entries=16)
counts = HashMap("counts", u64, u64, max_entries=16)
events = Events("events", Event)

@subprogram
def each(map: u64, key: Key, value: Start) -> u64:
    value.ts += 1
    return 0

@subprogram
def fire(map: u64, key: Key, value: Timed) -> u64:
    counts[1] = 77
    return 0

@kprobe("filp_close")
def probe(p: "struct file *", n: u64, u: "const char __user *"):
    e = events.reserve()
    if not e:
        return
"""


@pytest.fixture
def lowered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., ObjectSpec]:
    # Programs that BPF_PROG_TEST_RUN runs; what uses no context doesn't know the difference.
    kind = KINDS["kprobe"]._replace(type=bpf.BPF_PROG_TYPE_SCHED_CLS)
    monkeypatch.setitem(KINDS, "sched_cls", kind)

    def run(text: str, kind: str = "kprobe") -> ObjectSpec:
        path = tmp_path / "probe.py"
        head = HEAD if kind != "fentry" else HEAD.replace(', u: "const char __user *"', "")
        path.write_text(head + textwrap.indent(textwrap.dedent(text), "    "))
        found = importlib.util.spec_from_file_location("probe", path)
        assert found is not None
        assert found.loader is not None
        module: ModuleType = importlib.util.module_from_spec(found)
        found.loader.exec_module(module)
        module.probe.kind = kind
        return lower(module, {}, host_target())

    return run


def run(program: load.Program) -> None:
    """Run it once, in this process."""
    if program.spec.type == bpf.BPF_PROG_TYPE_SCHED_CLS:
        program.test_run(data=bytes(64))
    else:
        program.test_run(context=bytes(64))


@functools.cache
def functions() -> frozenset[str]:
    return frozenset(each.name for each in host_target().btf if each.kind == "func")


def need(source: str) -> None:
    """Skip where the kernel lacks a helper or function that the source names."""
    for word in re.findall(r"\w+", source):
        name = word if word.startswith("bpf_") else f"bpf_{word}"
        wanted = name in HELPERS or f'kernel_function("{word}")' in source
        if wanted and name not in functions() and f"{name}_" not in " ".join(functions()):
            pytest.skip(f"this kernel has no {name}")


ACCEPTED = {
    "what a kprobe asks": "counts[1] = get_attach_cookie() + get_func_ip()",
    "a stack": "get_stack(e.comm, 256)",
    "a size that the kernel knows": "get_stack(e.comm, 0, size=min(u32(n), 16))",
    "a line for the trace buffer": 'printk("a %d %u %llx", 1, current.pid, ktime_get_ns())',
    "instructions": 'counts[asm("if r1 == 0 goto out; r1 += r2; out: r0 = r1", current.pid, 7)] = 1',
    "the task's stack": "get_task_stack(get_current_task_btf(), e.comm, 0)",
    "the registers of the process": "counts[task_pt_regs(get_current_task_btf()).ip] = 1",
    "a callback": "for_each_map_elem(starts, each, None, 0)",
    "the current task": "counts[current.cgroup_id] = u64(current.numa_node) + u64(current.cpu)",
    "jiffies": "counts[1] = jiffies64()",
    "fields by loads": "counts[u64(get_current_task_btf().nsproxy.mnt_ns.ns.inum)] = 1",
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_the_verifier_accepts(name, lowered):
    need(ACCEPTED[name])
    with load.load(lowered(ACCEPTED[name])) as loaded:
        assert loaded.programs["probe"].info().xlated_size


@pytest.mark.parametrize("name", ["a text of the process's", "its bytes"])
def test_the_verifier_accepts_reads_of_user_memory(name, lowered):
    source = {"a text of the process's": "e.comm = ustr(u)", "its bytes": "counts[u64(u[3])] = 1"}
    with load.load(lowered(source[name])) as loaded:
        assert loaded.programs["probe"].info().xlated_size


@pytest.mark.needs("kernel_memory")
@pytest.mark.parametrize(
    "source",
    [
        "e.comm = kstr(p.f_path.dentry.d_name.name)",
        'counts[u64(kstr(p.f_path.dentry.d_name.name, 16) == "x")] = 1',
        "counts[u64(p[n].f_pos)] = u64(current.task.comm[n & 7])",
        'counts[u64(container_of(p.f_path, "struct file", "f_path").f_pos)] = u64(address_of(p, "f_pos")[0])',
        'printk("%s", p.f_path.dentry.d_name.name)',
    ],
)
def test_the_verifier_accepts_reads_of_kernel_memory(source, lowered):
    with load.load(lowered(source)) as loaded:
        assert loaded.programs["probe"].info().xlated_size


# What is written, and what `counts[1]` is after a run in this process.
VALUES = {
    "instructions": (
        'counts[1] = asm("r0 = r1; r0 *= r2; if r0 == 42 goto out; r0 = 0; out: r0 += 0", 6, 7)',
        42,
    ),
    "instructions that were built": (
        "counts[1] = asm([ops.mov64(R0, R1), ops.alu('mul', R0, R2)], 5, 3)",
        15,
    ),
    "a helper by its number": ("counts[1] = helper(14)() >> 32", os.getpid),
    "a field of the current task": ("counts[1] = u64(get_current_task_btf().tgid)", os.getpid),
    "a field behind pointers": ("counts[1] = u64(get_current_task_btf().real_parent.tgid)", os.getppid),
    "the mount namespace": (
        "counts[1] = u64(get_current_task_btf().nsproxy.mnt_ns.ns.inum)",
        lambda: os.stat("/proc/self/ns/mnt").st_ino,
    ),
    "a variable of this CPU": (
        """
        mine, other = per_cpu("runqueues"), per_cpu("runqueues", 0)
        if other and not per_cpu("runqueues", 10000):
            counts[1] = u64(u32(mine.cpu) == current.cpu) + u64(other.cpu)
        """,
        1,
    ),
    "a list": (
        """
        for child in list_entries(current.task.real_parent.children, "struct task_struct", "sibling", 100):
            if child.pid == current.tid:
                counts[1] = u64(child.tgid)
                break
        """,
        os.getpid,
    ),
    "a list with a null end": (
        """
        here = current.task.fs.pwd.dentry
        field = "d_u.d_alias" if has_field("struct dentry", "d_u.d_alias") else "d_alias"
        for alias in list_entries(here.d_inode.i_dentry, "struct dentry", field, 50):
            if alias == here:
                counts[1] = alias.d_inode.i_ino
        """,
        lambda: os.stat(".").st_ino,
    ),
    "an element by its helper": (
        """
        starts[Key(tid=1)] = Start(ts=4)
        for_each_map_elem(starts, each, None, 0)
        found = map_lookup_elem(starts, Key(tid=1))
        if found:
            counts[1] = found.ts
        """,
        5,
    ),
    "a lock": (
        """
        accounts[1] = Account(balance=3)
        account = accounts[1]
        if account:
            spin_lock(account.lock)
            account.balance += 5
            spin_unlock(account.lock)
            counts[1] = account.balance
        """,
        8,
    ),
    "a timer": (
        """
        timed[1] = Timed()
        found = timed[1]
        if found:
            timer_init(found.timer, timed, 1)
            timer_set_callback(found.timer, fire)
            timer_start(found.timer, 1, 0)
        """,
        77,
    ),
    "kernel functions": (
        """
        kernel_function("bpf_rcu_read_lock")()
        counts[1] = u64(get_current_task_btf().real_parent.tgid)
        kernel_function("bpf_rcu_read_unlock")()
        """,
        os.getppid,
    ),
    "a dynptr of a packet": (
        """
        packet = bpf_dynptr()
        kernel_function("bpf_dynptr_from_skb")(context, 0, packet)
        head = Array[u8, 4]()
        first, beyond = dynptr_read(head, packet, 12, 0), dynptr_read(head, packet, 99, 0)
        counts[1] = u64(first == 0) + 2 * u64(beyond != 0)
        """,
        3,
    ),
    "an object that a kernel function gave": (
        """
        task = kernel_function("bpf_task_from_pid")(i32(current.tid))
        if task:
            counts[1] = u64(task.tgid)
            kernel_function("bpf_task_release")(task)
        """,
        os.getpid,
    ),
}


@pytest.mark.needs("kernel_memory")
@pytest.mark.parametrize("name", VALUES)
def test_value(name, lowered):
    source, expected = VALUES[name]
    need(source)
    if "per_cpu" in source and " runqueues\n" not in Path("/proc/kallsyms").read_text():
        pytest.skip("this kernel has no symbols of variables (CONFIG_KALLSYMS_ALL)")
    if "per_cpu" in source and not any(each.kind == "var" for each in host_target().btf):
        pytest.skip("this kernel's BTF has no variables")
    # Locks, timers and references are not for programs that interrupt; other helpers are for tracing.
    kind = "sched_cls" if re.search("spin_lock|timer|kernel_function", source) else "raw_tracepoint"
    with load.load(lowered(source, kind)) as loaded:
        run(loaded.programs["probe"])
        end = time.monotonic() + (60 if name == "a timer" else 0)
        while not (found := loaded.maps["counts"].lookup((1).to_bytes(8, "little"))):
            assert time.monotonic() < end
            time.sleep(0.01)
    assert int.from_bytes(found, "little") == (expected() if callable(expected) else expected)


@pytest.mark.needs("kernel_memory")
@pytest.mark.parametrize("folder", ["/", "/proc/sys/kernel", "/usr/lib", "a/" * 40])
def test_full_path(folder, lowered, tmp_path, monkeypatch):
    """The path of this process's folder, which is read back from where the event was put together."""
    source = "e.ts = 1\ne.path = full_path(current.task.fs.pwd)"
    need(source)
    (tmp_path / ("a/" * 40)).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / folder)
    with load.load(lowered(source, "raw_tracepoint")) as loaded:
        run(loaded.programs["probe"])
        values = loaded.maps["gadget_heap"].lookup_per_cpu(bytes(4))
    (found,) = (value[24 : 24 + 256].split(b"\0")[0].decode() for value in values if value[0])
    whole = os.getcwd()
    names = whole.split("/")
    assert found == (whole if len(names) <= 31 else f".../{'/'.join(names[-31:])}")


# fentry comes with the same kernels that trace functions; natively there is neither.
@pytest.mark.needs("kprobes", "kernel_memory")
@pytest.mark.parametrize(
    "source",
    [
        "d_path(p.f_path, e.path)",
        "e.path = full_path(p.f_path)",
        "counts[u64(sock_from_file(p) != None)] = get_func_ip()",
        'counts[u64(p.f_path.dentry.d_sb.s_id == "proc")] = 1',
    ],
)
def test_the_verifier_accepts_what_a_traced_function_was_given(source, lowered):
    need(source)
    with load.load(lowered(source, "fentry")) as loaded:
        assert loaded.programs["probe"].info().xlated_size


def test_a_function_that_this_kernel_lacks():
    with pytest.raises(LoadError) as caught:
        kernel_function("bpf_rcu_read_lok")
    assert str(caught.value).startswith(
        "this kernel has no function 'bpf_rcu_read_lok' that programs can call"
    )
