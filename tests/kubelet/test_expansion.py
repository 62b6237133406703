"""`$(NAME)` in commands, values and paths inside volumes."""

from __future__ import annotations

import pytest

from pilothouse.api.types.core.v1 import VolumeMount
from pilothouse.kubelet.expansion import expand
from pilothouse.kubelet.volumes.model import VolumeError
from pilothouse.kubelet.volumes.sub_paths import sub_path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("$(A)", "1"),
        ("x$(A)y$(B)z", "x1y2z"),
        ("$(C)", "$(C)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$A", "$A"),
        ("$(A", "$(A"),
        ("$", "$"),
        ("a$", "a$"),
        ("$()", "$()"),
        ("$(A)$", "1$"),
        ("$$", "$"),
        ("$(EMPTY)x", "x"),
    ],
)
def test_expand(text: str, expected: str) -> None:
    assert expand(text, {"A": "1", "B": "2", "EMPTY": ""}) == expected


SURROUNDINGS = {"POD": "web-0", "UP": "..", "TOP": "/tmp", "EMPTY": ""}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [("$(POD)", "web-0"), ("logs/$(POD)/x", "logs/web-0/x"), ("$$(POD)", "$(POD)"), ("a..b", "a..b"), ("", "")],
)
def test_paths_inside_volumes(expression: str, expected: str) -> None:
    assert sub_path(VolumeMount(sub_path_expr=expression), SURROUNDINGS) == expected


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("$(B)/$(A)/$(B)", "missing value for A, B"),
        ("$(EMPTY)", "missing value for EMPTY"),
        ("$(TOP)", "error SubPath `/tmp` must not be an absolute path"),
        ("a/$(UP)", "unable to provision SubPath `a/..`: must not contain '..'"),
    ],
)
def test_paths_that_cannot_be_told_or_lead_outside(expression: str, why: str) -> None:
    with pytest.raises(VolumeError) as refused:
        sub_path(VolumeMount(sub_path_expr=expression), SURROUNDINGS)
    assert str(refused.value) == why


def test_a_plain_path_needs_no_values() -> None:
    assert sub_path(VolumeMount(sub_path="$(POD)"), {}) == "$(POD)"
