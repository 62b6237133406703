"""Where the client programs are that tests drive; `tools/clients.sh` installs what the environment itself lacks."""

from __future__ import annotations

import pathlib
import shutil
import sys

FOLDER = pathlib.Path(sys.prefix) / "clients"


def installed(path: str) -> str:
    """A program or package below the folder of clients; AssertionError if it is not there."""
    found = FOLDER / path
    assert found.exists(), f"{found} is missing: run tools/clients.sh with PYTHON={sys.executable}"
    return str(found)


def kubectls() -> list[str]:
    """The environment's own kubectl, a newer one, and the machine's where there is one."""
    own = pathlib.Path(sys.prefix) / "bin/kubectl"
    machines = shutil.which("kubectl", path="/usr/local/bin:/usr/bin:/bin")
    return [str(own), installed("kubectl-1.37.1/bin/kubectl"), *([machines] if machines else [])]


def kubectl_name(program: str) -> str:
    """How a test's id names it."""
    return {0: "1.36.4", 1: "1.37.1"}.get(kubectls().index(program), "machine")
