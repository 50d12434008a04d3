"""What measures in a guest need: the guest, a file system, and tracers that run beside."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

READY = 90  # seconds that a tracer may take until it traces


class LeftOut(Exception):
    """Why a tracer can't be measured."""


def boot_and(
    measure: Callable[[], None], name: str, about: str | None, prepare: Callable[[], None] | None = None
) -> None:
    """What `tools/bench NAME` does: `prepare`, boot the guest and measure in it; there, `measure`."""
    parser = argparse.ArgumentParser(
        prog=f"tools/bench {name}", description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kernel", default="6.12", help="the guest's kernel (default 6.12)")
    parser.add_argument("--guest", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.guest:
        measure()
        return
    if prepare:
        prepare()
    here = Path(__file__).parent
    command = [here / "vm", "run", "--kernel", options.kernel, "--icount", "--timeout", "900", "--"]
    command += ["python", here / f"bench_{name}.py", "--guest"]
    sys.exit(subprocess.run(list(map(str, command))).returncode)


@contextlib.contextmanager
def tracer(line: list[str], ready: str, package: str = "") -> Iterator[None]:
    """A tracer that says `ready` on its output when it is; `package` is Debian's that has it."""
    name = line[2] if line[0] == "stdbuf" else line[0]
    if shutil.which(name) is None:
        raise LeftOut(f"{name} is not installed (apt-get install {package})")
    output = Path("/tmp/tracer")
    with output.open("wb") as file:
        process = subprocess.Popen(line, stdout=file, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + READY
        while ready not in output.read_text(errors="replace"):
            if process.poll() is not None:
                raise LeftOut(f"{name} ended: {output.read_text(errors='replace').strip()}")
            if time.monotonic() > end:
                raise LeftOut(f"{name} was not ready after {READY} s")
            time.sleep(0.2)
        time.sleep(0.5)
        yield
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def ext4() -> Iterator[Path]:
    """A new ext4 file system, mounted while the block runs."""
    folder, image = Path("/mnt/bench"), "/dev/shm/bench.img"
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["modprobe", "ext4"], check=True)
    subprocess.run(["truncate", "-s", "64M", image], check=True)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
