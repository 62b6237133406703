"""Measure the product as its users have it, and print the reference's figures beside.

    python -m bench [--only start,api,schedule,growth,pods] [--pods 2000] [-o json]

`pods` brings up a real cluster (root, containerd); all others use a simulated one and need no root.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import pathlib
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
from typing import Any

import yaml

from bench import load, reference
from bench.growth import Growth, print_growth
from pilothouse.testing.images import busybox_image

IDLE_SECONDS = 20.0
FEW, MANY = 1000, 100_000
IMAGE = "pilothouse.example/bench:1"


class Place:
    """A directory of our own for clusters, and the commands run in it."""

    def __init__(self) -> None:
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="phb-", dir="/tmp"))
        self.environment = {
            **os.environ,
            "PILOTHOUSE_HOME": str(self.home),
            "KUBECONFIG": str(self.home / "kubeconfig"),
        }

    def run(self, *command: str, text: str = "") -> str:
        done = subprocess.run(command, env=self.environment, input=text, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}: {done.stderr}")
        return done.stdout + done.stderr

    def pilothouse(self, *arguments: str) -> float:
        begun = time.perf_counter()
        self.run(sys.executable, "-m", "pilothouse", *arguments, "--name", "bench")
        return time.perf_counter() - begun

    def access(self) -> tuple[int, ssl.SSLContext]:
        """The port of the API server, and the administrator's TLS."""
        config = yaml.safe_load((self.home / "kubeconfig").read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        pair = self.home / "pair.pem"
        pair.write_bytes(base64.b64decode(user["client-certificate-data"]) + base64.b64decode(user["client-key-data"]))
        context.load_cert_chain(pair)
        return int(cluster["server"].rpartition(":")[2]), context

    def process(self, component: str) -> int:
        return int((self.home / "run/bench" / f"{component}.lock").read_text())

    def remove(self) -> None:
        shutil.rmtree(self.home)


def resident(pid: int) -> float:
    """Megabytes."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def cpu_seconds(pid: int) -> float:
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def revision(port: int, context: ssl.SSLContext) -> int:
    connection = load.Connection(port, context)
    _, body = await connection.ask(("GET", "/api/v1/namespaces?limit=1", b"", load.JSON))
    connection.close()
    return int(json.loads(body)["metadata"]["resourceVersion"])


def start_figures(place: Place) -> dict[str, float]:
    """How long a simulated cluster takes, and what it costs while nothing happens."""
    begun = time.perf_counter()
    told = place.run(sys.executable, "-m", "pilothouse", "up", "--runtime", "simulated", "--name", "bench")
    found = {"up --runtime simulated, whole command (s)": time.perf_counter() - begun}
    started = re.search(r"start the control plane.*?\(([0-9.]+) s\)", told)
    assert started is not None, told
    found["cold start to the default account (s)"] = float(started[1])
    port, context = place.access()
    pid = place.process("control-plane")
    time.sleep(5)
    cpu, began, before = cpu_seconds(pid), time.perf_counter(), asyncio.run(revision(port, context))
    time.sleep(IDLE_SECONDS)
    seconds = time.perf_counter() - began
    found["control plane idle (MB)"] = resident(pid)
    found["idle, share of a core (%)"] = 100 * (cpu_seconds(pid) - cpu) / seconds
    found["idle, store commits (/s)"] = (asyncio.run(revision(port, context)) - before) / seconds
    place.pilothouse("down")
    return found


def api_figures(place: Place, count: int) -> dict[str, float]:
    """Rates over HTTPS against the durable store, RBAC and admission on."""
    place.pilothouse("up", "--runtime", "simulated", "--nodes", "0")
    port, context = place.access()
    pid = place.process("control-plane")
    found = asyncio.run(load.all_rates(port, context, count, 32))
    found["control plane after the load (MB)"] = resident(pid)
    place.pilothouse("down")
    return found


def schedule_figures(place: Place, count: int) -> dict[str, float]:
    """Pods created, decided and bound a second, through HTTPS and the durable store."""
    found = {}
    for nodes in (500, 2000):
        place.pilothouse("up", "--runtime", "simulated", "--nodes", "0")
        port, context = place.access()
        rate = asyncio.run(load.schedule(port, context, nodes, count, 32))
        found[f"create and schedule, {nodes} nodes"] = rate
        place.pilothouse("down")
    return found


def growth_figures(place: Place) -> dict[str, dict[int, float]]:
    """What requests cost with few pods and with many."""
    place.pilothouse("up", "--runtime", "simulated", "--nodes", "0")
    port, context = place.access()
    pid = place.process("control-plane")
    measured = Growth(port, context, lambda: cpu_seconds(pid))
    asyncio.run(measured.run(FEW, MANY))
    place.pilothouse("down")
    return measured.costs


def _deployment(name: str, replicas: int) -> str:
    labels = {"app": name}
    container = {"name": "c", "image": IMAGE, "imagePullPolicy": "Never", "command": ["sleep", "100000"]}
    spec = {"terminationGracePeriodSeconds": 0, "containers": [container]}
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }
    return json.dumps(body)


def pod_figures(place: Place) -> dict[str, float]:
    """A real cluster: nodes, one pod, thirty pods."""
    found = {"up with two nodes (s)": place.pilothouse("up", "--nodes", "2")}
    place.pilothouse("down")
    place.pilothouse("up", "--nodes", "1")
    busybox_image(place.home / "image.tar", [IMAGE])
    place.pilothouse("image", "load", str(place.home / "image.tar"))
    for name, replicas in (("warm", 1), ("one", 1), ("thirty", 30)):
        begun = time.perf_counter()
        place.run("kubectl", "apply", "-f", "-", text=_deployment(name, replicas))
        place.run("kubectl", "rollout", "status", f"deployment/{name}", "--timeout=120s")
        found[name] = time.perf_counter() - begun
        place.run("kubectl", "delete", f"deployment/{name}", "--wait=false")
        time.sleep(2)
    found["one pod, apply to Ready (s)"] = found.pop("one")
    found["30 pods on one node, apply to Ready (s)"] = found.pop("thirty")
    del found["warm"]
    place.pilothouse("down")
    return found


def print_table(found: dict[str, float]) -> None:
    known: dict[str, Any] = {
        **reference.RATES,
        **{f"{name} (s)": value for name, value in reference.SECONDS.items()},
        **{f"{name} (MB)": value for name, value in reference.MEGABYTES.items()},
    }
    print(f"{'figure':46} {'here':>12} {'reference':>16} {'ratio':>8}")
    for name, value in found.items():
        low, high = known.get(name, (0, 0))
        told = f"{low:g}" if low == high else f"{low:g} to {high:g}"
        better = value / high if name in reference.RATES else high / value if value else 0
        row = f"{name:46} {value:12,.2f}" if value < 100 else f"{name:46} {value:12,.0f}"
        print(row + (f" {told:>16} {better:7.1f}x" if high else ""))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="start,api,schedule,growth,pods")
    parser.add_argument("--pods", type=int, default=2000)
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text")
    arguments = parser.parse_args()
    place = Place()
    found: dict[str, float] = {}
    growth: dict[str, dict[int, float]] = {}
    try:
        chosen = arguments.only.split(",")
        if "start" in chosen:
            found |= start_figures(place)
        if "api" in chosen:
            found |= api_figures(place, arguments.pods)
        if "schedule" in chosen:
            found |= schedule_figures(place, arguments.pods)
        if "growth" in chosen:
            growth = growth_figures(place)
        if "pods" in chosen:
            found |= pod_figures(place)
    finally:
        subprocess.run(
            [sys.executable, "-m", "pilothouse", "down", "-q", "--name", "bench"], env=place.environment, check=False
        )
        place.remove()
    if arguments.output == "json":
        print(json.dumps({**found, "growth": growth}))
    else:
        if found:
            print_table(found)
        if growth:
            print_growth(growth, FEW, MANY)


if __name__ == "__main__":
    main()
