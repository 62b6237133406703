"""Certificates and TLS contexts: a certificate authority of one's own, and what it issues.

Keys are EC P-256, which makes a whole cluster's certificates a matter of milliseconds. Certificates travel as PEM;
times are seconds since the epoch and are passed in. Key material and serial numbers come from the operating system's
generator, never from `kit.random`: a run that can be replayed must not have keys that can be guessed.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import ssl
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

YEAR = 365 * 24 * 3600.0
BACKDATE = 300.0
"""Certificates start this much before now, for peers whose clocks run late."""

_NO_USAGE = {
    "digital_signature": False,
    "content_commitment": False,
    "key_encipherment": False,
    "data_encipherment": False,
    "key_agreement": False,
    "key_cert_sign": False,
    "crl_sign": False,
    "encipher_only": False,
    "decipher_only": False,
}


# What is spoken under TLS 1.2: ephemeral keys and authenticated encryption alone. TLS 1.3 has nothing else.
_SUITES = "ECDHE+AESGCM:ECDHE+CHACHA20"


class CertificateError(ValueError):
    """Bytes that are no certificate, key or request."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate (perhaps followed by its chain) and its private key, both PEM; the key is PKCS #8."""

    certificate: bytes
    key: bytes


@dataclass(frozen=True, slots=True)
class CertificateInfo:
    """What a certificate says of its holder, and for how long (seconds since the epoch)."""

    common_name: str
    organizations: tuple[str, ...]
    names: tuple[str, ...]
    addresses: tuple[str, ...]
    not_before: float
    not_after: float
    fingerprint: str
    """SHA-256 of the DER form in hex."""


