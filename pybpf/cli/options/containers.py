"""Whose events are wanted: mount namespaces, and containers by their names."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from pybpf.cli.arguments import Parser, count
from pybpf.errors import UsageError

if TYPE_CHECKING:
    from pybpf.gadget.mount_namespaces import Wanted
    from pybpf.gadget.programs import Program

__all__ = ["add", "wanted"]

_CHOOSE = ("pid_ns_of", "container", "containers", "k8s_pod", "k8s_namespace")


def add(parser: Parser) -> None:
    """Let a command take the options of this group."""
    group = parser.add_argument_group("containers, which are followed as they start and end")
    group.add_argument("--containers", action="store_true", help="only what runs in a container")
    group.add_argument(
        "--container",
        action="append",
        metavar="NAME",
        help="only in containers whose name or id begins so: `pybpf containers` shows them",
    )
    group.add_argument("--k8s-pod", action="append", metavar="NAME", help="only in pods whose name begins so")
    group.add_argument(
        "--k8s-namespace", action="append", metavar="NAME", help="only in pods of this Kubernetes namespace"
    )
    group.add_argument(
        "--pid-ns-of",
        action="append",
        type=count,
        metavar="PID",
        help="only in the mount namespace that this process is in",
    )


def wanted(args: argparse.Namespace, program: Program) -> Wanted | None:
    """What these options choose; None when none is given. Raises UsageError."""
    given = [name for name in _CHOOSE if getattr(args, name)]
    if not given:
        return None
    from pybpf.gadget.mount_namespaces import Wanted, namespace_of

    if not any(param.name == "mntns" for param in program.params):
        option = given[0].replace("_", "-")
        raise UsageError(
            f"--{option}: {program.name} doesn't filter by mount namespace, since no probe of its asks"
            " discard_current()"
        )
    return Wanted(
        tuple(map(namespace_of, args.pid_ns_of or ())),
        args.containers,
        tuple(args.container or ()),
        tuple(args.k8s_pod or ()),
        tuple(args.k8s_namespace or ()),
    )
