"""One client interface, two ways: in the API server's own process (no bytes) and over HTTPS."""

from pilothouse.machinery.client.interface import (
    CLIENT_ERRORS,
    ApplyPatch,
    Client,
    JSONPatch,
    ListPage,
    MergePatch,
    MetadataClient,
    Patch,
    StrategicMergePatch,
    TransportError,
    WatchEvent,
)

__all__ = [
    "CLIENT_ERRORS",
    "ApplyPatch",
    "Client",
    "JSONPatch",
    "ListPage",
    "MergePatch",
    "MetadataClient",
    "Patch",
    "StrategicMergePatch",
    "TransportError",
    "WatchEvent",
]
