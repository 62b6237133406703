"""An operator on ConfigMaps, which test_kopf runs as `kopf run` does for its users."""

from __future__ import annotations

from typing import Any

import kopf

CHOSEN = {"operated": "yes"}


@kopf.on.create("", "v1", "configmaps", labels=CHOSEN)
def made(patch: kopf.Patch, **_: Any) -> None:
    patch.setdefault("data", {})["seen"] = "created"


@kopf.on.update("", "v1", "configmaps", labels=CHOSEN, field="data.colour")
def changed(patch: kopf.Patch, new: str, **_: Any) -> None:
    patch.setdefault("data", {})["seen"] = f"changed to {new}"


@kopf.on.delete("", "v1", "configmaps", labels=CHOSEN)
def gone(name: str, **_: Any) -> None:
    print(f"gone: {name}", flush=True)
