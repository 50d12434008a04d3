"""Capabilities that are given up, with a kernel that keeps account of them."""

from __future__ import annotations

import errno

import pytest

from pybpf.errors import SyscallError
from pybpf.sys import capabilities, syscall

BPF, PERFMON, ADMIN = 1 << 39, 1 << 38, 1 << 21


class Kernel:
    def __init__(self) -> None:
        self.sets = (BPF | PERFMON, BPF | PERFMON | ADMIN, ADMIN)
        self.asked: list[tuple[int, ...]] = []

    def capset(self, *sets: int) -> None:
        self.sets = (sets[0], sets[1], sets[2])
        self.asked.append(sets)

    def prctl(self, *arguments: int) -> int:
        self.asked.append(arguments)
        return 0


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    made = Kernel()
    monkeypatch.setattr(syscall, "capget", lambda: made.sets)
    monkeypatch.setattr(syscall, "capset", made.capset)
    monkeypatch.setattr(syscall, "prctl", made.prctl)
    return made


@pytest.mark.parametrize(
    ("keep", "left"),
    [([], 0), (["CAP_BPF"], BPF), (["CAP_BPF", "CAP_SYSLOG"], BPF), (["CAP_SYS_ADMIN"], ADMIN)],
)
def test_all_is_given_up_but(kernel: Kernel, keep: list[str], left: int) -> None:
    names = {"CAP_BPF": BPF, "CAP_SYS_ADMIN": ADMIN}
    assert capabilities.drop(keep) == {name for name in keep if name in names}
    assert kernel.asked == [(38, 1), (left, left, 0)]


@pytest.mark.parametrize(
    ("needs", "found"),
    [(0, set()), (BPF, {"CAP_BPF"}), (PERFMON, {"CAP_PERFMON"}), (ADMIN, set()), (BPF | PERFMON, set())],
)
def test_the_least_that_will_do(kernel: Kernel, needs: int, found: set[str]) -> None:
    before = kernel.sets

    def trial() -> None:
        if kernel.sets[0] & needs != needs:
            raise SyscallError("bpf", errno.EPERM)

    assert capabilities.least(trial, "CAP_BPF", "CAP_PERFMON", "CAP_SYS_ADMIN") == found
    assert kernel.sets == before


def test_what_fails_otherwise_is_an_error(kernel: Kernel) -> None:
    before = kernel.sets

    def trial() -> None:
        raise SyscallError("bpf", errno.EBADF)

    with pytest.raises(SyscallError, match="EBADF"):
        capabilities.least(trial, "CAP_BPF")
    assert kernel.sets == before
