"""What is loaded from the cache is what was loaded without it; what the kernel doesn't take is made anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from pybpf.gadget import kept
from pybpf.gadget.programs import load
from pybpf.gadget.session import Session

pytestmark = [pytest.mark.needs("kernel_memory", "btf"), pytest.mark.usefixtures("tracefs")]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(kept, "_SETTLED", -(10**18))  # this checkout may be a new one


def loaded() -> tuple[bool, dict[str, tuple[str, int]], list[str]]:
    """Was it kept; each program's hash and size in the kernel; where they are attached."""
    with Session(load("trace_exec"), {}) as session:
        running = session._running
        programs = {name: each.info() for name, each in running._loaded.programs.items()}
        found = {name: (info.tag, info.xlated_size) for name, info in programs.items()}
        return running._build.kept is not None, found, session.attached


def test_it_is_the_same() -> None:
    first, second = loaded(), loaded()
    assert (first[0], second[0]) == (False, True)
    assert second[1:] == first[1:]


def test_what_the_kernel_refuses_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    first = loaded()
    real = kept.build

    def spoiled(*args: object) -> kept.Build | None:
        found = real(*args)  # type: ignore[arg-type]
        assert found is not None
        images = {
            name: image._replace(code=bytes(len(image.code))) for name, image in found.ready.images.items()
        }
        return found._replace(ready=found.ready._replace(images=images))

    monkeypatch.setattr(kept, "build", spoiled)
    assert loaded() == first
