"""How a guest of tools/vm boots: its initramfs, and QEMU's command line."""

from __future__ import annotations

import lzma
import re
import shlex
import shutil
import subprocess
from pathlib import Path

from vm_kernels import Kernel, VmError, which

__all__ = ["initramfs", "qemu"]

# What the initramfs must load to reach the host's files, in addition to what is built in.
DRIVERS = ("virtio_pci", "virtio_console", "9pnet_virtio", "9p", "overlay")


def initramfs(kernel: Kernel, state: Path, shares: list[Path]) -> bytes:
    """The cpio archive that the kernel starts from: busybox, a few modules, vm_init.sh."""
    modules = _modules(kernel)
    folder = kernel.home / "lib" / "modules" / kernel.release
    lines = [f"state={shlex.quote(str(state))} modules={shlex.quote(str(folder))}", "shared() {"]
    lines += [f"share share{i} {shlex.quote(str(path))}" for i, path in enumerate(shares)]
    files = {
        "init": Path(__file__).with_name("vm_init.sh").read_bytes(),
        "guest": "\n".join([*lines, "}", ""]).encode(),
        "bin/busybox": _busybox().read_bytes(),
        "modules/order": "\n".join(modules).encode(),
        **{f"modules/{name}": data for name, data in modules.items()},
    }
    folders = ("bin", "dev", "modules", "proc", "sys")
    return _cpio({**dict.fromkeys(folders), **files})


def qemu(kernel: Kernel, shares: list[Path], *, cpus: int, memory: str, kvm: bool, icount: bool) -> list[str]:
    """QEMU's command line, but for -initrd, and -chardev `out`, `err` and `console`."""
    program = shutil.which("qemu-system-x86_64")
    if not program:
        raise VmError("qemu-system-x86_64 is missing: run tools/setup")
    plain = kernel.home / "vmlinux"
    options = "quiet console=ttyS0 panic=-1 mitigations=off rcupdate.rcu_expedited=1"
    line = [
        *(program, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *("-machine", "q35", "-m", memory, "-smp", "1" if icount else str(cpus)),
        *(("-enable-kvm", "-cpu", "host") if kvm else ("-cpu", "max")),
        *(("-icount", "shift=0,sleep=on") if icount else ()),
        *("-kernel", str(plain if plain.exists() else kernel.home / "vmlinuz")),
        *("-append", options, "-serial", "chardev:console", "-device", "virtio-serial-pci"),
        *("-device", "virtserialport,name=out,chardev=out"),
        *("-device", "virtserialport,name=err,chardev=err"),
    ]
    folders = [("root", "/", "on"), *((f"share{i}", path, "off") for i, path in enumerate(shares))]
    for name, path, readonly in folders:
        path = str(path).replace(",", ",,")
        settings = f"security_model=none,multidevs=remap,readonly={readonly}"
        line += ["-fsdev", f"local,id={name},path={path},{settings}"]
        line += ["-device", f"virtio-9p-pci,fsdev={name},mount_tag={name}"]
    return line


def _modules(kernel: Kernel) -> dict[str, bytes]:
    """The contents of the modules that DRIVERS are and need, in the order to load them."""
    found: dict[str, bytes] = {}
    base = [which("modprobe") or "modprobe", "-d", str(kernel.home), "-S", kernel.release]
    for driver in DRIVERS:
        shown = subprocess.check_output([*base, "--show-depends", driver], text=True)
        for name in re.findall(r"^insmod (\S+)", shown, re.M):
            data = Path(name).read_bytes()
            data = lzma.decompress(data) if name.endswith(".xz") else data
            found[Path(name).name.split(".")[0] + ".ko"] = data
    return found


def _busybox() -> Path:
    path = which("busybox")
    if not path or b"/ld-linux" in Path(path).read_bytes():
        raise VmError("a statically linked busybox is missing: run tools/setup")
    return Path(path)


def _cpio(files: dict[str, bytes | None]) -> bytes:
    """A cpio archive in the "newc" format (Documentation/driver-api/early-userspace); None: a folder."""
    archive = bytearray()
    for inode, (name, data) in enumerate([*files.items(), ("TRAILER!!!", b"")]):
        mode = 0o040755 if data is None else 0o100755
        fields = [inode, mode, 0, 0, 1, 0, len(data or b""), 0, 0, 0, 0, len(name) + 1, 0]
        archive += b"070701" + "".join(f"{field:08x}" for field in fields).encode()
        for part in (name.encode() + b"\0", data or b""):
            archive += part
            archive += bytes(-len(archive) % 4)
    return bytes(archive)
