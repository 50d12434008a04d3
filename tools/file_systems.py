"""File systems to try things on: made in memory, mounted, and taken away again. For root."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

__all__ = ["DRIVERS", "IMAGES", "mounted"]

# Those that are made on a file: how, and how large that must be, in MiB.
IMAGES = {
    "btrfs": (["mkfs.btrfs", "-q"], 128),
    "ext4": (["mkfs.ext4", "-q"], 64),
    "minix": (["mkfs.minix"], 8),
    "ntfs3": (["mkfs.ntfs", "-q", "-F", "-f"], 64),
    "xfs": (["mkfs.xfs", "-q"], 320),
}
# The module of each, which is what mount(8) calls it by, too.
DRIVERS = {**{name: name for name in IMAGES}, "fuse": "fuse", "nfs3": "nfs", "nfs4": "nfs"}
_NFS = {"nfs3": "vers=3,nolock,tcp,port=2049,mountport=20048", "nfs4": "vers=4.2"}


@contextlib.contextmanager
def mounted(name: str) -> Iterator[Path]:
    """The folder where a new file system, one of DRIVERS, is mounted.

    fuse passes on to a folder in memory, nfs3 and nfs4 come from this machine's own server.
    """
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix=f"pybpf-{name}-") as folder:
        home, point = Path(folder), Path(folder, "mnt")
        point.mkdir()
        with contextlib.ExitStack() as undo:
            if name in IMAGES:
                program, size = IMAGES[name]
                image = home / "image"
                with image.open("wb") as file:
                    file.truncate(size << 20)
                _run(*program, str(image))
                _run("mount", "-t", name, "-o", "loop", str(image), str(point))
            elif name == "fuse":
                (home / "served").mkdir()
                _run("bindfs", str(home / "served"), str(point))
            else:
                served = undo.enter_context(_nfs_server()) / home.name
                served.mkdir()
                source = served if name == "nfs3" else f"/{served.name}"
                _run("mount", "-t", "nfs", "-o", _NFS[name], f"127.0.0.1:{source}", str(point))
            undo.callback(_umount, point)
            yield point


_serving: list[Path] = []


@contextlib.contextmanager
def _nfs_server() -> Iterator[Path]:
    """The folder that the kernel's NFS server serves to this machine, while anybody needs it."""
    if _serving:
        yield _serving[0]
        return
    with contextlib.ExitStack() as undo:
        folder = undo.enter_context(tempfile.TemporaryDirectory(dir="/dev/shm", prefix="pybpf-nfs-"))
        _run("modprobe", "nfsd")
        if not Path("/proc/fs/nfsd/threads").exists():
            _run("mount", "-t", "nfsd", "nfsd", "/proc/fs/nfsd")
            undo.callback(_run, "umount", "/proc/fs/nfsd")
        Path("/run/rpcbind").mkdir(exist_ok=True)
        for port, daemon in ((111, "rpcbind -f -w"), (20048, "rpc.mountd --foreground --port 20048")):
            process = subprocess.Popen(
                daemon.split(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
            )
            undo.callback(process.wait)
            undo.callback(process.terminate)
            _wait_for_port(port)
        export = "rw,fsid=0,no_root_squash,insecure,no_subtree_check,sync"
        _run("exportfs", "-i", "-o", export, f"127.0.0.1:{folder}")
        undo.callback(_run, "exportfs", "-ua")
        for name in ("grace", "lease"):  # the least that can be
            Path(f"/proc/fs/nfsd/nfsv4{name}time").write_text("10")
        _run("rpc.nfsd", "1")
        undo.callback(_run, "rpc.nfsd", "0")
        # No client has anything to claim back from before this server started. EBUSY: that is known already.
        with contextlib.suppress(OSError):
            Path("/proc/fs/nfsd/v4_end_grace").write_text("Y")
        _serving.append(Path(folder))
        undo.callback(_serving.clear)
        yield Path(folder)


def _wait_for_port(number: int) -> None:
    """Wait until somebody listens on a TCP port, by IPv4."""
    end = time.monotonic() + 60
    while f":{number:04X} 00000000:0000 0A" not in Path("/proc/net/tcp").read_text():
        if time.monotonic() > end:
            raise TimeoutError(f"nobody listens on port {number}")
        time.sleep(0.05)


def _umount(point: Path) -> None:
    """What was killed a moment ago may hold it still."""
    end = time.monotonic() + 10
    while subprocess.run(["umount", "-q", point], stderr=subprocess.DEVNULL).returncode:
        if time.monotonic() > end:
            _run("umount", str(point))
        time.sleep(0.1)


def _run(*command: str) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stdout.strip()}")
