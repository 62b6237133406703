"""What of a pod's status has to be told: a strategic merge patch. Pure."""

from __future__ import annotations

from typing import Any

from pilothouse.api.codec.json import to_builtins
from pilothouse.api.types.core.v1 import PodStatus

# Lists that a strategic merge patch merges by a key: sending a changed item leaves those of other writers alone.
MERGED_BY = {"conditions": "type"}
# Conditions that only the node sets, and that it takes away again.
PASSING = ("PodResizePending", "PodResizeInProgress")


def difference(old: PodStatus, new: PodStatus) -> dict[str, Any]:
    """The `status` of a patch that brings `old` to `new`; empty if nothing differs."""
    before, after = to_builtins(old), to_builtins(new)
    found: dict[str, Any] = {name: None for name in before if name not in after}
    for name, value in after.items():
        held = before.get(name)
        if value == held:
            continue
        if name in MERGED_BY:
            known = {item[MERGED_BY[name]]: item for item in held or ()}
            changed = [item for item in value if known.get(item[MERGED_BY[name]]) != item]
            here = {item[MERGED_BY[name]] for item in value}
            gone = [{MERGED_BY[name]: key, "$patch": "delete"} for key in PASSING if key in known and key not in here]
            # An item is merged too: what it no longer has must be said.
            if changed or gone:
                merged = [{**dict.fromkeys(known.get(item[MERGED_BY[name]], ())), **item} for item in changed]
                found[name] = [*merged, *gone]
        elif name in ("podIPs", "hostIPs"):
            gone = [item for item in held or () if item not in value]
            found[name] = [*value, *({**item, "$patch": "delete"} for item in gone)]
        else:
            found[name] = value
    return found
