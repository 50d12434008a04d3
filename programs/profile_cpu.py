"""Sample what runs on the processors: stacks of programs and of the kernel, folded for flame graphs."""

from pybpf import CString, Gadget, HashMap, Param, Record, StackTrace, i32, perf_event, u32, u64
from pybpf.gadget import KernelStack, UserStack, discard_current
from pybpf.helpers import current

frequency = Param("frequency", u32, 99, "samples a second on each processor", metavar="HERTZ")


class Sample(Record):
    comm: CString[16]
    pid: u32
    user: UserStack  # by frame pointers: programs built without them show the innermost function alone
    kernel: KernelStack


stacks = StackTrace("stacks", max_entries=16384)
samples = HashMap("samples", Sample, u64, max_entries=16384)

gadget = Gadget("profile_cpu", report=samples)


@perf_event("cpu-clock", freq=frequency)
def ig_sample():
    if not current.pid or discard_current():  # 0 is idle
        return
    user, kernel = stacks.user_stack(), stacks.kernel_stack()
    samples.add(Sample(comm=current.comm, pid=current.pid, user=i32(user), kernel=i32(kernel)))
