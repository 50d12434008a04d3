"""`--btf FILE` in the place of the kernel's own types."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pybpf.btf

REFERENCE = Path(pybpf.btf.__file__).parent / "data" / "reference.btf"
PYBPF = [sys.executable, "-c", "import sys; from pybpf.cli import main; sys.exit(main())"]


def inspect(path: str) -> subprocess.CompletedProcess[str]:
    words = ["inspect", "trace_fsslower", "--target", "host", "--btf", path, "--show", "listing"]
    return subprocess.run([*PYBPF, *words], capture_output=True, text=True)


def test_the_offsets_are_those_of_the_file() -> None:
    shown = inspect(str(REFERENCE))
    assert shown.stderr == ""
    assert shown.returncode == 0
    at = pybpf.btf.reference()["struct task_struct"].offset_of("nsproxy")
    assert f"{at}" in shown.stdout


def test_a_file_that_is_not_there() -> None:
    shown = inspect("/none")
    assert (shown.returncode, shown.stderr) == (1, "pybpf: error: /none: No such file or directory\n")
