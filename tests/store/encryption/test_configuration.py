"""EncryptionConfiguration: read as upstream reads it, and refused in its words."""

from __future__ import annotations

import base64

import pytest
import yaml

from pilothouse.store.encryption.configuration import ConfigurationError, encryptions, parse
from pilothouse.store.encryption.providers import CBC, GCM, Box, Identity

SECRET = base64.b64encode(bytes(32)).decode()


def key(name: str = "key1", secret: str = SECRET) -> dict[str, str]:
    return {"name": name, "secret": secret}


def document(*providers: object, resources: object = ("secrets",)) -> str:
    entry = {"resources": list(resources) if isinstance(resources, tuple) else resources, "providers": list(providers)}
    head = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "EncryptionConfiguration"}
    return yaml.safe_dump({**head, "resources": [entry]})


def test_providers_come_in_order_and_each_key_is_one() -> None:
    text = document(
        {"aesgcm": {"keys": [key("a"), key("b")]}},
        {"aescbc": {"keys": [key("c")]}},
        {"secretbox": {"keys": [key("d")]}},
        {"identity": {}},
    )
    (one,) = encryptions(parse(text))
    assert one.resources == ("secrets",)
    assert [type(p) for p in one.providers] == [GCM, GCM, CBC, Box, Identity]
    assert [p.header for p in one.providers] == [
        b"k8s:enc:aesgcm:v1:a:",
        b"k8s:enc:aesgcm:v1:b:",
        b"k8s:enc:aescbc:v1:c:",
        b"k8s:enc:secretbox:v1:d:",
        b"",
    ]


GOOD = {"aesgcm": {"keys": [key()]}}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "it is not YAML (line 1)"),
        ("{}", "it is no EncryptionConfiguration of apiserver.config.k8s.io/v1 (it says ?, ?)"),
        ("apiVersion: v1\nkind: Secret", "(it says v1, Secret)"),
        ("- 1", "Expected `object`"),
        (document(GOOD) + "spam: 1\n", "spam"),
        (document(), "resources[0].providers: Required value: at least one resources[0].providers is required"),
        (document(GOOD, resources=()), "resources[0].resources: Required value"),
        (document({}), "contain any of the expected providers: KMS, AESGCM, AESCBC, Secretbox, Identity"),
        (document({"identity": {}, **GOOD}), "more than one provider specified in a single element"),
        (document({"kms": {"name": "x"}}), "providers[0].kms: Invalid value: KMS providers are not supported"),
        (document({"aesgcm": {"keys": []}}), "aesgcm.keys: Required value: at least one keys"),
        (document({"aesgcm": {"keys": [{"secret": SECRET}]}}), "keys[0].name: Required value: name is a mandatory"),
        (document({"aesgcm": {"keys": [{"name": "x"}]}}), "keys[0].secret: Required value: secret is"),
        (document({"aesgcm": {"keys": [key(secret="%")]}}), '"REDACTED": secrets must be base64 encoded'),
        (document({"aesgcm": {"keys": [key(secret="YWJj")]}}), "got 3, expected one of [16 24 32]"),
        (document({"secretbox": {"keys": [key(secret="YWJj")]}}), "got 3, expected one of [32]"),
        (document(GOOD, resources=("Secrets",)), "resource name should not contain capital letters"),
        (document(GOOD, resources=("*",)), "use '*.' to encrypt all the resources from core API group"),
        (document(GOOD, resources=("events.events.k8s.io",)), "Use 'events' instead in the config file"),
        (document(GOOD, resources=("secrets.*",)), "encrypting the same resource across groups is not supported"),
        (document(GOOD, resources=("jobs.extensions",)), "'extensions' group has been removed"),
        (document(GOOD, resources=("secrets", "secrets")), "the same resource cannot be specified multiple times"),
        (document(GOOD, resources=("secrets", "*.")), "using overlapping resources such as 'secrets' and '*.'"),
        (document(GOOD, resources=("secrets", "*.*")), "using overlapping resources"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_said_without_a_key(text: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(text)
    assert words in str(caught.value)
    assert SECRET not in str(caught.value)


def test_wildcards_of_different_groups_do_not_overlap() -> None:
    (one,) = encryptions(parse(document(GOOD, resources=("secrets", "*.apps", "widgets.example.com"))))
    assert one.resources == ("secrets", "*.apps", "widgets.example.com")
