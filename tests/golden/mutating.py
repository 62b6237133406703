"""Plays recorded mutations: a good object with one member changed, added or taken away, and what the real server said.

A file of `tests/data/golden/mutations` is named GROUP.RESOURCE.jsonl.gz and has a JSON value a line:

    {"define": N, "path": collection, "object": {...}}       a base, before the mutations that change it
    {"base": N, "how": "create" | "update" | "status", "at": [path], "to": value, "answer": {status, warnings, body}}

`to` is absent where the member is taken away. `create` POSTs the changed base, `update` and `status` make the base
first and PUT the changed one. All but the bases of updates is sent with dryRun=All, so mutations do not meet. The
recorded client sent apiVersion, kind and metadata first: answers that repeat what they could not read show it.
"""

from __future__ import annotations

import copy
import gzip
import http.client
import json
import pathlib
import re
from typing import Any

from pilothouse.kit.clock import pause
from tests.golden.comparing import Words, differences, masked, sorted_out, text
from tests.golden.playing import CHANCE, Server, filled

_INNER_STRUCT = re.compile(r'(Invalid value: )\{"[A-Z].*\}(: )', re.S)
_FIRST = ("apiVersion", "kind", "metadata")
_CHOSEN_BY_AUTHENTICATION = ("extra", "uid", "username", "groups")


def read(path: pathlib.Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def write(path: pathlib.Path, lines: list[dict[str, Any]]) -> None:
    text_lines = "".join(json.dumps(line, separators=(",", ":"), sort_keys=True) + "\n" for line in lines)
    path.write_bytes(gzip.compress(text_lines.encode(), 9, mtime=0))


def mutated(base: Any, mutation: dict[str, Any]) -> Any:
    """A copy of `base` with the mutation's member set, appended or taken away; `base` itself for an empty path."""
    if not mutation["at"]:
        return base
    *parents, last = mutation["at"]
    changed = copy.deepcopy(base)
    node = changed
    for part in parents:
        node = node[part]
    if "to" not in mutation:
        node.pop(last)
    elif isinstance(node, list) and last == len(node):
        node.append(mutation["to"])
    else:
        node[last] = mutation["to"]
    return changed


def _as_sent(body: Any) -> Any:
    return {**{key: body[key] for key in _FIRST if key in body}, **body} if isinstance(body, dict) else body


def _shortened(value: Any) -> Any:
    """Leaves out what messages show of Go's own structs: no client reads it."""
    if isinstance(value, dict):
        return {key: _shortened(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_shortened(member) for member in value]
    if not isinstance(value, str):
        return value
    value = _INNER_STRUCT.sub(r"\1{...}\2", value)
    return value.partition("\n")[0] if "may not change fields other than" in value else value


class Player:
    """Plays the mutations of one kind. What is made for updates lies in a namespace per base; of a kind without
    namespaces one base exists at a time."""

    def __init__(self, server: Server) -> None:
        self._server, self._connection = server, server.connection()
        self._values = {"NS": f"m-{CHANCE.name_suffix(10)}", "ID": f"x{CHANCE.name_suffix(9)}"}
        self._namespaces: set[str] = set()
        self._made: dict[int, tuple[int, str]] = {}

    def play(self, base: dict[str, Any], mutation: dict[str, Any]) -> list[str]:
        """The differences between the recorded answer and ours."""
        namespace = self._values["NS"]
        if mutation["how"] != "create":
            namespace += f"-{base['define']}"
        values = {**self._values, "NS": namespace}
        collection, made = filled(base["path"], values), filled(base["object"], values)
        if "/namespaces/" in collection:
            self._namespace(namespace)
        body = _as_sent(mutated(made, mutation))
        if mutation["how"] == "create":
            answer = self._ask("POST", f"{collection}?dryRun=All", body)
        else:
            status, url = self._base(base["define"], collection, made)
            if status != 201:
                return [f"the base was refused with {status}"]
            metadata = body.get("metadata") if isinstance(body, dict) else None
            if isinstance(metadata, dict):
                metadata.setdefault("name", url.rpartition("/")[2])
            answer = self._ask("PUT", f"{url}{'/status' if mutation['how'] == 'status' else ''}?dryRun=All", body)
        words: Words = [(namespace, "$NS"), (self._values["ID"], "$ID")]
        got = {
            "status": answer[0],
            "warnings": sorted(text(warning, words) for warning in answer[2]),
            "body": _compared(_shortened(sorted_out(masked(answer[1], words))), mutation["how"], answer[0]),
        }
        return list(differences(mutation["answer"], got))

    def close(self) -> None:
        self._remove_cluster_scoped()
        for namespace in self._namespaces:
            self._ask("DELETE", f"/api/v1/namespaces/{namespace}", None)
        self._connection.close()

    def _ask(self, verb: str, path: str, body: Any) -> tuple[int, Any, list[str]]:
        try:
            return self._server.over(self._connection, verb, path, body)
        except (http.client.HTTPException, OSError) as error:
            self._connection.close()
            return 0, f"no answer: {type(error).__name__}", []

    def _namespace(self, name: str) -> None:
        if name in self._namespaces:
            return
        self._namespaces.add(name)
        self._ask("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        while self._ask("GET", f"/api/v1/namespaces/{name}/serviceaccounts/default", None)[0] != 200:
            pause(0.01)

    def _base(self, number: int, collection: str, made: Any) -> tuple[int, str]:
        """The status of the base's creation, once for all its mutations, and its address."""
        if number not in self._made:
            self._remove_cluster_scoped()
            status, body, _ = self._ask("POST", collection, made)
            self._made[number] = status, f"{collection}/{body['metadata']['name']}" if status == 201 else ""
        return self._made[number]

    def _remove_cluster_scoped(self) -> None:
        for _, url in self._made.values():
            if url and "/namespaces/" not in url:
                self._ask("DELETE", url, None)


def _compared(body: Any, how: str, status: int) -> Any:
    """The body without what others than the request decide."""
    if not isinstance(body, dict):
        return body
    spec = body.get("spec")
    if isinstance(spec, dict) and body.get("kind") == "CertificateSigningRequest":
        for member in _CHOSEN_BY_AUTHENTICATION:
            spec.pop(member, None)
    if isinstance(spec, dict) and body.get("kind") == "Node" and how != "create":
        spec.pop("taints", None)  # the node lifecycle controller's
    if how != "create" and "metadata" in body and status == 200:
        for member in ("managedFields", "generation"):
            body["metadata"].pop(member, None)
        if how == "update":
            body.pop("status", None)
    return body
