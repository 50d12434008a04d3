"""What is known of a container."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Container", "Pod"]


class Pod(NamedTuple):
    """The Kubernetes pod that a container is part of; what isn't known is empty."""

    namespace: str = ""
    name: str = ""
    uid: str = ""
    container: str = ""


class Container(NamedTuple):
    """A container: `runtime` is `docker`, `containerd`, `cri-o`, `podman`, `runc`, `crun` or empty.

    `id` is the runtime's, mostly 64 hexadecimal digits; `name` is what people call it: the id's first 12
    digits where nothing better is known. What isn't known is empty. `pause` is one that only holds a pod's
    namespaces. `pid` is the first in it, as this host counts.
    """

    runtime: str
    id: str
    name: str
    image: str = ""
    pod: Pod | None = None
    pause: bool = False
    pid: int = 0

    def called(self, name: str) -> bool:
        """Is this one meant by `name`: its name, that in its pod, its id, or the beginning of one of them?"""
        names = (self.name, self.id, self.pod.container if self.pod else "")
        return bool(name) and any(each.startswith(name) for each in names)
