"""Debian's kernels for tools/vm: find one by name, fetch it, keep it in a cache.

A kernel comes as Debian packages from the mirror that this machine's own apt names. Nothing is
installed: apt works in a private folder, the packages are unpacked into the cache, and a kernel
appears there whole or not at all.
"""

from __future__ import annotations

import json
import lzma
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

__all__ = ["SUITES", "Apt", "Kernel", "VmError", "cache", "cached", "fetch", "say", "which"]

# Which suite has which kernel; a name that is not here is looked for in ELSEWHERE.
SUITES = {
    "5.10": "bullseye",
    "6.1": "bookworm",
    "6.12": "trixie",
    "6.16": "trixie-backports",
    "6.17": "trixie-backports",
    "6.18": "trixie-backports",
    "6.19": "trixie-backports",
    "7.0": "trixie-backports",
    "7.1": "trixie-backports",
    "7.2": "sid",
    "7.3": "trixie-backports",
}
ELSEWHERE = ("trixie-backports", "sid", "bookworm-backports")
KEYRINGS = ("debian-archive-keyring.gpg", "debian-archive-keyring.pgp")

# Modules for hardware that no guest has: two thirds of a kernel's size.
UNUSED_MODULES = (
    "sound",
    *("drivers/" + name for name in ("gpu", "iio", "infiniband", "media", "staging")),
    *("drivers/net/" + name for name in ("ethernet", "wireless")),
)


class VmError(Exception):
    """A message for the person who ran the tool."""


class Kernel(NamedTuple):
    """A kernel in the cache: `home`/vmlinuz, `home`/lib/modules/`release`, perhaps `home`/vmlinux."""

    release: str
    suite: str
    home: Path


_start = time.monotonic()


def say(text: str) -> None:
    """Print one line of progress on standard error, with the seconds that have gone by."""
    print(f"vm: {time.monotonic() - _start:5.1f} s  {text}", file=sys.stderr, flush=True)


