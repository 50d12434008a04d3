"""Which container a process is in: by its control groups, which anyone may see."""

from __future__ import annotations

from pybpf.containers import cgroup
from pybpf.containers.container import Container
from pybpf.containers.runtimes import describe, started, task
from pybpf.sys import namespaces

__all__ = ["identify"]


def identify(root: str, pid: int) -> Container | None:
    """The container of a process; None when it's in none, or gone. Paths begin with `root`."""
    paths = namespaces.cgroups(pid)
    group = cgroup.find(paths)
    if group is not None:
        return describe(root, group)._replace(pid=pid)
    named = cgroup.task(paths)
    if named is not None:
        found = task(root, *named)
        if found is not None:
            return found._replace(name=found.name or found.id, pid=pid)
    if any(path.strip("/") for path in paths):
        for first, start, container in started(root):
            if namespaces.start_time(first) == start and _within(paths, namespaces.cgroups(first)):
                return container._replace(pid=first)
    return None


def _within(paths: list[str], above: list[str]) -> bool:
    """Is one of the control groups one of those `above`, or below it? All are in the root's."""
    return any(
        path == outer or path.startswith(f"{outer}/") for outer in above if outer != "/" for path in paths
    )
