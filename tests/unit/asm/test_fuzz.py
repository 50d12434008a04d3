from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FUZZ = Path(__file__).parents[3] / "tools" / "fuzz_disasm.py"


def test_broken_input_brings_only_documented_errors() -> None:
    command = [sys.executable, str(FUZZ), "--count", "6000", "--seed", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.startswith("6000 inputs in ")
    assert done.stdout.endswith(", 0 failures\n")
