"""Certificates that stay young while the cluster runs.

The control plane, which holds the authority's key, replaces what is about to expire; every process looks at the files
of its own pair and shows what they hold on the connections that are made from then on. Nobody's connection is cut.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path

from pilothouse.house import kubeconfig
from pilothouse.house import spec as specs
from pilothouse.house.paths import Paths
from pilothouse.house.pki import ADMIN, PKI, Renewed
from pilothouse.kit import tls
from pilothouse.kit.clock import Clock
from pilothouse.seams.house import HouseError

log = logging.getLogger(__name__)
CHECK_SECONDS = 3600.0
FOLLOW_SECONDS = 30.0
Use = Callable[[tls.KeyPair], None]


class Renewal:
    """Renews a cluster's leaf certificates in time, and the administrator's copy in the user's kubeconfig."""

    def __init__(self, paths: Paths, clock: Clock) -> None:
        self._paths = paths
        self._clock = clock

    async def run(self) -> None:
        """The body of a task: look at once, and then every hour. What cannot be renewed is said each time."""
        while True:
            self.try_to()
            await self._clock.sleep(CHECK_SECONDS)

    def try_to(self) -> None:
        """Renew what is due; what cannot be is said to the log."""
        try:
            self.look()
        except (HouseError, OSError) as error:
            log.error("certificates cannot be renewed: %s", error)

    def look(self) -> Sequence[Renewed]:
        """Renew what is due; what was. Raises HouseError, OSError."""
        spec = specs.load(self._paths)
        if spec is None:
            return ()
        pki = PKI(self._paths.pki)
        made = pki.renew(spec, self._clock.now())
        for pair in made:
            log.info("the certificate %s was renewed", pair.name, extra={"reason": pair.reason or "its end is near"})
        if spec.kubeconfig is not None and any(pair.name == ADMIN for pair in made):
            kubeconfig.renew(spec.name, spec.kubeconfig, pki.pair(ADMIN))
        return made


class Follower:
    """Hands over what the files of a pair hold, whenever that changes."""

    def __init__(self, pki: PKI, clock: Clock) -> None:
        self._pki = pki
        self._clock = clock

    async def follow(self, name: str, use: Use) -> None:
        """The body of a task: `use` gets each new pair. One that cannot be used (a write that is half done, damage) is
        said, and looked at again; what was in use stays in use."""
        files = self._pki.files(name)
        used = _bytes(files)
        while True:
            await self._clock.sleep(FOLLOW_SECONDS)
            if (found := _bytes(files)) == used:
                continue
            try:
                use(self._pki.pair(name))
            except (HouseError, ssl.SSLError) as error:
                log.warning("the new certificate %s is not used: %s", name, error)
            else:
                used = found
                log.info("the certificate %s was replaced", name)


def _bytes(files: Sequence[Path]) -> list[bytes]:
    try:
        return [file.read_bytes() for file in files]
    except OSError:
        return []
