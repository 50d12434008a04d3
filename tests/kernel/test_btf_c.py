"""vmlinux.h of the running kernel: gcc compiles it and lays out every type as its BTF says."""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path

import pytest

from pybpf import btf
from pybpf.btf.dump_c import header

pytestmark = pytest.mark.native

_PATH = Path(__file__).with_name("btf_assertions.py")
_SPEC = importlib.util.spec_from_file_location("btf_assertions", _PATH)
assertions = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(assertions)


def test_gcc_agrees_with_the_header(tmp_path: Path) -> None:
    kernel = btf.kernel()
    (tmp_path / "vmlinux.h").write_text("".join(header(kernel)))
    source, sizes, offsets = assertions.program(kernel, "vmlinux.h")
    (tmp_path / "check.c").write_text(source)
    build = ["gcc", "-std=gnu11", "-w", "-O0", "-o", "check", "check.c"]
    compiled = subprocess.run(build, cwd=tmp_path, capture_output=True, text=True)
    assert compiled.stderr == ""
    ran = subprocess.run(["./check"], cwd=tmp_path, capture_output=True, text=True)
    assert ran.stdout.endswith(" bit fields, 0 wrong\n")
    print(f"{sizes} sizes, {offsets} offsets, {ran.stdout}")
