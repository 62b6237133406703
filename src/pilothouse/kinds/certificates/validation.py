"""What a CertificateSigningRequest must be, and how its status may change. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cryptography import x509

from pilothouse.api.field_errors import FieldErrors, duplicate, forbidden, invalid, not_supported, required
from pilothouse.api.types.certificates.v1 import CertificateSigningRequest, CertificateSigningRequestCondition
from pilothouse.semantics.validation.names import dns_label, dns_subdomain

SHORTEST = 600
LEGACY_SIGNER = "kubernetes.io/legacy-unknown"
_CONDITIONS = "status.conditions"
_DECIDED = ("Approved", "Denied", "Failed")
_STATUSES = ("False", "True", "Unknown")
_REQUEST = re.compile(rb"-----BEGIN CERTIFICATE REQUEST-----.*?-----END CERTIFICATE REQUEST-----", re.DOTALL)
_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)
_USAGES = (
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
)


def any_name(text: str, prefix: bool = False) -> Sequence[str]:
    """Requests may have any name."""
    return ()


def validate(obj: CertificateSigningRequest) -> FieldErrors:
    """Errors of a new request."""
    spec = obj.spec
    found: FieldErrors = []
    if fault := _request_fault(spec.request):
        found.append(invalid("spec.request", spec.request, fault))
    usages = spec.usages
    if not usages:
        found.append(required("spec.usages"))
    found += [not_supported(f"spec.usages[{i}]", u, _USAGES) for i, u in enumerate(usages) if u not in _USAGES]
    first = {usage: index for index, usage in reversed(list(enumerate(usages)))}
    found += [duplicate(f"spec.usages[{i}]", u) for i, u in enumerate(usages) if first[u] != i]
    found += _signer(spec.signer_name)
    if spec.expiration_seconds is not None and spec.expiration_seconds < SHORTEST:
        text = "may not specify a duration less than 600 seconds (10 minutes)"
        found.append(invalid("spec.expirationSeconds", spec.expiration_seconds, text))
    return found


def _request_fault(request: bytes) -> str:
    block = _REQUEST.search(request)
    if block is None:
        return "PEM block type must be CERTIFICATE REQUEST"
    try:
        x509.load_pem_x509_csr(block.group())
    except ValueError as error:
        return str(error)
    return ""


def _signer(name: str) -> FieldErrors:
    path = "spec.signerName"
    if not name:
        return [required(path)]
    if name == LEGACY_SIGNER:
        return [invalid(path, name, "the legacy signerName is not allowed via this API version")]
    domain, slash, rest = name.partition("/")
    if not slash or "/" in rest:
        text = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        return [invalid(path, name, text)]
    labels = domain.split(".")
    found = [
        invalid(path, domain, f'validating label "{label}": {", ".join(faults)}')
        for label in labels
        if (faults := dns_label(label))
    ]
    if len(labels) < 2:
        found.append(invalid(path, domain, "should be a domain with at least two segments separated by dots"))
    found += [
        invalid(path, rest, f'validating label "{label}": {", ".join(faults)}')
        for label in rest.split(".")
        if (faults := dns_subdomain(label))
    ]
    return found


def unchanged(new: CertificateSigningRequest, old: CertificateSigningRequest) -> FieldErrors:
    """The main endpoint changes neither spec nor status."""
    return []


def approval(new: CertificateSigningRequest, old: CertificateSigningRequest) -> FieldErrors:
    """An approver may add decisions, but never take one back."""
    return _conditions(new.status.conditions) + _removed(new, old)


def status(new: CertificateSigningRequest, old: CertificateSigningRequest) -> FieldErrors:
    """A certificate is set once."""
    found = _conditions(new.status.conditions) + _removed(new, old)
    after, before = new.status.certificate, old.status.certificate
    if after == before:
        return found
    path = "status.certificate"
    if before:
        return [*found, forbidden(path, "updates may not modify existing certificate content")]
    if fault := _certificate_fault(after or b""):
        found.append(invalid(path, "<certificate data>", fault))
    return found


def _conditions(conditions: Sequence[CertificateSigningRequestCondition]) -> FieldErrors:
    found: FieldErrors = []
    seen: set[str] = set()
    for index, condition in enumerate(conditions):
        path = f"{_CONDITIONS}[{index}]"
        if not condition.type:
            found.append(required(f"{path}.type"))
        allowed = ("True",) if condition.type in _DECIDED else _STATUSES
        if not condition.status:
            found.append(required(f"{path}.status"))
        elif condition.status not in allowed:
            found.append(not_supported(f"{path}.status", condition.status, allowed))
        opposite = {"Approved": "Denied", "Denied": "Approved"}.get(condition.type)
        if opposite in seen:
            text = "Approved and Denied conditions are mutually exclusive"
            found.append(invalid(_CONDITIONS, condition.type, text))
        if condition.type in seen:
            found.append(duplicate(f"{path}.type", condition.type))
        seen.add(condition.type)
    return found


def _removed(new: CertificateSigningRequest, old: CertificateSigningRequest) -> FieldErrors:
    kept = {c.type for c in new.status.conditions}
    gone = [t for t in _DECIDED if t not in kept and any(c.type == t for c in old.status.conditions)]
    return [forbidden(_CONDITIONS, f'updates may not remove a condition of type "{t}"') for t in gone]


def _certificate_fault(data: bytes) -> str:
    blocks = list(_BLOCK.finditer(data))
    if not blocks:
        return "must contain at least one CERTIFICATE PEM block"
    for block in blocks:
        if block.group(1) != b"CERTIFICATE":
            return "only CERTIFICATE PEM blocks are allowed, found " + f'"{block.group(1).decode()}"'
        try:
            x509.load_pem_x509_certificate(block.group())
        except ValueError as error:
            return str(error)
    return ""
