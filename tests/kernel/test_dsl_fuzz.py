"""Random probes: Python, the machine with and without the passes, and this kernel agree."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "tools"))

from fuzz_dsl import check

# A guest without KVM takes a hundred times as long.
COUNT = 2000 if "PYBPF_GUEST" not in os.environ else 20


@pytest.mark.parametrize("part", range(20))
def test_random_probes_agree(part: int) -> None:
    for seed in range(COUNT // 20 * part, COUNT // 20 * (part + 1)):
        wrong = check(seed)
        assert wrong is None, wrong
