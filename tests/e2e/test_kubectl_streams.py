"""kubectl's streams into real containers, over WebSocket and over SPDY: terminals, files, logs, ports, debuggers."""

from __future__ import annotations

import hashlib
import os
import pathlib
import subprocess
from collections.abc import Iterator

import pytest

from tests.e2e import web
from tests.e2e.cluster import Cluster, eventually, fetch
from tests.e2e.terminal import terminal
from tests.programs import kubectl_name, kubectls

pytestmark = pytest.mark.e2e
NAMESPACE = "streams"
IMAGE = web.IMAGES[0]
PODS = f"""
apiVersion: v1
kind: Pod
metadata: {{name: two, labels: {{app: two}}, annotations: {{kubectl.kubernetes.io/default-container: b}}}}
spec:
  terminationGracePeriodSeconds: 0
  initContainers: [{{name: first, image: {IMAGE}, command: [echo, prepared]}}]
  containers:
  - name: a
    image: {IMAGE}
    command: [sh, -c, "i=0; while true; do echo a$i; i=$((i+1)); sleep 0.2; done"]
  - name: b
    image: {IMAGE}
    command: [sh, -c, "echo page > /www/index.html; echo from b; exec httpd -f -p 8080 -h /www"]
    ports: [{{containerPort: 8080, name: http}}]
---
apiVersion: v1
kind: Pod
metadata: {{name: crash}}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{{name: c, image: {IMAGE}, command: [sh, -c, "echo life; exit 3"]}}]
---
apiVersion: v1
kind: Pod
metadata: {{name: shell}}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{{name: c, image: {IMAGE}, stdin: true, tty: true, command: [sh]}}]
"""
PROTOCOLS = {"websocket": "true", "spdy": "false"}


@pytest.fixture(scope="module")
def pods(cluster: Cluster) -> Iterator[Cluster]:
    one = Cluster(cluster.name, cluster.home)
    one.kubectl("create", "namespace", NAMESPACE)
    one.kubectl("-n", NAMESPACE, "apply", "-f", "-", stdin=PODS)
    one.kubectl("-n", NAMESPACE, "wait", "--for=condition=Ready", "pod/two", "pod/shell", "--timeout=60s")
    yield one
    one.kubectl("delete", "namespace", NAMESPACE, "--timeout=60s")


class Streams(Cluster):
    """One kubectl that speaks one protocol, in the namespace of the pods."""

    def in_namespace(self, *words: str) -> list[str]:
        return self.command("-n", NAMESPACE, *words[0].split(), *words[1:])

    def run(self, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            self.in_namespace(*words), env=self.environment, input=stdin, capture_output=True, timeout=60, check=False
        )

    def out(self, *words: str, stdin: bytes = b"") -> str:
        done = self.run(*words, stdin=stdin)
        assert done.returncode == 0, (words, done)
        return done.stdout.decode()


@pytest.fixture(params=kubectls(), ids=kubectl_name)
def streams(pods: Cluster, request: pytest.FixtureRequest) -> Streams:
    return Streams(pods.name, pods.home, request.param)


@pytest.fixture(params=PROTOCOLS)
def spoken(streams: Streams, request: pytest.FixtureRequest) -> Streams:
    for name in ("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", "KUBECTL_PORT_FORWARD_WEBSOCKETS"):
        streams.environment[name] = PROTOCOLS[request.param]
    return streams


def test_exec_carries_bytes_and_codes(spoken: Streams) -> None:
    failed = spoken.run("exec two -- sh -c", "echo out; echo err >&2; exit 5")
    assert (failed.stdout, failed.returncode) == (b"out\n", 5)
    assert failed.stderr.startswith(b"err\n")
    data = os.urandom(3_000_000)
    there = spoken.out("exec -i two -- sh -c", "cat > /tmp/data; sha256sum < /tmp/data", stdin=data)
    assert there.split()[0] == hashlib.sha256(data).hexdigest()
    assert spoken.run("exec two -- cat /tmp/data").stdout == data
    assert b"no such file" in spoken.run("exec two -- /no/such").stderr
    assert spoken.out("exec two -c a -- hostname") == "two\n"


def test_exec_in_a_terminal(spoken: Streams) -> None:
    with terminal(spoken.in_namespace("exec -it two -- sh"), spoken.environment) as person:
        person.read_until("# ")
        person.type("stty size\n")
        person.read_until("33 77")
        person.read_until("# ")  # busybox's editor drops what is typed ahead
        person.resize(20, 50)
        person.type("sleep 1; stty size\n")
        person.read_until("20 50")
        person.read_until("# ")
        person.type("sh -c \"echo go''es; exec cat\"\n")
        person.read_until("goes")  # a process of its own runs: the interrupt is for it and not for the shell
        person.type("\x03")
        person.read_until("# ")
        person.type("exit 4\n")
        assert person.wait() == 4


def test_attach_to_a_terminal(spoken: Streams) -> None:
    for number in (1, 2):  # who detaches may come back
        with terminal(spoken.in_namespace("attach -it shell"), spoken.environment) as person:
            person.read_until("enter.")
            person.type(f"echo to''ld {number}\n")
            person.read_until(f"told {number}")


