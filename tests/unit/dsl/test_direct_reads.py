"""Kernel memory read by plain loads, where the kernel lets a program give an address its type."""

from __future__ import annotations

import textwrap

from pybpf import btf
from pybpf.asm import format_statements
from pybpf.dsl import lower
from pybpf.spec import PORTABLE_FEATURES, Target
from pybpf.vm import Machine

SOURCE = """
@kprobe("f")
def probe(iocb: "struct kiocb *"):
    file = iocb.ki_filp
    counts[u64(iocb.ki_pos)] = u64(file.f_path.dentry)
"""


def target() -> Target:
    return Target("reference", btf.reference(), PORTABLE_FEATURES | {"rdonly_cast"})


def test_listing(module):
    (program,) = lower(module(SOURCE), {}, target()).programs
    kiocb = btf.reference()["struct kiocb"]
    expected = f"""
        r1 = *(u64 *)(r1 +112)
        r2 = {kiocb.id}
        call kernel-function[bpf_rdonly_cast]
        r1 = *(u64 *)(r0 +0)
        r1 = *(u64 *)(r1 +{btf.reference()["struct file"].offset_of("f_path.dentry")})
        r0 = *(u64 *)(r0 +{kiocb.offset_of("ki_pos")})
        *(u64 *)(r10 -8) = r0
        *(u64 *)(r10 -16) = r1
    """
    lines = [line.strip() for line in format_statements(program.code)]
    assert lines[:8] == textwrap.dedent(expected).strip().split("\n")


def test_it_reads_the_same(module):
    for features in (PORTABLE_FEATURES, PORTABLE_FEATURES | {"rdonly_cast"}):
        made = Target("reference", btf.reference(), features)
        machine = Machine(lower(module(SOURCE), {}, made), btf=made.btf)
        dentry = machine.kernel.new("struct dentry")
        file = machine.kernel.new("struct file", **{"f_path.dentry": dentry})
        iocb = machine.kernel.new("struct kiocb", ki_pos=4096, ki_filp=file)
        machine.call("probe", iocb)
        assert machine.maps["counts"][4096] == dentry.__index__()
