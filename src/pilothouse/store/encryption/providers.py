"""What turns a value into what lies on the disk and back, in the forms of kube-apiserver's encryption at rest.

A stored value is `k8s:enc:PROVIDER:v1:KEYNAME:` and then what the provider makes of it, so that either can read what
the other wrote. AES-GCM authenticates the storage key with the value: one that is moved to another key is refused.
"""

from __future__ import annotations

import os
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ENCRYPTED = b"k8s:enc:"
_BLOCK = 16
_GCM_NONCE, _BOX_NONCE = 12, 24


class CannotDecrypt(ValueError):
    """A stored value that no key at hand opens; the text says why, and never what is in it."""


class Provider(Protocol):
    """One key of one provider. `header` begins each value that it wrote."""

    @property
    def header(self) -> bytes: ...

    def seal(self, value: bytes, key: str) -> bytes:
        """What is stored under `key` for `value`, the header included."""
        ...

    def open(self, stored: bytes, key: str) -> bytes:
        """The value that was stored under `key`. Raises CannotDecrypt."""
        ...


def _header(provider: str, key_name: str) -> bytes:
    return ENCRYPTED + f"{provider}:v1:{key_name}:".encode()


class Identity:
    """Values as they are. What is encrypted is none of its."""

    header = b""

    def seal(self, value: bytes, key: str) -> bytes:
        return value

    def open(self, stored: bytes, key: str) -> bytes:
        if stored.startswith(ENCRYPTED):
            raise CannotDecrypt("identity transformer tried to read encrypted data")
        return stored


class GCM:
    """`aesgcm`: a random nonce of 12 bytes, then what AES-GCM makes of the value, authenticated with the key."""

    def __init__(self, key_name: str, secret: bytes) -> None:
        self.header = _header("aesgcm", key_name)
        self._cipher = AESGCM(secret)

    def seal(self, value: bytes, key: str) -> bytes:
        nonce = os.urandom(_GCM_NONCE)
        return self.header + nonce + self._cipher.encrypt(nonce, value, key.encode())

    def open(self, stored: bytes, key: str) -> bytes:
        sealed = stored[len(self.header) :]
        if len(sealed) < _GCM_NONCE:
            raise CannotDecrypt("the stored data was shorter than the required size")
        try:
            return self._cipher.decrypt(sealed[:_GCM_NONCE], sealed[_GCM_NONCE:], key.encode())
        except InvalidTag:
            raise CannotDecrypt("cipher: message authentication failed") from None


class CBC:
    """`aescbc`: a random block, then AES-CBC of the value with PKCS #7 padding. It authenticates nothing."""

    def __init__(self, key_name: str, secret: bytes) -> None:
        self.header = _header("aescbc", key_name)
        self._algorithm = algorithms.AES(secret)

    def seal(self, value: bytes, key: str) -> bytes:
        start = os.urandom(_BLOCK)
        padder, encryptor = padding.PKCS7(128).padder(), Cipher(self._algorithm, modes.CBC(start)).encryptor()
        padded = padder.update(value) + padder.finalize()
        return self.header + start + encryptor.update(padded) + encryptor.finalize()

    def open(self, stored: bytes, key: str) -> bytes:
        sealed = stored[len(self.header) :]
        if len(sealed) < _BLOCK:
            raise CannotDecrypt("the stored data was shorter than the required size")
        if len(sealed) % _BLOCK:
            raise CannotDecrypt("the stored data is not a multiple of the block size")
        decryptor = Cipher(self._algorithm, modes.CBC(sealed[:_BLOCK])).decryptor()
        unpadder = padding.PKCS7(128).unpadder()
        try:
            padded = decryptor.update(sealed[_BLOCK:]) + decryptor.finalize()
            return unpadder.update(padded) + unpadder.finalize()
        except ValueError:
            raise CannotDecrypt("invalid padding on input") from None


class Box:
    """`secretbox`: a random nonce of 24 bytes, then NaCl's secretbox (XSalsa20 and Poly1305) of the value."""

    def __init__(self, key_name: str, secret: bytes) -> None:
        # It stands on numpy, which takes a while to load, and few use it.
        from pilothouse.store.encryption.secretbox import SecretBox

        self.header = _header("secretbox", key_name)
        self._box = SecretBox(secret)

    def seal(self, value: bytes, key: str) -> bytes:
        nonce = os.urandom(_BOX_NONCE)
        return self.header + nonce + self._box.seal(value, nonce)

    def open(self, stored: bytes, key: str) -> bytes:
        sealed = stored[len(self.header) :]
        nonce, sealed = sealed[:_BOX_NONCE], sealed[_BOX_NONCE:]
        opened = self._box.open(sealed, nonce) if len(nonce) == _BOX_NONCE else None
        if opened is None:
            raise CannotDecrypt("message authentication failed")
        return opened
