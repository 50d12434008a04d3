"""The task that a program runs in."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from pybpf.errors import FieldNotFound

if TYPE_CHECKING:
    from pybpf.vm.kernel import Kernel, Object

__all__ = ["Task"]


class Task:
    """A task; all can be changed between runs. `pid` is the process (the kernel's tgid), `tid` the thread."""

    def __init__(
        self,
        *,
        pid: int = 1000,
        tid: int | None = None,
        uid: int = 0,
        gid: int = 0,
        comm: str = "test",
        mount_namespace: int = 0xF0000000,
        cgroup: int = 1,
        parent: Task | None = None,
    ) -> None:
        self.pid = pid
        self.tid = pid if tid is None else tid
        self.uid = uid
        self.gid = gid
        self.comm = comm
        self.mount_namespace = mount_namespace
        self.cgroup = cgroup
        self.parent = parent
        self._object: Object | None = None

    def struct(self, kernel: Kernel) -> Object:
        """Its `struct task_struct`, brought up to date.

        Set are the names and numbers, parent, credentials and mount namespace, as far as the types have them;
        other fields are for the test to set.
        """
        if self._object is None:
            self._object = kernel.new("struct task_struct")
            self._credentials = kernel.new("struct cred")
            self._mounts = kernel.new("struct mnt_namespace")
            namespaces = kernel.new("struct nsproxy", mnt_ns=self._mounts)
            _set(self._object, nsproxy=namespaces, group_leader=self._object)
            _set(self._object, cred=self._credentials, real_cred=self._credentials)
        task = self._object
        _set(task, comm=self.comm.encode()[:15], pid=self.tid, tgid=self.pid)
        for name, value in (("uid", self.uid), ("euid", self.uid), ("gid", self.gid), ("egid", self.gid)):
            with contextlib.suppress(FieldNotFound):  # kuid_t is a struct around a u32
                kernel.memory.store(self._credentials.address_of(name), 4, value)
        _set(self._mounts, ns={"inum": self.mount_namespace})
        parent = self.parent.struct(kernel) if self.parent else task  # as with the first task
        _set(task, real_parent=parent, parent=parent)
        return task


def _set(target: Object, **fields: Any) -> None:
    for path, value in fields.items():
        with contextlib.suppress(FieldNotFound):  # another kernel's, or cut out of its types
            target.set(**{path: value})
