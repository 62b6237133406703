"""The command line's grammar. One function a command adds its arguments; `commands.py` carries them out."""

from __future__ import annotations

import argparse
import re
from typing import NoReturn

from pilothouse import KUBERNETES_VERSION, __version__
from pilothouse.seams.house import DEFAULT_NAME

_NAME = re.compile(r"^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$")
MAX_NODES = 64

EPILOG = """\
examples:
  pilothouse up --nodes 2                    a cluster with two nodes, real containers
  pilothouse up --runtime simulated          a cluster in one process: no root, no containerd
  pilothouse image load web.tar              make an image known on every node
  pilothouse down                            take everything away again
"""


class Parser(argparse.ArgumentParser):
    """argparse with errors that end in what to do next; exit code 2, as usual."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\nTry '{self.prog} --help'.\n")


def cluster_name(text: str) -> str:
    if not _NAME.match(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no cluster name: use 1 to 32 lower-case letters, digits and '-', ending in a letter or digit"
        )
    return text


def node_count(text: str) -> int:
    if not text.isdecimal() or int(text) > MAX_NODES:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of nodes: use 0 to {MAX_NODES}")
    return int(text)


def _with_name(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument(
        "--name", type=cluster_name, default=DEFAULT_NAME, help=f"the cluster (default: {DEFAULT_NAME})"
    )
    return parser


def _with_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text", help="how to print the answer")


def parser() -> Parser:
    """The whole grammar."""
    top = Parser(
        prog="pilothouse",
        description=f"A complete Kubernetes ({KUBERNETES_VERSION}) on this machine.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument(
        "--version", action="version", version=f"pilothouse {__version__} (Kubernetes {KUBERNETES_VERSION})"
    )
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)

    up = _with_name(commands.add_parser("up", help="bring a cluster up, or repair one that exists"))
    up.add_argument("--nodes", type=node_count, default=None, metavar="N", help="how many nodes (new cluster: 1)")
    up.add_argument(
        "--runtime",
        choices=("containerd", "simulated"),
        default=None,
        help="real containers, or simulated pods in one process (new cluster: containerd)",
    )
    up.add_argument("--audit-policy", metavar="FILE", help="keep an audit log, as this policy (audit.k8s.io/v1) says")
    up.add_argument(
        "--encryption-config",
        metavar="FILE",
        help="encrypt in the store what this configuration (apiserver.config.k8s.io/v1) names (default: Secrets)",
    )
    up.add_argument("--log-level", choices=("debug", "info", "warning", "error"), help="debug logs every request")
    up.add_argument("--log-format", choices=("text", "json"), help="how the processes write their logs")
    up.add_argument("-q", "--quiet", action="store_true", help="print errors only")
    _with_output(up)

    down = _with_name(commands.add_parser("down", help="take a cluster away with all it made"))
    down.add_argument("--all", action="store_true", help="every cluster of this machine")
    down.add_argument("-q", "--quiet", action="store_true", help="print errors only")

    status = _with_name(commands.add_parser("status", help="what runs; exit 1 unless all of it is ready"))
    status.add_argument("--all", action="store_true", help="every cluster of this machine")
    _with_output(status)

    _with_name(commands.add_parser("kubeconfig", help="print the cluster's kubeconfig"))

    doctor = commands.add_parser("doctor", help="what this machine lacks, and the command that mends it")
    doctor.add_argument("--install", action="store_true", help="install what a node needs from the distribution")
    doctor.add_argument("--runtime", choices=("containerd", "simulated"), default="containerd", help="check for this")
    _with_output(doctor)

    image = commands.add_parser("image", help="images on the nodes")
    actions = image.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=Parser)
    load = _with_name(actions.add_parser("load", help="import a docker or OCI archive on every node"))
    load.add_argument("file", metavar="FILE", help="the archive, as `docker save` or `skopeo copy` write it")

    logs = _with_name(commands.add_parser("logs", help="logs of the control plane and the nodes"))
    logs.add_argument("component", nargs="?", metavar="COMPONENT", help="control-plane or a node (default: all)")

    encryption = commands.add_parser("encryption", help="the keys that Secrets are encrypted with in the store")
    actions = encryption.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=Parser)
    _with_name(actions.add_parser("rotate", help="make a new key, and encrypt everything anew with it"))

    completion = commands.add_parser("completion", help="print a completion script for a shell")
    completion.add_argument("shell", choices=("bash", "zsh", "fish"))
    return top
