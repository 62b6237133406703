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

NAMESPACE = "target"
RECORDED = pathlib.Path(__file__).parents[1] / "data/golden/cases.json.gz"
STORIES: list[list[dict[str, Any]]] = [
    case["steps"] for cases in json.loads(gzip.decompress(RECORDED.read_bytes())).values() for case in cases
]
# What would rightly make other requests fail once it is there: it is only tried, never kept.
FAR_REACHING = ("webhookconfigurations", "apiservices", "admissionpolic", "customresourcedefinitions")
PATCHES = (
    "application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json",
    "application/apply-patch+yaml", "application/apply-patch+cbor", "application/json", "x/y",
)  # fmt: skip
CONTENTS = ("application/json", "application/yaml", protobuf.CONTENT_TYPE, "text/plain", "application/cbor", ";;", "a/b;c")
ACCEPTS = (
    "application/json", "application/yaml", protobuf.CONTENT_TYPE, "*/*", "application/json;as=Table;g=meta.k8s.io;v=v1",
    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1", "application/json;as=PartialObjectMetadataList;g=x;v=v9",
    "application/json;as=;;;=,,", "application/json;stream=watch", "", ",", "q=0", "application/json;q=nan", "\xff/\xfe",
    "application/vnd.kubernetes.protobuf;as=Table;g=meta.k8s.io;v=v1",
)  # fmt: skip
VALUES = (
    "", "0", "1", "-1", "abc", "9223372036854775807", "9223372036854775808", "-9223372036854775809", "1e3", "٣", "null",
    "true", "false", "%00", "\ud83d", "a=b", "a==b,c!=d", "a in (b,c),!d", "a in (", "metadata.name=x", "spec.nodeName=",
    "status.phase!=", "=", ",", "!", "a" * 5000, "All", "[]", "{}", "../..", "NotOlderThan", "Exact", "Strict", "Foreground",
    "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MSwic3RhcnQiOiJhXHUwMDAwIn0", "e30", "eyJ2IjpudWxsfQ==", "é", "💥", "\n", "999999999999",
)  # fmt: skip
PARAMETERS = (
    "limit", "continue", "resourceVersion", "resourceVersionMatch", "watch", "timeoutSeconds", "allowWatchBookmarks",
    "sendInitialEvents", "labelSelector", "fieldSelector", "dryRun", "fieldManager", "fieldValidation", "force", "pretty",
    "gracePeriodSeconds", "propagationPolicy", "orphanDependents", "includeObject", "timeout", "shardSelector", "command",
    "container", "stdin", "tailLines", "sinceSeconds", "sinceTime", "limitBytes", "follow", "ports", "path", "ignoreStoreReadErrorWithClusterBreakingPotential",
)  # fmt: skip
HEADERS = (
    ("Impersonate-User", "\xff"), ("Impersonate-User", ""), ("Impersonate-User", "system:serviceaccount:a:b"),
    ("Impersonate-Group", "system:masters"), ("Impersonate-Extra-%", "x"), ("Impersonate-Uid", "1"),
    ("Authorization", "Bearer"), ("Authorization", "Bearer a.b.c"), ("Authorization", "Basic Zm9vOmJhcg=="),
    ("Authorization", "Bearer eyJhbGciOiJub25lIn0.e30."), ("Authorization", "Bearer " + "x" * 20_000), ("User-Agent", ""),
    ("User-Agent", "\xff" * 300), ("Content-Encoding", "gzip"), ("Accept-Encoding", "gzip;q=x, *;q="), ("If-Match", "*"),
    ("If-None-Match", '"x"'), ("Upgrade", "websocket"), ("Connection", "Upgrade"), ("X-Forwarded-For", "a,,b"),
    ("Audit-ID", "\xff" * 500), ("Kubectl-Command", "x"), ("Range", "bytes=5-1"), ("Sec-WebSocket-Key", "x"),
    ("Sec-WebSocket-Protocol", "v5.channel.k8s.io,,"), ("Sec-WebSocket-Version", "x"), ("X-Stream-Protocol-Version", "v9"),
    ("Expect", "100-continue"), ("Cookie", "a" * 9000), ("X-Remote-User", "admin"), ("Host", "a b"),
)  # fmt: skip
PATHS = (
    "/", "//", "/api", "/api/", "/api/v1/", "/api/v2/pods", "/apis/", "/apis//", "/apis/apps", "/apis/apps/v9/x", "/apis/nope/v1/x",
    "/api/v1/namespaces//pods", "/api/v1/namespaces/a/b/c/d/e/f/g", "/api/v1/../../etc/passwd", "/api/v1/%2e%2e/%2e%2e", "/api/v1/watch",
    "/api/v1/watch/namespaces", "/api/v1/watch/namespaces/a/pods/b/c", "/api/v1/proxy/nodes/a", "/api/v1/pods/%00", "/api/v1/pods/%ff%fe",
    "/api/v1/namespaces/%2f/pods", "/openapi/v2", "/openapi/v3", "/openapi/v3/apis/x", "/openapi/v3/%00?hash=%ff", "/metrics", "/metrics/x",
    "/version", "/healthz/x", "/readyz?exclude=etcd&verbose", "/livez/etcd?verbose=%ff", "/logs", "/debug/pprof", "/.well-known/openid-configuration",
    "/openid/v1/jwks", "/debug/api_priority_and_fairness/dump_queues", "/flagz", "/statusz", "/api/v1/namespaces/target/pods/a:b/proxy/x",
    "/api/v1/namespaces/target/services/https:x:y/proxy", "/api/v1/nodes/x/proxy/..%2f..%2f", "/api/v1/namespaces/target/pods/x/exec",
    "/api/v1/namespaces/target/pods/x/portforward?ports=99999", "/api/v1/namespaces/target/pods/x/attach", "/api/v1/" + "a/" * 3000,
    "/api/v1/namespaces/target/pods/x/log?tailLines=x", "/" + "%41" * 3000, "*", "http://x/api", "/api/v1/pods;x=y", "/api/v1/pods#x", "/\u00e9",
)  # fmt: skip
DEPTHS = (100, 1000, 9_990, 10_010, 30_000, 200_000)
Ending = Literal["answer", "early", "half", "drip"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one hostile client sends. `answer`: reads the answers to all it sent; `early`: goes without; `half`: has sent
    less or more than a request, and may be answered; `drip`: sends piece by piece with pauses, and goes."""

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
        value = quote(dice.choice(VALUES).encode("utf-8", "surrogatepass"), safe="")
        target += ("&" if "?" in target else "?") + f"{dice.choice(PARAMETERS)}={value}"
    if any(name in target.partition("?")[0] for name in FAR_REACHING):
        target += ("&" if "?" in target else "?") + "dryRun=All"
    if "timeoutSeconds" not in target:  # a watch that nobody ends would hold its sender
        target += ("&" if "?" in target else "?") + "timeoutSeconds=1"
    return target


def _odd_headers(dice: random.Random, rate: float) -> list[tuple[str, str]]:
    found = [("Accept", dice.choice(ACCEPTS))] if dice.random() < rate else []
    while dice.random() < rate:
        found.append(dice.choice(HEADERS))
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
            headers = [("Content-Type", dice.choice(PATCHES + CONTENTS))]
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
        tree = {key: value for key, value in tree.items() if key in ("kind", "apiVersion", "metadata") or dice.random() < 0.5}
    content = dice.choice(PATCHES if verb == "PATCH" else CONTENTS) if dice.random() < 0.6 else "application/json"
    if verb == "PATCH" and dice.random() < 0.3:
        content, data = PATCHES[0], json.dumps(_operations(tree, dice)).encode()
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
    verb = dice.choice(("GET", "GET", "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "CONNECT", "TRACE", "PROPFIND"))
    target = dice.choice(PATHS) if dice.random() < 0.5 else dice.choice(PLACES)[1]
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
    place = dice.choice((b'{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"x"},"data":%b}', b'{"spec":%b}', b"%b", b"a: %b"))
    return place % nested, dice.choice((*PATCHES, *CONTENTS))


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
    return json.dumps(operations).encode(), PATCHES[0]


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
    return json.dumps(made).encode(), dice.choice((*PATCHES[:4], *CONTENTS[:2]))


def _texts(dice: random.Random) -> tuple[bytes, str]:
    """Numbers and strings that cost more to read than to write."""
    value = dice.choice((
        "1" * 300_000, "1" * 5_000, "-1e" + "9" * 5000, '"' + "\\u0061" * 200_000 + '"', '"' + "\\" * 100_001 + '"', "0." + "0" * 100_000 + "1",
        '"' + "a" * 2_900_000 + '"', "[" + "1," * 400_000 + "1]", '"' + "\\ud83d" * 50_000 + '"', "1_0" * 50_000, "!!python/object:os.system x",
        "!!binary " + "A" * 100_000, "0x" + "f" * 100_000, "190:20:30" * 10_000, "? " * 20_000, "&a " * 1000, "'" + "''" * 100_000 + "'",
    ))  # fmt: skip
    place = dice.choice(('{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"x"},"data":{"a":%s}}', '{"spec":{"replicas":%s}}', "%s",
                         '{"kind":"Pod","apiVersion":"v1","metadata":{"name":"x"},"spec":{"containers":[{"name":"a","resources":{"limits":{"cpu":%s}}}]}}'))  # fmt: skip
    return (place % value).encode(), dice.choice((*PATCHES[:4], *CONTENTS[:2]))


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
    verb, target = dice.choice((("POST", base), ("PUT", f"{base}/x"), ("PATCH", f"{base}/x"), ("DELETE", f"{base}/x"), ("PATCH", f"{base}/target")))
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
    lines = dice.choice((
        b"Content-Length: 5\r\nTransfer-Encoding: chunked", b"Content-Length: 0\r\nContent-Length: 60", b"Transfer-Encoding: xchunked",
        b"Transfer-Encoding : chunked", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", b"Content-Length: +5", b"Content-Length: 0x5",
        b"Content-Length: 5, 5", b"Transfer-Encoding:\x0bchunked", b" Content-Length: 5", b"Content-Length: 5\nX: y", b"Content_Length: 70",
        b"X: y\r\n\r", b"\x00: y", b"Connection: close, content-length", b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: x",
    ))  # fmt: skip
    choice = dice.randrange(4)
    if choice == 0:
        count = dice.choice((5, 200))
        yield Attempt("pipeline", [message("GET", "/api/v1/namespaces/target") * count], answers=count)
    elif choice == 1:
        yield Attempt("garbage", [dice.randbytes(dice.randrange(1, 3000))], "half")
    elif choice == 2:
        yield Attempt("headers", [head + b"".join(b"X-%d: y\r\n" % n for n in range(dice.choice((900, 5000)))) + b"\r\n"], "half")
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
