"""Whose container a control group is: from its path, as the runtimes name them.

    docker      /docker/ID  /system.slice/docker-ID.scope
    containerd  /kubepods.slice/…-podUID.slice/cri-containerd-ID.scope  /system.slice/nerdctl-ID.scope
    cri-o       /kubepods.slice/…-podUID.slice/crio-ID.scope
    podman      /machine.slice/libpod-ID.scope/container  /libpod_parent/libpod-ID
    any         /kubepods/burstable/podUID/ID
    containerd  /NAMESPACE/NAME, by ctr

ID is 64 hexadecimal digits. With systemd the dashes of a pod's UID are underscores.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["Group", "find", "task"]

_RUNTIMES = {
    "docker": "docker",
    "cri-containerd": "containerd",
    "nerdctl": "containerd",
    "crio": "cri-o",
    "libpod": "podman",
}
_CONTAINER = re.compile(rf"(?:({'|'.join(_RUNTIMES)})-)?([0-9a-f]{{64}})(?:\.scope)?")
_POD = re.compile(
    r"(?:kubepods.*-)?pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})(?:\.slice)?"
)
_NAME = r"[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*"
_TASK = re.compile(rf"/({_NAME})/({_NAME})(?=/|\Z)")
_USER = re.compile(r"user@(\d{1,10})\.service")


class Group(NamedTuple):
    """What a path tells: `runtime` may be empty; `pod` is the pod's UID; `user` whose session it is in."""

    runtime: str
    id: str
    pod: str = ""
    user: int | None = None


def find(paths: Iterable[str]) -> Group | None:
    """The container of a process in these control groups; None when it's in none.

    The outermost counts: what is below is the container's to name as it likes. For the same reason only
    podman's, which people run as themselves, counts within somebody's session.
    """
    for path in paths:
        pod, user, above = "", None, ""
        for part in path.split("/"):
            if match := _CONTAINER.fullmatch(part):
                runtime = _RUNTIMES.get(match[1], "") or ("docker" if above == "docker" else "")
                if user is None or runtime == "podman":
                    return Group(runtime, match[2], pod, user)
                break
            if match := _POD.fullmatch(part):
                pod = match[1].replace("_", "-")
            elif match := _USER.fullmatch(part):
                user = int(match[1])
            above = part
    return None


def task(paths: Iterable[str]) -> tuple[str, str] | None:
    """The namespace and name by which ctr may have run a process in these control groups."""
    for path in paths:
        if match := _TASK.match(path):
            return match[1], match[2]
    return None
