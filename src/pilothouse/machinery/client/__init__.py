"""One client interface, two ways: in the API server's own process (no bytes) and over HTTPS."""

from pilothouse.machinery.client.interface import (
    ApplyPatch,
    Client,
    JSONPatch,
    ListPage,
    MergePatch,
    MetadataClient,
    Patch,
    StrategicMergePatch,
    WatchEvent,
)

__all__ = [
    "ApplyPatch",
    "Client",
    "JSONPatch",
    "ListPage",
    "MergePatch",
    "MetadataClient",
    "Patch",
    "StrategicMergePatch",
    "WatchEvent",
]
