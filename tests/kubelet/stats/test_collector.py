"""The figures of a node put together, and how they are told."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pilothouse.api.types.core.v1 import Pod
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.kubelet.stats.collector import Collector, Nothing
from pilothouse.kubelet.stats.exposition import cadvisor, resource_metrics
from pilothouse.kubelet.stats.model import Cpu, Filesystem, Interface, Memory, NodeUsage, Pressure, Summary, Usage
from pilothouse.kubelet.stats.summary import summary
from pilothouse.seams.runtime import Container, ContainerState, ContainerStats, FilesystemUsage
from pilothouse.testing.clock import VirtualClock

POD = Pod(metadata=ObjectMeta(name="web", namespace="default", uid="u1"))


@dataclass
class Held:
    pod: Pod = POD

    def containers(self) -> Sequence[Container]:
        def one(identity: str, name: str, state: ContainerState) -> Container:
            return Container(identity, "s", name, 0, "img:1", "img", state, 0.0, {}, {}, started_at=5.0)

        return [one("c1", "app", ContainerState.RUNNING), one("c0", "app", ContainerState.EXITED)]

    def sandbox_id(self) -> str:
        return "s"


@dataclass
class Runtime:
    clock: VirtualClock
    asked: int = 0
    used: int = 2_000_000_000

    async def container_stats(self) -> Sequence[ContainerStats]:
        self.asked += 1
        return [ContainerStats("c1", "app", {}, self.clock.now(), self.used, 1000, 2000, 500, 64)]

    async def filesystem(self) -> FilesystemUsage:
        return FilesystemUsage("/", 4096, 7)


@dataclass
class Kernel:
    """A source with a network and pressures."""

    network_of: Sequence[Interface] = field(default=(Interface("eth0", 1, 2, 3, 4, 5, 6, 7, 8),))

    def pod(self, pod: Pod, now: float) -> Usage | None:
        pressure = {"cpu": Pressure((1.0, 2.0, 3.0, 4_000_000), (0.0, 0.0, 0.0, 0))}
        return Usage(Cpu(now, 3_000_000_000, periods=9, throttled_ns=500_000_000), Memory(now, 5), None, 2, pressure)

    def container(self, pod: Pod, container: Container, now: float) -> Usage | None:
        return None

    def network(self, pod: Pod) -> Sequence[Interface]:
        return self.network_of

    def node(self, now: float) -> NodeUsage:
        fs = Filesystem(now, 10, 20, 30, 40, 50, 60)
        return NodeUsage("n1", 1.0, Usage(Cpu(now, 9), Memory(now, 8)), self.network_of, fs, None, 99, 2, 1 << 30)


async def written(pod: Pod) -> Mapping[str, int]:
    return {"": 100, "cache": 1000}


async def read(clock: VirtualClock, source: Nothing | Kernel) -> Summary:
    return await Collector(source, Runtime(clock), clock, lambda: [Held()], written).read()


async def test_a_summary_as_metrics_server_and_the_eviction_api_read_it(clock: VirtualClock) -> None:
    found = json.loads(json.dumps(summary(await read(clock, Kernel()))))
    pod = found["pods"][0]
    assert pod["podRef"] == {"name": "web", "namespace": "default", "uid": "u1"}
    assert pod["cpu"]["usageCoreNanoSeconds"] == 3_000_000_000
    assert pod["cpu"]["psi"]["some"]["total"] == 4_000_000
    assert pod["process_stats"] == {"process_count": 2}
    assert pod["network"]["name"] == "eth0"
    assert pod["network"]["interfaces"][0]["txErrors"] == 7
    assert pod["volume"][0]["name"] == "cache"
    assert pod["volume"][0]["usedBytes"] == 1000
    assert pod["ephemeral-storage"]["usedBytes"] == 64 + 100 + 1000
    assert [c["name"] for c in pod["containers"]] == ["app"]
    assert pod["containers"][0]["memory"] | {"time": ""} == {
        "time": "", "usageBytes": 2000, "workingSetBytes": 1000, "rssBytes": 500,
    }  # fmt: skip
    node = found["node"]
    assert (node["fs"]["capacityBytes"], node["fs"]["inodesFree"]) == (30, 50)
    assert node["runtime"]["imageFs"]["usedBytes"] == 4096
    assert node["rlimit"]["maxpid"] == 99


async def test_a_rate_needs_two_looks(clock: VirtualClock) -> None:
    runtime = Runtime(clock)
    collector = Collector(Nothing("n1"), runtime, clock, lambda: [Held()])
    first = await collector.read()
    assert await collector.read() is first, "who asks twice in a second gets the same"
    assert runtime.asked == 1
    await clock.sleep(10)
    runtime.used += 5_000_000_000
    later = await collector.read()
    rates = [usage.cpu.usage_nano_cores for usage in (first.pods[0].usage, later.pods[0].usage) if usage.cpu]
    assert rates == [None, 500_000_000]
    assert later.node.usage.cpu is not None
    assert later.node.usage.cpu.usage_nano_cores == 500_000_000, "a node without figures of its own is its pods' sum"


async def test_metrics_for_metrics_server(clock: VirtualClock) -> None:
    text = resource_metrics(await read(clock, Kernel()))
    now = int(clock.now() * 1000)
    for line in (
        f'container_cpu_usage_seconds_total{{container="app",namespace="default",pod="web"}} 2 {now}',
        f'container_memory_working_set_bytes{{container="app",namespace="default",pod="web"}} 1000 {now}',
        'container_start_time_seconds{container="app",namespace="default",pod="web"} 5',
        f'pod_cpu_usage_seconds_total{{namespace="default",pod="web"}} 3 {now}',
        f"node_memory_working_set_bytes 8 {now}",
        "resource_scrape_error 0",
    ):
        assert line in text.splitlines(), line


async def test_metrics_of_cadvisor(clock: VirtualClock) -> None:
    lines = cadvisor(await read(clock, Kernel())).splitlines()
    pod = 'container="",id="/kubepods/podu1",image="",name="",namespace="default",pod="web"'
    own = 'container="app",id="/kubepods/podu1/c1",image="img:1",name="c1",namespace="default",pod="web"'
    network = pod.replace('name=""', 'name="s"').replace(',image="",', ',image="",interface="eth0",')
    now = int(clock.now() * 1000)
    for line in (
        f"container_memory_working_set_bytes{{{own}}} 1000 {now}",
        f"container_cpu_cfs_throttled_seconds_total{{{pod}}} 0.5 {now}",
        f"container_pressure_cpu_waiting_seconds_total{{{pod}}} 4",
        f"container_network_receive_bytes_total{{{network}}} 1",
        "machine_cpu_cores 2",
    ):
        assert line in lines, line
    assert len([one for one in lines if one.startswith("# TYPE container_cpu_usage_seconds_total ")]) == 1