def cache() -> Path:
    """The folder where kernels are kept."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "pybpf" / "kernels"


def cached() -> list[Kernel]:
    """The kernels in the cache, oldest release first."""
    notes = [(path.parent, json.loads(path.read_text())) for path in cache().glob("*/kernel.json")]
    kernels = [Kernel(note["release"], note["suite"], home) for home, note in notes]
    return sorted(kernels, key=lambda kernel: _order(kernel.release))


def fetch(name: str) -> Kernel:
    """The newest kernel called `name` ("6.1", or a longer release), from the cache or the mirror."""
    known = [kernel for kernel in cached() if _is_called(kernel.release, name)]
    if known:
        return known[-1]
    if not re.fullmatch(r"[0-9]+\.[0-9]+[0-9a-z.+-]*", name):
        raise VmError(f"{name!r} is no kernel version; 'tools/vm kernels' lists them")
    for tool in ("apt-get", "apt-cache", "dpkg-deb", "depmod"):
        if not which(tool):
            raise VmError(f"{tool} is not installed: kernels come as Debian packages (tools/setup)")
    short = ".".join(name.split(".")[:2])
    suites = (SUITES[short],) if short in SUITES else ELSEWHERE
    cache().mkdir(parents=True, exist_ok=True)
    # Beside its final place, so that the rename at the end is one.
    with tempfile.TemporaryDirectory(dir=cache(), prefix=".fetch-") as folder:
        for suite in dict.fromkeys((*suites, *ELSEWHERE)):
            kernel = _fetch_from(suite, name, Path(folder))
            if kernel:
                return kernel
    raise VmError(f"no kernel {name} in {', '.join(dict.fromkeys((*suites, *ELSEWHERE)))}")


def _fetch_from(suite: str, name: str, folder: Path) -> Kernel | None:
    apt = Apt(suite, folder / suite)
    say(f"reading the package list of {suite}")
    apt.run("apt-get", "update", "-q")
    arch = subprocess.check_output(["dpkg", "--print-architecture"], text=True).strip()
    packages = apt.run("apt-cache", "pkgnames", "linux-").split()
    image = re.compile(rf"linux-image-([0-9]+(?!.*-(?:cloud|rt)-)\S*-{arch})")
    releases = [match[1] for match in map(image.fullmatch, packages) if match]
    releases = [release for release in releases if _is_called(release, name)]
    if not releases:
        return None
    release = max(releases, key=_order)
    # Older kernels are all in -image-; newer ones in the other three.
    wanted = [f"linux-{part}-{release}" for part in ("image", "base", "binary", "modules")]
    wanted = [package for package in wanted if package in packages]
    say(f"downloading {' '.join(wanted)}")
    apt.run("apt-get", "download", "-q", *wanted)
    say(f"unpacking {release}")
    tree = folder / release
    for package in apt.folder.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", package, tree], check=True)
    _tidy(tree, release)
    (tree / "kernel.json").write_text(json.dumps({"release": release, "suite": suite}))
    home = cache() / release
    try:
        tree.rename(home)
    except OSError:  # somebody else was quicker
        if not (home / "kernel.json").exists():
            raise
    say(f"{release} is in {home}")
    return Kernel(release, suite, home)


class Apt:
    """apt-get and apt-cache on one suite of the machine's Debian mirror, in a private folder."""

    def __init__(self, suite: str, folder: Path) -> None:
        self.folder = folder
        for name in ("lists/partial", "cache/archives/partial"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        keyrings = [Path("/usr/share/keyrings", name) for name in KEYRINGS]
        signed = "".join(f"[signed-by={path}] " for path in keyrings[:1] if path.exists())
        sources = folder / "sources.list"
        sources.write_text(f"deb {signed}{_mirror()} {suite} main\n")
        settings = {
            "Dir::Etc::sourcelist": sources,
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::State::Lists": folder / "lists",
            "Dir::Cache": folder / "cache",
            "APT::Sandbox::User": "",
            "APT::Update::Post-Invoke-Success": "",
            "Acquire::Languages": "none",
            "Acquire::GzipIndexes": "true",
        }
        self.options = [word for item in settings.items() for word in ("-o", "{}={}".format(*item))]

    def run(self, program: str, *words: str) -> str:
        process = subprocess.Popen(
            [program, *self.options, *words],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        while True:
            try:
                output, errors = process.communicate(timeout=5)
                break
            except subprocess.TimeoutExpired:
                size = sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())
                say(f"{size / 1e6:.0f} MB so far")
        if process.returncode:
            reason = "\n".join(errors.strip().splitlines()[-5:])
            raise VmError(f"{program} {' '.join(words)} failed:\n{reason}")
        return output


def _mirror() -> str:
    """The Debian mirror that the machine's apt uses for its own release."""
    given = os.environ.get("PYBPF_DEBIAN_MIRROR")
    if given:
        return given
    system = dict(re.findall(r'^(\w+)="?([^"\n]*)', Path("/etc/os-release").read_text(), re.M))
    format_ = "$(SITE) $(RELEASE) $(COMPONENT)"
    lines = subprocess.check_output(
        ["apt-get", "indextargets", "--format", format_, "Created-By: Packages"], text=True
    )
    targets = [line.split() for line in lines.splitlines()]
    own = [
        site
        for site, suite, component in targets
        if component == "main" and "-" not in suite and system.get("ID") == "debian"
    ]
    if not own:
        raise VmError("apt names no Debian mirror here: set PYBPF_DEBIAN_MIRROR to the URL of one")
    return own[0]


def _tidy(tree: Path, release: str) -> None:
    """Give an unpacked kernel of any age one layout, and run depmod on its modules."""
    modules = tree / "lib" / "modules" / release
    if not modules.exists():
        modules.parent.mkdir(parents=True)
        (tree / "usr" / "lib" / "modules" / release).rename(modules)
    images = [tree / "boot" / f"vmlinuz-{release}", modules / "vmlinuz"]
    image = next(path for path in images if path.exists())
    image.rename(tree / "vmlinuz")
    _unpack_image(tree / "vmlinuz", tree / "vmlinux")
    shutil.rmtree(tree / "usr", ignore_errors=True)
    (tree / "usr").symlink_to(".")  # kmod looks in /lib/modules or in /usr/lib/modules
    for name in UNUSED_MODULES:
        shutil.rmtree(modules / "kernel" / name, ignore_errors=True)
    depmod = which("depmod") or "depmod"
    subprocess.run([depmod, "-b", tree, release], check=True)


def _unpack_image(packed: Path, plain: Path) -> None:
    """Write the ELF file inside a bzImage: QEMU boots it 2 s faster than the kernel unpacks itself.

    Offsets are the x86 boot protocol's (Documentation/arch/x86/boot.rst): setup_sects 0x1f1,
    payload_offset 0x248, payload_length 0x24c. The last 4 bytes of a payload are its plain size.
    """
    image = packed.read_bytes()
    if image[0x202:0x206] != b"HdrS":
        return
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = ((image[0x1F1] or 4) + 1) * 512 + offset
    payload = image[start : start + length - 4]
    if payload.startswith(b"\xfd7zXZ\0"):
        plain.write_bytes(lzma.decompress(payload))
    elif payload.startswith(b"\x28\xb5\x2f\xfd") and which("zstd"):
        plain.write_bytes(subprocess.run(["zstd", "-dcq"], input=payload, stdout=-1).stdout)


def which(tool: str) -> str | None:
    """Where a program is, in the folders for administrators, too."""
    return shutil.which(tool, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def _order(release: str) -> list[int]:
    version = release.rpartition("-")[0]  # amd64 has a number, too
    return [int(number) for number in re.findall(r"[0-9]+", version)]


def _is_called(release: str, name: str) -> bool:
    return re.match(re.escape(name) + r"(?![0-9])", release) is not None
