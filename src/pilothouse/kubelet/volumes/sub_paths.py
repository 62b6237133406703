"""Which part of its volume a mount shows. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from pilothouse.api.types.core.v1 import VolumeMount
from pilothouse.kubelet.expansion import substitute
from pilothouse.kubelet.volumes.model import VolumeError


def sub_path(mount: VolumeMount, environment: Mapping[str, str]) -> str:
    """The mount's path inside its volume, "" for all of it. Raises VolumeError if variables are missing or empty, or
    the path could lead out of the volume: what the API can't tell, as it doesn't know the values."""
    path = mount.sub_path
    if mount.sub_path_expr:
        missing: set[str] = set()

        def value(name: str) -> str:
            found = environment.get(name, "")
            if not found:
                missing.add(name)
            return found

        path = substitute(mount.sub_path_expr, value)
        if missing:
            raise VolumeError(f"missing value for {', '.join(sorted(missing))}")
    if path.startswith("/"):
        raise VolumeError(f"error SubPath `{path}` must not be an absolute path")
    if ".." in path.split("/"):
        raise VolumeError(f"unable to provision SubPath `{path}`: must not contain '..'")
    return path
