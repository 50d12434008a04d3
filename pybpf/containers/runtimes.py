"""What each runtime knows of a container by its id: one function a runtime, found by the runtime's name.

`root` is where the host's root directory is. Each returns a container, or None when it has no such one.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Iterator
from typing import Optional

from pybpf.containers.cgroup import Group
from pybpf.containers.container import Container, Pod
from pybpf.containers.state import Fields, read, read_all

__all__ = ["describe", "started", "task"]

_Describe = Callable[[str, Group], Optional[Container]]


def describe(root: str, group: Group) -> Container:
    """What the files below `root` tell of a container; at least its id."""
    asked = [_DESCRIBE[group.runtime]] if group.runtime else _DESCRIBE.values()
    for ask in asked:
        found = ask(root, group)
        if found is not None:
            break
    else:
        found = Container(group.runtime, group.id, "")
    if group.pod:
        found = found._replace(pod=(found.pod or Pod())._replace(uid=group.pod))
    return found if found.name else found._replace(name=group.id[:12])


def started(root: str) -> Iterator[tuple[int, int, Container]]:
    """The containers that people ran by runc or crun themselves, whose control groups are named as they like.

    With each, its first process, and when that started (the clock ticks of /proc/PID/stat): these files stay
    when all ends.
    """
    for runtime, file, pid, start in _STATES:
        try:
            ids = os.listdir(f"{root}/run/{runtime}")
        except OSError:
            continue
        for id in ids:
            state = read(f"{root}/run/{runtime}/{id}/{file}")
            yield state.number(pid), state.number(start), Container(runtime, id, id)


# Where both keep a container's state: the file, and its members.
_STATES = (
    ("runc", "state.json", "init_process_pid", "init_process_start"),
    ("crun", "status", "pid", "process-start-time"),
)


def _docker(root: str, group: Group) -> Container | None:
    state = read(f"{root}/var/lib/docker/containers/{group.id}/config.v2.json")
    if not state:
        return None
    config = state["Config"]
    labels = config["Labels"]
    name = state.text("Name").lstrip("/")
    pause = labels.text("io.kubernetes.docker.type") == "podsandbox"
    return Container("docker", group.id, name, config.text("Image"), _pod(labels), pause)


def _containerd(root: str, group: Group) -> Container | None:
    # The namespaces of Kubernetes, and of nerdctl and ctr where nothing else is asked for.
    for namespace in ("k8s.io", "default"):
        found = task(root, namespace, group.id)
        if found is not None:
            return found
    return None


def task(root: str, namespace: str, id: str) -> Container | None:
    """A container of containerd's by its namespace there and its id, which ctr's users choose."""
    state = read(f"{root}/run/containerd/io.containerd.runtime.v2.task/{namespace}/{id}/config.json")
    if not state:
        return None
    notes = state["annotations"]
    name = notes.text(f"{_CRI}container-name", "nerdctl/name")
    pause = notes.text(f"{_CRI}container-type") == _PAUSE
    return Container("containerd", id, name, notes.text(f"{_CRI}image-name"), _cri_pod(notes), pause)


_CRI = "io.kubernetes.cri."
_PAUSE = "sandbox"


def _cri_pod(notes: Fields) -> Pod | None:
    pod = Pod(
        notes.text(f"{_CRI}sandbox-namespace"),
        notes.text(f"{_CRI}sandbox-name"),
        notes.text(f"{_CRI}sandbox-uid"),
        notes.text(f"{_CRI}container-name"),
    )
    return pod if pod.name else None


def _crio(root: str, group: Group) -> Container | None:
    for storage in _storages(root, None):
        notes = read(f"{storage}/{group.id}/userdata/config.json")["annotations"]
        kind = notes.text("io.kubernetes.cri-o.ContainerType")
        if kind:
            name = notes.text("io.kubernetes.container.name", "io.kubernetes.cri-o.Name")
            image = notes.text("io.kubernetes.cri-o.ImageName")
            return Container("cri-o", group.id, name, image, _pod(notes), kind == _PAUSE)
    return None


def _podman(root: str, group: Group) -> Container | None:
    for storage in _storages(root, group.user):
        for file in ("containers.json", "volatile-containers.json"):
            for state in read_all(f"{storage}/{file}"):
                if state.text("id") == group.id:
                    return _podman_container(group.id, state)
    return None


def _podman_container(id: str, state: Fields) -> Container:
    details = state.inner("metadata")
    name = details.text("name") or next(iter(state.texts("names")), "")
    return Container("podman", id, name, details.text("image-name"))


def _storages(root: str, user: int | None) -> Iterator[str]:
    """The folders in which podman and CRI-O keep containers: of the system, or of a user."""
    if user is None:
        yield f"{root}/run/containers/storage/overlay-containers"
        yield f"{root}/var/lib/containers/storage/overlay-containers"
        return
    yield f"{root}/run/user/{user}/containers/overlay-containers"
    try:
        home = pwd.getpwuid(user).pw_dir
    except (KeyError, OverflowError):
        return
    yield f"{root}{home}/.local/share/containers/storage/overlay-containers"


def _pod(labels: Fields) -> Pod | None:
    """From the labels that the kubelet gives to containers."""
    pod = Pod(
        labels.text("io.kubernetes.pod.namespace"),
        labels.text("io.kubernetes.pod.name"),
        labels.text("io.kubernetes.pod.uid"),
        labels.text("io.kubernetes.container.name"),
    )
    return pod if pod.name else None


_DESCRIBE: dict[str, _Describe] = {
    "docker": _docker,
    "containerd": _containerd,
    "cri-o": _crio,
    "podman": _podman,
}
