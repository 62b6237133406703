"""The command `pilothouse`: argv to the command line, with the house it drives."""

from __future__ import annotations

import signal
import sys

DAEMON_FLAG = "--daemon"


def main() -> int:
    """Run one command; the exit code. An interrupt is answered in one sentence, even while modules are being loaded."""
    try:
        _end_as_interrupted()
        return _run()
    except KeyboardInterrupt as error:
        print(f"pilothouse: {str(error) or 'interrupted'}", file=sys.stderr)
        return 130


def _end_as_interrupted() -> None:
    """A terminal that is closed, or a `kill`, ends a command as Ctrl-C does: with its way back."""
    if sys.argv[1:2] != [DAEMON_FLAG]:
        for name in ("SIGTERM", "SIGHUP"):
            if number := getattr(signal, name, None):
                signal.signal(number, signal.default_int_handler)


def _run() -> int:
    if sys.argv[1:2] == [DAEMON_FLAG]:
        from pilothouse.house.processes import run as run_process

        return run_process(sys.argv[2:])
    from pilothouse.cli.commands import run
    from pilothouse.house.clusters import Clusters

    return run(Clusters(), sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
