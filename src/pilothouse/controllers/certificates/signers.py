"""The built-in signers and what each lets through. Pure."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from pilothouse.api.types.certificates.v1 import CertificateSigningRequest
from pilothouse.kit import tls

CLIENT = "kubernetes.io/kube-apiserver-client"
CLIENT_KUBELET = "kubernetes.io/kube-apiserver-client-kubelet"
SERVING_KUBELET = "kubernetes.io/kubelet-serving"
LEGACY = "kubernetes.io/legacy-unknown"
SIGNERS = (CLIENT, CLIENT_KUBELET, SERVING_KUBELET, LEGACY)
NODES = "system:nodes"
NODE_PREFIX = "system:node:"
_EXTENDED = {"server auth": ExtendedKeyUsageOID.SERVER_AUTH, "client auth": ExtendedKeyUsageOID.CLIENT_AUTH}
_CLIENT_USAGES = frozenset(("key encipherment", "digital signature", "client auth"))
_SERVING_USAGES = frozenset(("key encipherment", "digital signature", "server auth"))


class SigningError(ValueError):
    """A request that its signer refuses; the message is the API's own."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the PKCS #10 request in an object asks for."""

    request: x509.CertificateSigningRequest
    common_name: str
    organizations: tuple[str, ...]
    dns: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()


def read(csr: CertificateSigningRequest) -> Wish:
    """Parse the request. Raises SigningError."""
    try:
        request = x509.load_pem_x509_csr(csr.spec.request)
    except ValueError as error:
        raise SigningError(f"unable to parse csr {csr.metadata.name!r}: {error}") from error
    name, organizations = tls.name_parts(request.subject)
    wish = Wish(request, name, organizations)
    with contextlib.suppress(x509.ExtensionNotFound):
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        wish = Wish(
            request,
            name,
            organizations,
            tuple(names.get_values_for_type(x509.DNSName)),
            tuple(str(a) for a in names.get_values_for_type(x509.IPAddress)),
            tuple(names.get_values_for_type(x509.RFC822Name)),
            tuple(names.get_values_for_type(x509.UniformResourceIdentifier)),
        )
    return wish


def _usages_fit(usages: Sequence[str], allowed: frozenset[str]) -> bool:
    return set(usages) in (set(allowed), set(allowed) - {"key encipherment"})


def is_kubelet_client(wish: Wish, usages: Sequence[str]) -> str:
    """Why this is no kubelet's client certificate; empty if it is one."""
    if wish.organizations != (NODES,):
        return "subject organization is not system:nodes"
    if wish.dns:
        return "DNS subjectAltNames are not allowed"
    if wish.emails:
        return "Email subjectAltNames are not allowed"
    if wish.addresses:
        return "IP subjectAltNames are not allowed"
    if wish.uris:
        return "URI subjectAltNames are not allowed"
    if not wish.common_name.startswith(NODE_PREFIX):
        return "subject common name does not begin with system:node:"
    if not _usages_fit(usages, _CLIENT_USAGES):
        return (
            "usages did not match [digital signature client auth] or [digital signature key encipherment client auth]"
        )
    return ""


def _is_kubelet_serving(wish: Wish, usages: Sequence[str]) -> str:
    if wish.organizations != (NODES,):
        return "subject organization is not system:nodes"
    if not wish.common_name.startswith(NODE_PREFIX):
        return "subject common name does not begin with system:node:"
    if not wish.dns and not wish.addresses:
        return "at least one DNS or IP subjectAltName is required"
    if wish.emails:
        return "Email subjectAltNames are not allowed"
    if wish.uris:
        return "URI subjectAltNames are not allowed"
    if not _usages_fit(usages, _SERVING_USAGES):
        return (
            "usages did not match [digital signature server auth] or [digital signature key encipherment server auth]"
        )
    return ""


def check(csr: CertificateSigningRequest, wish: Wish) -> None:
    """Raises SigningError if the signer of the request does not sign such a one."""
    usages = csr.spec.usages
    match csr.spec.signer_name:
        case "kubernetes.io/kube-apiserver-client":
            allowed = _CLIENT_USAGES
            fault = "" if "client auth" in usages and set(usages) <= allowed else _usage_fault(usages)
        case "kubernetes.io/kube-apiserver-client-kubelet":
            fault = is_kubelet_client(wish, usages)
        case "kubernetes.io/kubelet-serving":
            fault = _is_kubelet_serving(wish, usages)
        case _:
            fault = ""
    if fault:
        raise SigningError(fault)


def _usage_fault(usages: Sequence[str]) -> str:
    return f"usages {' '.join(usages)} did not match [client auth digital signature key encipherment]"


def extended(usages: Sequence[str]) -> list[x509.ObjectIdentifier]:
    """The extended key usages that the certificate carries."""
    return [_EXTENDED[u] for u in usages if u in _EXTENDED]
