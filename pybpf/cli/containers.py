"""`pybpf containers`: which containers run on this host, and which mount namespaces are theirs."""

from __future__ import annotations

import argparse
import json
import select
import sys
from collections.abc import Sequence
from typing import Any

from pybpf.cli.arguments import Parser, choice
from pybpf.cli.signals import Signals
from pybpf.containers import Container, Containers, Pod
from pybpf.gadget.owners import FIELDS
from pybpf.gadget.text import escape
from pybpf.inspect.tables import table

__all__ = ["add_arguments", "run"]

_HEADER = ("RUNTIME", "ID", "NAME", "IMAGE", "NAMESPACE", "POD", "PID", "MNTNS")


def add_arguments(parser: Parser, words: Sequence[str]) -> None:
    """How it is shown, and whether it goes on."""
    parser.add_argument(
        "-o",
        "--output",
        metavar="FORM",
        type=choice("columns", "json"),
        default="columns",
        help="columns, json: an object a line (default: columns)",
    )
    parser.add_argument("--watch", action="store_true", help="then show each that starts or ends")


def run(args: argparse.Namespace) -> int:
    """Show the containers; with --watch, those that start and end, until ^C."""
    containers = Containers()
    containers.refresh()
    if containers.hidden:
        print(
            f"pybpf: warning: others' processes can't be looked at ({containers.hidden}), nor their"
            " containers: run it as root (sudo), or with CAP_SYS_PTRACE",
            file=sys.stderr,
        )
    rows = [(namespace, each) for namespace, each in sorted(containers.found.items()) if not each.pause]
    if args.output == "json":
        sys.stdout.writelines(_json(namespace, each) for namespace, each in rows)
    else:
        sys.stdout.write(table(_HEADER, (_row(namespace, each) for namespace, each in rows)))
    return _watch(containers, args.output == "json") if args.watch else 0


def _watch(containers: Containers, as_json: bool) -> int:
    with Signals() as signals:
        signals.deferred = True
        while True:
            sys.stdout.flush()
            if select.select([signals.fileno()], [], [], containers.PERIOD)[0]:
                return signals.status
            before = containers.found
            containers.refresh()
            _tell("end", before, containers.found, as_json)
            _tell("start", containers.found, before, as_json)


def _tell(event: str, these: dict[int, Container], but: dict[int, Container], as_json: bool) -> None:
    """A line for each of `these` that isn't among the others."""
    for namespace, each in these.items():
        if each.pause or (namespace in but and but[namespace].id == each.id):
            continue
        if as_json:
            sys.stdout.write(_json(namespace, each, event=event))
        else:
            sys.stdout.write(f"{event}  {'  '.join(cell for cell in _row(namespace, each) if cell)}\n")


def _row(namespace: int, each: Container) -> tuple[str, ...]:
    pod = each.pod or Pod()
    texts = (each.runtime, each.id[:12], each.name, each.image, pod.namespace, pod.name)
    return (*map(escape, texts), str(each.pid), str(namespace))


def _json(namespace: int, each: Container, **more: Any) -> str:
    members: dict[str, Any] = {"runtime": {"containerPid": each.pid}, "mntns_id": namespace, **more}
    for path, get in FIELDS.items():
        parent, name = path.split(".")
        if parent != "k8s" or each.pod is not None:
            members.setdefault(parent, {})[name] = get(each)
    return json.dumps(members, sort_keys=True) + "\n"
