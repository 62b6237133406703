"""Custom objects are not written in protobuf; their metadata is."""

from __future__ import annotations

import pytest

from pilothouse.api.errors import StatusError
from pilothouse.apiserver.request.negotiation import ALL_SHAPES, JSON, PROTOBUF, TEXTS, accepted

SHAPED = f"{PROTOBUF};as=PartialObjectMetadata;g=meta.k8s.io;v=v1"


@pytest.mark.parametrize(
    ("accept", "kind"),
    [(f"{PROTOBUF},{JSON}", JSON), (f"{SHAPED},{JSON}", PROTOBUF), (f"{PROTOBUF};q=0.9,*/*;q=0.1", JSON)],
)
def test_the_first_type_that_will_do(accept: str, kind: str) -> None:
    assert accepted(accept.encode(), False, ALL_SHAPES, TEXTS).type == kind


def test_nothing_else_than_protobuf() -> None:
    told = "only the following media types are accepted: application/json, application/yaml$"
    with pytest.raises(StatusError, match=told) as refusal:
        accepted(PROTOBUF.encode(), False, ALL_SHAPES, TEXTS)
    assert refusal.value.code == 406
