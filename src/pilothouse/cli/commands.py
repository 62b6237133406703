"""What each command does: ask the house, print the answer, choose the exit code (0 done, 1 not, 2 misused)."""

from __future__ import annotations

import argparse
import json
import pathlib
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

from pilothouse.cli import completion
from pilothouse.cli.arguments import parser
from pilothouse.cli.progress import LineProgress, colour_wanted
from pilothouse.seams.house import Check, ClusterStatus, House, HouseError, LogRequest, ProcessStatus, UpRequest


def _as_json(status: ClusterStatus) -> dict[str, object]:
    return {
        **status._asdict(),
        "nodes": [one._asdict() for one in status.nodes],
        "processes": [one._asdict() for one in status.processes],
        "certificates": [one._asdict() for one in status.certificates],
    }


def _history(process: ProcessStatus | None) -> str:
    """What is worth telling of a process that was started again."""
    if process is None or not (process.restarts or process.last_exit):
        return ""
    times = "once" if process.restarts == 1 else f"{process.restarts} times"
    since = f" since {process.since}" if process.since else ""
    return f"{since}, restarted {times}, last exit: {process.last_exit} at {process.last_exit_at}"


def _print_status(status: ClusterStatus) -> None:
    state = "ready" if status.ready else "not ready"
    print(f"cluster {status.name} ({status.runtime}): {state}")
    print(f"  server         {status.server}")
    processes = {process.name: process for process in status.processes}
    print(f"  control plane  {status.control_plane}{_history(processes.get('control-plane'))}")
    for node in status.nodes:
        ready = {True: "Ready", False: "NotReady", None: "unknown"}[node.ready]
        print(
            f"  node           {node.name}  {node.address}  {node.process}  {ready}{_history(processes.get(node.name))}"
        )
    for warning in status.warnings:
        print(f"  warning        {warning}")


def _reached(status: ClusterStatus) -> str:
    """How kubectl comes to the cluster, whose context need not be the one that is chosen."""
    if status.current_context == status.context and not status.kubeconfig:
        return f"kubectl context {status.context}"
    where = f" --kubeconfig {status.kubeconfig}" if status.kubeconfig else ""
    if status.current_context == status.context:
        return f"use kubectl{where}"
    chosen = f"kubectl's context stays {status.current_context}" if status.current_context else "kubectl has no context"
    return f"{chosen}; use kubectl{where} --context {status.context}"


def _up(house: House, args: argparse.Namespace) -> int:
    progress = LineProgress(sys.stderr, quiet=args.quiet)
    policy = pathlib.Path(args.audit_policy) if args.audit_policy is not None else None
    encryption = pathlib.Path(args.encryption_config) if args.encryption_config is not None else None
    kubelet_config = pathlib.Path(args.kubelet_config) if args.kubelet_config is not None else None
    kubeconfig = pathlib.Path(args.kubeconfig).absolute() if args.kubeconfig is not None else None
    request = UpRequest(
        name=args.name,
        nodes=args.nodes,
        runtime=args.runtime,
        audit_policy=policy,
        encryption=encryption,
        kubelet_config=kubelet_config,
        log_level=args.log_level,
        log_format=args.log_format,
        kubeconfig=kubeconfig,
        switch_context=not args.no_switch_context,
        port=args.port,
        listen=args.listen,
        timeout=args.timeout,
    )
    status = house.up(request, progress)
    if args.output == "json":
        print(json.dumps(_as_json(status)))
    elif not args.quiet:
        print(f"cluster {status.name} is ready at {status.server} ({_reached(status)})")
    return 0


def _down(house: House, args: argparse.Namespace) -> int:
    progress = LineProgress(sys.stderr, quiet=args.quiet)
    for name in house.names() if args.all else (args.name,):
        existed = house.down(name, progress)
        if not args.quiet:
            print(f"cluster {name} is gone" if existed else f"there is no cluster {name}")
    return 0