class Authority:
    """A certificate authority: its certificate and key, and the right to issue others."""

    def __init__(self, pair: KeyPair) -> None:
        self.pair = pair
        self._certificate = load_certificate(pair.certificate)
        key = load_key(pair.key)
        if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            raise CertificateError("the key of a certificate authority must be EC or RSA")
        self._key = key

    @property
    def certificate(self) -> bytes:
        """PEM, for those who shall trust this authority."""
        return self.pair.certificate

    def issue_server(
        self, common_name: str, hosts: Sequence[str], *, now: float, lifetime: float = YEAR, organization: str = ""
    ) -> KeyPair:
        """A server's certificate for `hosts`, each an address or a DNS name."""
        organizations = (organization,) if organization else ()
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(
            _subject(common_name, organizations),
            key.public_key(),
            [ExtendedKeyUsageOID.SERVER_AUTH],
            hosts,
            now,
            lifetime,
        )
        return KeyPair(certificate, _key_pem(key))

    def issue_client(
        self, common_name: str, organizations: Sequence[str] = (), *, now: float, lifetime: float = YEAR
    ) -> KeyPair:
        """A client's certificate: to the API server `common_name` is the user and `organizations` its groups."""
        key = ec.generate_private_key(ec.SECP256R1())
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
        certificate = self._sign(_subject(common_name, organizations), key.public_key(), usages, (), now, lifetime)
        return KeyPair(certificate, _key_pem(key))

    def sign_request(
        self,
        request: x509.CertificateSigningRequest,
        usages: Sequence[x509.ObjectIdentifier],
        *,
        now: float,
        lifetime: float,
    ) -> bytes:
        """The certificate (PEM) that `request` asks for: its subject and names, our `usages` and time."""
        hosts: list[str] = []
        with contextlib.suppress(x509.ExtensionNotFound):
            names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            hosts += names.get_values_for_type(x509.DNSName)
            hosts += [str(a) for a in names.get_values_for_type(x509.IPAddress)]
        key = request.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
            raise CertificateError("the key of a certificate request must be EC or RSA")
        return self._sign(request.subject, key, usages, hosts, now, lifetime)

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
        usages: Sequence[x509.ObjectIdentifier],
        hosts: Sequence[str],
        now: float,
        lifetime: float,
    ) -> bytes:
        usage = {**_NO_USAGE, "digital_signature": True, "key_encipherment": isinstance(key, rsa.RSAPublicKey)}
        builder = (
            _builder(subject, self._certificate.subject, key, now, lifetime)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(**usage), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if usages:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        if hosts:
            names = x509.SubjectAlternativeName([_general_name(h) for h in hosts])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def new_authority(common_name: str, *, now: float, lifetime: float = 10 * YEAR) -> Authority:
    """A new self-signed certificate authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _subject(common_name, ())
    usage = {**_NO_USAGE, "digital_signature": True, "key_encipherment": True, "key_cert_sign": True}
    certificate = (
        _builder(name, name, key.public_key(), now, lifetime)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(KeyPair(certificate.public_bytes(serialization.Encoding.PEM), _key_pem(key)))


def new_key() -> bytes:
    """A new EC P-256 private key, PEM."""
    return _key_pem(ec.generate_private_key(ec.SECP256R1()))


def new_rsa_key(bits: int = 2048) -> bytes:
    """A new RSA private key, PEM. Slow (a tenth of a second and more): only where a peer insists on RSA."""
    return _key_pem(rsa.generate_private_key(65537, bits))


def new_request(key: bytes, common_name: str, organizations: Sequence[str] = (), hosts: Sequence[str] = ()) -> bytes:
    """A certificate signing request (PEM) for the private `key` (PEM)."""
    private = load_key(key)
    if not isinstance(private, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise CertificateError("a certificate request needs an EC or RSA key")
    builder = x509.CertificateSigningRequestBuilder().subject_name(_subject(common_name, organizations))
    if hosts:
        names = x509.SubjectAlternativeName([_general_name(h) for h in hosts])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(private, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def inspect(certificate: bytes) -> CertificateInfo:
    """What a certificate (PEM or DER) says. Raises CertificateError."""
    loaded = load_certificate(certificate)
    names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    with contextlib.suppress(x509.ExtensionNotFound):
        alternatives = loaded.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = tuple(alternatives.get_values_for_type(x509.DNSName))
        addresses = tuple(str(a) for a in alternatives.get_values_for_type(x509.IPAddress))
    common_name, organizations = name_parts(loaded.subject)
    return CertificateInfo(
        common_name=common_name,
        organizations=organizations,
        names=names,
        addresses=addresses,
        not_before=loaded.not_valid_before_utc.timestamp(),
        not_after=loaded.not_valid_after_utc.timestamp(),
        fingerprint=loaded.fingerprint(hashes.SHA256()).hex(),
    )


def name_parts(name: x509.Name) -> tuple[str, tuple[str, ...]]:
    """The common name (the last one, as Go reads it) and the organizations of a subject."""
    common = [str(a.value) for a in name.get_attributes_for_oid(NameOID.COMMON_NAME)]
    organizations = tuple(str(a.value) for a in name.get_attributes_for_oid(NameOID.ORGANIZATION_NAME))
    return (common[-1] if common else ""), organizations


def load_certificate(data: bytes) -> x509.Certificate:
    """The first certificate in `data` (PEM or DER). Raises CertificateError."""
    try:
        if data.lstrip().startswith(b"-----BEGIN"):
            return x509.load_pem_x509_certificate(data)
        return x509.load_der_x509_certificate(data)
    except ValueError as error:
        raise CertificateError(str(error)) from error


def is_pair(pair: KeyPair) -> bool:
    """Whether the key is the certificate's. Raises CertificateError for bytes that are neither."""
    return load_certificate(pair.certificate).public_key() == load_key(pair.key).public_key()


def is_issued_by(certificate: bytes, authority: bytes) -> bool:
    """Whether the key of `authority` signed `certificate` (both PEM or DER). Raises CertificateError."""
    try:
        load_certificate(certificate).verify_directly_issued_by(load_certificate(authority))
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def load_key(data: bytes) -> PrivateKeyTypes:
    """A private key from PEM. Raises CertificateError."""
    try:
        return serialization.load_pem_private_key(data, password=None)
    except (ValueError, TypeError) as error:
        raise CertificateError(str(error)) from error


def to_der(certificate: bytes) -> bytes:
    """DER of the first certificate in a PEM text."""
    return load_certificate(certificate).public_bytes(serialization.Encoding.DER)


def server_context(pair: KeyPair, client_authorities: bytes | None = None) -> ssl.SSLContext:
    """TLS for a server. With `client_authorities` (PEM, one or more) clients may present a certificate of theirs;
    one of somebody else ends the handshake. Only HTTP/1.1 is offered by ALPN."""
    context = _modern(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    replace_pair(context, pair)
    if client_authorities:
        context.load_verify_locations(cadata=client_authorities.decode("ascii"))
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def client_context(authorities: bytes | None, pair: KeyPair | None = None) -> ssl.SSLContext:
    """TLS for a client that trusts `authorities` (PEM; None trusts anyone) and shows `pair` if asked."""
    context = _modern(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    if authorities is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_verify_locations(cadata=authorities.decode("ascii"))
    if pair is not None:
        replace_pair(context, pair)
    return context


def _modern(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_SUITES)
    context.set_alpn_protocols(["http/1.1"])
    return context


def replace_pair(context: ssl.SSLContext, pair: KeyPair) -> None:
    """Show `pair` on connections that are made from now on; those that are there go on with what they began with.
    Raises ssl.SSLError for a key that is not the certificate's."""
    # The ssl module reads keys from files only; this one is readable by us alone and lives for this call.
    with _private_file(pair.certificate + b"\n" + pair.key) as path:
        context.load_cert_chain(path)


@contextlib.contextmanager
def _private_file(data: bytes) -> Iterator[str]:
    handle, path = tempfile.mkstemp(prefix="pilothouse-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        yield path
    finally:
        os.unlink(path)


def _subject(common_name: str, organizations: Sequence[str]) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, o) for o in organizations]
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
    now: float,
    lifetime: float,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.fromtimestamp(int(now - BACKDATE), UTC))
        .not_valid_after(datetime.fromtimestamp(int(now + lifetime), UTC))
    )


def _key_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
