from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FUZZ = Path(__file__).parents[3] / "tools" / "fuzz_syntax.py"


def test_whatever_a_probe_says_there_is_code_or_an_error_with_its_place() -> None:
    command = [sys.executable, str(FUZZ), "--count", "200", "--seed", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert ", 0 failures, " in done.stdout
