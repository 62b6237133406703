"""The kubelet's server: who may ask, and what it answers about pods and logs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.kubelet.server.node import NOBODY, STRANGER, node

LINES = b"".join(b"2026-01-01T00:00:0%d.5Z stdout F line %d\n" % (i, i) for i in range(5))


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    (tmp_path / "0.log").write_bytes(b"2026-01-01T00:00:00Z stderr F before\n")
    (tmp_path / "1.log").write_bytes(LINES)
    return tmp_path


async def test_who_has_rights_is_answered(logs: Path) -> None:
    async with node(logs) as one:
        assert await one.get("/healthz") == (200, "ok")
        async with one.ask("/healthz", context=STRANGER) as response:
            assert response.status == 403
            expected = b"Forbidden (user=somebody, verb=get, resource=nodes, subresource(s)=[healthz proxy])\n"
            assert await response.read(1000) == expected
        async with one.ask("/healthz", context=NOBODY) as response:
            assert response.status == 401


async def test_scrapers_show_tokens(logs: Path) -> None:
    async with node(logs) as one:
        one.reviews.granted |= {("alice", "get", "metrics"), ("alice", "get", "stats")}
        for path, token, status in (
            ("/metrics", "alice-token", 200),
            ("/metrics/cadvisor", "alice-token", 200),
            ("/stats/summary", "alice-token", 200),
            ("/pods", "alice-token", 403),
            ("/exec/default/p/c?command=x&output=1", "alice-token", 403),
            ("/metrics", "forged", 401),
        ):
            header = (b"Authorization", b"Bearer " + token.encode())
            async with one.ask(path, header, context=NOBODY) as response:
                assert response.status == status, path


@pytest.mark.parametrize(
    ("target", "status", "text"),
    [
        ("/containerLogs/default/p/c", 200, "line 0\nline 1\nline 2\nline 3\nline 4\n"),
        ("/containerLogs/default/p/c?tailLines=2", 200, "line 3\nline 4\n"),
        ("/containerLogs/default/p/c?tailLines=0", 200, ""),
        ("/containerLogs/default/p/c?limitBytes=9", 200, "line 0\nli"),
        ("/containerLogs/default/p/c?sinceTime=2026-01-01T00:00:03Z", 200, "line 3\nline 4\n"),
        ("/containerLogs/default/p/c?tailLines=1&timestamps=true", 200, "2026-01-01T00:00:04.500000000Z line 4\n"),
        ("/containerLogs/default/p/c?stream=Stderr", 200, ""),
        ("/containerLogs/default/p/c?previous=true", 200, "before\n"),
        ("/containerLogs/default/p/w", 400, 'container "w" in pod "p" is waiting to start: ContainerCreating'),
        ("/containerLogs/default/p/x", 404, 'container "x" not found in pod "p"'),
        ("/containerLogs/default/q/c", 404, 'pod "q" does not exist'),
        ("/containerLogs/default/p/c?tailLines=x", 400, '{"message": "Unable to decode query."}'),
        ("/containerLogs/default/p/c?limitBytes=0", 422, '{"message": "Invalid request."}'),
        ("/exec/default/p/c?command=x", 400, "you must specify at least 1 of stdin, stdout, stderr"),
        ("/exec/default/p/c?command=x&output=1", 400, "Upgrade request required"),
        ("/exec/default/p/w?command=x&output=1", 500, 'container not found ("w")'),
        ("/exec/default/q/c?command=x&output=1", 404, "pod does not exist"),
        ("/exec/default/p/other-uid/c?command=x&output=1", 404, "pod not found"),
        ("/portForward/default/p", 400, "Upgrade request required"),
        ("/nowhere", 404, "404 page not found\n"),
    ],
)
async def test_answers(logs: Path, target: str, status: int, text: str) -> None:
    async with node(logs) as one:
        assert await one.get(target) == (status, text)


async def test_figures_and_methods(logs: Path) -> None:
    async with node(logs) as one:
        assert '"name":"p"' in (await one.get("/pods"))[1]
        assert "node_cpu_usage_seconds_total" in (await one.get("/metrics/resource"))[1]
        text = (await one.get("/metrics"))[1]
        assert 'kubelet_running_containers{container_state="running"} 1' in text
        assert "kubelet_running_pods 1" in text
        counted = 'kubelet_terminated_containers_total{container_type="container",exit_code="139",reason="Error"} 2'
        assert counted in text
        assert (await one.get("/pods", method="DELETE"))[0] == 405
        assert 'prober_probe_total{result="successful"} 1' in (await one.get("/metrics/probes"))[1]
        assert '"nodeName": "n1"' in (await one.get("/stats/summary"))[1]
        assert 'container_memory_working_set_bytes{container="",id="/"' in (await one.get("/metrics/cadvisor"))[1]


async def test_what_the_kubelet_tells_of_itself(logs: Path) -> None:
    async with node(logs) as one:
        configz = json.loads((await one.get("/configz"))[1])["kubeletconfig"]
        assert configz["authorization"]["webhook"] == {"cacheAuthorizedTTL": "5m0s", "cacheUnauthorizedTTL": "30s"}
        assert "clusterDomain=cluster.local\n" in (await one.get("/flagz"))[1]
        assert "\nkubelet statusz\nWarning: This endpoint" in (await one.get("/statusz"))[1]
        assert await one.get("/healthz?verbose") == (
            200,
            "[+]ping ok\n[+]log ok\n[+]syncloop ok\nhealthz check passed\n",
        )
        assert await one.get("/healthz/syncloop") == (200, "ok")
        assert (await one.get("/healthz/nothing"))[0] == 404
        counts = (await one.get("/metrics/slis"))[1]
        assert 'kubernetes_healthchecks_total{name="syncloop",status="success",type="healthz"} 2' in counts


async def test_a_client_without_a_protocol_of_ours(logs: Path) -> None:
    upgrade = ((b"Connection", b"Upgrade"), (b"Upgrade", b"SPDY/3.1"), (b"X-Stream-Protocol-Version", b"v9"))
    async with node(logs) as one, one.ask("/exec/default/p/c?command=x&output=1", *upgrade) as response:
        assert response.status == 403
        assert (await response.read(1000)).startswith(b"unable to upgrade: unable to negotiate protocol")
        assert response.header(b"x-accepted-stream-protocol-versions") == b"v4.channel.k8s.io"


async def test_the_nodes_logs_are_shown_and_nothing_beside_them(logs: Path) -> None:
    outside = logs.parent / "secret"
    outside.write_text("of the node")
    (logs / "pods").mkdir()
    (logs / "pods/a b<.log").write_text("line")
    (logs / "containers").mkdir()
    (logs / "containers/in.log").symlink_to(logs / "pods/a b<.log")
    (logs / "containers/out.log").symlink_to(outside)
    head = '<!doctype html>\n<meta name="viewport" content="width=device-width">\n<pre>\n'
    async with node(logs) as one:
        status, text = await one.get("/logs/")
        assert status == 200
        assert text.startswith(head)
        assert '<a href="containers/">containers/</a>\n<a href="pods/">pods/</a>\n' in text
        shown = f'{head}<a href="a%20b%3C.log">a b&lt;.log</a>\n</pre>\n'
        assert await one.get("/logs/pods/") == (200, shown)
        assert await one.get("/logs/pods/a%20b%3C.log") == (200, "line")
        assert await one.get("/logs/containers/in.log") == (200, "line")
        for path in ("containers/out.log", "../secret", "%2e%2e/secret", "nowhere", "pods/x/y"):
            assert await one.get(f"/logs/{path}") == (404, "404 page not found\n")
        async with one.ask("/logs/pods") as response:
            assert (response.status, response.header(b"location")) == (301, b"pods/")
