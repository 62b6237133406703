"""What an image archive says of its names. Blocking: a large archive takes a moment to look through."""

from __future__ import annotations

import json
import re
import tarfile
from pathlib import PurePath

FULL_NAME = "io.containerd.image.name"
REFERENCE = "org.opencontainers.image.ref.name"


def base_name(path: str) -> str:
    """The name to put before a bare tag: an OCI archive may call its image `v3` and no more, which then gets the
    file's own name. "" if the archive needs none, or cannot be read."""
    try:
        with tarfile.open(path) as tar:
            names = tar.getnames()
            index = tar.extractfile("index.json") if "index.json" in names and "manifest.json" not in names else None
            entries = json.load(index)["manifests"] if index is not None else []
    except (OSError, tarfile.TarError, ValueError, KeyError):
        return ""
    notes = [entry.get("annotations") or {} for entry in entries if isinstance(entry, dict)]
    bare = [n[REFERENCE] for n in notes if REFERENCE in n and FULL_NAME not in n and not _whole(n[REFERENCE])]
    if not bare:
        return ""
    stem = re.sub(r"[^a-z0-9]+", "-", PurePath(path).name.partition(".")[0].lower()).strip("-")
    return f"docker.io/library/{stem or 'image'}"


def _whole(reference: str) -> bool:
    return "/" in reference or ":" in reference
