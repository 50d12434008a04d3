"""Which mount namespace is whose container, kept up to date by looking at /proc.

A look at processes that were seen before costs a directory listing. A namespace is looked at anew for a while
after it was first seen, since a container's first process enters its namespaces and control groups one by
one; and now and then all are, since any process may enter others at any time.
"""

from __future__ import annotations

from pybpf.containers.container import Container
from pybpf.containers.identify import identify
from pybpf.sys import namespaces

__all__ = ["Containers"]

# In looks: how long what is new is looked at anew; and how often all is.
_YOUNG = 6
_ALL = 16


class Containers:
    """The containers that run now: `found` has them by the inode numbers of their mount namespaces.

    `refresh()` looks again: call it each PERIOD to follow them.
    """

    # Seconds between two looks, to see what starts and ends within a second.
    PERIOD = 0.5

    def __init__(self) -> None:
        self._hidden: set[int] = set()
        self.host, self._root = namespaces.host()
        self.found: dict[int, Container] = {}
        self._looks = 0
        self._processes: dict[int, tuple[int, int]] = {}  # pid: its namespace, and at which look it was new
        self._namespaces: dict[int, tuple[int, int]] = {}  # the same of namespaces: first process, and look

    @property
    def hidden(self) -> int:
        """How many processes aren't ours to look at, which takes CAP_SYS_PTRACE."""
        return len(self._hidden)

    def refresh(self) -> bool:
        """Look again; has anything changed?"""
        self._look()
        firsts: dict[int, int] = {}
        for pid, (namespace, _) in sorted(self._processes.items()):
            firsts.setdefault(namespace, pid)
        for known in (0, self.host):
            firsts.pop(known, None)
        found = {}
        for namespace, pid in firsts.items():
            container = self._container(namespace, pid)
            if container is not None:
                found[namespace] = container
        self._namespaces = {each: self._namespaces[each] for each in firsts}
        changed = found != self.found
        self.found = found
        return changed

    def _look(self) -> None:
        all_of_them = self._looks % _ALL == 0
        self._looks += 1
        seen = {}
        for pid in namespaces.pids():
            namespace, since = self._processes.get(pid, (0, self._looks))
            if all_of_them or self._looks - since < _YOUNG:
                namespace = self._namespace(pid)
            seen[pid] = namespace, since
        self._processes = seen
        self._hidden &= seen.keys()

    def _namespace(self, pid: int) -> int:
        try:
            return namespaces.mount_namespace(pid)
        except PermissionError:
            self._hidden.add(pid)
            return 0

    def _container(self, namespace: int, pid: int) -> Container | None:
        first, since = self._namespaces.get(namespace, (0, 0))
        if first != pid:  # or the number of one that ended is another's now
            since = self._looks
            self._namespaces[namespace] = pid, since
        elif self._looks - since >= _YOUNG:
            return self.found.get(namespace)
        return identify(self._root, pid)
