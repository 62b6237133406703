"""A cluster's certificates over years of virtual time: always valid, and no connection is cut when they change."""

from __future__ import annotations

import asyncio
import base64
import pathlib
import ssl
from functools import partial

import msgspec
import pytest
import yaml

from pilothouse.house import kubeconfig
from pilothouse.house import spec as specs
from pilothouse.house.observe import certificate_warnings, certificates
from pilothouse.house.paths import Paths
from pilothouse.house.pki import DAY, LIFETIME, PKI
from pilothouse.house.renewal import CHECK_SECONDS, Follower, Renewal
from pilothouse.house.spec import ClusterSpec, NodeSpec
from pilothouse.kit import tls
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.http.messages import Request, Response
from pilothouse.kit.http.server import Server
from pilothouse.kit.tasks import TaskScope
from pilothouse.machinery.client.access import Access, Credentials
from pilothouse.testing.clock import VirtualClock
from pilothouse.testing.http import Peer

SPEC = ClusterSpec("dev", "simulated", 6443, "192.0.2.1", "172.30.0.0/24", "10.244.0.0/16", (NodeSpec("node-1", 1),))


@pytest.fixture
def paths(tmp_path: pathlib.Path, clock: VirtualClock) -> Paths:
    clock.set_wall(SystemClock().now())  # handshakes are checked against the machine's time
    made = Paths(tmp_path / "state/dev", tmp_path / "run/dev")
    pki = PKI(made.pki)
    pki.ensure(SPEC, clock.now(), started=False)
    mark = kubeconfig.merge(
        kubeconfig.render(SPEC, pki.pair("ca").certificate, *_fields(pki.pair("admin"))), tmp_path / "kubeconfig"
    )
    specs.save(made, msgspec.structs.replace(SPEC, kubeconfig=mark))
    return made


def _fields(pair: tls.KeyPair) -> tuple[bytes, bytes]:
    return pair.certificate, pair.key


def shown(paths: Paths) -> bytes:
    """The administrator's certificate in the user's kubeconfig."""
    config = yaml.safe_load((paths.state.parents[1] / "kubeconfig").read_text())
    return base64.b64decode(config["users"][0]["user"]["client-certificate-data"])


async def test_nothing_ever_expires_while_the_cluster_runs(paths: Paths, clock: VirtualClock) -> None:
    pki = PKI(paths.pki)
    async with TaskScope("test") as scope:
        scope.spawn(Renewal(paths, clock).run(), "renewal")
        for _ in range(12):
            clock.set_wall(clock.now() + 60 * DAY)
            await clock.advance(CHECK_SECONDS)
            assert min(ends for _, ends in pki.expiries(SPEC)) > clock.now() + 30 * DAY
            assert not list(certificate_warnings("dev", certificates(paths, SPEC, clock.now())))
            assert shown(paths) == pki.pair("admin").certificate


async def test_a_server_shows_the_new_one_and_keeps_its_connections(paths: Paths, clock: VirtualClock) -> None:
    pki = PKI(paths.pki)
    context = tls.server_context(pki.pair("apiserver"), pki.pair("ca").certificate)

    def handle(request: Request) -> Response:
        return Response(200, b"hello")

    server = Server(handle, clock)
    _, port = await server.listen("127.0.0.1", 0, context)
    trusting = tls.client_context(pki.pair("ca").certificate)
    async with TaskScope("test") as scope:
        scope.spawn(Follower(pki, clock).follow("apiserver", partial(tls.replace_pair, context)), "follow")
        old = await connect(port, trusting)
        first = peer_certificate(old)
        pki.files("apiserver")[0].unlink()
        assert [pair.name for pair in pki.renew(SPEC, clock.now())] == ["apiserver"]
        await clock.advance(31)
        new = await connect(port, trusting)
        assert peer_certificate(new) == tls.to_der(pki.pair("apiserver").certificate) != first
        for one in (old, new):
            assert (await one.exchange(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"))[2] == b"hello"
            one.writer.close()
        await server.close()


async def connect(port: int, context: ssl.SSLContext) -> Peer:
    return Peer(*await asyncio.open_connection("127.0.0.1", port, ssl=context))


def peer_certificate(peer: Peer) -> bytes:
    found = peer.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    assert isinstance(found, bytes)
    return found


async def test_a_half_written_pair_is_not_used_and_looked_at_again(paths: Paths, clock: VirtualClock) -> None:
    pki, used = PKI(paths.pki), list[tls.KeyPair]()
    context = tls.client_context(None)

    def use(pair: tls.KeyPair) -> None:
        tls.replace_pair(context, pair)
        used.append(pair)

    async with TaskScope("test") as scope:
        scope.spawn(Follower(pki, clock).follow("proxy", use), "follow")
        await clock.settle()
        new = tls.Authority(pki.pair("ca")).issue_client("system:kube-proxy", now=clock.now())
        certificate, key = pki.files("proxy")
        key.write_bytes(new.key)
        await clock.advance(60)
        assert used == []
        certificate.write_bytes(new.certificate)
        await clock.advance(60)
        assert used == [new]


def test_a_client_takes_the_new_certificate_and_bears_half_a_pair(tmp_path: pathlib.Path) -> None:
    now = SystemClock().now()
    authority = tls.new_authority("a", now=now)
    one, two = (authority.issue_client(name, now=now) for name in ("one", "two"))
    certificate, key = tmp_path / "c.crt", tmp_path / "c.key"
    certificate.write_bytes(one.certificate)
    key.write_bytes(one.key)
    access = Access("https://x", authority.certificate, certificate_file=str(certificate), key_file=str(key))
    credentials = Credentials(access)
    first = credentials.context()
    assert credentials.context() is first
    key.write_bytes(two.key)
    assert credentials.context() is first
    certificate.write_bytes(two.certificate)
    assert credentials.context() is not first  # another context is another connection


@pytest.mark.parametrize(
    ("days", "words"), [(29, "(in 29 days)"), (1, "(in 1 day)"), (0, "(within a day)"), (-3, "expired on ")]
)
async def test_status_warns_thirty_days_ahead(paths: Paths, clock: VirtualClock, days: int, words: str) -> None:
    now = clock.now() + LIFETIME - (days + 0.5) * DAY
    told = list(certificate_warnings("dev", certificates(paths, SPEC, now)))
    assert len(told) == 7  # all but the authority
    assert words in told[0]
    assert "pilothouse up --name dev" in told[0]
    assert not list(certificate_warnings("dev", certificates(paths, SPEC, clock.now() + LIFETIME - 31 * DAY)))


async def test_an_expired_authority_is_said_and_the_loop_goes_on(
    paths: Paths, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    clock.set_wall(clock.now() + 10 * LIFETIME + DAY)
    async with TaskScope("test") as scope:
        scope.spawn(Renewal(paths, clock).run(), "renewal")
        await clock.advance(2 * 3600)
    assert caplog.text.count("certificates cannot be renewed: the certificate authority of cluster dev") == 3
