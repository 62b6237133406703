"""Which credentials open which registry."""

from __future__ import annotations

import base64
import json

import pytest

from pilothouse.api.types.core.v1 import Secret
from pilothouse.kubelet.pull_secrets import credentials
from pilothouse.seams.runtime import RegistryAuth

AUTHS = {
    "https://index.docker.io/v1/": {"username": "hub", "password": "1"},
    "registry.example": {"auth": base64.b64encode(b"plain:2").decode()},
    "registry.example/team": {"username": "team", "password": "3"},
    "other.example:5000": {"username": "port", "password": "4"},
}
SECRET = Secret(data={".dockerconfigjson": json.dumps({"auths": AUTHS}).encode()})
OLD = Secret(data={".dockercfg": json.dumps({"old.example": {"username": "old", "password": "5"}}).encode()})
BROKEN = Secret(data={".dockerconfigjson": b"{"})


@pytest.mark.parametrize(
    ("image", "users"),
    [
        ("busybox", ["hub"]),
        ("docker.io/library/busybox:1", ["hub"]),
        ("team/app", ["hub"]),
        ("registry.example/app:1", ["plain"]),
        ("registry.example/team/app:1", ["team", "plain"]),
        ("registry.example/teammates/app:1", ["plain"]),
        ("other.example:5000/app", ["port"]),
        ("other.example/app", []),
        ("old.example/app", ["old"]),
    ],
)
def test_credentials(image: str, users: list[str]) -> None:
    assert [auth.username for auth in credentials(image, [BROKEN, SECRET, OLD])] == users


def test_the_joined_form_is_taken_apart() -> None:
    assert credentials("registry.example/app", [SECRET]) == [RegistryAuth(username="plain", password="2")]
