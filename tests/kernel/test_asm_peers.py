"""What clang, llvm-objdump, bpftool and the kernel's verifier print is read, to the byte."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pybpf.asm import assemble, disassemble, format_statement, parse
from pybpf.cli import main
from pybpf.isa import Instruction, decode, decode_loaded

pytestmark = pytest.mark.native

SOURCE = r"""
typedef unsigned long long u64;
typedef unsigned int u32;
typedef unsigned short u16;
typedef long long s64;
typedef int s32;
typedef short s16;
typedef signed char s8;
#define SEC(x) __attribute__((section(x), used))
struct { int (*type)[1]; int (*max_entries)[16]; u32 *key; u64 *value; } counts SEC(".maps");
static void *(*map_lookup_elem)(void *, const void *) = (void *)1;
static u64 (*ktime_get_ns)(void) = (void *)5;
static u64 (*get_prandom_u32)(void) = (void *)7;
#if MCPU >= 3
static long (*loop)(u32, void *, void *, u64) = (void *)181;
#endif
u64 global = 7;
const volatile u32 limit = 10;

__attribute__((noinline)) s64 add(s64 a, s32 b) { return a * 3 + (u32)b / 5 + (a >> 3) + ((u64)a >> 2); }
static long step(u32 i, void *ctx) { *(u64 *)ctx += i; return 0; }

SEC("socket") int prog(struct { u32 len; u32 x[10]; } *skb)
{
    u32 key = skb->len & 15;
    u64 *value = map_lookup_elem(&counts, &key);
    u64 sum = global, local = 0;
    if (!value)
        return -1;
    __sync_fetch_and_add(value, 1);
    if ((s32)skb->len > 100 && skb->len != 0xfffffff0)
        sum += add(skb->len, (s32)key);
    for (u32 i = 0; i < 10 && i < limit; i++)
        sum = sum * 31 + i % 7;
#if MCPU >= 3
    sum += __sync_fetch_and_add(value, 5) + __sync_fetch_and_xor((u32 *)value, 3);
    sum ^= __sync_val_compare_and_swap(value, 1, 2);
    sum ^= __sync_lock_test_and_set((u32 *)value, 9);
    __sync_fetch_and_or(value, 4);
    __sync_fetch_and_and((u32 *)value, 4);
    loop(3, step, &local, 0);
#endif
#if MCPU >= 4
    sum += (s64)(s8)sum + ((s64)sum / (s64)(key + 1)) + (s32)key % -3 + *(volatile s16 *)&local;
    sum += __builtin_bswap32(sum);
#endif
    sum += ktime_get_ns() & 0xff00000000ull;
    sum -= get_prandom_u32() == (u32)-5;
    sum += (s8)sum + (u16)__builtin_bswap16(sum);
    global = -sum + local;
    return (s64)sum == -5 ? 0 : sum > 0x123456789abcdef0ull;
}
char _license[] SEC("license") = "GPL";
"""

# clang (Debian 12: 14; 19 beside it), the highest ISA version that it knows.
COMPILERS = [
    ("clang", "llvm-objdump", "llvm-objcopy", 3),
    ("clang-19", "llvm-objdump-19", "llvm-objcopy-19", 4),
]
CASES = [(*tools, version) for *tools, most in COMPILERS for version in range(1, most + 1)]


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout


def _need(*tools: str) -> None:
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")


def _compile(folder: Path, clang: str, version: int) -> str:
    source, target = folder / "prog.c", folder / "prog.o"
    source.write_text(SOURCE)
    flags = ("-O2", "-g", "-target", "bpf", f"-mcpu=v{version}", f"-DMCPU={version}")
    _run(clang, *flags, "-c", str(source), "-o", str(target))
    return str(target)


@pytest.mark.parametrize(("clang", "objdump", "objcopy", "version"), CASES)
def test_llvm_objdump(tmp_path: Path, clang: str, objdump: str, objcopy: str, version: int) -> None:
    _need(clang, objdump, objcopy)
    target = _compile(tmp_path, clang, version)
    for section in (".text", "socket"):
        raw = tmp_path / "raw"
        _run(objcopy, "-O", "binary", f"--only-section={section}", target, str(raw))
        code = raw.read_bytes()
        assert len(code) > 90
        for options in ((), (f"--mcpu=v{version}",)):
            dump = _run(objdump, "-d", *options, f"--section={section}", target)
            assert assemble(dump) == code
            assert assemble(disassemble(code)) == code
    # Without the bytes all calls look alike: section .text has none, but the callback's.
    dump = _run(objdump, "-d", f"--mcpu=v{version}", "--no-show-raw-insn", "--section=.text", target)
    _run(objcopy, "-O", "binary", "--only-section=.text", target, str(tmp_path / "raw"))
    assert assemble(dump) == (tmp_path / "raw").read_bytes()


def _same(ours: Instruction, loaded: Instruction) -> bool:
    # In a loaded program a helper's number has become an address; bpftool prints its name, we read a number.
    return ours == loaded or (
        ours.opcode == loaded.opcode == 0x85 and loaded.src == 0 and 0 < ours.imm < 1000
    )


@pytest.mark.parametrize("version", [1, 3])
def test_bpftool(tmp_path: Path, version: int, capsys: pytest.CaptureFixture[str]) -> None:
    _need("clang", "bpftool")
    target = _compile(tmp_path, "clang", version)
    pin = f"/sys/fs/bpf/pybpf_test_asm_peers_{version}"
    try:
        _run("bpftool", "prog", "load", target, pin)
        text = _run("bpftool", "prog", "dump", "xlated", "pinned", pin)
        with_bytes = _run("bpftool", "prog", "dump", "xlated", "pinned", pin, "opcodes")
        assert main(["disasm", "pinned", pin]) == 0
        _run("bpftool", "prog", "dump", "xlated", "pinned", pin, "file", str(tmp_path / "raw"))
    finally:
        Path(pin).unlink(missing_ok=True)
    assert "map[id:" in text
    assert assemble(with_bytes) == assemble(text)
    # Ours is read back as well, with names in place of bpftool's numbers.
    shown = capsys.readouterr().out
    ids = re.findall(r"map\[id:(\d+)\]", text)
    maps = dict(zip(re.findall(r"map\[([\w.]+)\]", shown), map(int, ids)))
    assert set(maps) == {"counts", "prog.data", "prog.rodata"}
    assert assemble(shown, maps) == assemble(text)
    loaded = decode_loaded((tmp_path / "raw").read_bytes())
    ours = decode(assemble(text))
    assert len(ours) == len(loaded)
    assert [pair for pair in zip(ours, loaded) if not _same(*pair)] == []


@pytest.mark.parametrize("version", [1, 3])
def test_verifier_log(tmp_path: Path, version: int) -> None:
    _need("clang", "bpftool")
    target = _compile(tmp_path, "clang", version)
    pin = Path(f"/sys/fs/bpf/pybpf_test_asm_peers_log_{version}")
    command = ("bpftool", "-d", "prog", "load", target, str(pin))
    log = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    pin.unlink()
    lines = set(re.findall(r"^\d+: \([0-9a-f]{2}\) .*", log, re.M))
    assert len(lines) > 80
    for line in lines:
        (statement,) = parse(line)
        opcode, text = re.match(r"\d+: \(([0-9a-f]{2})\) ([^;]*)", line).groups()
        assert statement.insn.opcode == int(opcode, 16)
        # Our own form is the kernel's, but for the 16-byte load.
        if opcode != "18":
            assert format_statement(statement) == text.rstrip()
