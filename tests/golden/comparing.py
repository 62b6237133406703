"""Recorded answers against ours: what changes from run to run is masked, what has no order is sorted."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_AGE = re.compile(r"(\d+[smhdy])+$|<unknown>$|<invalid>$")
_ACCESS = re.compile(r"kube-api-access-[a-z0-9]{5}\b")
_TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")
_SERVICE = re.compile(r"\b10\.(96|43)\.\d{1,3}\.\d{1,3}\b")
Words = list[tuple[str, str]]


def text(found: str, words: Words) -> str:
    for word, name in words:
        found = found.replace(word, name)
    found = found.replace("https://kubernetes.default.svc.cluster.local", "https://kubernetes.default.svc")
    found = _TOKEN.sub("<jwt>", _UUID.sub("<uuid>", _TIME.sub("<time>", found)))
    return _SERVICE.sub("<clusterIP>", _ACCESS.sub("kube-api-access-<random>", found))


def _special(key: str, value: Any, prefix: str | None) -> Any:
    """The mask of a member by its name; the value itself if it has none."""
    if isinstance(value, str) and value:
        if key == "uid":
            return "<uid>"
        if key == "resourceVersion" and value != "0":
            return "<rv>"
        if key == "continue":
            return "<continue>"
        if key == "name" and prefix and value.startswith(prefix) and value != prefix:
            return prefix + "<random>"
    if key == "nodePort" and isinstance(value, int) and value >= 30000:
        return "<nodePort>"
    return value


def masked(found: Any, words: Words, key: str = "") -> Any:
    if isinstance(found, dict):
        prefix = found.get("generateName") if isinstance(found.get("generateName"), str) else None
        made = {}
        for name, value in found.items():
            special = _special(name, value, prefix)
            shown = masked(value, words, name) if special is value and name != "remainingItemCount" else special
            new_name = _UUID.sub("<uuid>", name)
            for word, told in words:
                new_name = new_name.replace(word, told)
            made[new_name] = text(shown, words) if isinstance(shown, str) else shown
        return made
    if isinstance(found, list):
        return [masked(item, words, key) for item in found]
    if isinstance(found, str):
        return "<age>" if key == "cells" and _AGE.match(found) else text(found, words)
    return found


def dropped(found: Any, parts: list[str]) -> None:
    """Take away what a path names; `*` is every member."""
    if not isinstance(found, dict | list) or not parts:
        return
    for key in list(found) if isinstance(found, dict) else range(len(found)):
        if parts[0] not in ("*", str(key)):
            continue
        if len(parts) > 1:
            dropped(found[key], parts[1:])
        elif isinstance(found, dict):
            del found[key]
        else:
            found[key] = "<ignored>"


def dug(found: Any, path: str) -> Any:
    """The member at a dotted path; raises LookupError, TypeError or ValueError if it is not there."""
    for part in path.split("."):
        found = found[int(part)] if isinstance(found, list) else found[part]
    return found


def sorted_out(found: Any) -> Any:
    """managedFields by content, causes of a Status and their texts in its message alike."""
    if isinstance(found, list):
        return [sorted_out(item) for item in found]
    if not isinstance(found, dict):
        return found
    made = {key: sorted_out(value) for key, value in found.items()}
    if isinstance(made.get("managedFields"), list):
        made["managedFields"].sort(key=lambda entry: json.dumps(entry, sort_keys=True))
    details = made.get("details")
    causes = details.get("causes") if made.get("kind") == "Status" and isinstance(details, dict) else None
    if isinstance(causes, list) and len(causes) > 1:
        texts = [f"{cause.get('field', '')}: {cause.get('message', '')}" for cause in causes]
        head, _, tail = str(made.get("message")).partition("[")
        if tail == ", ".join(dict.fromkeys(texts)) + "]":
            made["message"] = f"{head}[{', '.join(sorted(set(texts)))}]"
        made["details"] = {**details, "causes": sorted(causes, key=lambda cause: json.dumps(cause, sort_keys=True))}
    return made


def differences(want: Any, got: Any, path: str = "") -> Iterator[str]:
    if isinstance(want, dict) and isinstance(got, dict):
        for key in sorted({*want, *got}):
            if key not in want or key not in got:
                yield f"{path}/{key}: want {want.get(key, 'nothing')!r}, got {got.get(key, 'nothing')!r}"
            else:
                yield from differences(want[key], got[key], f"{path}/{key}")
    elif isinstance(want, list) and isinstance(got, list) and len(want) == len(got):
        for index, (one, other) in enumerate(zip(want, got, strict=True)):
            yield from differences(one, other, f"{path}/{index}")
    elif want != got or isinstance(want, bool) != isinstance(got, bool):
        yield f"{path}: want {want!r}, got {got!r}"


def comparable(step: dict[str, Any], body: Any, words: Words) -> Any:
    """An answer's body as a step compares it."""
    made = masked(body, words)
    for path in step.get("ignore") or []:
        dropped(made, path.split("."))
    if not step.get("only"):
        return made
    kept = {}
    for path in step["only"]:
        try:
            kept[path] = dug(made, path)
        except (LookupError, TypeError, ValueError):
            kept[path] = "<absent>"
    return kept
