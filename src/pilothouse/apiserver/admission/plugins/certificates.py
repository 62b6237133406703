"""CertificateApproval, CertificateSigning, ClusterTrustBundleAttest and CertificateSubjectRestriction: who may act for
a signer, and whom its certificates may not name."""

from __future__ import annotations

from cryptography import x509
from msgspec.structs import replace

from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.api.types.certificates.v1 import CertificateSigningRequest
from pilothouse.apiserver.admission.context import PluginContext
from pilothouse.apiserver.admission.interface import Attributes, Operation
from pilothouse.apiserver.admission.refusal import refused
from pilothouse.apiserver.authz.interface import Authorizer
from pilothouse.apiserver.authz.union import MASTERS
from pilothouse.apiserver.request.access import Access
from pilothouse.kit.tls import name_parts

GROUP, REQUESTS = "certificates.k8s.io", "certificatesigningrequests"
CLIENT_SIGNER = "kubernetes.io/kube-apiserver-client"


def may(authorizer: Authorizer, user: UserInfo, verb: str, signer: str) -> bool:
    """Whether `user` may `verb` (approve, sign, attest) for `signer`, by its name or by `domain/*`."""
    access = Access(user, verb, group=GROUP, version="*", resource="signers", name=signer)
    if authorizer.authorize(access).allowed:
        return True
    domain = signer.partition("/")[0]
    return authorizer.authorize(access._replace(name=f"{domain}/*")).allowed


class CertificateApproval:
    """Approving and denying takes the right to `approve` for the request's signer."""

    name = "CertificateApproval"

    def __init__(self, context: PluginContext) -> None:
        self._authorizer = context.authorizer

    def handles(self, operation: Operation, group: str, resource: str, subresource: str) -> bool:
        return (operation, group, resource, subresource) == ("UPDATE", GROUP, REQUESTS, "approval")

    async def validate(self, attributes: Attributes) -> None:
        signer = attributes.obj.spec.signer_name
        if not may(self._authorizer, attributes.user, "approve", signer):
            raise refused(attributes, f'user not permitted to approve requests with signerName "{signer}"')


class CertificateSigning:
    """Setting the certificate or a condition takes the right to `sign` for the request's signer."""

    name = "CertificateSigning"

    def __init__(self, context: PluginContext) -> None:
        self._authorizer = context.authorizer

    def handles(self, operation: Operation, group: str, resource: str, subresource: str) -> bool:
        return (operation, group, resource, subresource) == ("UPDATE", GROUP, REQUESTS, "status")

    async def validate(self, attributes: Attributes) -> None:
        new: CertificateSigningRequest = attributes.obj
        old: CertificateSigningRequest = attributes.old_obj
        if new.status.certificate == old.status.certificate and new.status.conditions == old.status.conditions:
            return
        signer = old.spec.signer_name
        if not may(self._authorizer, attributes.user, "sign", signer):
            raise refused(attributes, f'user not permitted to sign requests with signerName "{signer}"')


class ClusterTrustBundleAttest:
    """Writing a trust bundle of a signer takes the right to `attest` for it."""

    name = "ClusterTrustBundleAttest"

    def __init__(self, context: PluginContext) -> None:
        self._authorizer = context.authorizer

    def handles(self, operation: Operation, group: str, resource: str, subresource: str) -> bool:
        return (group, resource, subresource) == (GROUP, "clustertrustbundles", "") and operation in (
            "CREATE",
            "UPDATE",
        )

    async def validate(self, attributes: Attributes) -> None:
        new, old = attributes.obj, attributes.old_obj
        if old is not None and replace(new, metadata=old.metadata) == old:
            return
        signer = new.spec.signer_name
        if signer and not may(self._authorizer, attributes.user, "attest", signer):
            raise refused(attributes, f'user not permitted to attest for signerName "{signer}"')


class CertificateSubjectRestriction:
    """The signer of client certificates makes nobody a member of system:masters."""

    name = "CertificateSubjectRestriction"

    def __init__(self, context: PluginContext) -> None:
        pass

    def handles(self, operation: Operation, group: str, resource: str, subresource: str) -> bool:
        return (operation, group, resource, subresource) == ("CREATE", GROUP, REQUESTS, "")

    async def validate(self, attributes: Attributes) -> None:
        csr: CertificateSigningRequest = attributes.obj
        if csr.spec.signer_name != CLIENT_SIGNER:
            return
        try:
            request = x509.load_pem_x509_csr(csr.spec.request or b"")
        except ValueError as error:
            raise refused(attributes, f"failed to parse CSR: {error}") from error
        if MASTERS in name_parts(request.subject)[1]:
            why = f"use of {CLIENT_SIGNER} signer with {MASTERS} group is not allowed"
            raise refused(attributes, why)
