"""The certificates of a cluster: made once, made anew when they cannot be used or grow old, and never silently."""

from __future__ import annotations

import pathlib

import msgspec
import pytest

from pilothouse.house.pki import DAY, KUBELET_CLIENT, LIFETIME, PKI, Renewed, leaves
from pilothouse.house.spec import ClusterSpec, NodeSpec
from pilothouse.kit import tls
from pilothouse.seams.house import HouseError

NOW = 1_767_225_600.0
SPEC = ClusterSpec("dev", "simulated", 6443, "192.0.2.1", "172.30.0.0/24", "10.244.0.0/16", (NodeSpec("node-1", 1),))
NAMES = {leaf.name for leaf in leaves(SPEC)}


@pytest.fixture
def pki(tmp_path: pathlib.Path) -> PKI:
    made = PKI(tmp_path / "pki")
    made.ensure(SPEC, NOW, started=False)
    return made


def contents(pki: PKI) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in pki.directory.iterdir()}


def test_all_is_made_once_and_keys_are_private(pki: PKI) -> None:
    before = contents(pki)
    assert {name.removesuffix(".crt") for name in before if name.endswith(".crt")} == {"ca", *NAMES}
    assert all(file.stat().st_mode & 0o77 == 0 for file in pki.directory.glob("*.key"))
    assert pki.ensure(SPEC, NOW + DAY, started=True) == []
    assert contents(pki) == before


def test_a_new_node_gets_its_own_and_the_rest_stays(pki: PKI) -> None:
    before = contents(pki)
    bigger = msgspec.structs.replace(SPEC, nodes=(NodeSpec("a", 1), NodeSpec("b", 2)))
    made = pki.ensure(bigger, NOW, started=True)
    assert {pair.name for pair in made} == {"node-a", "node-a-server", "node-b", "node-b-server"}
    assert before.items() <= contents(pki).items()


def test_what_grows_old_is_renewed_and_the_authority_is_not(pki: PKI) -> None:
    authority = pki.pair("ca")
    made = pki.ensure(SPEC, NOW + LIFETIME - 89 * DAY, started=True)
    assert {pair.name for pair in made} == NAMES
    assert {pair.reason for pair in made} == {""}
    assert pki.pair("ca") == authority
    assert all(ends > NOW + 1.5 * LIFETIME for name, ends in pki.expiries(SPEC))


@pytest.mark.parametrize(
    ("file", "data", "reason"),
    [
        ("apiserver.crt", b"-----BEGIN CERTIFICATE-----\nnot one\n-----END CERTIFICATE-----\n", "damaged"),
        ("apiserver.crt", b"", "damaged"),
        ("apiserver.key", b"\xff\x00", "damaged"),
        ("admin.key", None, "missing"),
        ("node-node-1.crt", None, "missing"),
        ("proxy.key", tls.new_key(), "its key is another's"),
    ],
)
def test_what_is_damaged_is_made_anew_and_nothing_else(pki: PKI, file: str, data: bytes | None, reason: str) -> None:
    before, name = contents(pki), file.rpartition(".")[0]
    if data is None:
        (pki.directory / file).unlink()
    else:
        (pki.directory / file).write_bytes(data)
    assert pki.ensure(SPEC, NOW, started=True) == [Renewed(name, reason)]
    assert tls.is_pair(pki.pair(name))
    changed = {other for other, now in contents(pki).items() if now != before[other]}
    assert changed == {f"{name}.crt", f"{name}.key"}


def test_an_expired_or_foreign_certificate_says_why(pki: PKI, tmp_path: pathlib.Path) -> None:
    made = pki.ensure(SPEC, NOW + LIFETIME + DAY, started=True)
    assert {pair.name: pair.reason for pair in made}["admin"] == "expired on 2027-01-01"
    other = PKI(tmp_path / "other")
    other.ensure(SPEC, NOW, started=False)
    pki._keep(KUBELET_CLIENT, other.pair(KUBELET_CLIENT))
    (renewed,) = pki.ensure(SPEC, NOW + LIFETIME + DAY, started=True)
    assert renewed == Renewed(KUBELET_CLIENT, "issued by another authority")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda pki: (pki.directory / "ca.key").unlink(), "ca.key is lost"),
        (lambda pki: (pki.directory / "ca.crt").unlink(), "ca.crt is lost"),
        (lambda pki: (pki.directory / "ca.crt").write_bytes(b"\x00\xff"), "is damaged"),
        (lambda pki: (pki.directory / "ca.key").write_bytes(tls.new_key()), "is not the key of"),
    ],
)
def test_a_cluster_in_use_never_gets_another_authority(pki: PKI, damage: object, words: str) -> None:
    assert callable(damage)
    damage(pki)
    before = contents(pki)
    with pytest.raises(HouseError, match=words) as caught:
        pki.ensure(SPEC, NOW, started=True)
    assert "pilothouse down --name dev" in caught.value.advice
    assert contents(pki) == before
    assert pki.ensure(SPEC, NOW, started=False)[0] == Renewed("ca", "")


def test_an_expired_authority_is_said_and_near_its_end_nothing_outlives_it(pki: PKI) -> None:
    ends = tls.inspect(pki.pair("ca").certificate).not_after
    pki.ensure(SPEC, ends - 10 * DAY, started=True)
    assert {when for _, when in pki.expiries(SPEC)} == {ends}
    before = contents(pki)
    assert pki.ensure(SPEC, ends - 9 * DAY, started=True) == []
    assert contents(pki) == before
    with pytest.raises(HouseError, match="it expired on 20"):
        pki.ensure(SPEC, ends + 1, started=True)


def test_a_lost_key_of_accounts_is_made_anew_and_told(pki: PKI) -> None:
    (pki.directory / "service-accounts.key").write_bytes(b"nothing")
    assert pki.ensure(SPEC, NOW, started=True) == [Renewed("service-accounts", "damaged")]
    tls.load_key(pki.service_account_key)
