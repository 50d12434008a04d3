#!/usr/bin/env python3
"""Lower probes whose syntax trees were changed at random.

usage: tools/fuzz syntax [--count N] [--seed S]

Whatever a probe says, it is lowered, or there is a LoweringError with its place that shows no object of
pybpf's by its address. Anything else is a failure: the probe is printed, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import ast
import copy
import linecache
import random
import sys
import time
import traceback
import warnings
from types import ModuleType

from pybpf import btf
from pybpf.dsl import lower
from pybpf.errors import BpfError, LoweringError
from pybpf.spec import Target

BASE = """
import enum
from pybpf.dsl import *
from pybpf.helpers import *

class Op(enum.IntEnum):
    READ, WRITE = range(2)

class Key(Record):
    tid: u32
    op: u32

class Start(Record):
    ts: u64
    dentry: "struct dentry *"

class Event(Record):
    ts: u64
    op: u32
    comm: CString[16]

starts = HashMap("starts", Key, Start, max_entries=16)
counts = HashMap("counts", u64, u64, max_entries=16)
events = Events("events", Event)
limit = Param("limit", u64, 10, "a limit")
who = Param("who", CString[16], b"", "a name")
names = ["a", "b"]

def plain(a):
    return a * 2

@func
def find(a, b=1):
    if a > b:
        return None
    return starts[Key(tid=u32(a), op=b)]

@subprogram
def twice(n: u64, k: Key) -> u64:
    if n > 5:
        return k.tid
    return n * 2

@kprobe("f")
def probe(n: u64, file: "struct file *", m: u32):
    e = find(n)
    if not e:
        return
    total = 0
    for i in range(12):
        if i == m:
            continue
        total += e.ts + i
        if total > 100:
            break
    else:
        total = plain(4)
    while n > 3 and file:
        n //= 2
    event = events.reserve()
    if not event:
        return
    event.ts = total
    event.op = u32(n) if m < 5 else Op.WRITE
    event.comm = current.comm
    t = CString[16]("abc")
    arr = Array[u32, 4](1, 2)
    arr[min(n, 3)] = 5
    k = Key(1, 2)
    x, y = twice(n, k), arr[1]
    for p in unroll([1, 2]):
        y += p
    if t == "abc" or t.startswith("x") and not 0 < n <= 5:
        counts.add(n, 1)
    if (w := counts.pop(n)) is not None:
        counts[x] = w
    del starts[k]
    if k in starts:
        printk("%llu", n)
    assert names[0] == "a"
    counts[y] = u64(file.f_pos) if file.f_path.dentry else ~n - -5
    events.submit(event)

@kretprobe("f")
def small(ret: i64):
    v = counts.get(1, 0)
    if ret < 0 or v == limit or who == "x":
        counts[2] = abs(ret) if ret else 0
"""
# What isn't in the probes, and might be written in one.
WORDS = """
    None True -1 1<<70 '' b'x' () [] (n,n) Key Event() u8 i64 CString[16] len max range(n) range(5) int Op
    1.5 2j kstr(file) type object() twice find probe t[1:3] t[0] file.f_path counts[n] starts[k] bool(n)
    print k.tid (z:=n) slice(1,2) range(10**9) lambda:n loop float('nan') frozenset() sorted iter([1])
    static(1) f'{n}' {n} {1:n} [*names] names[n] n.x {q:q} [q] not(n) n@n n/0 (yield) __name__ getattr
    super() dict() math open ...
