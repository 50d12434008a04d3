"""Containers of runc, and mount namespaces that are nobody's: found, followed, and told apart."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pybpf.containers import Container, Containers

PYBPF = [sys.executable, "-c", "import sys; from pybpf.cli import main; sys.exit(main())"]
CONFIG = {
    "ociVersion": "1.0.2",
    "root": {"path": "rootfs"},
    "process": {"cwd": "/", "args": ["/busybox", "sleep", "600"], "user": {"uid": 0, "gid": 0}},
    "linux": {"namespaces": [{"type": "mount"}, {"type": "pid"}]},
    "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
}


@contextmanager
def container(folder: Path, name: str) -> Iterator[int]:
    """A container of runc's while `with` lasts: its first process."""
    root = folder / "rootfs"
    root.mkdir(parents=True, exist_ok=True)
    shutil.copy("/bin/busybox", root / "busybox")
    (folder / "config.json").write_text(json.dumps(CONFIG))
    subprocess.run(
        ["runc", "run", "--detach", "--bundle", folder, name],
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        state = json.loads(subprocess.check_output(["runc", "state", name]))
        yield int(state["pid"])
    finally:
        subprocess.run(["runc", "delete", "--force", name], check=True)


def until(containers: Containers, met: Callable[[], bool]) -> None:
    """Look each PERIOD, as those do who follow, until it is so."""
    end = time.monotonic() + 30
    while not met():
        assert time.monotonic() < end, containers.found
        time.sleep(containers.PERIOD / 10)
        containers.refresh()


@pytest.fixture
def name() -> str:
    return f"pybpf-{os.getpid()}"


def test_a_container_is_followed(tmp_path: Path, name: str) -> None:
    containers = Containers()
    containers.refresh()
    before = containers.found
    with container(tmp_path, name) as pid:
        number = os.stat(f"/proc/{pid}/ns/mnt").st_ino
        until(containers, lambda: number in containers.found)
        assert containers.found[number] == Container("runc", name, name, pid=pid)
        assert containers.refresh() is False
    until(containers, lambda: containers.found == before)


def test_a_namespace_without_a_container(tmp_path: Path, name: str) -> None:
    with subprocess.Popen(["unshare", "-m", "cat"], stdin=subprocess.PIPE) as process:
        containers = Containers()
        end = time.monotonic() + 30
        while (number := os.stat(f"/proc/{process.pid}/ns/mnt").st_ino) == containers.host:
            assert time.monotonic() < end
        containers.refresh()
        assert number not in containers.found
        process.communicate()


def test_the_command(tmp_path: Path, name: str) -> None:
    command = [*PYBPF, "containers", "-o", "json"]
    with container(tmp_path, name) as pid:
        found = map(json.loads, subprocess.check_output(command).splitlines())
        (shown,) = (each for each in found if each["runtime"]["containerName"] == name)
        assert shown == {
            "mntns_id": os.stat(f"/proc/{pid}/ns/mnt").st_ino,
            "runtime": {
                "containerId": name,
                "containerImageName": "",
                "containerName": name,
                "containerPid": pid,
                "runtimeName": "runc",
            },
        }


@pytest.mark.needs("kernel_memory", "btf")
@pytest.mark.usefixtures("tracefs")
class TestRun:
    """The events of chosen containers, and no others."""

    def start(self, *options: object) -> subprocess.Popen[str]:
        command = [*PYBPF, "run", "trace_exec", "-o", "json", *map(str, options)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        assert process.stderr.readline() == "pybpf: tracing trace_exec … Ctrl-C to end\n"
        return process

    def events(self, process: subprocess.Popen[str]) -> list[dict[str, Any]]:
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate()
        assert process.returncode == 130
        return [json.loads(line) for line in out.splitlines()]

    def test_of_a_container_that_starts_later(self, tmp_path: Path, name: str) -> None:
        with self.start("--container", name) as process, container(tmp_path, name):
            subprocess.run(["true"], check=True)
            end = time.monotonic() + 30
            assert process.stdout is not None
            while not select.select([process.stdout], [], [], 0)[0]:
                assert time.monotonic() < end
                subprocess.run(["runc", "exec", name, "/busybox", "sleep", "1"], check=True)
            seen = self.events(process)
        # On a slow machine its first command, too.
        commands = {"/busybox sleep 600", "/busybox sleep 1"}
        assert seen
        assert {event["args"] for event in seen} <= commands
        # But of a process that has ended by then.
        named = {"runtimeName": "runc", "containerName": name, "containerId": name}
        assert named in [event.get("runtime") for event in seen]

    def test_of_a_process(self) -> None:
        with subprocess.Popen(["unshare", "-m", "sh"], stdin=subprocess.PIPE, text=True) as shell:
            namespace = os.stat("/proc/self/ns/mnt").st_ino
            while os.stat(f"/proc/{shell.pid}/ns/mnt").st_ino == namespace:
                time.sleep(0.01)
            with self.start("--pid-ns-of", shell.pid) as process:
                subprocess.run(["true"], check=True)
                shell.communicate("/bin/echo inside >/dev/null")
                (event,) = self.events(process)
                assert event["args"] == "/bin/echo inside"
                assert "runtime" not in event


def test_watching(tmp_path: Path, name: str) -> None:
    command = [*PYBPF, "containers", "-o", "json", "--watch"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        with container(tmp_path, name):
            shown = map(json.loads, process.stdout)
            first = next(each for each in shown if each["runtime"]["containerName"] == name)
        last = next(each for each in shown if each["runtime"]["containerName"] == name)
        # It may have been there by the first look.
        assert first.get("event") in (None, "start")
        assert last["event"] == "end"
        process.terminate()
        assert process.wait() == 143
