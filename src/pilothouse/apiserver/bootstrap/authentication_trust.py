"""The ConfigMap by which extension API servers learn whom to trust.

They read `extension-apiserver-authentication` in kube-system with a Role of nearly that name, and accept the client
certificates that this server accepts. Authorities are only ever added, as upstream's cluster authentication trust
controller does it: those of other servers stay, expired ones go. A front proxy is told of once there is one.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping

from msgspec.structs import replace

from pilothouse.api.errors import StatusError
from pilothouse.api.types.core.v1 import ConfigMap
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.apiserver.reader import Reader
from pilothouse.kit import tls
from pilothouse.kit.clock import Clock
from pilothouse.machinery.client import Client

log = logging.getLogger(__name__)
NAME, NAMESPACE = "extension-apiserver-authentication", "kube-system"
CLIENTS = "client-ca-file"
PERIOD = 60.0
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----")


def merged(held: str, own: str, now: float) -> str:
    """The certificates (PEM) of both, each once, without those that have expired; `held` may hold anything. Pure."""
    found: dict[str, str] = {}
    for pem in _CERTIFICATE.findall(held) + _CERTIFICATE.findall(own):
        try:
            certificate = tls.inspect(pem.encode())
        except tls.CertificateError:
            continue
        if certificate.not_after > now:
            found.setdefault(certificate.fingerprint, pem + "\n")
    return "".join(found.values())


class AuthenticationTrust:
    """Keeps the ConfigMap as it should be. `authorities`: the certificates (PEM) that sign clients' certificates."""

    def __init__(self, reader: Reader, client: Client, authorities: bytes, clock: Clock) -> None:
        self._reader = reader
        self._client = client
        self._authorities = authorities
        self._clock = clock
        self._changed = asyncio.Event()
        reader.observe(ConfigMap, self._observe)

    def _observe(self, old: ConfigMap | None, new: ConfigMap | None) -> None:
        held = new if new is not None else old
        if held is not None and held.metadata.name == NAME and held.metadata.namespace == NAMESPACE:
            self._changed.set()

    async def publish(self) -> None:
        """Write what is missing or differs. Raises StatusError."""
        own = self._authorities.decode("ascii", "replace")
        if not own:
            return
        held = self._reader.get(ConfigMap, NAME, NAMESPACE)
        data: Mapping[str, str] = held.data if held is not None else {}
        wanted = {**data, CLIENTS: merged(data.get(CLIENTS, ""), own, self._clock.now())}
        try:
            if held is None:
                await self._client.create(ConfigMap(metadata=ObjectMeta(name=NAME, namespace=NAMESPACE), data=wanted))
            elif wanted != data:
                await self._client.update(replace(held, data=wanted))
        except StatusError as error:
            if error.reason not in ("AlreadyExists", "Conflict"):
                raise

    async def publish_for_ever(self) -> None:
        """Again when somebody changes it, and from time to time: certificates expire."""
        while True:
            try:
                async with self._clock.timeout(PERIOD):
                    await self._changed.wait()
            except TimeoutError:
                pass
            self._changed.clear()
            try:
                await self.publish()
            except StatusError as error:
                log.warning("cannot publish whom extension API servers are to trust now: %s", error)
                await self._clock.sleep(PERIOD)