"""
FILE = "<random probe>"
NAMES = ("ts", "tid", "get", "pop", "add", "x", "f_pos", "value", "startswith", "update", "reserve", "comm")


def parsed(word: str) -> list[ast.expr]:
    try:
        return [ast.parse(word, mode="eval").body]
    except SyntaxError:
        return []


TREE = ast.parse(BASE)
FUNCTIONS = [node for node in TREE.body if isinstance(node, ast.FunctionDef)]
STATEMENTS = [node for function in FUNCTIONS for node in ast.walk(function) if isinstance(node, ast.stmt)][3:]
EXPRESSIONS = [node for each in STATEMENTS for node in ast.walk(each) if isinstance(node, ast.expr)]
EXPRESSIONS += [node for word in WORDS.split() for node in parsed(word)] * 4
BINARY = [*ast.operator.__subclasses__()]
COMPARE = [*ast.cmpop.__subclasses__()]
UNARY = [*ast.unaryop.__subclasses__()]


class Change(ast.NodeTransformer):
    """Replaces expressions, wraps them in others, and moves statements about; each with a chance."""

    def __init__(self, chance: random.Random, rate: float) -> None:
        self.chance = chance
        self.rate = rate

    def other(self) -> ast.expr:
        return copy.deepcopy(self.chance.choice(EXPRESSIONS))

    def generic_visit(self, node: ast.AST) -> ast.AST:
        node = super().generic_visit(node)
        chance = self.chance
        if isinstance(node, (ast.stmt, ast.ExceptHandler)) and isinstance(getattr(node, "body", None), list):
            if chance.random() < self.rate * 3:
                self.rearrange(node.body)  # type: ignore[union-attr]
        elif isinstance(node, ast.expr) and chance.random() < self.rate:
            context = getattr(node, "ctx", ast.Load())
            return self.instead(node) if isinstance(context, ast.Load) else self.target(context)
        return node

    def instead(self, node: ast.expr) -> ast.expr:
        chance, load = self.chance, ast.Load()
        return chance.choice(
            (
                self.other,
                self.other,
                lambda: ast.BinOp(node, chance.choice(BINARY)(), self.other()),
                lambda: ast.Compare(node, [chance.choice(COMPARE)()], [self.other()]),
                lambda: ast.UnaryOp(chance.choice(UNARY)(), node),
                lambda: ast.Call(node, [self.other() for _ in range(chance.randrange(3))], []),
                lambda: ast.Call(node, [], [ast.keyword(chance.choice(NAMES), self.other())]),
                lambda: ast.Subscript(node, self.other(), load),
                lambda: ast.Attribute(node, chance.choice(NAMES), load),
                lambda: ast.IfExp(self.other(), node, self.other()),
                lambda: ast.BoolOp(chance.choice((ast.And, ast.Or))(), [node, self.other()]),
            )
        )()

    def target(self, context: ast.expr_context) -> ast.expr:
        chance = self.chance
        name = ast.Name(
            chance.choice(("n", "e", "k", "t", "arr", "event", "file", "counts", "total")), context
        )
        owner = ast.Name(name.id, ast.Load())
        return chance.choice(
            (
                name,
                ast.Attribute(owner, chance.choice(NAMES), context),
                ast.Subscript(owner, self.other(), context),
                ast.Tuple([name, ast.Name("n", context)], context),
            )
        )

    def rearrange(self, body: list[ast.stmt]) -> None:
        at = self.chance.randrange(len(body))
        leave: list[ast.stmt] = [ast.Return(self.other()), ast.Return(), ast.Break(), ast.Continue()]
        how = self.chance.random()
        if how < 0.3 and len(body) > 1:
            del body[at]
        elif how < 0.8:
            body.insert(at, copy.deepcopy(self.chance.choice(STATEMENTS)))
        else:
            body.append(self.chance.choice(leave))


def a_probe(seed: int) -> str:
    """A module's text, some functions of which are not as in BASE."""
    chance = random.Random(seed)
    tree = copy.deepcopy(TREE)
    change = Change(chance, chance.choice((0.003, 0.01, 0.03)))
    for function in tree.body:
        if isinstance(function, ast.FunctionDef):
            function.body = [change.visit(statement) for statement in function.body]
    return ast.unparse(ast.fix_missing_locations(tree))


def wrong(text: str, target: Target) -> str | None:
    """What is wrong with how a probe was lowered; "" for nothing, None when it isn't Python."""
    try:
        code = compile(text, FILE, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError):
        return None
    linecache.cache[FILE] = (len(text), None, text.splitlines(True), FILE)
    module = ModuleType("probe")
    try:
        exec(code, module.__dict__)
        lower(module, {}, target)
    except LoweringError as error:
        found = str(error)
        return found if error.location is None or "<pybpf." in found else ""
    except BpfError as error:
        return f"no LoweringError: {error}"
    except Exception:
        return traceback.format_exc()
    return ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    warnings.simplefilter("ignore", SyntaxWarning)
    target = Target("reference", btf.reference())
    started, lowered, failures = time.process_time(), 0, 0
    for seed in range(args.seed, args.seed + args.count):
        text = a_probe(seed)
        found = wrong(text, target)
        if found:
            failures += 1
            print(f"--- seed {seed}\n{text}\n--- {found}")
        lowered += found is not None
    took = time.process_time() - started
    print(f"{args.count} probes, {lowered} of them Python, {failures} failures, {took:.0f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
