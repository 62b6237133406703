"""Approves kubelets' requests, signs what is approved, removes what is old."""

from __future__ import annotations

import msgspec

from pilothouse.api.errors import StatusError
from pilothouse.api.time import format_time, parse_time
from pilothouse.api.types.authorization.v1 import ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec
from pilothouse.api.types.certificates.v1 import CertificateSigningRequest, CertificateSigningRequestCondition
from pilothouse.controllers.certificates import signers
from pilothouse.controllers.certificates.signers import SigningError
from pilothouse.controllers.environment import Environment
from pilothouse.kit import tls
from pilothouse.machinery.client import Client
from pilothouse.machinery.controller import Controller, Key, own_key
from pilothouse.semantics import conditions

IDENTITY = "certificate-controller"
APPROVED, DENIED, FAILED = "Approved", "Denied", "Failed"
HOUR = 3600.0
LIFETIMES = {APPROVED: HOUR, DENIED: HOUR, FAILED: HOUR}
PENDING_LIFETIME = 24 * HOUR
LEAST_SECONDS = 600
NOT_FOUND = 404
replace = msgspec.structs.replace


def condition(kind: str, reason: str, message: str, now: float) -> CertificateSigningRequestCondition:
    stamp = format_time(now)
    return CertificateSigningRequestCondition(
        type=kind,
        status="True",
        reason=reason,
        message=message,
        last_update_time=stamp,
        last_transition_time=stamp,
    )


def has(csr: CertificateSigningRequest, kind: str) -> bool:
    return any(c.type == kind for c in csr.status.conditions)


def with_condition(
    csr: CertificateSigningRequest, told: CertificateSigningRequestCondition
) -> CertificateSigningRequest:
    return replace(csr, status=replace(csr.status, conditions=conditions.put(csr.status.conditions, told)))


def recognized(csr: CertificateSigningRequest) -> list[tuple[str, str]]:
    """(subresource, message) of the approvals that this request might get, the narrower one first."""
    if csr.spec.signer_name != signers.CLIENT_KUBELET:
        return []
    try:
        wish = signers.read(csr)
    except SigningError:
        return []
    if signers.is_kubelet_client(wish, csr.spec.usages):
        return []
    told = "Auto approving {}kubelet client certificate after SubjectAccessReview."
    found = [("nodeclient", told.format(""))]
    if wish.common_name == csr.spec.username:
        found.insert(0, ("selfnodeclient", told.format("self ")))
    return found


def sign(csr: CertificateSigningRequest, authority: tls.Authority, now: float, longest: float) -> bytes:
    """The certificate (PEM) for an approved request. Raises SigningError."""
    wish = signers.read(csr)
    signers.check(csr, wish)
    lifetime = longest
    if csr.spec.expiration_seconds is not None:
        lifetime = min(max(csr.spec.expiration_seconds, LEAST_SECONDS), longest)
    try:
        return authority.sign_request(wish.request, signers.extended(csr.spec.usages), now=now, lifetime=lifetime)
    except tls.CertificateError as error:
        raise SigningError(str(error)) from error


def expires_in(csr: CertificateSigningRequest, now: float) -> float:
    """Seconds until an old request is removed."""
    ends = [
        parse_time(c.last_update_time) + LIFETIMES[c.type]
        for c in csr.status.conditions
        if c.type in LIFETIMES and c.last_update_time and (c.type != APPROVED or csr.status.certificate)
    ]
    if not csr.status.conditions and csr.metadata.creation_timestamp:
        ends.append(parse_time(csr.metadata.creation_timestamp) + PENDING_LIFETIME)
    if csr.status.certificate:
        try:
            ends.append(tls.inspect(csr.status.certificate).not_after)
        except tls.CertificateError:
            ends.append(now + HOUR)
    return max(min(ends, default=now + PENDING_LIFETIME) - now, 0.0)


def build_approving(env: Environment) -> Controller[Key]:
    """Keys are requests."""

    async def reconcile(key: Key, client: Client) -> None:
        csr = requests.get(key[1])
        if csr is None or csr.status.certificate or has(csr, APPROVED) or has(csr, DENIED):
            return
        for subresource, message in recognized(csr):
            if await _allowed(csr, subresource, client):
                told = condition(APPROVED, "AutoApproved", message, env.clock.now())
                await client.update(with_condition(csr, told), subresource="approval")
                return

    async def _allowed(csr: CertificateSigningRequest, subresource: str, client: Client) -> bool:
        review = SubjectAccessReview(
            spec=SubjectAccessReviewSpec(
                user=csr.spec.username,
                uid=csr.spec.uid,
                groups=csr.spec.groups,
                extra=csr.spec.extra,
                resource_attributes=ResourceAttributes(
                    group="certificates.k8s.io",
                    resource="certificatesigningrequests",
                    subresource=subresource,
                    verb="create",
                    version="*",
                ),
            )
        )
        return bool((await client.create(review)).status.allowed)

    controller = env.controller("certificatesigningrequest-approving-controller", IDENTITY, reconcile, workers=1)
    requests = controller.on(CertificateSigningRequest, own_key)
    return controller


def build_signing(env: Environment) -> Controller[Key]:
    """Keys are requests."""
    pair = env.settings.signing_pair
    authority = tls.Authority(tls.KeyPair(*pair)) if pair is not None else None

    async def reconcile(key: Key, client: Client) -> None:
        csr = requests.get(key[1])
        if csr is None or authority is None or csr.spec.signer_name not in signers.SIGNERS:
            return
        if csr.status.certificate or not has(csr, APPROVED) or has(csr, DENIED) or has(csr, FAILED):
            return
        now = env.clock.now()
        try:
            certificate = sign(csr, authority, now, env.settings.signing_duration)
        except SigningError as error:
            told = condition(FAILED, "SignerValidationFailure", str(error), now)
            await client.update(with_condition(csr, told), subresource="status")
            return
        status = replace(csr.status, certificate=certificate)
        await client.update(replace(csr, status=status), subresource="status")

    controller = env.controller("certificatesigningrequest-signing-controller", IDENTITY, reconcile, workers=1)
    requests = controller.on(CertificateSigningRequest, own_key)
    return controller


def build_cleaning(env: Environment) -> Controller[Key]:
    """Keys are requests."""

    async def reconcile(key: Key, client: Client) -> None:
        csr = requests.get(key[1])
        if csr is None:
            return
        wait = expires_in(csr, env.clock.now())
        if wait > 0:
            controller.queue.add_after(key, wait)
            return
        try:
            await client.delete(CertificateSigningRequest, key[1], uid=csr.metadata.uid)
        except StatusError as error:
            if error.code != NOT_FOUND:
                raise

    controller = env.controller("certificatesigningrequest-cleaner-controller", IDENTITY, reconcile, workers=1)
    requests = controller.on(CertificateSigningRequest, own_key)
    return controller
