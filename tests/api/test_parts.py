"""The shared decoding of what pods of one template have in common."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pytest

from pilothouse.api.codec import json as codec
from pilothouse.api.codec import protobuf, strict
from pilothouse.api.codec.walk import DecodeError
from pilothouse.api.types.core.v1 import Pod

POD = json.loads((pathlib.Path(__file__).parents[1] / "data" / "pod.json").read_text())


def body(name: str, **changes: Any) -> bytes:
    return json.dumps({**POD, "metadata": {"name": name}, **changes}).encode()


def test_pods_of_one_template_share_their_spec() -> None:
    first, second = strict.decode(body("a"), Pod).obj, strict.decode(body("b"), Pod).obj
    assert (first.metadata.name, second.metadata.name) == ("a", "b")
    assert first.spec is second.spec
    assert first == codec.from_builtins({**POD, "metadata": {"name": "a"}}, Pod)
    again, other = (codec.decode(codec.encode(pod), Pod) for pod in (first, second))
    assert again.spec is other.spec
    assert (again, other) == (first, second)


@pytest.mark.parametrize("decode", [lambda data: strict.decode(data, Pod).obj, lambda data: codec.decode(data, Pod)])
def test_what_is_not_there_has_its_default(decode: Any) -> None:
    assert decode(b"{}") == Pod()
    assert decode(b'{"metadata":{"name":"a"}}').metadata.name == "a"


def test_a_known_spec_hides_no_problem_beside_it() -> None:
    text = body("a").decode()
    assert not strict.decode(text.encode(), Pod).problems
    twice = text[:-1] + ', "spec": ' + json.dumps(POD["spec"]) + "}"
    assert strict.decode(twice.encode(), Pod).problems == ('duplicate field "spec"',)
    assert strict.decode(body("a", other=1), Pod).problems == ('unknown field "other"',)
    assert strict.decode(body("a", metadata={"name": "a", "x": 1}), Pod).problems == ('unknown field "metadata.x"',)
    assert strict.decode(body("a", metadata=None), Pod).obj.metadata.name == ""
    with pytest.raises(DecodeError):
        strict.decode(body("a", metadata={"generation": 1.5}), Pod)
    with pytest.raises(DecodeError):
        strict.decode(body("a", status=3), Pod)


def test_messages_share_it_too() -> None:
    first, second = (codec.from_builtins({**POD, "metadata": {"name": name}}, Pod) for name in "ab")
    messages = [protobuf.encode(pod) for pod in (first, second)]
    assert messages == [protobuf.encode(codec.from_builtins(codec.to_builtins(pod), Pod)) for pod in (first, second)]
    read = [protobuf.decode(message, Pod) for message in messages]
    assert read[0].spec is read[1].spec
    assert read == [first, second]
    asked = [strict.decode_request(message, Pod, media_type=protobuf.CONTENT_TYPE) for message in messages]
    assert [found.obj for found in asked] == [first, second]


def test_an_empty_list_of_managers_is_still_seen() -> None:
    strict.decode(body("a"), Pod)
    tree = strict.decode(body("a", metadata={"name": "a", "managedFields": []}), Pod).tree
    assert tree["metadata"]["managedFields"] == []