def _status(house: House, args: argparse.Namespace) -> int:
    if not args.all:
        status = house.status(args.name)
        if args.output == "json":
            print(json.dumps(_as_json(status)))
        else:
            _print_status(status)
        return 0 if status.ready else 1
    found = [_status_or_error(house, name) for name in house.names()]
    if args.output == "json":
        broken = [
            {"name": e.name, "error": str(e.error), "advice": e.error.advice} for e in found if isinstance(e, Broken)
        ]
        print(json.dumps([*(_as_json(s) for s in found if isinstance(s, ClusterStatus)), *broken]))
    else:
        for one in found:
            if isinstance(one, Broken):
                print(f"cluster {one.name}: {one.error}\n  {one.error.advice}")
            else:
                _print_status(one)
    return 0 if all(isinstance(one, ClusterStatus) and one.ready for one in found) else 1


class Broken(NamedTuple):
    """A cluster that cannot be looked at; it does not keep others from it."""

    name: str
    error: HouseError


def _status_or_error(house: House, name: str) -> ClusterStatus | Broken:
    try:
        return house.status(name)
    except HouseError as error:
        return Broken(name, error)


def _list(house: House, args: argparse.Namespace) -> int:
    for name in house.names():
        print(name)
    return 0


def _kubeconfig(house: House, args: argparse.Namespace) -> int:
    print(house.kubeconfig(args.name), end="")
    return 0


def _print_checks(checks: Sequence[Check], output: str) -> None:
    if output == "json":
        print(json.dumps([check._asdict() for check in checks]))
        return
    good, bad = ("\x1b[32m✓\x1b[0m", "\x1b[31m✗\x1b[0m") if colour_wanted(sys.stdout) else ("✓", "✗")
    for check in checks:
        print(f"{good if check.passed else bad} {check.name}: {check.detail}")
        if not check.passed and check.remedy:
            print(f"    mend it with: {check.remedy}")


def _doctor(house: House, args: argparse.Namespace) -> int:
    checks = house.install(args.runtime, LineProgress(sys.stderr)) if args.install else house.doctor(args.runtime)
    _print_checks(checks, args.output)
    return 0 if all(check.passed for check in checks) else 1


def _image(house: House, args: argparse.Namespace) -> int:
    names = house.load_image(args.name, pathlib.Path(args.file), LineProgress(sys.stderr))
    for name in names:
        print(name)
    return 0


def _logs(house: House, args: argparse.Namespace) -> int:
    if args.list:
        print("\n".join(house.components(args.name)))
        return 0
    for line in house.logs(args.name, LogRequest(args.component, args.follow, args.tail, args.since)):
        print(line, flush=args.follow)
    return 0


def _export(house: House, args: argparse.Namespace) -> int:
    folder = pathlib.Path(args.folder if args.folder is not None else f"pilothouse-logs-{args.name}")
    print(house.export_logs(args.name, folder))
    return 0


def _encryption(house: House, args: argparse.Namespace) -> int:
    house.rotate_encryption_key(args.name, LineProgress(sys.stderr))
    print(f"cluster {args.name} encrypts with a new key")
    return 0


def _completion(house: House, args: argparse.Namespace) -> int:
    print(completion.SHELLS[args.shell](parser()), end="")
    return 0


COMMANDS: dict[str, Callable[[House, argparse.Namespace], int]] = {
    "up": _up,
    "down": _down,
    "status": _status,
    "kubeconfig": _kubeconfig,
    "doctor": _doctor,
    "image": _image,
    "logs": _logs,
    "encryption": _encryption,
    "export": _export,
    "list": _list,
    "completion": _completion,
}


def run(house: House, argv: Sequence[str]) -> int:
    """Carry out one command line; the exit code. A closed pipe ends it quietly, as people expect."""
    args = parser().parse_args(argv)
    try:
        return COMMANDS[args.command](house, args)
    except HouseError as error:
        print(f"pilothouse: {error}", file=sys.stderr)
        if error.advice:
            print(f"  {error.advice}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        sys.stderr.close()
        return 141
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"pilothouse: {where}{error.strerror or error}", file=sys.stderr)
        return 1
