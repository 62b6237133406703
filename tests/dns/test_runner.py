"""The whole of cluster DNS with informers that the test feeds."""

from __future__ import annotations

import pathlib

import dnslib

from pilothouse.api.types.core.v1 import Namespace, Service
from pilothouse.api.types.discovery.v1 import EndpointSlice
from pilothouse.dns.runner import ClusterDNS
from pilothouse.dns.server.resolver import Pending
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.random import Chance
from pilothouse.kit.tasks import TaskScope
from tests.dns.test_server import question
from tests.dns.test_zone import svc
from tests.kubeproxy.test_runner import Fed, version


def asked(dns: ClusterDNS, name: str) -> dnslib.DNSRecord:
    answer = dns.resolver.answer(question(name), 512)
    assert not isinstance(answer, Pending)
    return dnslib.DNSRecord.parse(answer)


async def test_it_follows_the_api(tmp_path: pathlib.Path) -> None:
    conf = tmp_path / "resolv.conf"
    conf.write_text("nameserver 127.0.0.1\n")
    fed = Fed()
    dns = ClusterDNS(fed, SystemClock(), Chance(1), ["127.0.0.1"], resolv_conf=conf, port=0)
    async with TaskScope("t") as scope:
        scope.spawn(dns.run(), "dns")
        await dns.wait_listening()
        fed.put(version(svc("web", ("10.96.0.5",)), 1))
        assert asked(dns, "web.default.svc.cluster.local").header.rcode == 2, "not yet"
        for kind in (Service, EndpointSlice, Namespace):
            fed.of(kind).replace(fed.of(kind).list(), "2")
        await dns.wait_ready()
        assert str(asked(dns, "web.default.svc.cluster.local").rr[0].rdata) == "10.96.0.5"
        fed.of(Service).replace([], "3")
        assert asked(dns, "web.default.svc.cluster.local").header.rcode == 3
    assert not dns.server.listening
