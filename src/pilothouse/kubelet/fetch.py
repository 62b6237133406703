"""What the node asks the API for while it makes containers: ConfigMaps, Secrets, service account tokens."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeVar

from pilothouse.api.errors import StatusError
from pilothouse.api.object import Object
from pilothouse.api.time import parse_time
from pilothouse.api.types.authentication.v1 import BoundObjectReference, TokenRequest, TokenRequestSpec
from pilothouse.api.types.core.v1 import ConfigMap, Pod, Secret, ServiceAccount
from pilothouse.api.types.node.v1 import RuntimeClass
from pilothouse.kit.clock import Clock
from pilothouse.kubelet.volumes.model import VolumeError
from pilothouse.machinery.client.interface import CLIENT_ERRORS, Client

K = TypeVar("K", bound=Object)
# A token is renewed when this share of its life is over, or when it is a day old.
RENEW_SHARE, RENEW_SECONDS = 0.8, 24 * 3600.0


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    renew_at: float


class ApiFetch:
    """Asks the API server each time: a container never starts with older values than its pod was made with."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._tokens: dict[tuple[str, str, int], _Token] = {}

    async def config_map(self, namespace: str, name: str) -> ConfigMap | None:
        return await self._get(ConfigMap, namespace, name)

    async def secret(self, namespace: str, name: str) -> Secret | None:
        return await self._get(Secret, namespace, name)

    async def runtime_class(self, name: str) -> RuntimeClass | None:
        return await self._get(RuntimeClass, "", name)

    async def _get(self, kind: type[K], namespace: str, name: str) -> K | None:
        try:
            return await self._client.get(kind, name, namespace)
        except StatusError as error:
            if error.code == HTTPStatus.NOT_FOUND:
                return None
            raise VolumeError(error.status.message) from None
        except CLIENT_ERRORS as error:
            raise VolumeError(str(error)) from None

    async def token(self, pod: Pod, audience: str, seconds: int) -> str:
        """Raises VolumeError."""
        key = (pod.metadata.uid, audience, seconds)
        held = self._tokens.get(key)
        now = self._clock.now()
        if held is not None and now < held.renew_at:
            return held.text
        meta = pod.metadata
        request = TokenRequest(
            spec=TokenRequestSpec(
                audiences=(audience,) if audience else (),
                expiration_seconds=seconds,
                bound_object_ref=BoundObjectReference(kind="Pod", api_version="v1", name=meta.name, uid=meta.uid),
            )
        )
        account = pod.spec.service_account_name or "default"
        try:
            answer = await self._client.create_subresource(
                ServiceAccount, account, meta.namespace, "token", request, TokenRequest
            )
        except CLIENT_ERRORS as error:
            if held is not None:
                return held.text
            raise VolumeError(f"failed to fetch token: {error}") from None
        until = answer.status.expiration_timestamp
        life = parse_time(until) - now if until else float(seconds)
        self._tokens[key] = _Token(answer.status.token, now + min(life * RENEW_SHARE, RENEW_SECONDS))
        return answer.status.token

    def forget(self, uid: str) -> None:
        """Drop the tokens of a pod that is over."""
        for key in [key for key in self._tokens if key[0] == uid]:
            del self._tokens[key]
