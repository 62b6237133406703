"""The table of resources (`api/types/resources.py`) and of Table columns (`api/types/columns.py`)."""

from __future__ import annotations

import json
import pathlib
from typing import Any

from tools.gen.types import HEADER


def row(r: dict[str, Any]) -> str:
    parts = [
        f"{r['group']!r}, {r['version']!r}, {r['resource']!r}, {r['kind']!r}, {r.get('singular', '')!r}",
        f"namespaced={r['namespaced']}",
        f"verbs={tuple(r['verbs'])!r}",
    ]
    if r.get("shortNames"):
        parts.append(f"short_names={tuple(r['shortNames'])!r}")
    if r.get("categories"):
        parts.append(f"categories={tuple(r['categories'])!r}")
    if subs := r.get("subresources"):
        made = []
        for s in subs:
            group, version = s.get("group", r["group"]), s.get("version", r["version"])
            made.append(f"Subresource({s['name']!r}, {s['kind']!r}, {group!r}, {version!r}, {tuple(s['verbs'])!r})")
        parts.append(f"subresources=({', '.join(made)},)")
    return f"    Resource({', '.join(parts)}),\n"


def files(root: pathlib.Path) -> dict[pathlib.Path, str]:
    resources = json.loads((root / "spec/resources-v1.36.json").read_text())
    columns = json.loads((root / "spec/table-columns-v1.36.json").read_text())
    text = HEADER + "from pilothouse.api.facts import Resource, Subresource\n\nSERVED: tuple[Resource, ...] = (\n"
    text += "".join(row(r) for r in resources if r["served"]) + ")\n"
    table = HEADER + "COLUMNS: dict[tuple[str, str, str], tuple[tuple[str, str, str, int], ...]] = {\n"
    for c in columns:
        rows = "".join(f"({', '.join(repr(x) for x in col)})," for col in c["columns"])
        table += f"    ({c['group']!r}, {c['version']!r}, {c['resource']!r}): ({rows}),\n"
    base = root / "src/pilothouse/api/types"
    return {base / "resources.py": text, base / "columns.py": table + "}\n"}
