"""The command `pilothouse`: argv to the command line, with the house it drives."""

from __future__ import annotations

import sys

DAEMON_FLAG = "--daemon"


def main() -> int:
    """Run one command; the exit code. An interrupt is answered in words even while modules are still being loaded."""
    try:
        return _run()
    except KeyboardInterrupt:
        print("pilothouse: interrupted", file=sys.stderr)
        return 130


def _run() -> int:
    from pilothouse.house.clusters import Clusters

    house = Clusters()
    if sys.argv[1:2] == [DAEMON_FLAG]:
        return house.run_daemon(sys.argv[2:])
    from pilothouse.cli.commands import run

    return run(house, sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
