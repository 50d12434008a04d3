"""The machine: memory, maps, helpers and programs, and what programs can ask of the world around them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from pybpf.asm import KernelFunctionRef, MapRef
from pybpf.errors import UsageError, near
from pybpf.vm import context
from pybpf.vm.code import CODE, Symbol, from_bytes, from_statements
from pybpf.vm.errors import Fault
from pybpf.vm.flow import FRAME
from pybpf.vm.helpers import Helpers
from pybpf.vm.kernel import Kernel, Object
from pybpf.vm.kfuncs import KernelFunctions
from pybpf.vm.maps import Map, RingBuffer, create
from pybpf.vm.memory import Memory, Region
from pybpf.vm.program import Program
from pybpf.vm.task import Task
from pybpf.vm.timers import Timers

if TYPE_CHECKING:
    from pybpf.btf import Btf
    from pybpf.spec import MapSpec, ObjectSpec

__all__ = ["Machine", "run"]

M = TypeVar("M", bound=Map)

_FRAMES = 8  # of BPF-to-BPF calls (MAX_CALL_FRAMES)


class Machine:
    """Runs the programs of `spec`, in memory of its own.

    `btf` gives the types of kernel memory and contexts, such as `target.btf`. `steps` is how many
    instructions a run may take. `maps` holds the maps by name, `helpers` the helper functions. What programs
    see, and a test may set at any time: `task`, `cpu`, `time_ns` (the monotonic clock), `suspended_ns` (how
    much the boot clock is ahead of it), `wall_ns`, `kernel_stack`, `user_stack`, `cookie`, `function_ip`,
    `random`.
    `printed` collects what `bpf_trace_printk` says, `written` what an iterator writes, `signals` the process
    or thread, and the number, of those that were sent; `executed` counts the last run's instructions. Timers
    that programs start go off in `run_timers()`, once a test has moved `time_ns` on.
    """

    MAX_TAIL_CALLS = 33

    def __init__(
        self,
        spec: ObjectSpec | None = None,
        *,
        btf: Btf | None = None,
        cpus: int = 2,
        steps: int = 10_000_000,
    ) -> None:
        self.spec = spec
        self.cpus = cpus
        self.steps = steps
        self.memory = Memory()
        self.kernel = Kernel(self.memory, btf)
        self.helpers = Helpers()
        self.kernel_functions = KernelFunctions()
        self.task = Task()
        self.cpu = 0
        self.time_ns = 1_000_000_000
        self.suspended_ns = 0
        self.wall_ns = 1_700_000_000_000_000_000
        self.kernel_stack: list[int] = []
        self.user_stack: list[int] = []
        self.cookie = 0
        self.function_ip = 0
        self.random = random.Random(0)
        self.printed: list[str] = []
        self.packet: bytearray | None = None
        self.signals: list[tuple[int, int]] = []
        self.written = b""
        self.executed = 0
        self.timers = Timers(self.memory)
        # For generated code and helpers: steps left, and tail calls made, in this run.
        self.left = 0
        self.tail_calls = 0
        self._frames: list[tuple[Any, ...]] = []
        self._depth = 0
        self._retired: list[Region] = []
        self._by_address: dict[int, Map] = {}
        self.maps: dict[str, Map] = {}
        for each in spec.maps if spec else ():
            self.maps[each.name] = self.new_map(each)
        self._programs: dict[str, Program] = {}
        self._running: list[Program] = []

    # Maps.

    def new_map(self, spec: MapSpec) -> Map:
        """A further map, such as the inner one of a map of maps."""
        made = create(self, spec)
        self._by_address[made.address] = made
        return made

    def map_at(self, address: int, kind: type[M]) -> M:
        """The map that a helper was given; a Fault when it is no map, or not of that kind."""
        found = self._by_address.get(address)
        if not isinstance(found, kind):
            what = f"{found.name} is no" if found else f"{address:#x} is the address of no"
            raise Fault(f"{what} {kind.__name__}")
        return found

    def retire(self, cells: Iterable[Region]) -> None:
        """Values that left a map: like the kernel's, they can be read until the program ends."""
        self._retired += cells

    # Programs.

    def program(self, name: str) -> Program:
        """A program of the spec. Raises `UsageError` for a name that it hasn't."""
        if name not in self._programs:
            specs = {each.name: each for each in self.spec.programs} if self.spec else {}
            if name not in specs:
                raise UsageError(f"no program {name!r}{near(name, specs)}")
            code = from_statements(specs[name].code, self._address)
            self._programs[name] = Program(self, name, code, kind=specs[name].attach.kind)
        return self._programs[name]

    def _address(self, symbol: Symbol) -> int:
        if isinstance(symbol, KernelFunctionRef):
            return self.kernel_functions.number(symbol.name)
        if symbol.name not in self.maps:
            raise UsageError(f"no map {symbol.name!r}{near(symbol.name, self.maps)}")
        found = self.maps[symbol.name]
        if isinstance(symbol, MapRef):
            return found.address
        return found.address_of(bytes(found.spec.key_size)) + symbol.offset

    def run(self, name: str, context: int | bytes | Object = 0) -> int:
        """Run a program with r1 = `context` (bytes are put into memory); r0 as an unsigned number.

        Raises `VmError`.
        """
        if isinstance(context, bytes):
            return self._run_on(name, self.memory.map(bytearray(context), "the context"))
        return self.execute(self.program(name), context.__index__())

    def _run_on(self, name: str, *regions: Region) -> int:
        """Run a program on the first of `regions`, all of which are gone afterwards."""
        try:
            return self.execute(self.program(name), regions[0].address)
        finally:
            for region in regions:
                self.memory.unmap(region)

    def call(self, name: str, *arguments: int | Object | None, returns: int | Object | None = 0) -> int:
        """Run a probe as if its function was called with `arguments`, or had returned `returns`."""
        program = self.program(name)
        numbers = [
            0 if value is None else value.__index__() & (1 << 64) - 1 for value in (*arguments, returns)
        ]
        return self._run_on(name, context.of_call(self, program.kind, numbers[:-1], numbers[-1]))

    def receive(self, name: str, packet: bytes) -> tuple[int, bytes]:
        """Run a program on a packet, with `struct __sk_buff` (or for XDP `struct xdp_md`) as its context.

        r0, and the packet as it is afterwards.
        """
        regions = context.of_packet(self, packet, xdp=self.program(name).kind == "xdp")
        self.packet = regions[1].data
        try:
            return self._run_on(name, *regions), bytes(self.packet)
        finally:
            self.packet = None

    def run_timers(self) -> int:
        """Call what programs have set for times up to `time_ns`, in their order; how many calls that made."""
        count = 0
        while timer := self.timers.next_due(self.time_ns):
            data = timer.key()
            assert data is not None
            assert timer.callback is not None
            key = self.memory.map(bytearray(data), f"a key of {timer.map.name}", writable=False)
            timer.callback(timer.map.address, key.address, timer.value)
            self.memory.unmap(key)
            count += 1
        return count

    def execute(self, program: Program, *arguments: int, function: int = CODE) -> int:
        """Run a translated program, or a function of it, with these in r1 and on."""
        self.left, self.tail_calls, self._depth = self.steps, 0, 0
        self._running.append(program)
        try:
            result = program.run(*arguments, function=function)
            for ring in self.maps.values():
                if isinstance(ring, RingBuffer) and ring.unfinished():
                    raise program.error(f"a record of {ring.name} was neither submitted nor discarded")
            return result
        finally:
            self._running.pop()
            self.executed = self.steps - self.left
            for region in self._retired:
                self.memory.unmap(region)
            self._retired.clear()

    def call_back(self, function: int, *arguments: int) -> int:
        """For helpers: call a function of the running program."""
        if self.left < 0:
            self.out_of_steps()
        callback = self._running[-1].function(function)
        return callback(*arguments, *[None] * (5 - len(arguments)))

    def callback(self, function: int) -> Callable[..., int]:
        """For helpers: a function of the running program, to be called when no program runs."""
        return partial(self.execute, self._running[-1], function=function)

    # For generated code.

    def enter(self) -> tuple[Any, ...]:
        """A new stack frame: its bytes, which of them are written, its 2-, 4- and 8-byte numbers, its top."""
        if self._depth == _FRAMES:
            raise Fault(f"more than {_FRAMES} calls deep")
        if self._depth == len(self._frames):
            data, valid = bytearray(FRAME), bytearray(FRAME)
            region = self.memory.map(data, f"stack frame {self._depth}", valid=valid)
            view = memoryview(data)
            numbers = view.cast("H"), view.cast("I"), view.cast("Q")
            self._frames.append((data, valid, *numbers, region.address + FRAME))
        frame = self._frames[self._depth]
        frame[1][:] = _NOTHING
        self._depth += 1
        return frame

    def leave(self) -> None:
        """The frame of the function that ends: nothing in it can be read any more."""
        self._depth -= 1
        self._frames[self._depth][1][:] = _NOTHING

    def out_of_steps(self) -> NoReturn:
        raise Fault(f"more than {self.steps} instructions: does the loop end?")

    def packet_load(self, offset: int, size: int) -> int | None:
        """The big-endian number in the packet, for legacy packet access; None when it is too short."""
        return context.packet_load(self.packet, offset, size)


_NOTHING = bytes(FRAME)


def run(code: bytes, memory: bytes = b"") -> int:
    """Run a program with r1 = `memory` (a copy) and r2 = its length; r0 as an unsigned number.

    Legacy packet access sees `memory` as the packet. A division by the constant 0, which the verifier
    refuses, gives what RFC 9669 says. Raises `EncodingError` for bytes that are no program, `VmError` for
    what a program must not do.
    """
    machine = Machine()
    data = bytearray(memory)
    machine.packet = data
    region = machine.memory.map(data, "the memory")
    return machine.execute(
        Program(machine, "program", from_bytes(code), arguments=2, strict=False), region.address, len(data)
    )
