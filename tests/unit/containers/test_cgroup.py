"""Whose container a control group is, by the names that runtimes give them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybpf.containers.cgroup import Group, find, task

ID = "0123456789abcdef" * 4
OTHER = "f" * 64
POD = "12345678-9abc-def0-1234-56789abcdef0"
SLICE = "kubepods-burstable-pod12345678_9abc_def0_1234_56789abcdef0.slice"
SESSION = "/user.slice/user-1000.slice/user@1000.service"

PATHS = {
    f"/docker/{ID}": Group("docker", ID),
    f"/system.slice/docker-{ID}.scope": Group("docker", ID),
    f"/system.slice/nerdctl-{ID}.scope": Group("containerd", ID),
    f"/kubepods.slice/kubepods-burstable.slice/{SLICE}/cri-containerd-{ID}.scope": Group(
        "containerd", ID, POD
    ),
    f"/kubepods.slice/{SLICE}/crio-{ID}.scope": Group("cri-o", ID, POD),
    f"/kubepods/besteffort/pod{POD}/{ID}": Group("", ID, POD),
    f"/kubepods/pod{'a' * 32}/{ID}": Group("", ID, "a" * 32),  # of a file on the node
    f"/machine.slice/libpod-{ID}.scope/container": Group("podman", ID),
    f"/libpod_parent/libpod-{ID}": Group("podman", ID),
    f"{SESSION}/user.slice/libpod-{ID}.scope/container": Group("podman", ID, "", 1000),
    # Seen from a namespace of control groups further down.
    f"/../../system.slice/docker-{ID}.scope": Group("docker", ID),
    # A container names what is below it as it likes: here one in one.
    f"/docker/{ID}/docker/{OTHER}": Group("docker", ID),
    f"/system.slice/docker-{ID}.scope/crio-{OTHER}.scope": Group("docker", ID),
    # So do people in their sessions.
    f"{SESSION}/docker-{ID}.scope": None,
    f"{SESSION}/kubepods/pod{POD}/{ID}": None,
    "/": None,
    "/init.scope": None,
    "/system.slice/sshd.service": None,
    f"/machine.slice/libpod-conmon-{ID}.scope": None,
    f"/machine.slice/crio-conmon-{ID}.scope": None,
    f"/docker/{ID[1:]}": None,
    f"/docker/{ID.upper()}": None,
    f"/docker/{ID}\n": None,
}


@pytest.mark.parametrize("path", PATHS)
def test_paths(path: str) -> None:
    assert find([path]) == PATHS[path]


def test_the_first_hierarchy_that_tells() -> None:
    assert find(["/", f"/docker/{ID}", f"/docker/{OTHER}"]) == Group("docker", ID)
    assert find([]) is None


@given(st.lists(st.text()))
def test_any_text_has_an_answer(paths: list[str]) -> None:
    assert find(paths) is None


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("/default/web", ("default", "web")),
        ("/my-ns/web.1/init", ("my-ns", "web.1")),
        ("/system.slice/sshd.service", ("system.slice", "sshd.service")),  # of which containerd has no files
        ("/user.slice/user-1000.slice/default/web", ("user.slice", "user-1000.slice")),
        ("/default", None),
        ("/../web", None),
        ("/default/../web", None),
        ("/default/web\n", None),
    ],
)
def test_by_ctr(path: str, named: tuple[str, str] | None) -> None:
    assert task(["/", path]) == named
