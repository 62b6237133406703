"""Images of a simulated node: every one is there, but those that nobody could have, and those that say so: a part of
their name or their tag is `missing`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from pilothouse.seams.runtime import FilesystemUsage, Image, NotFound, PullFailure, RegistryAuth

SIZE = 1 << 20
# A domain that is reserved never to exist (RFC 2606): an image there cannot be pulled.
UNREACHABLE = ".invalid"
MISSING = "missing"


def normalized(reference: str) -> str:
    """`busybox` is `docker.io/library/busybox:latest`."""
    first, slash, _ = reference.partition("/")
    if not slash:
        reference = f"docker.io/library/{reference}"
    elif "." not in first and ":" not in first and first != "localhost":
        reference = f"docker.io/{reference}"
    last = reference.rpartition("/")[2]
    return reference if ":" in last or "@" in last else f"{reference}:latest"


def known(reference: str) -> bool:
    """Whether there is such an image."""
    domain, *path = normalized(reference).partition("@")[0].split("/")
    name, _, tag = path[-1].partition(":")
    return not domain.partition(":")[0].endswith(UNREACHABLE) and MISSING not in (*path[:-1], name, tag)


class SimulatedImages:
    """The image half of the simulated runtime."""

    def __init__(self) -> None:
        self._seen: dict[str, Image] = {}

    async def images(self) -> Sequence[Image]:
        return list(self._seen.values())

    async def image(self, reference: str) -> Image | None:
        if reference.startswith("sha256:"):
            return next((image for image in self._seen.values() if image.id == reference), None)
        if not known(reference):
            return None
        name = normalized(reference)
        if name not in self._seen:
            digest = hashlib.sha256(name.encode()).hexdigest()
            tags, digests = ((), (name,)) if "@" in name else ((name,), ())
            self._seen[name] = Image(f"sha256:{digest}", tags, digests, SIZE, uid=1000)
        return self._seen[name]

    async def pull(self, reference: str, auth: RegistryAuth | None = None) -> str:
        found = await self.image(reference)
        if found is None:
            name = normalized(reference)
            why = f"{name}: not found" if MISSING in name else "no such host"
            raise PullFailure(f'failed to pull and unpack image "{name}": failed to resolve reference "{name}": {why}')
        return found.id

    async def remove_image(self, reference: str) -> None:
        if self._seen.pop(normalized(reference), None) is None:
            raise NotFound(f"no such image {reference}")

    async def load_archive(self, path: str) -> Sequence[str]:
        """There is nothing to load: every image is here."""
        return ()

    async def filesystem(self) -> FilesystemUsage:
        return FilesystemUsage("/", SIZE * len(self._seen), len(self._seen))
