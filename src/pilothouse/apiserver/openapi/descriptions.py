"""What the API's own documentation says of types and fields.

The text is not in this repository: a build copies it out of the package `kubernetes-validate`, which carries the
published definitions of v1.36, and a working copy reads that package where it is installed. It is large and seldom
asked for, so nothing of it stays in memory here: who needs a part keeps that part.
"""

from __future__ import annotations

import gzip
import importlib.util
import pathlib

import msgspec

PACKAGE, DEFINITIONS = "kubernetes_validate", "kubernetes-json-schema/v1.36.0-local/_definitions.json"
BUILT = "descriptions.json.gz"


class Described(msgspec.Struct, gc=False):
    """A field, or a type with its fields; empty text where nothing is said."""

    description: str = ""
    properties: dict[str, Described] = {}


class _Published(msgspec.Struct):
    definitions: dict[str, Described] = msgspec.field(name="$defs", default_factory=dict)


def read() -> dict[str, Described]:
    """Definition name (`io.k8s.api.core.v1.Pod`) to its description; empty where no documentation is installed.

    Takes some milliseconds.
    """
    found = _source()
    if found is None:
        return {}
    published = found.read_bytes()
    if found.name == BUILT:
        published = gzip.decompress(published)
    return msgspec.json.decode(published, type=_Published).definitions


def stamp() -> str:
    """Differs where `read` would answer something else."""
    found = _source()
    return f"{found.name} {found.stat().st_size}" if found is not None else ""


def _source() -> pathlib.Path | None:
    built = pathlib.Path(__file__).with_name(BUILT)
    if built.exists():
        return built
    found = importlib.util.find_spec(PACKAGE)
    return pathlib.Path(found.origin).parent / DEFINITIONS if found is not None and found.origin is not None else None
