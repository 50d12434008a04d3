"""What holds for every test: it ends in time, and leaves no file descriptor open."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
from collections.abc import Iterator

import hypothesis
import pytest

# How long an example takes says nothing on a shared or an emulated machine.
hypothesis.settings.register_profile("pybpf", deadline=None)
hypothesis.settings.load_profile("pybpf")

# Guests are emulated, and many times slower.
SECONDS = 600 if "PYBPF_GUEST" in os.environ else 120


@pytest.fixture(autouse=True, scope="session")
def _cache_of_their_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests neither use nor change what runs of this user have kept."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def _open_files() -> dict[int, str]:
    found = {}
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the one that listed the folder
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
    return found


def _too_long(number: int, frame: object) -> None:
    pytest.fail(f"still running after {SECONDS} s")


@pytest.fixture(autouse=True)
def _no_test_hangs() -> Iterator[None]:
    """Fail a test that takes too long."""
    before = signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(autouse=True)
def _no_descriptor_is_left() -> Iterator[None]:
    """Fail a test that leaves a descriptor open. Objects that are garbage by then have closed theirs."""
    before = _open_files()
    yield
    if _open_files() == before:
        return
    gc.collect()
    left = {fd: target for fd, target in _open_files().items() if before.get(fd) != target}
    if left:
        pytest.fail(f"left open: {', '.join(f'{fd} ({target})' for fd, target in left.items())}")
