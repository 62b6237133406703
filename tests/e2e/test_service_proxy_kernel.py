"""The printed rules in a real kernel: a node, three pods, a stranger, each in a network namespace; real TCP and UDP."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from pilothouse.kubeproxy.backends.kernel import NftKernel
from pilothouse.kubeproxy.model import Place
from pilothouse.kubeproxy.model.services import PROXY_NAME_LABEL
from pilothouse.kubeproxy.state import ProxyState
from tests.kubeproxy.build import endpoint, port, service, slice_of

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(os.geteuid() != 0, reason="needs root for network namespaces")]

SERVER = textwrap.dedent("""
    import socket, sys, threading
    name = sys.argv[1].encode()
    def hold(c, peer):
        try:
            while c.recv(100):
                c.sendall(name + b" " + peer + b"\\n")
        except OSError:
            pass
        c.close()
    def tcp():
        s = socket.create_server(("0.0.0.0", 8080), backlog=256, reuse_port=True)
        print("up", flush=True)
        while True:
            c, peer = s.accept()
            threading.Thread(target=hold, args=(c, peer[0].encode()), daemon=True).start()
    def udp():
        u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(("0.0.0.0", 8080))
        while True:
            _, peer = u.recvfrom(100); u.sendto(name + b" " + peer[0].encode(), peer)
    threading.Thread(target=udp, daemon=True).start()
    tcp()
""")
CLIENT = textwrap.dedent("""
    import socket, sys
    protocol, ip, port, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    for _ in range(count):
        try:
            if protocol == "tcp":
                c = socket.create_connection((ip, port), 2); c.settimeout(2)
            else:
                c = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); c.settimeout(0.5); c.connect((ip, port))
            c.send(b"x"); print(c.recv(100).decode().strip()); c.close()
        except ConnectionRefusedError: print("refused -")
        except TimeoutError: print("timeout -")
""")


def sh(command: str) -> None:
    subprocess.run(command, shell=True, check=True)


VIP, TAKEN, DNS = "10.96.0.10", "10.96.0.77", "10.96.0.53"


class Lab:
    """`node` routes between a bridge of pods (10.77.0.0/24) and a stranger (10.78.0.0/24)."""

    def __init__(self) -> None:
        self.tag = f"phk{os.getpid()}"
        self.processes: list[subprocess.Popen[str]] = []

    def ns(self, who: str) -> str:
        return f"{self.tag}-{who}"

    def prefix(self, who: str) -> tuple[str, ...]:
        return ("ip", "netns", "exec", self.ns(who))

    def up(self) -> None:
        node = self.ns("node")
        sh(f"ip netns add {node} && ip -n {node} link set lo up && ip -n {node} link add br0 type bridge")
        sh(f"ip -n {node} addr add 10.77.0.1/24 dev br0 && ip -n {node} link set br0 up")
        for number in (1, 2, 3):
            self._join(f"p{number}", f"10.77.0.1{number}/24", "10.77.0.1", "br0")
        self._join("out", "10.78.0.2/24", "10.78.0.1", "")
        sh(f"ip -n {node} addr add 10.78.0.1/24 dev eout && ip -n {node} route add default via 10.78.0.2")
        for number in (1, 2, 3):
            command = [*self.prefix(f"p{number}"), sys.executable, "-c", SERVER, f"p{number}"]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            self.processes.append(process)
            assert process.stdout is not None
            process.stdout.readline()

    def _join(self, who: str, address: str, gateway: str, bridge: str) -> None:
        node, ns = self.ns("node"), self.ns(who)
        sh(f"ip netns add {ns} && ip -n {ns} link set lo up")
        sh(f"ip -n {node} link add e{who} type veth peer name eth0 netns {ns} && ip -n {node} link set e{who} up")
        sh(f"ip -n {ns} addr add {address} dev eth0 && ip -n {ns} link set eth0 up")
        if bridge:
            sh(f"ip -n {node} link set e{who} master {bridge}")
            sh(f"bridge -n {node} link set dev e{who} hairpin on")
        sh(f"ip -n {ns} route add default via {gateway}")

    def down(self) -> None:
        for process in self.processes:
            process.kill()
            process.communicate()
        for who in ("p1", "p2", "p3", "out", "node"):
            with contextlib.suppress(subprocess.CalledProcessError):
                sh(f"ip netns del {self.ns(who)}")

    def ask(self, who: str, ip: str, number: int, count: int = 1, protocol: str = "tcp") -> Counter[str]:
        command = [*self.prefix(who), sys.executable, "-c", CLIENT, protocol, ip, str(number), str(count)]
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
        self.peers = {line.split()[1] for line in answer.stdout.splitlines()}
        return Counter(line.split()[0] for line in answer.stdout.splitlines())


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    lab = Lab()
    try:
        lab.up()
        yield lab
    finally:
        lab.down()


class Node:
    """The proxy of the lab's node."""

    def __init__(self, lab: Lab) -> None:
        self.kernel = NftKernel(lab.prefix("node"))
        place = Place(
            "n1", pod_cidrs=("10.77.0.0/24",), own_addresses=frozenset({DNS}), service_cidrs=("10.96.0.0/16",)
        )
        self.state = ProxyState(place, "proxy")

    async def start(self) -> None:
        await self.kernel.prepare()
        self.state.update()
        await self.kernel.apply(self.state.ruleset.whole())
        self.state.ruleset.committed()

    async def sync(self) -> str:
        stale = self.state.update()
        text = self.state.ruleset.difference()
        if text:
            await self.kernel.apply(text)
        self.state.ruleset.committed()
        for flow in stale:
            await self.kernel.forget_flow(flow)
        return text


