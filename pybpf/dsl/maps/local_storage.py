"""Data beside the kernel's own objects: it lives as long as they do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pybpf.codegen.ir import Op
from pybpf.dsl.kernel import KernelPointer
from pybpf.dsl.maps.map import Map
from pybpf.dsl.maybe import Maybe
from pybpf.dsl.memory import Memory
from pybpf.dsl.method import method
from pybpf.dsl.places import RecordPlace
from pybpf.dsl.types import i32, layout_of
from pybpf.dsl.values import describe
from pybpf.errors import LoweringError
from pybpf.spec import MapSpec, Struct
from pybpf.uapi import bpf

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["CgroupStorage", "InodeStorage", "SocketStorage", "TaskStorage"]


class _Storage(Map):
    """A record for each object of a kernel type. `helper` names the family of helpers, `owner` the type."""

    helper: str
    owner: str

    def __init__(self, name: str, value: Any) -> None:
        super().__init__(name, bpf.BPF_F_NO_PREALLOC)
        layout = layout_of(value, {}, f"the value of {name}")
        if not isinstance(layout, Struct):
            raise LoweringError(f"the value of {name} is {layout.name}: a storage holds a Record")
        self.value = layout

    def specs(self, buffer: str) -> list[MapSpec]:
        return self.spec(i32, self.value, 0)

    def _owner(self, cx: Context, owner: Any) -> Op:
        if isinstance(owner, KernelPointer) and owner.given and owner.target.resolve().key == self.owner:
            return owner.op
        raise cx.error(
            f"{self.describe()} takes a {self.owner} * that the kernel gave this program itself, not"
            f" {describe(owner)} that it read{self.cure()}"
        )

    def _get(self, cx: Context, owner: Op, create: Any) -> Maybe:
        if not isinstance(create, bool):
            raise cx.error("create must be known at build time: True or False")
        flags = cx.build.const(bpf.BPF_LOCAL_STORAGE_GET_F_CREATE if create else 0)
        found = cx.build.call(f"{self.helper}_storage_get", self.op(cx), owner, cx.build.const(0), flags)
        return Maybe(RecordPlace(self.value, Memory(found)), found)

    @method
    def get(self, cx: Context, owner: Any, create: Any = True) -> Maybe:
        """The record of an object, made (all 0) if need be; None when that fails, or may not be done."""
        return self._get(cx, self._owner(cx, owner), create)

    def item(self, cx: Context, key: Any) -> Maybe:
        return self._get(cx, self._owner(cx, key), False)

    def delete_item(self, cx: Context, key: Any) -> None:
        cx.build.call(f"{self.helper}_storage_delete", self.op(cx), self._owner(cx, key))


class TaskStorage(_Storage):
    """`BPF_MAP_TYPE_TASK_STORAGE` (Linux 5.11): a record for each thread."""

    type = bpf.BPF_MAP_TYPE_TASK_STORAGE
    helper = "task"
    owner = "struct task_struct"

    def cure(self) -> str:
        return f"; {self.name}.current() is the current thread's"

    @method
    def current(self, cx: Context, create: Any = True) -> Maybe:
        """The record of the current thread, made (all 0) if need be."""
        return self._get(cx, cx.build.call("get_current_task_btf"), create)


class InodeStorage(_Storage):
    """`BPF_MAP_TYPE_INODE_STORAGE` (Linux 5.10): a record for each inode."""

    type = bpf.BPF_MAP_TYPE_INODE_STORAGE
    helper = "inode"
    owner = "struct inode"


class CgroupStorage(_Storage):
    """`BPF_MAP_TYPE_CGRP_STORAGE` (Linux 6.2): a record for each control group."""

    type = bpf.BPF_MAP_TYPE_CGRP_STORAGE
    helper = "cgrp"
    owner = "struct cgroup"


class SocketStorage(_Storage):
    """`BPF_MAP_TYPE_SK_STORAGE` (Linux 5.2): a record for each socket."""

    type = bpf.BPF_MAP_TYPE_SK_STORAGE
    helper = "sk"
    owner = "struct sock"
