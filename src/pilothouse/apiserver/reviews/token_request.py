"""TokenRequest: a fresh token of a service account, bound to a pod, a secret or a node if so wished."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from pilothouse.api.errors import bad_request, conflict, not_found
from pilothouse.api.field_errors import FieldErrors, as_status, invalid
from pilothouse.api.time import format_time
from pilothouse.api.types.authentication.v1 import BoundObjectReference, TokenRequest, TokenRequestStatus
from pilothouse.api.types.core.v1 import Node, Pod, Secret, ServiceAccount
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.apiserver.authn.serviceaccounts import Bound, TokenIssuer
from pilothouse.apiserver.reader import Reader
from pilothouse.apiserver.reviews.interface import Call
from pilothouse.kit.clock import Clock

GROUP, KIND = "authentication.k8s.io", "TokenRequest"
SHORTEST, LONGEST, DEFAULT = 600, 2**32, 3600
PROJECTED = 3607
"""What kubelets ask for the tokens in pods by default: recognized, and stretched to a year with a warning date, so that
programs that never read their token again do not break."""
STRETCHED = 365 * 24 * 3600
_GONE = "The object might have been deleted and then recreated"


class TokenRequests:
    """The `token` subresource of service accounts."""

    resource = ("", "serviceaccounts", "token")

    def __init__(self, issuer: TokenIssuer, reader: Reader, clock: Clock, audiences: tuple[str, ...]) -> None:
        self._issuer = issuer
        self._reader = reader
        self._clock = clock
        self._audiences = audiences

    def defaults(self, obj: TokenRequest) -> TokenRequest:
        if obj.spec.expiration_seconds is not None:
            return obj
        return replace(obj, spec=replace(obj.spec, expiration_seconds=DEFAULT))

    async def create(self, obj: TokenRequest, call: Call) -> TokenRequest:
        obj = self.defaults(obj)
        if obj.metadata.name and obj.metadata.name != call.name:
            text = "must match the service account name if specified"
            raise as_status(GROUP, KIND, call.name, [invalid("metadata.name", obj.metadata.name, text)])
        account = await self._reader.latest(ServiceAccount, call.name, call.namespace)
        if account is None:
            raise not_found("", "serviceaccounts", call.name)
        request = self._completed(obj, account.metadata)
        if errors := token_request_errors(request):
            raise as_status(GROUP, KIND, "", errors)
        await call.admitted(request)
        reference = request.spec.bound_object_ref
        bound = await self._bound(reference, account.metadata) if reference is not None else Bound()
        return self._issued(request, account.metadata, bound)

    def _completed(self, obj: TokenRequest, account: ObjectMeta) -> TokenRequest:
        if obj.metadata.uid and obj.metadata.uid != account.uid:
            text = (
                f"the UID in the token request ({obj.metadata.uid}) does not match "
                f"the UID of the service account ({account.uid})"
            )
            raise conflict("", "serviceaccounts", account.name, text)
        created = format_time(self._clock.now())
        metadata = replace(
            obj.metadata, name=account.name, namespace=account.namespace, uid=account.uid, creation_timestamp=created
        )
        spec = replace(obj.spec, audiences=obj.spec.audiences or self._audiences)
        return replace(obj, metadata=metadata, spec=spec, status=TokenRequestStatus())

    async def _bound(self, reference: BoundObjectReference, account: ObjectMeta) -> Bound:
        kind = reference.kind if reference.api_version in ("", "v1") else ""
        namespace = account.namespace
        if kind == "Pod":
            pod = await self._reader.latest(Pod, reference.name, namespace)
            if pod is None:
                raise not_found("", "pods", reference.name)
            if pod.spec.service_account_name != account.name:
                text = f'cannot bind token for serviceaccount "{account.name}" to pod running with different '
                raise bad_request(text + "serviceaccount name.")
            _check_uid(reference, pod.metadata)
            return Bound(pod=(pod.metadata.name, pod.metadata.uid), node=self._node_of(pod))
        if kind == "Secret":
            secret = await self._reader.latest(Secret, reference.name, namespace)
            if secret is None:
                raise not_found("", "secrets", reference.name)
            _check_uid(reference, secret.metadata)
            return Bound(secret=(secret.metadata.name, secret.metadata.uid))
        if kind == "Node":
            node = await self._reader.latest(Node, reference.name)
            if node is None:
                raise not_found("", "nodes", reference.name)
            _check_uid(reference, node.metadata)
            return Bound(node=(node.metadata.name, node.metadata.uid))
        group, slash, version = reference.api_version.rpartition("/")
        kind_text = f"{group if slash else ''}/{version}, Kind={reference.kind}"
        raise bad_request(f"cannot bind token to object of type {kind_text}")

    def _node_of(self, pod: Pod) -> tuple[str, str] | None:
        if not pod.spec.node_name:
            return None
        node = self._reader.get(Node, pod.spec.node_name)
        return pod.spec.node_name, node.metadata.uid if node is not None else ""

    def _issued(self, request: TokenRequest, account: ObjectMeta, bound: Bound) -> TokenRequest:
        seconds = request.spec.expiration_seconds or DEFAULT
        audiences = request.spec.audiences or self._audiences
        lifetime, warn_after = seconds, None
        if seconds == PROJECTED and bound.pod is not None and set(audiences) <= set(self._audiences):
            lifetime, warn_after = STRETCHED, PROJECTED
        now = self._clock.now()
        token = self._issuer.issue(account, audiences, lifetime, bound, warn_after=warn_after)
        status = TokenRequestStatus(token=token, expiration_timestamp=format_time(now + seconds))
        return replace(request, status=status)


def token_request_errors(request: TokenRequest) -> FieldErrors:
    """The bounds of expirationSeconds."""
    seconds = request.spec.expiration_seconds or 0
    path = "spec.expirationSeconds"
    errors: FieldErrors = []
    if seconds < SHORTEST:
        errors.append(invalid(path, seconds, "may not specify a duration less than 10 minutes"))
    if seconds > LONGEST:
        errors.append(invalid(path, seconds, "may not specify a duration larger than 2^32 seconds"))
    return errors


def _check_uid(reference: BoundObjectReference, found: Any) -> None:
    if reference.uid and reference.uid != found.uid:
        text = f"the UID in the bound object reference ({reference.uid}) does not match the UID in record. {_GONE}"
        raise conflict("", reference.kind, reference.name, text)