@pytest.fixture
async def node(lab: Lab) -> Node:
    node = Node(lab)
    await node.start()
    return node


ALL = (endpoint("10.77.0.11"), endpoint("10.77.0.12"), endpoint("10.77.0.13"))


async def test_spreads_evenly_and_hairpins(lab: Lab, node: Node) -> None:
    node.state.put_service(service())
    node.state.put_slice(slice_of(*ALL))
    await node.sync()
    for who in ("node", "p1", "out"):
        spread = lab.ask(who, VIP, 80, 90)
        assert set(spread) == {"p1", "p2", "p3"}
        assert min(spread.values()) >= 15
    lab.ask("out", VIP, 80, 5)
    assert lab.peers == {"10.77.0.1"}, "a stranger is masqueraded"
    lab.ask("p1", VIP, 80, 20)
    assert lab.peers == {"10.77.0.11", "10.77.0.1"}, "a pod keeps its address, except towards itself"


async def test_other_ports_of_a_cluster_ip_are_refused(lab: Lab, node: Node) -> None:
    node.state.put_service(service())
    node.state.put_slice(slice_of(*ALL))
    await node.sync()
    assert lab.ask("p1", VIP, 81) == {"refused": 1}
    assert lab.ask("node", VIP, 81) == {"refused": 1}


async def test_what_is_for_a_service_never_leaves_the_cluster(lab: Lab, node: Node) -> None:
    """An address that no Service has, or one that another proxy is to serve: nobody outside may answer in its place."""
    sh(f"ip -n {lab.ns('out')} addr replace {TAKEN}/32 dev lo && ip -n {lab.ns('node')} addr replace {DNS}/32 dev lo")
    node.state.put_slice(slice_of(*ALL))
    for labels, answer in (({}, {"p"}), ({PROXY_NAME_LABEL: "other"}, {"timeout"})):
        one = service("web", TAKEN, port(80))
        node.state.put_service(replace(one, metadata=replace(one.metadata, labels=labels)))
        await node.sync()
        for who in ("p1", "node"):
            assert {found if found == "timeout" else found[0] for found in lab.ask(who, TAKEN, 80)} <= answer
    assert lab.ask("p1", "10.96.7.7", 80) == {"timeout": 1}
    assert lab.ask("node", DNS, 80) == {"refused": 1}, "what the node answers itself is left alone"


async def test_no_endpoints_refuse_at_once(lab: Lab, node: Node) -> None:
    node.state.put_service(service("web", VIP, port(80, node_port=30080), type="NodePort"))
    await node.sync()
    for who, ip, number in (
        ("p1", VIP, 80),
        ("node", VIP, 80),
        ("out", "10.78.0.1", 30080),
        ("p1", "10.77.0.1", 30080),
    ):
        assert lab.ask(who, ip, number) == {"refused": 1}, (who, ip)
    node.state.put_slice(slice_of(*ALL))
    await node.sync()
    assert set(lab.ask("out", "10.78.0.1", 30080, 10)) <= {"p1", "p2", "p3"}


async def test_node_port_on_every_address(lab: Lab, node: Node) -> None:
    node.state.put_service(
        service("web", VIP, port(80, node_port=30080), type="NodePort", external_ips=("10.78.0.200",))
    )
    node.state.put_slice(slice_of(*ALL))
    await node.sync()
    for who, ip in (("out", "10.78.0.1"), ("out", "10.77.0.1"), ("p2", "10.77.0.1"), ("node", "10.78.0.1")):
        assert len(lab.ask(who, ip, 30080, 30)) == 3, (who, ip)
    sh(f"ip -n {lab.ns('out')} route replace 10.78.0.200 via 10.78.0.1")
    assert len(lab.ask("out", "10.78.0.200", 80, 30)) == 3


async def test_affinity_is_kept_until_its_endpoint_goes(lab: Lab, node: Node) -> None:
    node.state.put_service(service("web", VIP, port(80, node_port=30080), type="NodePort", session_affinity="ClientIP"))
    node.state.put_slice(slice_of(*ALL))
    await node.sync()
    first = lab.ask("out", VIP, 80, 20)
    assert len(first) == 1
    assert lab.ask("out", "10.78.0.1", 30080, 20) == first, "all frontends of a port share it"
    (chosen,) = first
    others = tuple(e for e in ALL if (e.addresses or ())[0] != f"10.77.0.1{chosen[1]}")
    node.state.put_slice(slice_of(*others))
    await node.sync()
    second = lab.ask("out", VIP, 80, 20)
    assert len(second) == 1
    assert second != first
    node.state.put_slice(slice_of(*ALL))
    await node.sync()
    assert lab.ask("out", VIP, 80, 20) == second, "an endpoint that comes takes no client away"


