"""kit.tls: what is issued can be read back, trusted, and used for a handshake on both sides."""

from __future__ import annotations

import ssl
import time

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from pilothouse.kit import tls

NOW = time.time()


@pytest.fixture(scope="module")
def authority() -> tls.Authority:
    return tls.new_authority("kubernetes-ca", now=NOW)


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, host: str) -> bytes | None:
    """Shake hands in memory; the client's certificate as the server sees it."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(to_client, to_server, server_hostname=host)
    far = server.wrap_bio(to_server, to_client, server_side=True)
    open_sides = [near, far]
    for _ in range(10):
        for side in list(open_sides):
            try:
                side.do_handshake()
                open_sides.remove(side)
            except ssl.SSLWantReadError:
                pass
    assert not open_sides
    return far.getpeercert(binary_form=True)


def test_server_certificate_names_its_hosts(authority: tls.Authority) -> None:
    pair = authority.issue_server("kube-apiserver", ["10.96.0.1", "kubernetes.default.svc", "::1"], now=NOW)
    info = tls.inspect(pair.certificate)
    assert info.names == ("kubernetes.default.svc",)
    assert info.addresses == ("10.96.0.1", "::1")
    assert info.not_before < NOW < info.not_after


def test_handshake_shows_the_clients_certificate(authority: tls.Authority) -> None:
    server = tls.server_context(authority.issue_server("s", ["127.0.0.1"], now=NOW), authority.certificate)
    pair = authority.issue_client("system:node:a", ["system:nodes"], now=NOW)
    seen = handshake(server, tls.client_context(authority.certificate, pair), "127.0.0.1")
    assert seen == tls.to_der(pair.certificate)
    info = tls.inspect(seen)
    assert (info.common_name, info.organizations) == ("system:node:a", ("system:nodes",))
    assert handshake(server, tls.client_context(authority.certificate), "127.0.0.1") is None


def test_strict_verification_accepts_what_is_issued(authority: tls.Authority) -> None:
    server = tls.server_context(authority.issue_server("s", ["localhost"], now=NOW))
    client = tls.client_context(authority.certificate)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    assert handshake(server, client, "localhost") is None


def test_a_stranger_is_refused(authority: tls.Authority) -> None:
    server = tls.server_context(tls.new_authority("other", now=NOW).issue_server("s", ["localhost"], now=NOW))
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, tls.client_context(authority.certificate), "localhost")


def test_requests_are_signed_with_their_subject_and_names(authority: tls.Authority) -> None:
    pem = tls.new_request(tls.new_key(), "system:node:b", ["system:nodes"], ["b", "10.0.0.7"])
    request = x509.load_pem_x509_csr(pem)
    signed = authority.sign_request(request, [ExtendedKeyUsageOID.SERVER_AUTH], now=NOW, lifetime=3600)
    info = tls.inspect(signed)
    assert (info.common_name, info.names, info.addresses) == ("system:node:b", ("b",), ("10.0.0.7",))
    assert info.not_after == int(NOW + 3600)


def test_an_authority_is_itself_again_from_its_files(authority: tls.Authority) -> None:
    again = tls.Authority(tls.KeyPair(authority.pair.certificate, authority.pair.key))
    server = tls.server_context(again.issue_server("s", ["localhost"], now=NOW))
    handshake(server, tls.client_context(authority.certificate), "localhost")


@pytest.mark.parametrize("data", [b"", b"nonsense", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_bytes_that_are_no_certificate(data: bytes) -> None:
    with pytest.raises(tls.CertificateError):
        tls.inspect(data)


SUITES = [
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-RSA-CHACHA20-POLY1305",
]


def peer(suite: str, authority: tls.Authority, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2) -> ssl.SSLContext:
    """A client of somebody else's, who speaks one suite of one version alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=authority.certificate.decode())
    context.minimum_version = context.maximum_version = version
    context.set_ciphers(f"{suite}:@SECLEVEL=0")
    return context


def every_suite() -> list[str]:
    """What OpenSSL knows for TLS 1.2 and before."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("ALL:@SECLEVEL=0")
    return [c["name"] for c in context.get_ciphers() if c["protocol"] != "TLSv1.3"]


@pytest.fixture(scope="module")
def servers(authority: tls.Authority) -> dict[str, ssl.SSLContext]:
    """By the kind of their key: an EC one as we issue, an RSA one as a user may bring."""
    key = tls.new_rsa_key()
    request = x509.load_pem_x509_csr(tls.new_request(key, "s", hosts=["localhost"]))
    rsa = tls.KeyPair(authority.sign_request(request, [ExtendedKeyUsageOID.SERVER_AUTH], now=NOW, lifetime=3600.0), key)
    ec = authority.issue_server("s", ["localhost"], now=NOW)
    return {"ECDSA": tls.server_context(ec), "RSA": tls.server_context(rsa)}


@pytest.mark.parametrize("suite", sorted({*SUITES, *every_suite()}))
def test_only_ephemeral_authenticated_suites_shake_hands(
    authority: tls.Authority, servers: dict[str, ssl.SSLContext], suite: str
) -> None:
    server = servers["RSA" if "ECDSA" not in suite else "ECDSA"]
    try:
        client = peer(suite, authority)
    except ssl.SSLError:
        pytest.fail(f"OpenSSL does not know {suite}")
    if suite in SUITES:
        assert handshake(server, client, "localhost") is None
    else:
        with pytest.raises(ssl.SSLError):
            handshake(server, client, "localhost")


def test_tls_1_3_is_spoken_and_what_is_older_than_1_2_is_not(
    authority: tls.Authority, servers: dict[str, ssl.SSLContext]
) -> None:
    new = peer("ALL", authority, ssl.TLSVersion.TLSv1_3)
    assert handshake(servers["ECDSA"], new, "localhost") is None
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old = peer("ALL", authority, ssl.TLSVersion.TLSv1_1)
    with pytest.raises(ssl.SSLError):
        handshake(servers["ECDSA"], old, "localhost")


def test_a_replaced_pair_is_shown_from_the_next_handshake_on(authority: tls.Authority) -> None:
    first, second = (authority.issue_client(name, now=NOW) for name in ("one", "two"))
    server = tls.server_context(authority.issue_server("s", ["localhost"], now=NOW), authority.certificate)
    client = tls.client_context(authority.certificate, first)
    assert handshake(server, client, "localhost") == tls.to_der(first.certificate)
    tls.replace_pair(client, second)
    assert handshake(server, client, "localhost") == tls.to_der(second.certificate)


def test_a_pair_is_a_certificate_with_its_own_key(authority: tls.Authority) -> None:
    one, two = (authority.issue_client(name, now=NOW) for name in ("one", "two"))
    assert tls.is_pair(one)
    assert not tls.is_pair(tls.KeyPair(one.certificate, two.key))
    assert tls.is_issued_by(one.certificate, authority.certificate)
    assert not tls.is_issued_by(one.certificate, tls.new_authority("kubernetes-ca", now=NOW).certificate)
