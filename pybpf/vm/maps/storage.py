"""Storage that belongs to a task, an inode, a socket or a cgroup (kernel/bpf/bpf_local_storage.c)."""

from __future__ import annotations

from pybpf.vm.maps.hash import HashMap

__all__ = ["LocalStorage"]


class LocalStorage(HashMap):
    """A value for each owner. The key is the owner's kernel address, 8 bytes."""

    def get(self, owner: int, initial: bytes | None) -> int:
        """The address of the owner's value; made from `initial` when there is none, or 0 without that."""
        key = owner.to_bytes(8, "little")
        if key not in self.elements and initial is not None:
            cells = self.elements[key] = self.new_cells()
            cells[0].data[:] = initial
        return self.address_of(key)
