"""A machine in user space: runs programs on any computer, unprivileged, with no kernel.

`run(code, memory)` runs bytes; `Machine` runs the programs of a lowered object, with maps, helpers and kernel
memory. What a program must not do is a `VmError` with the instruction, its source line and the registers.
"""

from pybpf.vm.errors import Fault, VmError
from pybpf.vm.kernel import UNREADABLE, Kernel, Object
from pybpf.vm.machine import Machine, run
from pybpf.vm.task import Task

__all__ = ["UNREADABLE", "Fault", "Kernel", "Machine", "Object", "Task", "VmError", "run"]
