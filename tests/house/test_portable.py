"""Windows and macOS lack parts of Python's library: every module can be imported without them."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import importlib, os, pkgutil, sys
for name in ("fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "uvloop", "syslog", "spwd", "crypt"):
    sys.modules[name] = None
for name in ("geteuid", "getuid", "setsid", "pidfd_open", "fork", "mkfifo", "getpgid", "killpg", "statvfs"):
    if hasattr(os, name):
        delattr(os, name)
import pilothouse
for module in pkgutil.walk_packages(pilothouse.__path__, "pilothouse."):
    if not module.name.endswith("__main__") and not module.name.startswith("pilothouse.testing.plugin"):
        importlib.import_module(module.name)
from pilothouse.cli.commands import run
from pilothouse.house.clusters import Clusters
try:
    run(Clusters(), ["--help"])
except SystemExit as end:
    sys.exit(end.code)
"""


def test_every_module_can_be_imported_and_help_is_given() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "pilothouse up --nodes 2" in done.stdout
