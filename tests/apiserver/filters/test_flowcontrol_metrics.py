"""What /metrics tells: the names and labels that dashboards ask for, and nothing that a client made up."""

from __future__ import annotations

import re
from typing import Any

from pilothouse.kit.http.messages import Response
from tests.apiserver.servers import running


class Asked:
    """A request of the administrator, as the HTTP server hands it on."""

    peer_certificate = None
    remote = ("127.0.0.1", 1)
    complete = True

    def __init__(self, method: str, target: bytes, body: bytes = b"", kind: bytes = b"application/json") -> None:
        self.method, self.target, self._body = method, target, body
        self.headers = [(b"authorization", b"Bearer T"), (b"content-type", kind)]

    def header(self, name: bytes) -> bytes | None:
        return dict(self.headers).get(name)

    async def body(self, limit: int) -> bytes:
        return self._body


async def ask(
    server: Any, method: str, target: bytes, body: bytes = b"", kind: bytes = b"application/json"
) -> Response:
    answer = await server.handle(Asked(method, target, body, kind))
    assert isinstance(answer, Response)
    return answer


async def lines(server: Any) -> list[str]:
    answer = await ask(server, "GET", b"/metrics")
    assert isinstance(answer.body, bytes)
    return answer.body.decode().splitlines()


NAMES = {
    "apiserver_request_total": "verb dry_run group version resource subresource scope component code",
    "apiserver_request_duration_seconds_bucket": "verb dry_run group version resource subresource scope component le",
    "apiserver_request_sli_duration_seconds_bucket": "verb group version resource subresource scope component le",
    "apiserver_response_sizes_bucket": "verb group version resource subresource scope component le",
    "apiserver_longrunning_requests": "verb group version resource subresource scope component",
    "apiserver_current_inflight_requests": "request_kind",
    "apiserver_watch_events_total": "group version resource",
    "apiserver_storage_objects": "resource",
    "apiserver_resource_objects": "group resource",
    "apiserver_flowcontrol_dispatched_requests_total": "priority_level flow_schema",
    "apiserver_flowcontrol_current_executing_seats": "priority_level flow_schema",
    "apiserver_flowcontrol_request_wait_duration_seconds_bucket": "priority_level flow_schema execute le",
    "apiserver_flowcontrol_nominal_limit_seats": "priority_level",
    "kubernetes_build_info": "major minor git_version git_commit git_tree_state build_date go_version compiler "
    "platform",
    "process_cpu_seconds_total": "",
    "process_resident_memory_bytes": "",
}


async def test_names_and_labels_are_those_of_the_real_server() -> None:
    async with running() as (server, _):
        body = b'{"metadata":{"name":"a"},"data":{}}'
        await ask(server, "POST", b"/api/v1/namespaces/default/configmaps?dryRun=All", body)
        await ask(server, "GET", b"/api/v1/configmaps")
        watch = await ask(server, "GET", b"/api/v1/configmaps?watch=1&timeoutSeconds=1")
        found = {}
        for line in await lines(server):
            if not line.startswith("#"):
                name, labels = re.match(r"(\w+)(?:\{(.*)\})? ", line).groups()  # type: ignore[union-attr]
                found.setdefault(name, " ".join(re.findall(r'(\w+)="', labels or "")))
        assert {name: found.get(name) for name in NAMES} == NAMES
        told = await lines(server)
        where = 'group="",version="v1",resource="configmaps",subresource=""'
        scope = 'scope="namespace",component="apiserver",code="201"'
        assert f'apiserver_request_total{{verb="POST",dry_run="All",{where},{scope}}} 1' in told
        open_watches = f'apiserver_longrunning_requests{{verb="WATCH",{where},scope="cluster",component="apiserver"}}'
        assert f"{open_watches} 1" in told
        assert watch.sent is not None
        watch.sent()
        assert f"{open_watches} 0" in await lines(server)


async def test_what_clients_make_up_is_not_counted() -> None:
    async with running() as (server, _):
        before = len(await lines(server))
        for number in range(50):
            await ask(server, "GET", b"/apis/g%d/v1/things" % number)
            await ask(server, "GET", b"/api/v1/namespaces/default/pods/a/s%d" % number)
            await ask(server, "GET", b"/nothing/%d" % number)
        assert len(await lines(server)) - before < 120  # the series of /metrics itself


async def test_the_gate_shows_its_levels_and_queues() -> None:
    async with running() as (server, _):
        await ask(server, "GET", b"/api/v1/configmaps")
        answer = await ask(server, "GET", b"/debug/api_priority_and_fairness/dump_priority_levels")
        assert isinstance(answer.body, bytes)
        head, *rows = answer.body.decode().splitlines()
        assert head.split()[:3] == ["PriorityLevelName,", "ActiveQueues,", "IsIdle,"]
        cells = {row.split(",")[0]: [cell.strip() for cell in row.split(",")] for row in rows}
        assert cells["workload-low"][2] == "true"
        # The one who looks is being served.
        assert cells["exempt"][5:8] == ["1", "2", "0"]
        answer = await ask(server, "GET", b"/debug/api_priority_and_fairness/dump_queues")
        assert isinstance(answer.body, bytes)
        assert answer.body.decode().count("workload-low,") == 128
