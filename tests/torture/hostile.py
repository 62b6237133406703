"""Requests that mean harm, without end: each is a few pieces of bytes, and how its sender behaves.

What a seed makes is always the same. `story` plays recorded cases with some of their steps spoilt, so that what is
attacked is there; `spoilt` aims at every resource that is served, with bodies that its schema almost allows.
"""

from __future__ import annotations

import gzip
import json
import pathlib
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

from pilothouse.api import scheme
from pilothouse.api.codec import protobuf
from pilothouse.api.codec.json import from_builtins
from pilothouse.api.facts import Resource
from pilothouse.api.shapes import shape_of
from pilothouse.api.types.resources import SERVED
from tests.api.test_protobuf import sample
from tests.apiserver.test_hostile_bodies import JUNK, mutated, path
from tests.torture import words

NAMESPACE = "target"
RECORDED = pathlib.Path(__file__).parents[1] / "data/golden/cases.json.gz"
STORIES: list[list[dict[str, Any]]] = [
    case["steps"] for cases in json.loads(gzip.decompress(RECORDED.read_bytes())).values() for case in cases
]
DEPTHS = (100, 1000, 9_990, 10_010, 30_000, 200_000)
Ending = Literal["answer", "early", "half", "drip"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one hostile client sends. `answer`: reads the answers to all it sent; `early`: goes without; `half`: has
    sent less or more than a request, and may be answered; `drip`: sends piece by piece with pauses, and goes."""

    about: str
    pieces: Sequence[bytes]
    ending: Ending = "answer"
    answers: int = 1
    known: bool = True


def message(verb: str, target: str, body: bytes = b"", headers: Sequence[tuple[str, str]] = ()) -> bytes:
    """The bytes of a request, whatever its parts hold."""
    names = {name.lower() for name, _ in headers}
    lines = [f"{verb} {target} HTTP/1.1".encode("utf-8", "surrogatepass")]
    if "host" not in names:
        lines.append(b"Host: a")
    lines += [f"{name}: {value}".encode("latin-1", "replace") for name, value in headers]
    if body or verb in ("POST", "PUT", "PATCH"):
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def _asked(dice: random.Random, target: str, rate: float) -> str:
    """The target with parameters nobody should send."""
    while dice.random() < rate:
        value = quote(dice.choice(words.VALUES).encode("utf-8", "surrogatepass"), safe="")
        target += ("&" if "?" in target else "?") + f"{dice.choice(words.PARAMETERS)}={value}"
    if any(name in target.partition("?")[0] for name in words.FAR_REACHING):
        target += ("&" if "?" in target else "?") + "dryRun=All"
    if "timeoutSeconds" not in target:  # a watch that nobody ends would hold its sender
        target += ("&" if "?" in target else "?") + "timeoutSeconds=1"
    return target


def _odd_headers(dice: random.Random, rate: float) -> list[tuple[str, str]]:
    found = [("Accept", dice.choice(words.ACCEPTS))] if dice.random() < rate else []
    while dice.random() < rate:
        found.append(dice.choice(words.HEADERS))
    return found


def _broken(data: bytes, dice: random.Random) -> bytes:
    """A byte changed, dropped or doubled; or the end cut off."""
    if not data:
        return data
    at = dice.randrange(len(data))
    if dice.random() < 0.2:
        return data[:at]
    return data[:at] + bytes((dice.randrange(256),)) * dice.randrange(3) + data[at + dice.randrange(2) :]


def story(dice: random.Random) -> Iterator[Attempt]:
    """The steps of a recorded case, each spoilt with some probability."""
    values = {"$NS": NAMESPACE, "$ID": f"x{dice.randrange(10**9)}"}
    rate = dice.choice((0.01, 0.05))
    for step in dice.choice(STORIES):
        verb, target = step["do"].split(None, 1)
        verb = "GET" if verb == "WATCH" else verb
        body = step.get("body")
        spoil = dice.random() < 0.6
        if spoil and dice.random() < 0.15:
            verb = dice.choice(("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"))
        if isinstance(body, dict | list):
            body = json.dumps(mutated(body, dice, rate) if spoil else body)
        text = body or ""
        for name, value in values.items():
            text, target = text.replace(name, value), target.replace(name, value)
        data = text.encode("utf-8", "surrogatepass")
        if spoil and dice.random() < 0.1:
            data = _broken(data, dice)
        headers = [("Content-Type", "application/json")] if data else []
        headers = [(k, v) for k, v in (dict(headers) | (step.get("headers") or {})).items() if v is not None]
        if spoil and data and dice.random() < 0.1:
            headers = [("Content-Type", dice.choice(words.PATCHES + words.CONTENTS))]
        headers += _odd_headers(dice, 0.05 if spoil else 0)
        yield Attempt("story", [message(verb, _asked(dice, target, 0.1 if spoil else 0), data, headers)])


def _places(resource: Resource) -> Iterator[tuple[str, str, str]]:
    """(path, what, verb) of each thing that can be written there."""
    base = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    base += f"/namespaces/{NAMESPACE}" if resource.namespaced else ""
    base += f"/{resource.resource}"
    yield base, resource.kind, "POST"
    yield f"{base}/x", resource.kind, "PUT"
    yield f"{base}/x", resource.kind, "PATCH"
    yield f"{base}/x", "DeleteOptions", "DELETE"
    for sub in resource.subresources:
        for verb in ("POST", "PUT", "PATCH", "GET"):
            yield f"{base}/x/{sub.name}", sub.kind, verb


PLACES = [(r, *place) for r in SERVED for place in _places(r)]


def spoilt(dice: random.Random) -> Iterator[Attempt]:
    """One request with a body that the schema of a kind almost allows."""
    resource, target, kind, verb = dice.choice(PLACES)
    try:
        struct = scheme.type_of(resource.group, resource.version, kind)
    except KeyError:
        struct = scheme.type_of(resource.group, resource.version, resource.kind)
    tree = sample(shape_of(struct), dice.randrange(1, 4), dice)
    if isinstance(tree.get("metadata"), dict):
        kept = {"labels", "annotations", "finalizers", *dice.sample(sorted(tree["metadata"]), 2)}
        tree["metadata"] = {key: value for key, value in tree["metadata"].items() if key in kept} | {"name": "x"}
    tree |= {"kind": kind, "apiVersion": resource.api_version}
    if dice.random() < 0.5:  # few fields, so that more of them are reached
        tree = {
            key: value
            for key, value in tree.items()
            if key in ("kind", "apiVersion", "metadata") or dice.random() < 0.5
        }
    content = (
        dice.choice(words.PATCHES if verb == "PATCH" else words.CONTENTS) if dice.random() < 0.6 else "application/json"
    )
    if verb == "PATCH" and dice.random() < 0.3:
        content, data = words.PATCHES[0], json.dumps(_operations(tree, dice)).encode()
    elif content == protobuf.CONTENT_TYPE and verb != "PATCH":
        data = _broken(protobuf.encode(from_builtins(sample(shape_of(struct), 2, dice), struct)), dice)
    else:
        data = json.dumps(mutated(tree, dice, dice.choice((0.0001, 0.01, 0.05)))).encode()
    if dice.random() < 0.05:
        data = _broken(data, dice)
    headers = [("Content-Type", content), *_odd_headers(dice, 0.1)]
    yield Attempt("spoilt", [message(verb, _asked(dice, target, 0.2), data, headers)])


def _operations(tree: Any, dice: random.Random) -> list[Any]:
    names = ("add", "remove", "replace", "move", "copy", "test", "zz", 5, None)
    return [
        {"op": dice.choice(names), "path": path(tree, dice), "from": path(tree, dice), "value": dice.choice(JUNK)}
        for _ in range(dice.randrange(4))
    ]


def odd(dice: random.Random) -> Iterator[Attempt]:
    """Paths, parameters and headers that lead nowhere."""
    verb = dice.choice(
        ("GET", "GET", "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "CONNECT", "TRACE", "PROPFIND")
    )
    target = dice.choice(words.PATHS) if dice.random() < 0.5 else dice.choice(PLACES)[1]
    headers = _odd_headers(dice, 0.4)
    yield Attempt("odd", [message(verb, _asked(dice, target, 0.6), b"", headers)], known=dice.random() < 0.8)


def watching(dice: random.Random) -> Iterator[Attempt]:
    """Watches with parameters nobody means, left at any moment."""
    target = _asked(dice, dice.choice(PLACES)[1].removesuffix("/x") + "?watch=1", 0.7)
    ending = dice.choice(("answer", "early", "half"))
    yield Attempt("watching", [message("GET", target, b"", _odd_headers(dice, 0.3))], ending)  # type: ignore[arg-type]


def _deep(dice: random.Random) -> tuple[bytes, str]:
    depth = dice.choice(DEPTHS)
    opening, closing = dice.choice(((b"[", b"]"), (b'{"a":', b"}"), (b"- ", b""), (b"{a: ", b"}"), (b"[[],", b"]")))
    nested = opening * depth + (b"0" if opening[-1:] in b": " else b"") + closing * depth
    place = dice.choice(
        (b'{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"x"},"data":%b}', b'{"spec":%b}', b"%b", b"a: %b")
    )
    return place % nested, dice.choice((*words.PATCHES, *words.CONTENTS))


def _aliases(dice: random.Random) -> tuple[bytes, str]:
    levels, width = dice.choice((5, 9, 30)), dice.choice((2, 9))
    lines = ["kind: ConfigMap", "apiVersion: v1", "metadata: {name: x}", "a0: &a0 [x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, levels)]
    lines += dice.choice(([], ["a: &b {c: *b}"], ["<<: *a0"], ["data: {<<: [*a1, *a1]}"]))
    return "\n".join(lines).encode(), dice.choice(("application/yaml", "application/apply-patch+yaml"))


def _copies(dice: random.Random) -> tuple[bytes, str]:
    """A document that doubles with each operation."""
    count = dice.choice((20, 60, 9_999, 10_001))
    operations: list[dict[str, Any]] = [{"op": "add", "path": "/data", "value": {"a": "x" * dice.choice((1, 1000))}}]
    operations += [{"op": "copy", "from": "/data", "path": f"/data/{dice.choice(('b', n))}"} for n in range(count)]
    return json.dumps(operations).encode(), words.PATCHES[0]


def _wide(dice: random.Random) -> tuple[bytes, str]:
    """Very many small things."""
    count = dice.choice((1000, 50_000, 150_000))
    made: Any = dice.choice((
        {"data": {f"k{n}": "" for n in range(count)}},
        {"metadata": {"name": "x", "labels": {f"k{n}": "v" for n in range(count)}}},
        {"metadata": {"name": "x", "finalizers": [f"a/b{n}" for n in range(count)]}},
        {"metadata": {"name": "x", "ownerReferences": [{}] * count}},
        {"metadata": {"name": "x", "managedFields": [{}] * count}},
        {"spec": {"containers": [{"name": "a"}] * count}},
        {"metadata": {"$setElementOrder/finalizers": [f"a{n}" for n in range(count)]}},
        {"metadata": {"finalizers": ["a"] * count, "$deleteFromPrimitiveList/finalizers": ["a"] * count}},
        [{"op": "add", "path": "/data/a", "value": "x"}] * min(count, 20_000),
        [{"op": "test", "path": "/" + "a/" * count}],
    ))  # fmt: skip
    if isinstance(made, dict) and dice.random() < 0.7:
        made = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "x"}, **made}
    return json.dumps(made).encode(), dice.choice((*words.PATCHES[:4], *words.CONTENTS[:2]))


def _texts(dice: random.Random) -> tuple[bytes, str]:
    """Numbers and strings that cost more to read than to write."""
    value, place = dice.choice(words.TEXTS), dice.choice(words.TEXT_PLACES)
    return (place % value).encode(), dice.choice((*words.PATCHES[:4], *words.CONTENTS[:2]))


BOMBS: Sequence[Callable[[random.Random], tuple[bytes, str]]] = (_deep, _aliases, _copies, _wide, _texts)
BOMBED = [
    f"/api/v1/namespaces/{NAMESPACE}/configmaps",
    f"/api/v1/namespaces/{NAMESPACE}/pods",
    f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments",
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
]


def bomb(dice: random.Random) -> Iterator[Attempt]:
    """Small causes, great effects."""
    data, content = dice.choice(BOMBS)(dice)
    base = dice.choice(BOMBED)
    verb, target = dice.choice(
        (
            ("POST", base),
            ("PUT", f"{base}/x"),
            ("PATCH", f"{base}/x"),
            ("DELETE", f"{base}/x"),
            ("PATCH", f"{base}/target"),
        )
    )
    yield Attempt("bomb", [message(verb, _asked(dice, target, 0.1), data, [("Content-Type", content)])])


def slow(dice: random.Random) -> Iterator[Attempt]:
    """Bodies that are huge, come slowly, or never."""
    target = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
    head = f"POST {target} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n".encode()
    choice = dice.randrange(7)
    if choice == 0:
        yield Attempt("too long", [head + b"Content-Length: 99999999999\r\n\r\n{"])
    elif choice == 1:
        yield Attempt("huge", [head + b"Content-Length: 8000000\r\n\r\n", *[b"x" * 100_000] * 20], "early")
    elif choice == 2:
        pieces = [b"%x\r\n%b\r\n" % (65536, b" " * 65536)] * 60
        yield Attempt("endless", [head + b"Transfer-Encoding: chunked\r\n\r\n", *pieces])
    elif choice == 3:
        yield Attempt("drip", [head + b"Content-Length: 1000\r\n\r\n", *[b"{"] * dice.randrange(1, 9)], "drip")
    elif choice == 4:
        yield Attempt("slow head", [bytes((byte,)) for byte in head[: dice.randrange(1, 40)]], "drip")
    elif choice == 5:
        yield Attempt("half", [head + b"Content-Length: 1000\r\n\r\n{}"], "half")
    else:
        yield Attempt("gone", [head + b"Content-Length: 2\r\n\r\n{}"[: dice.randrange(30)]], "early")


def smuggled(dice: random.Random) -> Iterator[Attempt]:
    """Messages that two readers may read differently, and many at once."""
    inner = b"DELETE /api/v1/namespaces/kube-system HTTP/1.1\r\nHost: a\r\n\r\n"
    head = b"POST /api/v1/namespaces/target/configmaps HTTP/1.1\r\nHost: a\r\n"
    lines = dice.choice(words.FRAMINGS)
    choice = dice.randrange(4)
    if choice == 0:
        count = dice.choice((5, 200))
        yield Attempt("pipeline", [message("GET", "/api/v1/namespaces/target") * count], answers=count)
    elif choice == 1:
        yield Attempt("garbage", [dice.randbytes(dice.randrange(1, 3000))], "half")
    elif choice == 2:
        yield Attempt(
            "headers", [head + b"".join(b"X-%d: y\r\n" % n for n in range(dice.choice((900, 5000)))) + b"\r\n"], "half"
        )
    else:
        yield Attempt("smuggled", [head + lines + b"\r\n\r\n0\r\n\r\n" + inner], "half")


SOURCES: Sequence[tuple[int, Callable[[random.Random], Iterator[Attempt]]]] = (
    (12, story), (40, spoilt), (12, odd), (8, watching), (6, bomb), (4, slow), (4, smuggled),
)  # fmt: skip


def attempts(seed: int) -> Iterator[Attempt]:
    """Hostile requests without end."""
    dice = random.Random(seed)
    weights, sources = zip(*SOURCES, strict=True)
    while True:
        yield from dice.choices(sources, weights)[0](dice)