def test_attach_reads_on(streams: Streams) -> None:
    with subprocess.Popen(
        streams.in_namespace("attach two -c a"), env=streams.environment, stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout
        first = int(running.stdout.readline().strip("a\n"))
        assert running.stdout.readline() == f"a{first + 1}\n"
        running.terminate()


def test_logs_of_every_container(streams: Streams) -> None:
    assert streams.out("logs two") == "from b\n"
    assert streams.out("logs two -c first") == "prepared\n"
    every = streams.out("logs -l app=two --prefix --all-containers --tail=1")
    assert {line.split()[0] for line in every.splitlines()} == {f"[pod/two/{c}]" for c in ("first", "a", "b")}
    assert streams.out("logs two -c a --limit-bytes=5") == "a0\na1"
    assert len(streams.out("logs two -c a --tail=3").splitlines()) == 3
    assert 0 < len(streams.out("logs two -c a --since=1s").splitlines()) < 8
    assert streams.out("logs two -c a --since-time=2040-01-01T00:00:00Z") == ""
    stamped = streams.out("logs two -c b --timestamps")
    assert stamped.endswith("Z from b\n")
    eventually(lambda: streams.run("logs -p crash").stdout == b"life\n", 20, "the log of the life before")
    assert b"container nope is not valid for pod two" in streams.run("logs two -c nope").stderr


def test_logs_follow_to_the_end(streams: Streams) -> None:
    script = "sleep 1; echo one; sleep 0.5; echo two"
    name = f"short-{kubectls().index(streams.kubectl_program)}"
    streams.out(f"run {name} --restart=Never --image={IMAGE} --command -- sh -c", script)
    streams.out(f"wait pod/{name} --for=condition=Ready --timeout=20s")
    assert streams.out(f"logs -f {name}") == "one\ntwo\n"
    streams.out(f"delete pod {name}")


def test_cp_both_ways(streams: Streams, tmp_path: pathlib.Path) -> None:
    (tmp_path / "there/deep").mkdir(parents=True)
    (tmp_path / "there/deep/file").write_text("cargo\n" * 1000)
    (tmp_path / "there/big").write_bytes(data := os.urandom(2_000_000))
    place = f"/tmp/cargo-{kubectls().index(streams.kubectl_program)}"
    streams.out(f"cp {tmp_path}/there two:{place} -c a")
    assert streams.out(f"exec two -c a -- find {place} -type f").count(place) == 2
    streams.out(f"cp {NAMESPACE}/two:{place} {tmp_path}/back -c a")
    assert (tmp_path / "back/big").read_bytes() == data
    assert (tmp_path / "back/deep/file").read_text() == "cargo\n" * 1000


def test_port_forward_to_a_pod(spoken: Streams) -> None:
    with subprocess.Popen(
        spoken.in_namespace("port-forward pod/two :http :9999"),
        env=spoken.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as running:  # fmt: skip
        try:
            assert running.stdout
            assert running.stderr
            told = [running.stdout.readline() for _ in range(4)]
            good, bad = (
                next(int(line.split(":")[1].split()[0]) for line in told if line.endswith(end) and "127." in line)
                for end in ("-> 8080\n", "-> 9999\n")
            )
            for _ in range(20):
                assert fetch("127.0.0.1", good) == "page"
            with pytest.raises((OSError, AssertionError)):
                fetch("127.0.0.1", bad)
            assert "refused" in running.stderr.readline()
        finally:
            running.terminate()


def test_debuggers(streams: Streams) -> None:
    number = kubectls().index(streams.kubectl_program)
    streams.out(f"debug two --image={IMAGE} -c looker-{number} --target=b -- sh -c", "ls /proc/1/root/www; sleep 1000")
    eventually(lambda: streams.run(f"logs two -c looker-{number}").stdout == b"index.html\n", 20, "the debugger's log")
    streams.out(f"debug two --copy-to=copy-{number} --container=b --set-image=*={web.IMAGES[1]} -- sleep 1000")
    streams.out(f"wait pod/copy-{number} --for=condition=Ready --timeout=20s")
    spec = f"get pod copy-{number} -o"
    assert streams.out(spec, "jsonpath={.spec.containers[*].image}").split() == [web.IMAGES[1]] * 2
    told = streams.out(f"debug node/node-1 --image={IMAGE} -- chroot /host hostname")
    debugger = told.split()[3]
    eventually(lambda: streams.run(f"logs {debugger}").stdout, 20, "the node debugger's log")
    streams.out(f"delete pod {debugger} copy-{number} --now")


def test_runs_once(streams: Streams) -> None:
    once = f"run once --rm --restart=Never --quiet --image={IMAGE}"
    assert "got a word" in streams.out(f"{once} -i --command -- sh -c", "read line; echo got $line", stdin=b"a word\n")
    failed = streams.run(f"{once} -i --command -- sh -c", "cat > /dev/null; exit 3")
    assert failed.returncode == 3


def test_proxies_to_pods_and_services(streams: Streams) -> None:
    below = f"/api/v1/namespaces/{NAMESPACE}"
    assert streams.out(f"get --raw {below}/pods/two:8080/proxy/index.html") == "page\n"
    assert streams.out("get --raw /api/v1/nodes/node-1/proxy/healthz") == "ok"
