"""What Python becomes: whole listings of small probes."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from pybpf.dsl.lower.nodes import HANDLED, REJECTED

CASES = {
    "an empty probe": (
        """
        @kprobe("f")
        def probe():
            pass
        """,
        """
        r0 = 0
        exit
        """,
    ),
    "a count per process": (
        """
        @kprobe("f")
        def probe():
            counts[u64(current.pid)] = 1
        """,
        """
        call bpf_get_current_pid_tgid#14
        r0 >>= 32
        *(u64 *)(r10 -8) = r0
        *(u64 *)(r10 -16) = 1
        r1 = map[counts]
        r2 = r10
        r2 += -8
        r3 = r10
        r3 += -16
        r4 = 0
        call bpf_map_update_elem#2
        if w0 == 0x0 goto 2_put
        r0 = map[.bss][0]+0
        r1 = 1
        lock *(u64 *)(r0 +0) += r1
        2_put:
        r0 = 0
        exit
        """,
    ),
    "neighbouring fields are one read": (
        """
        @kprobe("f")
        def probe(iocb: "struct kiocb *"):
            starts[Key(tid=1)] = Start(ts=u64(iocb.ki_pos), dentry=iocb.ki_filp)
        """,
        """
        r3 = *(u64 *)(r1 +112)
        r1 = r10
        r1 += -16
        r2 = 16
        call bpf_probe_read_kernel#113
        r0 = *(u64 *)(r10 -8)
        r1 = *(u64 *)(r10 -16)
        *(u64 *)(r10 -8) = 1
        *(u64 *)(r10 -32) = r0
        *(u64 *)(r10 -24) = 0
        *(u64 *)(r10 -16) = r1
        r1 = map[starts]
        r2 = r10
        r2 += -8
        r3 = r10
        r3 += -32
        r4 = 0
        call bpf_map_update_elem#2
        if w0 == 0x0 goto 2_put
        r0 = map[.bss][0]+16
        r1 = 1
        lock *(u64 *)(r0 +0) += r1
        2_put:
        r0 = 0
        exit
        """,
    ),
    "an inlined condition leaves no trace": (
        """
        @func
        def skip():
            if current.pid == 5:
                return True
            return current.tid == 6

        @kprobe("f")
        def probe():
            if skip():
                return
            del counts[7]
        """,
        """
        call bpf_get_current_pid_tgid#14
        r1 = r0
        r1 >>= 32
        if r1 == 0x5 goto 3_join
        if w0 == 0x6 goto 3_join
        *(u64 *)(r10 -8) = 7
        r1 = map[counts]
        r2 = r10
        r2 += -8
        call bpf_map_delete_elem#3
        3_join:
        r0 = 0
        exit
        """,
    ),
    "a parameter that is off": (
        """
        @kprobe("f")
        def probe():
            if who and current.comm != who:
                return
            if not limit:
                del counts[1]
        """,
        """
        r0 = 0
        exit
        """,
    ),
    "a chain and a conditional expression": (
        """
        @kretprobe("f")
        def probe(ret: i64):
            if 0 < ret <= 4096:
                counts[1 if ret == 7 else u64(ret)] = 1
        """,
        """
        r0 = *(u64 *)(r1 +80)
        if r0 s<= 0x0 goto 6_join
        if r0 s> 0x1000 goto 6_join
        if r0 != 0x7 goto 4_join
        r0 = 1
        4_join:
        *(u64 *)(r10 -8) = r0
        *(u64 *)(r10 -16) = 1
        r1 = map[counts]
        r2 = r10
        r2 += -8
        r3 = r10
        r3 += -16
        r4 = 0
        call bpf_map_update_elem#2
        if w0 == 0x0 goto 6_join
        r0 = map[.bss][0]+0
        r1 = 1
        lock *(u64 *)(r0 +0) += r1
        6_join:
        r0 = 0
        exit
        """,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_listing(name, listing):
    source, expected = CASES[name]
    assert listing(source, limit=10) == textwrap.dedent(expected).strip()


def test_every_node_of_python_is_handled_or_rejected():
    abstract = {"AST", "mod", "expr", "stmt", "expr_context", "boolop", "operator", "unaryop", "cmpop"}
    abstract |= {"excepthandler", "pattern", "type_ignore", "type_param", "slice"}
    whole_files = {"Module", "Interactive", "Expression", "FunctionType", "TypeIgnore"}
    old = {
        "Num",
        "Str",
        "Bytes",
        "NameConstant",
        "Ellipsis",
        "Index",
        "ExtSlice",
        "Suite",
        "AugLoad",
        "AugStore",
    }
    found = {
        name
        for name, value in vars(ast).items()
        if isinstance(value, type) and issubclass(value, ast.AST) and not name.startswith("_")
    }
    assert found - abstract - whole_files - old - {"Param"} <= HANDLED | set(REJECTED)
    assert not HANDLED & set(REJECTED)


def test_lowering_is_the_same_everywhere():
    """Two processes with different hash seeds make the same bytes, and read nothing of /sys and /proc."""
    script = """
import hashlib, sys
from pybpf import btf, lower
from pybpf.asm import link
from pybpf.gadget.programs import load
from pybpf.spec import Target
target = Target("portable", btf.reference(), portable=True)
declarations = load("trace_fsslower").declarations
def refuse(event, args):
    if event == "open" and str(args[0]).startswith(("/sys", "/proc")):
        raise AssertionError(args[0])
sys.addaudithook(refuse)
spec = lower(declarations, {}, target)
fds = {made.name: 3 for made in spec.maps}
for program in spec.programs:
    print(program.name, hashlib.sha256(link(program.code, fds)).hexdigest())
"""
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[3])},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    (output,) = outputs
    assert output.count("ig_fssl_") == 10
