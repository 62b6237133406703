"""Puts the documentation of the API's fields into what is built: its text belongs to the package that publishes it.

A build needs `kubernetes-validate` for that, an installation does not. An editable installation copies nothing: the
`demo` extra, which `dev` has in it, brings the package, and `apiserver.openapi.descriptions` reads it there.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
import pathlib
from typing import Any

from setuptools import setup
from setuptools.command.build_py import build_py

PACKAGE, DEFINITIONS = "kubernetes_validate", "kubernetes-json-schema/v1.36.0-local/_definitions.json"
BUILT = "pilothouse/apiserver/openapi/descriptions.json.gz"


def described(node: dict[str, Any]) -> dict[str, Any]:
    """What is said of a type and its fields, without the rest of its schema."""
    told: dict[str, Any] = {"description": node["description"]} if node.get("description") else {}
    if node.get("properties"):
        told["properties"] = {name: described(field) for name, field in node["properties"].items()}
    return told


def packed(published: bytes) -> bytes:
    """The definitions of the package as they lie in ours."""
    definitions = json.loads(published)["$defs"]
    told = {"$defs": {name: described(node) for name, node in definitions.items()}}
    return gzip.compress(json.dumps(told, separators=(",", ":")).encode(), mtime=0)


class BuildWithDescriptions(build_py):
    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        found = importlib.util.find_spec(PACKAGE)
        if found is None or found.origin is None:
            raise SystemExit(f"building needs {PACKAGE.replace('_', '-')}, as pyproject.toml says under build-system")
        published = pathlib.Path(found.origin).parent.joinpath(DEFINITIONS).read_bytes()
        pathlib.Path(self.build_lib, BUILT).write_bytes(packed(published))


setup(cmdclass={"build_py": BuildWithDescriptions})
