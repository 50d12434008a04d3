"""A peer's program as the Debian suite has it that a guest's kernel is from, with all libraries it needs.

Nothing is installed: the packages are unpacked into the cache of tools/vm.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from vm_kernels import SUITES, Apt, cache, say

__all__ = ["peer"]


def peer(package: str, kernel: str) -> list[str]:
    """The command that runs a package's program, which is fetched once. Raises VmError."""
    suite = SUITES.get(kernel, "sid").split("-")[0]
    home = cache().parent / "peers" / f"{package}-{suite}"
    if not home.exists():
        _fetch(package, suite, home)
    loader = next(home.glob("usr/lib64/ld-linux-*.so.*"))
    libraries = next(home.glob("usr/lib/*-linux-gnu"))
    return [str(loader), "--library-path", str(libraries), str(home / "usr" / "bin" / package)]


def _fetch(package: str, suite: str, home: Path) -> None:
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent, prefix=".fetch-") as folder:
        apt = Apt(suite, Path(folder))
        say(f"fetching {package} of {suite}, and what it needs")
        apt.run("apt-get", "update", "-q")
        status = Path(folder, "status")
        status.touch()  # of a machine where nothing is installed
        apt.options += ["-o", f"Dir::State::status={status}"]
        apt.run("apt-get", "install", "-qy", "--download-only", "--no-install-recommends", package)
        tree = Path(folder, "tree")
        for archive in Path(folder, "cache", "archives").glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", archive, tree], check=True)
        tree.rename(home)
