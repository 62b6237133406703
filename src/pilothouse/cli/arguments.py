"""The command line's grammar. One function a command adds its arguments; `commands.py` carries them out."""

from __future__ import annotations

import argparse
import ipaddress
import re
from typing import Any, NoReturn

from pilothouse import KUBERNETES_VERSION, __version__
from pilothouse.seams.house import DEFAULT_NAME

_NAME = re.compile(r"^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$")
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?")
MAX_NODES = 64

EPILOG = """\
examples:
  pilothouse up --nodes 2                    a cluster with two nodes, real containers
  pilothouse up --runtime simulated          a cluster in one process: no root, no containerd
  pilothouse image load web.tar              make an image known on every node
  pilothouse down                            take everything away again
"""


class Parser(argparse.ArgumentParser):
    """argparse with errors that end in what to do next; exit code 2, as usual.

    What a subcommand does not know is its own error: argparse would hand it up to the whole program.
    """

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        known, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return known, unknown

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


def port_number(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: use 1 to 65535")
    return int(text)


def line_count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of lines")
    return int(text)


def address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no IP address: use one of this machine, or 0.0.0.0") from None


def seconds(text: str) -> float:
    """A duration as kubectl writes it: `90s`, `5m`, `1h30m`; a bare number is seconds."""
    if text.isdecimal() and int(text):
        return float(text)
    parts = _DURATION.fullmatch(text)
    total = sum(float(n) * unit for n, unit in zip(parts.groups("0"), (3600, 60, 1), strict=True)) if parts else 0.0
    if not total:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration: use 90s, 5m or 1h30m")
    return total


def _with_name(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument(
        "--name", type=cluster_name, default=DEFAULT_NAME, help=f"the cluster (default: {DEFAULT_NAME})"
    )
    return parser


def _with_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text", help="how to print the answer")


def _add_up(commands: argparse._SubParsersAction[Parser]) -> None:
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
    up.add_argument(
        "--kubelet-config",
        metavar="FILE",
        help="settings of the nodes (kubelet.config.k8s.io/v1beta1): seccompDefault, allowedUnsafeSysctls, maxPods",
    )
    up.add_argument("--log-level", choices=("debug", "info", "warning", "error"), help="debug logs every request")
    up.add_argument("--log-format", choices=("text", "json"), help="how the processes write their logs")
    up.add_argument("--kubeconfig", metavar="FILE", help="the file to add the cluster to (default: as kubectl)")
    up.add_argument("--no-switch-context", action="store_true", help="leave kubectl's current context as it is")
    up.add_argument("--port", type=port_number, metavar="N", help="the API server's port (default: 6443 or a free one)")
    up.add_argument(
        "--listen", type=address, metavar="ADDRESS", help="listen here too, beside the loopback; 0.0.0.0: all"
    )
    up.add_argument("--timeout", type=seconds, metavar="DURATION", help="how long to wait for each step (90s, 5m)")
    up.add_argument("-q", "--quiet", action="store_true", help="print errors only")
    _with_output(up)


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

    _add_up(commands)

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

    commands.add_parser("list", help="the names of the clusters of this machine")

    image = commands.add_parser("image", help="images on the nodes")
    actions = image.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=Parser)
    load = _with_name(actions.add_parser("load", help="import a docker or OCI archive on every node"))
    load.add_argument(
        "file", metavar="FILE", help="the archive, as `docker save` or `skopeo copy` write it; - for stdin"
    )

    logs = _with_name(commands.add_parser("logs", help="logs of the control plane and the nodes"))
    logs.add_argument("component", nargs="?", metavar="COMPONENT", help="control-plane or a node (default: all)")
    logs.add_argument("--list", action="store_true", help="the names that COMPONENT can be, instead of logs")
    logs.add_argument("-f", "--follow", action="store_true", help="go on with what is written")
    logs.add_argument("--tail", type=line_count, metavar="N", help="the last N lines of each log")
    logs.add_argument("--since", type=seconds, metavar="DURATION", help="what was written since then (90s, 5m, 1h30m)")

    export = commands.add_parser("export", help="gather what helps to find the cause of a trouble")
    actions = export.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=Parser)
    exported = _with_name(
        actions.add_parser("logs", help="logs and state of a cluster, without secrets, into a folder")
    )
    exported.add_argument("folder", nargs="?", metavar="DIR", help="where to (default: ./pilothouse-logs-NAME)")

    encryption = commands.add_parser("encryption", help="the keys that Secrets are encrypted with in the store")
    actions = encryption.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=Parser)
    _with_name(actions.add_parser("rotate", help="make a new key, and encrypt everything anew with it"))

    completion = commands.add_parser("completion", help="print a completion script for a shell")
    completion.add_argument("shell", choices=("bash", "zsh", "fish"))
    return top
