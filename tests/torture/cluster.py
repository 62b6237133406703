"""A control plane in a process of its own, to be attacked, killed and started again; and plain requests to it."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from pilothouse.house import members
from pilothouse.house import spec as specs
from pilothouse.house.clusters import Clusters
from pilothouse.house.daemon import own_command
from pilothouse.house.paths import Paths
from pilothouse.kit.clock import SystemClock, pause
from pilothouse.seams.house import UpRequest

CLOCK = SystemClock()
PATIENCE = 30.0
WATCHED = pathlib.Path(__file__).with_name("watched.py")
SOURCES = pathlib.Path(__file__).parents[2] / "src"


class Silent:
    def started(self, step: str) -> None: ...
    def finished(self, step: str, seconds: float) -> None: ...
    def failed(self, step: str, message: str) -> None: ...

    def abandoned(self, step: str) -> None: ...
    def note(self, message: str) -> None: ...


class ControlPlane:
    """The control plane of a simulated cluster."""

    def __init__(self, name: str, home: pathlib.Path, port: int, config: dict[str, Any]) -> None:
        self.name, self.home, self.port = name, home, port
        self.paths = Paths.of(name)
        self.held = home / "held.txt"
        """What a watched process tells of callbacks that held its loop."""
        self.authority = base64.b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"]).decode()
        user = config["users"][0]["user"]
        self.pair = home / "pair.pem"
        self.pair.write_bytes(
            base64.b64decode(user["client-certificate-data"]) + base64.b64decode(user["client-key-data"])
        )
        self.process: subprocess.Popen[bytes] | None = None

    def context(self, known: bool = True) -> ssl.SSLContext:
        """The TLS of the administrator, or of nobody."""
        made = ssl.create_default_context(cadata=self.authority)
        if known:
            made.load_cert_chain(self.pair)
        return made

    @property
    def pid(self) -> int:
        return int(self.paths.lock("control-plane").read_text())

    @property
    def log(self) -> str:
        return self.paths.log("control-plane").read_text(errors="replace")

    @property
    def resident(self) -> float:
        """Megabytes."""
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    @property
    def cpu(self) -> float:
        """Seconds of CPU that it has taken."""
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        """-9, and gone when this returns."""
        process, pid = self.process, self.pid
        os.kill(pid, signal.SIGKILL)
        if process is not None:
            process.wait()
        while pathlib.Path(f"/proc/{pid}").exists() and not _dead(pid):
            pause(0.005)

    def start(self, *, watched: bool = False, environment: dict[str, str] | None = None) -> None:
        """Start it as `up` does, or with every callback of its loop watched; returns when it is ready."""
        command = own_command("control-plane", self.name)
        if watched:
            command = (sys.executable, str(WATCHED), str(self.held), *command[3:])
        given = {**os.environ, "PYTHONPATH": str(SOURCES), **(environment or {})}
        with open(self.paths.log("control-plane"), "ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, env=given)
        self.wait_ready()

    def wait_ready(self) -> None:
        end = CLOCK.monotonic() + PATIENCE
        while True:
            try:
                if self.ask("GET", "/readyz")[0] == 200:
                    return
            except OSError:
                pass  # it does not listen yet
            assert CLOCK.monotonic() < end, self.log[-3000:]
            if self.process is not None:
                assert self.process.poll() is None, self.log[-3000:]
            pause(0.02)

    def ask(self, verb: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """One request on a connection of its own: the status, and the answer's tree or text."""
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.context(), timeout=PATIENCE)
        with contextlib.closing(connection):
            data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
            sent = {"Content-Type": "application/json"} if data is not None else {}
            connection.request(verb, path, data, sent | {k.replace("_", "-"): v for k, v in headers.items()})
            answer = connection.getresponse()
            text = answer.read()
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, text.decode(errors="replace")

    def figure(self, name: str, **labels: str) -> float:
        """The sum of a metric over the label values that are not given."""
        total = 0.0
        for line in str(self.ask("GET", "/metrics")[1]).splitlines():
            found = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
            if found is None or found[1] != name:
                continue
            have = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', found[2] or ""))
            if labels.items() <= have.items():
                total += float(found[3])
        return total


def _dead(pid: int) -> bool:
    """Whether nothing is left of it but an entry that its parent has not read."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def _any_port(taken: object) -> int:
    """A port that no other cluster prefers: it must be free again after each kill."""
    with socket.create_server(("127.0.0.1", 0)) as bound:
        return int(bound.getsockname()[1])


@contextlib.contextmanager
def control_plane(nodes: int = 0, **more: Any) -> Iterator[ControlPlane]:
    """A cluster that is there as long as the context; `more` is asked of `up`."""
    home = pathlib.Path(tempfile.mkdtemp(prefix="pht-", dir="/tmp"))
    name = f"torture-{os.getpid()}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PILOTHOUSE_HOME", str(home))
        patch.setenv("KUBECONFIG", str(home / "kubeconfig"))
        patch.setattr("pilothouse.house.clusters.free_port", _any_port)
        clusters, plane = Clusters(), None
        clusters.up(UpRequest(name, nodes, "simulated", **more), Silent())
        try:
            found = specs.load(Paths.of(name))
            assert found is not None
            # What is killed here is started by the test: the supervisor would sometimes be quicker.
            members.supervisor(Paths.of(name), found).stop()
            plane = ControlPlane(name, home, found.api_port, yaml.safe_load(clusters.kubeconfig(name)))
            yield plane
        finally:
            clusters.down(name, Silent())
            if plane is not None and plane.process is not None:
                plane.process.wait()
            shutil.rmtree(home)
