"""What the files of runtimes tell. The samples are written by hand, after the documentation and sources."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from pybpf.containers import Container, Pod
from pybpf.containers.cgroup import Group
from pybpf.containers.runtimes import describe, started, task

ID = "0123456789abcdef" * 4
UID = "12345678-9abc-def0-1234-56789abcdef0"
DOCKER = f"var/lib/docker/containers/{ID}/config.v2.json"
CONTAINERD = f"run/containerd/io.containerd.runtime.v2.task/k8s.io/{ID}/config.json"
NERDCTL = f"run/containerd/io.containerd.runtime.v2.task/default/{ID}/config.json"
CRIO = f"run/containers/storage/overlay-containers/{ID}/userdata/config.json"
PODMAN = "var/lib/containers/storage/overlay-containers/containers.json"
VOLATILE = "run/containers/storage/overlay-containers/volatile-containers.json"

KUBELET = {
    "io.kubernetes.container.name": "app",
    "io.kubernetes.pod.name": "shop-5d8",
    "io.kubernetes.pod.namespace": "prod",
    "io.kubernetes.pod.uid": UID,
}
CRI = {
    "io.kubernetes.cri.container-name": "app",
    "io.kubernetes.cri.container-type": "container",
    "io.kubernetes.cri.image-name": "docker.io/library/redis:7",
    "io.kubernetes.cri.sandbox-name": "shop-5d8",
    "io.kubernetes.cri.sandbox-namespace": "prod",
    "io.kubernetes.cri.sandbox-uid": UID,
}
POD = Pod("prod", "shop-5d8", UID, "app")
NAMES = {"image-name": "docker.io/library/redis:7", "name": "cache"}

SAMPLES: list[tuple[str, Any, str, Container]] = [
    (
        DOCKER,
        {"ID": ID, "Name": "/web", "Config": {"Image": "nginx:1.25", "Labels": {}}},
        "docker",
        Container("docker", ID, "web", "nginx:1.25"),
    ),
    (
        DOCKER,
        {"Name": "/k8s_app_shop-5d8", "Config": {"Image": "redis:7", "Labels": KUBELET}},
        "docker",
        Container("docker", ID, "k8s_app_shop-5d8", "redis:7", POD),
    ),
    (
        DOCKER,
        {"Name": "/k8s_POD", "Config": {"Labels": {"io.kubernetes.docker.type": "podsandbox"}}},
        "docker",
        Container("docker", ID, "k8s_POD", pause=True),
    ),
    (
        CONTAINERD,
        {"ociVersion": "1.1.0", "annotations": CRI},
        "containerd",
        Container("containerd", ID, "app", "docker.io/library/redis:7", POD),
    ),
    (
        CONTAINERD,
        {"annotations": {"io.kubernetes.cri.container-type": "sandbox"}},
        "containerd",
        Container("containerd", ID, ID[:12], pause=True),
    ),
    (
        NERDCTL,
        {"annotations": {"nerdctl/name": "web"}},
        "containerd",
        Container("containerd", ID, "web"),
    ),
    (
        CRIO,
        {
            "annotations": {
                **KUBELET,
                "io.kubernetes.cri-o.ContainerType": "container",
                "io.kubernetes.cri-o.ImageName": "quay.io/redis:7",
            }
        },
        "cri-o",
        Container("cri-o", ID, "app", "quay.io/redis:7", POD),
    ),
    (
        PODMAN,
        [{"id": "f" * 64}, {"id": ID, "names": ["cache"], "metadata": json.dumps(NAMES)}],
        "podman",
        Container("podman", ID, "cache", "docker.io/library/redis:7"),
    ),
    (
        VOLATILE,
        [{"id": ID, "names": ["cache"]}],
        "podman",
        Container("podman", ID, "cache"),
    ),
]


def put(root: Path, file: str, content: Any) -> Path:
    path = root / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize(("file", "content", "runtime", "container"), SAMPLES)
def test_samples(tmp_path: Path, file: str, content: Any, runtime: str, container: Container) -> None:
    put(tmp_path, file, content)
    assert describe(str(tmp_path), Group(runtime, ID)) == container
    assert describe(str(tmp_path), Group("", ID)) == container  # whatever its control group doesn't tell


def test_a_pod_known_by_its_control_group_alone(tmp_path: Path) -> None:
    found = describe(str(tmp_path), Group("containerd", ID, UID))
    assert found == Container("containerd", ID, ID[:12], pod=Pod(uid=UID))


def test_of_a_user(tmp_path: Path) -> None:
    put(
        tmp_path,
        "run/user/4242/containers/overlay-containers/volatile-containers.json",
        [{"id": ID, "names": ["mine"]}],
    )
    assert describe(str(tmp_path), Group("podman", ID, user=4242)).name == "mine"
    assert describe(str(tmp_path), Group("podman", ID)).name == ID[:12]


def test_what_people_ran_themselves(tmp_path: Path) -> None:
    put(tmp_path, "run/runc/web/state.json", {"init_process_pid": 41, "init_process_start": 1234})
    put(tmp_path, "run/crun/db/status", {"pid": 42, "process-start-time": 1235})
    assert list(started(str(tmp_path))) == [
        (41, 1234, Container("runc", "web", "web")),
        (42, 1235, Container("crun", "db", "db")),
    ]


def test_by_ctr(tmp_path: Path) -> None:
    put(tmp_path, "run/containerd/io.containerd.runtime.v2.task/mine/web/config.json", {"ociVersion": "1"})
    assert task(str(tmp_path), "mine", "web") == Container("containerd", "web", "")
    assert task(str(tmp_path), "mine", "other") is None


HOSTILE: dict[str, str] = {
    "nothing": "",
    "no JSON": "{",
    "no object": "[1]",
    "not UTF-8": "\udcff",
    "nested without end": "[" * 100_000,
    "members of other types": '{"Name": ["/web"], "Config": 1, "annotations": [], "id": {}}',
    "an infinite number": '{"Name": 1e999}',
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("file", [DOCKER, CONTAINERD, CRIO, PODMAN])
def test_damaged_files_tell_nothing(tmp_path: Path, file: str, content: str) -> None:
    path = put(tmp_path, file, "")
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    assert describe(str(tmp_path), Group("", ID)).name == ID[:12]


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_damaged_states(tmp_path: Path, content: str) -> None:
    path = put(tmp_path, "run/runc/web/state.json", "")
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    assert [(pid, start) for pid, start, _ in started(str(tmp_path))] == [(0, 0)]


def test_neither_links_nor_pipes_nor_huge_files(tmp_path: Path) -> None:
    good = {"Name": "/web"}
    path = tmp_path / DOCKER
    elsewhere = put(tmp_path, "elsewhere.json", good)
    path.parent.mkdir(parents=True)
    path.symlink_to(elsewhere)
    assert describe(str(tmp_path), Group("docker", ID)).name == ID[:12]
    path.unlink()
    path.symlink_to(path)  # round and round
    assert describe(str(tmp_path), Group("docker", ID)).name == ID[:12]
    path.unlink()
    os.mkfifo(path)  # would wait for a writer without end
    assert describe(str(tmp_path), Group("docker", ID)).name == ID[:12]
    path.unlink()
    put(tmp_path, DOCKER, json.dumps(good) + " " * (16 << 20))
    assert describe(str(tmp_path), Group("docker", ID)).name == ID[:12]


def test_a_name_of_any_length_is_cut(tmp_path: Path) -> None:
    put(tmp_path, DOCKER, {"Name": "/" + "x" * 100_000})
    assert describe(str(tmp_path), Group("docker", ID)).name == "x" * 255
