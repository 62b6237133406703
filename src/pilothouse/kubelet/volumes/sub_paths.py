"""Which part of its volume a mount shows. Pure, but for `Binding.bind`, which blocks."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pilothouse.api.types.core.v1 import VolumeMount
from pilothouse.kubelet.expansion import substitute
from pilothouse.kubelet.safepath import descriptors, mounts
from pilothouse.kubelet.volumes.model import VolumeError

log = logging.getLogger(__name__)
FOLDER = "volume-subpaths"


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


@dataclass(frozen=True, slots=True)
class Binding:
    """A part of a volume for one mount of one container. `pod_folder` is the node's own, `base` the volume's path."""

    pod_folder: Path
    volume: str
    container: str
    index: int
    base: str
    relative: str

    def bind(self) -> str:
        """The path to give to the runtime: POD/volume-subpaths/VOLUME/CONTAINER/INDEX, where the part is bound by
        descriptor, so that it stays what it was when it was looked at. A part that is missing is made as a folder with
        the volume's own mode. Raises VolumeError if it leads outside (upstream: PrepareSafeSubpath)."""
        target = str(self.pod_folder / FOLDER / self.volume / self.container / str(self.index))
        doing = "prepare subPath"
        try:
            try:
                source = descriptors.open_inside(self.base, self.relative)
            except FileNotFoundError:
                doing = "create subPath directory"
                mode = stat.S_IMODE(os.stat(self.base).st_mode)
                descriptors.make_inside(self.base, self.relative, mode)
                source = descriptors.open_inside(self.base, self.relative)
            with descriptors.closing(source):
                doing = "prepare subPath"
                mounts.bind(source, target)
        except OSError as error:
            log.info("%s of %s: %s", self.relative, self.base, error)
            text = f'failed to {doing} for volumeMount "{self.volume}" of container "{self.container}"'
            raise VolumeError(text) from None
        return target
