"""A real cluster under test, driven as its users do: by the command line and kubectl."""

from __future__ import annotations

import http.client
import json
import os
import pathlib
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pilothouse.kit.clock import SystemClock, pause

CLOCK = SystemClock()


def eventually(check: Callable[[], Any], seconds: float, what: str) -> Any:
    """The first true value of `check`, asked again and again; AssertionError with its last one after `seconds`."""
    deadline = CLOCK.monotonic() + seconds
    while True:
        found = check()
        if found:
            return found
        if CLOCK.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s: {what} (last: {found!r})")
        pause(0.1)


@dataclass
class Cluster:
    """One named cluster in the directories below `home`."""

    name: str
    home: pathlib.Path
    kubectl_program: str = "kubectl"
    environment: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.environment = {
            **os.environ,
            "PILOTHOUSE_HOME": str(self.home),
            "KUBECONFIG": str(self.home / "kubeconfig"),
            "KUBECACHEDIR": str(self.home / "kubectl-cache"),
        }

    def pilothouse(self, *arguments: str, check: bool = True, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pilothouse", *arguments]
        if arguments[0] not in ("doctor", "completion"):
            command += ["--name", self.name]
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=seconds, check=False
        )
        if check and done.returncode:
            raise AssertionError(f"pilothouse {' '.join(arguments)}: {done.returncode}\n{done.stderr}\n{self.logs()}")
        return done

    def logs(self, lines: int = 25) -> str:
        """The end of each process's log, for a failed assertion."""
        folder = self.home / "state" / self.name / "logs"
        tails = []
        for file in sorted(folder.glob("*.log")) if folder.exists() else []:
            tails.append(f"--- {file.name}\n" + "\n".join(file.read_text(errors="replace").splitlines()[-lines:]))
        return "\n".join(tails)

    def command(self, *arguments: str) -> list[str]:
        """The command line of kubectl for this cluster, whichever cluster is the kubeconfig's current one."""
        return [self.kubectl_program, "--context", f"pilothouse-{self.name}", *arguments]

    def kubectl(
        self, *arguments: str, stdin: str | None = None, check: bool = True, seconds: float = 60
    ) -> subprocess.CompletedProcess[str]:
        command = self.command(*arguments)
        done = subprocess.run(
            command, env=self.environment, input=stdin, capture_output=True, text=True, timeout=seconds, check=False
        )
        if check and done.returncode:
            raise AssertionError(f"kubectl {' '.join(arguments)}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def get(self, *arguments: str) -> Any:
        return json.loads(self.kubectl("get", *arguments, "-o", "json").stdout)

    def apply(self, manifest: str) -> None:
        self.kubectl("apply", "-f", "-", stdin=manifest)

    def pods(self, selector: str) -> list[dict[str, Any]]:
        """The pods that match and are not being deleted."""
        found = self.get("pods", "-l", selector)["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def endpoints(self, service: str) -> set[str]:
        """Addresses of the ready endpoints of a Service."""
        slices = self.get("endpointslices", "-l", f"kubernetes.io/service-name={service}")["items"]
        return {
            address
            for one in slices
            for endpoint in one.get("endpoints") or []
            if endpoint["conditions"].get("ready")
            for address in endpoint["addresses"]
        }

    @contextmanager
    def watched_endpoints(self, service: str) -> Iterator[list[set[str]]]:
        """Every state that the ready endpoints of a Service go through while the block runs; what lasts a moment
        only is not missed, as it would be by asking."""
        seen: list[set[str]] = []
        selector = f"kubernetes.io/service-name={service}"
        command = self.command("get", "endpointslices", "-w", "-l", selector, "-o", 'jsonpath={.endpoints}{"\\n"}')
        with subprocess.Popen(command, env=self.environment, stdout=subprocess.PIPE, text=True) as running:

            def read() -> None:
                for line in running.stdout or ():
                    found = json.loads(line) if line.strip() else []
                    seen.append({a for e in found if e["conditions"].get("ready") for a in e["addresses"]})

            reader = threading.Thread(target=read)
            reader.start()
            try:
                eventually(lambda: seen, 10, f"the endpoints of {service} are watched")
                yield seen
            finally:
                running.terminate()
                reader.join()

    def node_addresses(self) -> list[str]:
        nodes = self.get("nodes")["items"]
        return [a["address"] for n in nodes for a in n["status"]["addresses"] if a["type"] == "InternalIP"]

    def process(self, component: str) -> int:
        """The pid of one of its processes, which that writes into its lock a moment after it took it."""
        lock = self.home / "run" / self.name / f"{component}.lock"
        return int(eventually(lock.read_text, 5, f"{component} says who it is"))


def fetch(address: str, port: int, path: str = "/", seconds: float = 3.0) -> str:
    """The body of one HTTP answer; raises OSError or AssertionError if it is not 200."""
    connection = http.client.HTTPConnection(address, port, timeout=seconds)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read().decode()
        assert answer.status == 200, (answer.status, body)
        return body.strip()
    finally:
        connection.close()


@contextmanager
def load(targets: Sequence[tuple[str, int]]) -> Iterator[tuple[Counter[str], list[str]]]:
    """Requests to `targets` in turn while the block runs: (answers counted, failures)."""
    answers: Counter[str] = Counter()
    failures: list[str] = []
    stop = threading.Event()

    def work() -> None:
        number = 0
        while not stop.wait(0.01):
            address, port = targets[number % len(targets)]
            number += 1
            try:
                answers[fetch(address, port)] += 1
            except (OSError, AssertionError, http.client.HTTPException) as error:
                failures.append(f"{address}:{port}: {type(error).__name__}: {error}")

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield answers, failures
    finally:
        stop.set()
        thread.join()


def forwarded_port(running: subprocess.Popen[str]) -> int:
    """The port of this machine that a `kubectl port-forward ... :80` took, which it tells when it listens."""
    assert running.stdout is not None
    line = running.stdout.readline()
    assert line.startswith("Forwarding from 127.0.0.1:"), line
    return int(line.split(":")[1].split()[0])
