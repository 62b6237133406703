"""Client certificates: the common name is the user, the organizations are its groups.

TLS has proven the chain before a request arrives; what can change on a living connection is checked here: the time.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.apiserver.authn.interface import Authentication, BadCredentials, RequestHead
from pilothouse.kit.clock import Clock
from pilothouse.kit.tls import load_certificate, name_parts
from pilothouse.semantics.serviceaccounts import CREDENTIAL_ID

_USER_UID = x509.ObjectIdentifier("1.3.6.1.4.1.57683.2")
_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class _Known:
    answer: Authentication | None
    not_before: float
    not_after: float
    may_be_client: bool


class CertificateAuthenticator:
    """Reads each certificate once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[bytes, _Known] = {}

    def authenticate(self, head: RequestHead) -> Authentication | None:
        """The certificate's user; None without a certificate or a common name. Raises BadCredentials."""
        der = head.peer_certificate
        if der is None:
            return None
        known = self._known.get(der)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[der] = _read(der)
        if not known.not_before <= self._clock.now() <= known.not_after:
            raise BadCredentials("x509: certificate has expired or is not yet valid")
        if not known.may_be_client:
            raise BadCredentials("x509: certificate specifies an incompatible key usage")
        return known.answer


def _read(der: bytes) -> _Known:
    certificate = load_certificate(der)
    name, groups = name_parts(certificate.subject)
    uids = certificate.subject.get_attributes_for_oid(_USER_UID)
    answer = None
    if name:
        extra = {CREDENTIAL_ID: (f"X509SHA256={hashlib.sha256(der).hexdigest()}",)}
        uid = str(uids[0].value) if uids else ""
        answer = Authentication(UserInfo(username=name, uid=uid, groups=groups, extra=extra))
    not_before = certificate.not_valid_before_utc.timestamp()
    return _Known(answer, not_before, certificate.not_valid_after_utc.timestamp(), _may_be_client(certificate))


def _may_be_client(certificate: x509.Certificate) -> bool:
    try:
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return ExtendedKeyUsageOID.CLIENT_AUTH in usages or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in usages
