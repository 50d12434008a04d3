#!/usr/bin/env python3
"""How long it takes to find a field in a kernel's BTF, and how much memory, beside bpftool.

usage: tools/bench btf [FILE]          (by default /sys/kernel/btf/vmlinux)

Each figure is processor time, the best of several new processes: cold, with nothing cached anywhere,
and with the index of types in the user's cache (a new folder, for this). The interpreter's start and the
imports are shown apart.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence

RUNS = 9

# A process that imports pybpf.btf, asks, and prints: ms of the imports, ms of the asking, KB that it took.
ASK = """
import time
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4
start = time.process_time()
import pybpf.btf
imported = time.process_time()
before = resident()
asking = time.process_time()
btf = pybpf.btf.load({path!r}, index={index})
{question}
print((imported - start) * 1e3, (time.process_time() - asking) * 1e3, resident() - before)
"""
QUESTIONS = (
    ("task_struct.nsproxy", 'btf["struct task_struct"].offset_of("nsproxy")'),
    ("mnt_namespace.ns.inum", 'btf["struct mnt_namespace"].offset_of("ns.inum")'),
    ("what trace_fsslower asks", "[btf[key].offset_of(path) for key, path in {fsslower!r}]"),
    ("prototype of vfs_read", 'btf.function("vfs_read").parameters'),
    ("the number of all types", "len(btf)"),
)
FSSLOWER = (
    ("struct kiocb", "ki_filp"),
    ("struct kiocb", "ki_pos"),
    ("struct file", "f_path.dentry"),
    ("struct dentry", "d_name.name"),
    ("struct task_struct", "real_parent"),
    ("struct task_struct", "comm"),
    ("struct task_struct", "tgid"),
    ("struct task_struct", "nsproxy"),
    ("struct nsproxy", "mnt_ns"),
    ("struct mnt_namespace", "ns.inum"),
    ("struct pt_regs", "di"),
)


def best(command: Sequence[str]) -> float:
    """Milliseconds of processor time of the quickest of several runs."""
    times = []
    for _ in range(RUNS):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{' '.join(command)} failed")
        times.append(usage.ru_utime + usage.ru_stime)
    return min(times) * 1e3


def ask(path: str, question: str, index: bool) -> tuple[float, float, int]:
    """(ms of the imports, ms of the question, KB), each the least of several processes."""
    code = ASK.format(path=path, index=index, question=question.format(fsslower=FSSLOWER))
    rows = []
    for _ in range(RUNS):
        shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
        rows.append([float(word) for word in shown.stdout.split()])
    imports, asking, memory = (min(column) for column in zip(*rows))
    return imports, asking, int(memory)


def main() -> int:
    path = sys.argv[1] if len(sys.argv) > 1 else "/sys/kernel/btf/vmlinux"
    print(f"{path}, Python {sys.version.split()[0]}, processor time, best of {RUNS} processes")
    print(f"{best([sys.executable, '-c', 'pass']):8.1f} ms  the interpreter's start")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        print("    cold  indexed    memory")
        for name, question in QUESTIONS:
            imports, cold, memory = ask(path, question, index=False)
            _, indexed, _ = ask(path, question, index=True)
            print(f"{cold:8.1f} {indexed:8.1f} ms {memory:6d} KB  {name}")
    print(f"{imports:8.1f} ms  import pybpf.btf")
    command = [sys.executable, "-m", "pybpf.cli", "btf", "dump", "--btf", path, "struct task_struct"]
    command[1:3] = ["-c", "import sys; from pybpf.cli import main; sys.exit(main())"]
    print(f"{best(command):8.1f} ms  pybpf btf dump 'struct task_struct' (C, whole process)")
    tool = shutil.which("bpftool", path="/usr/sbin:/usr/bin:/sbin:/bin")
    if tool is None:
        print("no bpftool here: apt-get install bpftool")
        return 0
    for form in ("raw", "c"):
        took = best([tool, "btf", "dump", "file", path, "format", form])
        print(f"{took:8.1f} ms  bpftool btf dump format {form} (of all: it has no choice)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
