"""Providers: upstream's forms byte by byte, what was sealed opens again, and nothing else does."""

from __future__ import annotations

import base64
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.store.encryption.providers import CBC, GCM, Box, CannotDecrypt, Identity, Provider
from pilothouse.store.encryption.secretbox import SecretBox

KEY = bytes(range(32))
OTHER = bytes(range(1, 33))
MAKERS = {"aesgcm": GCM, "aescbc": CBC, "secretbox": Box}
KEYS = st.text(st.characters(codec="utf-8"), max_size=40)


@pytest.mark.parametrize("name", MAKERS)
@given(value=st.binary(max_size=300), key=KEYS)
def test_what_was_sealed_opens_again_and_is_never_the_same_twice(name: str, value: bytes, key: str) -> None:
    provider: Provider = MAKERS[name]("key1", KEY)
    first, second = provider.seal(value, key), provider.seal(value, key)
    assert first.startswith(f"k8s:enc:{name}:v1:key1:".encode())
    assert first != second
    assert len(value) < 30 or value not in first
    assert provider.open(first, key) == provider.open(second, key) == value


@pytest.mark.parametrize("name", ["aesgcm", "secretbox"])
@given(value=st.binary(max_size=100), at=st.integers(0), bit=st.integers(0, 7))
def test_a_changed_bit_is_noticed(name: str, value: bytes, at: int, bit: int) -> None:
    provider: Provider = MAKERS[name]("k", KEY)
    stored = bytearray(provider.seal(value, "/registry/secrets/a/b"))
    at = len(provider.header) + at % (len(stored) - len(provider.header))
    stored[at] ^= 1 << bit
    with pytest.raises(CannotDecrypt):
        provider.open(bytes(stored), "/registry/secrets/a/b")


@given(cut=st.binary(max_size=60))
@pytest.mark.parametrize("name", MAKERS)
def test_what_is_no_sealed_value_is_refused_in_words(name: str, cut: bytes) -> None:
    provider: Provider = MAKERS[name]("k", KEY)
    # What authenticates nothing may take anything for its own, if by chance only.
    with contextlib.suppress(CannotDecrypt) if name == "aescbc" else pytest.raises(CannotDecrypt):
        provider.open(provider.header + cut, "/x")


def test_a_value_moved_to_another_key_is_refused() -> None:
    stored = GCM("k", KEY).seal(b"password", "/registry/secrets/a/one")
    with pytest.raises(CannotDecrypt, match="message authentication failed"):
        GCM("k", KEY).open(stored, "/registry/secrets/a/two")


@pytest.mark.parametrize("name", ["aesgcm", "secretbox"])
def test_another_key_opens_nothing(name: str) -> None:
    with pytest.raises(CannotDecrypt):
        MAKERS[name]("k", OTHER).open(MAKERS[name]("k", KEY).seal(b"password", "/x"), "/x")


def test_identity_leaves_plain_values_and_refuses_encrypted_ones() -> None:
    assert Identity().open(Identity().seal(b"{}", "/x"), "/x") == b"{}"
    with pytest.raises(CannotDecrypt, match="identity transformer tried to read encrypted data"):
        Identity().open(GCM("k", KEY).seal(b"{}", "/x"), "/x")


def test_the_form_of_aes_gcm_is_upstreams() -> None:
    """Nonce, then text and tag, under the key of the store: made once by hand, as kube-apiserver lays it out."""
    stored = base64.b64decode(GCM_SAMPLE)
    assert GCM("key1", KEY).open(stored, "/registry/secrets/default/x") == b'{"kind":"Secret"}'


GCM_SAMPLE = "azhzOmVuYzphZXNnY206djE6a2V5MTpkZWZnaGlqa2xtbm8zObUPF410pBwxOouoAB7fP86lMjHMzx4IaciUeEVEPbI="

# The published example of NaCl: key, nonce, message, and what secretbox makes of them.
NACL_KEY = "1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389"
NACL_NONCE = "69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37"
NACL_MESSAGE = (
    "be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d45e6c61296cdc3c01233561f4"
    "1db66cce314adb310e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde048977eb48f59ffd4924ca1c60902e52"
    "f0a089bc76897040e082f937763848645e0705"
)
NACL_SEALED = (
    "f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186ac0dfc17c98dce87b"
    "4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae90224368517acfeabd6bb3732bc0e9da"
    "99832b61ca01b6de56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74e355a5"
)


def test_secretbox_is_nacls() -> None:
    box, nonce = SecretBox(bytes.fromhex(NACL_KEY)), bytes.fromhex(NACL_NONCE)
    assert box.seal(bytes.fromhex(NACL_MESSAGE), nonce).hex() == NACL_SEALED
    assert box.open(bytes.fromhex(NACL_SEALED), nonce) == bytes.fromhex(NACL_MESSAGE)
    assert box.open(b"", nonce) is None
