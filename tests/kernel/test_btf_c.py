"""vmlinux.h of kernels: gcc compiles it and lays out every type as its BTF says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pybpf import btf
from pybpf.btf.describe import describe
from pybpf.btf.dump_c import header
from pybpf.btf.write import rebuild

sys.path.insert(0, str(Path(__file__).parent))
from btf_assertions import program
from btf_kernels import KERNELS


@pytest.mark.native
@pytest.mark.parametrize("path", KERNELS)
def test_gcc_agrees_with_the_header(path: str, tmp_path: Path) -> None:
    kernel = btf.load(path)
    (tmp_path / "vmlinux.h").write_text("".join(header(kernel)))
    source, sizes, offsets = program(kernel, "vmlinux.h")
    assert sizes > 5000
    assert offsets > 40000
    (tmp_path / "check.c").write_text(source)
    build = ["gcc", "-std=gnu11", "-w", "-O0", "-o", "check", "check.c"]
    compiled = subprocess.run(build, cwd=tmp_path, capture_output=True, text=True)
    assert compiled.stderr == ""
    ran = subprocess.run(["./check"], cwd=tmp_path, capture_output=True, text=True)
    assert ran.stdout.endswith(" bit fields, 0 wrong\n")


@pytest.mark.native
@pytest.mark.parametrize("path", KERNELS)
def test_building_a_whole_kernel_again(path: str) -> None:
    kernel = btf.load(path)
    data = rebuild(kernel).finish()
    again = btf.parse(data)
    assert len(again) == len(kernel)
    assert all(describe(one) == describe(other) for one, other in zip(kernel, again))
