"""CertificateSigningRequest."""

from __future__ import annotations

from pilothouse.api.types.certificates.v1 import CertificateSigningRequest
from pilothouse.apiserver.generic.strategy import Status, Strategy

STRATEGY = Strategy(
    type=CertificateSigningRequest,
    prefix="certificatesigningrequests",
    status=Status(),
    own_field_labels=True,
    fields={"spec.signerName": lambda o: o.spec.signer_name},
)
