"""Validation of APIServices, in upstream's words."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api.codec.json import from_builtins
from pilothouse.api.types.apiregistration.v1 import APIService
from pilothouse.kinds.apiregistration import apiservice

GOOD = {"group": "g.example.com", "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 10}
SERVICE = {"namespace": "n", "name": "s", "port": 443}


@pytest.mark.parametrize(
    ("name", "spec", "texts"),
    [
        ("v1.g.example.com", {}, []),
        (
            "v2.g.example.com",
            {},
            [
                'metadata.name: Invalid value: "v2.g.example.com": must be `spec.version+"."+spec.group`: '
                '"v1.g.example.com"'
            ],
        ),
        (
            "v2.",
            {"group": "", "version": "v2"},
            ["spec.group: Required value: only v1 may have an empty group and it better be legacy kube"],
        ),
        (
            "v1.g.example.com",
            {"groupPriorityMinimum": 20001, "versionPriority": 0},
            [
                "spec.groupPriorityMinimum: Invalid value: 20001: must be positive and less than 20000",
                "spec.versionPriority: Invalid value: 0: must be positive and less than 1000",
            ],
        ),
        (
            "v1.g.example.com",
            {"caBundle": "YWI=", "insecureSkipTLSVerify": True},
            [
                'spec.caBundle: Invalid value: "2 bytes": local APIServices may not have a caBundle',
                "spec.insecureSkipTLSVerify: Invalid value: true: local APIServices may not have insecureSkipTLSVerify",
            ],
        ),
        (
            "v1.g.example.com",
            {"caBundle": "YWI=", "insecureSkipTLSVerify": True, "service": {**SERVICE, "name": "", "port": 0}},
            [
                "spec.service.name: Required value",
                "spec.service.port: Invalid value: 0: port is not valid: must be between 1 and 65535, inclusive",
                "spec.insecureSkipTLSVerify: Invalid value: true: may not be true if caBundle is present",
            ],
        ),
    ],
)
def test_api_services(name: str, spec: dict[str, Any], texts: list[str]) -> None:
    obj = from_builtins({"metadata": {"name": name}, "spec": {**GOOD, **spec}}, APIService)
    assert [f"{e.path}: {e.message}" for e in apiservice.validate(obj)] == texts
