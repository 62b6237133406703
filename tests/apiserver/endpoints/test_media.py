"""Media types of what the server says of itself, and JSON for those who read it themselves."""

from __future__ import annotations

import pytest
import yaml

from pilothouse.api.errors import StatusError
from pilothouse.apiserver.request.negotiation import body_type, first_of, wants_pretty
from tests.apiserver.servers import asked


@pytest.mark.parametrize(
    ("asked_for", "agent", "wanted"),
    [
        (None, b"kubectl/v1.36", False),
        (None, b"curl/8", True),
        (None, None, False),
        (["true"], None, True),
        (["1"], b"kubectl/v1.36", True),
        (["false"], b"curl/8", False),
        (["yes"], b"Wget/1", False),
        ([""], b"Mozilla/5.0 (X11)", True),
    ],
)
def test_who_reads_json_himself(asked_for: list[str] | None, agent: bytes | None, wanted: bool) -> None:
    assert wants_pretty(asked_for, agent) is wanted


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [(None, "a/x"), (b"*/*", "a/x"), (b"a/y", "a/y"), (b"a/y;q=0.5,a/x", "a/x"), (b"b/*", None), (b"a/*", "a/x")],
)
def test_the_first_type_that_is_accepted(accept: bytes | None, wanted: str | None) -> None:
    assert first_of(accept, ("a/x", "a/y")) == wanted


async def test_json_is_indented_in_every_answer() -> None:
    async with asked() as ask:
        for path in ("/api/v1/namespaces/default", "/api/v1/namespaces", "/apis", "/api/v1/namespaces/none"):
            assert (await ask(path, User_Agent="curl/8")).body.startswith(b'{\n  "kind": "')
            assert (await ask(f"{path}?pretty=false", User_Agent="curl/8")).body.startswith(b'{"kind":"')


async def test_discovery_in_other_media_types() -> None:
    async with asked() as ask:
        answer = await ask("/apis/apps/v1", Accept="application/yaml")
        assert answer.headers["content-type"] == "application/yaml"
        assert yaml.safe_load(answer.body)["groupVersion"] == "apps/v1"
        assert (await ask("/apis", Accept="application/vnd.kubernetes.protobuf")).body.startswith(b"k8s\x00")
        unknown = await ask("/apis/apps/v1/nopes", Accept="application/yaml")
        assert yaml.safe_load(unknown.body)["reason"] == "NotFound"


async def test_the_version_is_read_only_json() -> None:
    async with asked() as ask:
        assert (await ask("/version", method="POST")).status == 405
        assert b"Available representations: application/json" in (await ask("/version", Accept="text/html")).body


async def test_health_tells_of_exclusions_that_mean_nothing() -> None:
    async with asked() as ask:
        told = (await ask("/livez?verbose&exclude=nope&exclude=ping")).body.decode()
        assert "[+]ping excluded: ok\n" in told
        assert 'warn: some health checks cannot be excluded: no matches for "nope"\nlivez check passed\n' in told


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        (None, "application/json"),
        (b"application/json", "application/json"),
        (b"Application/YAML ; charset=utf-8", "application/yaml"),
        (b'application/json;a="x;y";b=c;', "application/json"),
        (b"application/json; charset", None),
        (b"application/json;;", None),
        (b"application/json;a=b;A=c", None),
        (b"application/json x", None),
        (b"json", None),
    ],
)
def test_the_type_of_a_body_as_go_reads_it(header: bytes | None, wanted: str | None) -> None:
    if wanted is None:
        with pytest.raises(StatusError, match="unknown format"):
            body_type(header)
    else:
        assert body_type(header) == wanted
