"""The command line answers at once: what takes long to load is loaded by who needs it."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("pilothouse.api.types.core.v1", "pilothouse.kubelet.kubelet", "pilothouse.apiserver.pipeline", "grpc")
SCRIPT = "import sys, pilothouse.cli.commands, pilothouse.house.clusters; print(*sys.modules)"


def test_no_command_loads_what_only_a_clusters_processes_need() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, timeout=60)
    assert not set(HEAVY) & set(done.stdout.split())
