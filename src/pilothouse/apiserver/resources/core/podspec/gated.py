"""What the reference drops from pods without a word: fields of features that are off by default. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from pilothouse.api.types.core import v1 as core


def without_gated(spec: core.PodSpec) -> core.PodSpec:
    """The same spec where nothing of it is of such a feature."""
    if spec.scheduling_group is not None:
        spec = replace(spec, scheduling_group=None)
    if any(volume.projected is not None and _certified(volume.projected) for volume in spec.volumes):
        spec = replace(spec, volumes=tuple(map(_volume, spec.volumes)))
    return spec


def _certified(found: core.ProjectedVolumeSource) -> bool:
    sources = found.sources or ()
    return any(one.cluster_trust_bundle is not None or one.pod_certificate is not None for one in sources)


def _volume(volume: core.Volume) -> core.Volume:
    """A source that is dropped leaves an empty one."""
    found = volume.projected
    if found is None or not _certified(found):
        return volume
    kept = tuple(replace(one, cluster_trust_bundle=None, pod_certificate=None) for one in found.sources or ())
    return replace(volume, projected=replace(found, sources=kept))