async def test_local_policy_keeps_the_client_address(lab: Lab, node: Node) -> None:
    web = service("web", VIP, port(80, node_port=30080), type="NodePort", external_traffic_policy="Local")
    node.state.put_service(web)
    node.state.put_slice(slice_of(ALL[0], endpoint("10.77.0.12", "n2")))
    await node.sync()
    assert lab.ask("out", "10.78.0.1", 30080, 20) == {"p1": 20}
    assert lab.peers == {"10.78.0.2"}
    assert len(lab.ask("p3", "10.77.0.1", 30080, 30)) == 2, "pods reach all"
    assert len(lab.ask("node", "10.78.0.1", 30080, 30)) == 2, "so does the node"
    node.state.put_slice(slice_of(endpoint("10.77.0.12", "n2")))
    await node.sync()
    assert lab.ask("out", "10.78.0.1", 30080) == {"timeout": 1}
    assert lab.ask("p1", "10.77.0.1", 30080) == {"p2": 1}


async def test_source_ranges(lab: Lab, node: Node) -> None:
    sh(f"ip -n {lab.ns('out')} route replace 10.79.0.1 via 10.78.0.1")
    ranges = ("10.78.0.0/24", "10.78.0.0/25")
    node.state.put_service(
        service("web", VIP, type="LoadBalancer", ingress=("10.79.0.1",), load_balancer_source_ranges=ranges)
    )
    node.state.put_slice(slice_of(*ALL))
    await node.sync()
    assert len(lab.ask("out", "10.79.0.1", 80, 20)) == 3
    assert lab.ask("p1", "10.79.0.1", 80) == {"timeout": 1}
    assert len(lab.ask("p1", VIP, 80, 20)) == 3


async def test_udp_follows_its_endpoints(lab: Lab, node: Node) -> None:
    node.state.put_service(service("web", VIP, port(80, protocol="UDP")))
    node.state.put_slice(slice_of(ALL[0], ports=(("", "UDP", 8080),)))
    await node.sync()
    assert lab.ask("p3", VIP, 80, 3, "udp") == {"p1": 3}
    node.state.put_slice(slice_of(ALL[1], ports=(("", "UDP", 8080),)))
    await node.sync()
    assert lab.ask("p3", VIP, 80, 3, "udp") == {"p2": 3}


async def test_updates_do_not_disturb_connections(lab: Lab, node: Node) -> None:
    """One connection talks on while endpoints come and go around it, and while everything is sent anew."""
    node.state.put_service(service())
    node.state.put_slice(slice_of(*ALL))
    await node.sync()
    talk = (
        "import socket,time\nc=socket.create_connection(('10.96.0.10',80),2)\nc.settimeout(2)\nprint('up',flush=True)\n"
        "for i in range(40):\n c.send(b'x'); print(c.recv(100).decode().split()[0],flush=True); time.sleep(0.02)\n"
    )
    command = [*lab.prefix("p2"), sys.executable, "-c", talk]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    await process.stdout.readline()
    for round in range(8):
        node.state.put_slice(slice_of(*ALL[: round % 3 + 1]))
        await node.sync()
    await node.start()
    rest, _ = await process.communicate()
    assert process.returncode == 0
    assert len(set(rest.decode().split())) == 1


async def test_a_flush_by_others_is_seen(lab: Lab, node: Node) -> None:
    assert await node.kernel.has_table("ip", "proxy")
    sh(f"ip netns exec {lab.ns('node')} nft flush ruleset")
    assert not await node.kernel.has_table("ip", "proxy")
    await node.start()
    assert await node.kernel.has_table("ip", "proxy")


async def test_everything_goes_with_its_service(lab: Lab, node: Node) -> None:
    before = await listing(lab)
    web = service(
        "web",
        VIP,
        port(80, node_port=30080),
        type="LoadBalancer",
        ingress=("10.79.0.1",),
        session_affinity="ClientIP",
        external_traffic_policy="Local",
        load_balancer_source_ranges=("10.0.0.0/8",),
        health_check_node_port=31000,
    )
    node.state.put_service(web)
    node.state.put_slice(slice_of(*ALL))
    node.state.put_service(service("dns", "10.96.0.20", port(53, protocol="UDP")))
    await node.sync()
    assert len(await listing(lab)) > len(before)
    node.state.drop_service(web)
    node.state.drop_service(service("dns"))
    await node.sync()
    assert await listing(lab) == before


async def listing(lab: Lab) -> list[str]:
    command = [*lab.prefix("node"), "nft", "list", "table", "ip", "proxy"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    text, _ = await process.communicate()
    return sorted(text.decode().splitlines())
