"""What a client sent empty is told from what it did not send, in validation alone."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api import go_text
from pilothouse.api.codec.json import from_builtins
from pilothouse.api.field_errors import invalid
from pilothouse.api.types.certificates.v1 import CertificateSigningRequest
from pilothouse.api.types.networking.v1 import Ingress
from pilothouse.api.types.resource.v1 import ResourceClaimTemplate
from pilothouse.api.types.storage.v1 import StorageClass
from pilothouse.apiserver.generic.emptiness import with_empty


def shown(value: Any) -> str:
    return invalid("x", value, "").message.removeprefix("Invalid value: ")


@pytest.mark.parametrize(
    ("spec", "text"),
    [({}, "null"), ({"rules": None}, "null"), ({"rules": []}, "[]"), ({"rules": [{"host": "a"}]}, '[{"Host":"a",')],
)
def test_a_list_that_was_sent_empty_is_shown_as_such(spec: dict[str, Any], text: str) -> None:
    tree = {"spec": {key: value for key, value in spec.items() if value is not None}}
    obj = with_empty(from_builtins(tree, Ingress), {"spec": spec})
    assert shown(obj.spec.rules).startswith(text)


def test_maps_and_bytes_too() -> None:
    empty = with_empty(from_builtins({"parameters": {}}, StorageClass), {"parameters": {}})
    assert shown(empty.parameters) == "{}"
    request = with_empty(from_builtins({"spec": {"request": ""}}, CertificateSigningRequest), {"spec": {"request": ""}})
    assert shown(request.spec.request) == '""'
    assert shown(CertificateSigningRequest().spec.request) == "null"


def test_marks_reach_into_lists_and_are_left_out_of_metadata() -> None:
    tree = {"spec": {"metadata": {"finalizers": [], "labels": {"a": "b"}}, "spec": {"devices": {"requests": []}}}}
    template = with_empty(from_builtins(tree, ResourceClaimTemplate), tree)
    assert go_text.given(template.spec.metadata.finalizers)
    assert not go_text.given(template.spec.metadata.annotations)
    assert shown(template.spec) == (
        '{"labels":{"a":"b"},"Spec":{"Devices":{"Requests":[],"Constraints":null,"Config":null}}}'
    )


def test_what_was_not_sent_empty_stays_the_same_object() -> None:
    tree = {"spec": {"rules": [{"host": "a"}]}}
    obj = from_builtins(tree, Ingress)
    assert with_empty(obj, tree) is obj
    assert with_empty(obj, None) is obj
