"""Which kernels may skip a kernel test."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "kernel"))

from since import unexcused

TCX = "this kernel has no tcx (6.6); tools/test runs this in a guest"
BTF = "this kernel's own BTF has no id (before 5.11)"
SNPRINTF = "this kernel's kprobe programs have no snprintf"
LOOP = "this kernel lacks a helper, or callbacks: invalid func unknown#181"
NTFS3 = "this kernel has no ntfs3"


@pytest.mark.parametrize(
    ("reason", "release", "why"),
    [
        (TCX, "6.1.0-50-amd64", ""),
        (TCX, "6.6.1-amd64", f"Linux 6.6.1-amd64 should have it, as all have since 6.6; yet: {TCX}"),
        (
            TCX,
            "6.12.117+deb13-amd64",
            f"Linux 6.12.117+deb13-amd64 should have it, as all have since 6.6; yet: {TCX}",
        ),
        (BTF, "5.10.0-32-amd64", ""),
        (BTF, "6.1.0-50-amd64", f"Linux 6.1.0-50-amd64 should have it, as all have since 5.11; yet: {BTF}"),
        (NTFS3, "5.10.0-32-amd64", ""),
        (NTFS3, "6.1.0-50-amd64", ""),
        (
            NTFS3,
            "6.12.117+deb13-amd64",
            f"Linux 6.12.117+deb13-amd64 should have it, as all have since 5.15; yet: {NTFS3}",
        ),
        ("this kernel has kprobes", "6.1.0-50-amd64", ""),
        (SNPRINTF, "5.10.0", ""),
        (SNPRINTF, "6.1.0", f"Linux 6.1.0 should have it, as all have since 5.13; yet: {SNPRINTF}"),
        (LOOP, "5.16.1", ""),
        (LOOP, "5.17.1", f"Linux 5.17.1 should have it, as all have since 5.17; yet: {LOOP}"),
    ],
)
def test_who_may_skip(reason: str, release: str, why: str) -> None:
    assert unexcused(reason, release) == why
