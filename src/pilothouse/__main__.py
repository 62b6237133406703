"""The command `pilothouse`."""

from __future__ import annotations

import sys


def main() -> int:
    sys.stderr.write("pilothouse: no command is built yet\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
