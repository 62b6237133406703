"""NaCl's secretbox: XSalsa20 encrypts, Poly1305 authenticates (Bernstein, "Cryptography in NaCl", sections 7 to 9).

The library that does our other cryptography has Poly1305 but not Salsa20; all blocks of a message are made at once
here, each a column of numbers.
"""

from __future__ import annotations

import numpy as np
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.poly1305 import Poly1305
from numpy.typing import NDArray

Words = NDArray[np.uint32]

_SIGMA = np.frombuffer(b"expand 32-byte k", "<u4")
_ROUNDS = 20
_BLOCK = 64
_TAG = 16
_POLY_KEY = 32
# The four quarter rounds on columns and the four on rows, as places of the state.
_QUARTERS = (
    ((0, 4, 8, 12), (5, 9, 13, 1), (10, 14, 2, 6), (15, 3, 7, 11)),
    ((0, 1, 2, 3), (5, 6, 7, 4), (10, 11, 8, 9), (15, 12, 13, 14)),
)


class SecretBox:
    """Seals with one key of 32 bytes. A nonce (24 bytes) must never be used twice."""

    def __init__(self, key: bytes) -> None:
        self._key = np.frombuffer(key, "<u4")

    def seal(self, message: bytes, nonce: bytes) -> bytes:
        """The tag of 16 bytes, then as many bytes as the message has."""
        stream = self._stream(nonce, _POLY_KEY + len(message))
        sealed = _xor(message, stream[_POLY_KEY:])
        return Poly1305.generate_tag(stream[:_POLY_KEY], sealed) + sealed

    def open(self, sealed: bytes, nonce: bytes) -> bytes | None:
        """The message; None if it was not sealed with this key and nonce."""
        tag, body = sealed[:_TAG], sealed[_TAG:]
        stream = self._stream(nonce, _POLY_KEY + len(body))
        try:
            Poly1305.verify_tag(stream[:_POLY_KEY], body, tag)
        except InvalidSignature:
            return None
        return _xor(body, stream[_POLY_KEY:])

    def _stream(self, nonce: bytes, length: int) -> bytes:
        """XSalsa20's key stream: the first part of the nonce makes a key, the rest numbers the blocks of that key."""
        words = np.frombuffer(nonce, "<u4")
        mixed = _rounds(_state(self._key, words[:4].reshape(4, 1)))
        key = mixed[[0, 5, 10, 15, 6, 7, 8, 9], 0]
        count = -(-length // _BLOCK)
        numbers = np.arange(count, dtype=np.uint32)
        place = np.stack([np.full(count, words[4]), np.full(count, words[5]), numbers, np.zeros_like(numbers)])
        state = _state(key, place.astype(np.uint32))
        return (_rounds(state) + state).T.astype("<u4").tobytes()[:length]


def _state(key: Words, place: Words) -> Words:
    """The matrix of 16 words, one column for each column of `place` (nonce and block number)."""
    columns = place.shape[1]
    fixed = np.concatenate([_SIGMA, key]).reshape(12, 1).repeat(columns, axis=1)
    rows = [fixed[0], *fixed[4:8], fixed[1], *place, fixed[2], *fixed[8:12], fixed[3]]
    return np.stack(rows).astype(np.uint32)


def _rounds(state: Words) -> Words:
    """Salsa20's rounds, without the addition at their end."""
    x = state.copy()
    for number in range(_ROUNDS):
        for a, b, c, d in _QUARTERS[number % 2]:
            x[b] ^= _rotated(x[a] + x[d], 7)
            x[c] ^= _rotated(x[b] + x[a], 9)
            x[d] ^= _rotated(x[c] + x[b], 13)
            x[a] ^= _rotated(x[d] + x[c], 18)
    return x


def _rotated(words: Words, bits: int) -> Words:
    return (words << np.uint32(bits)) | (words >> np.uint32(32 - bits))


def _xor(data: bytes, stream: bytes) -> bytes:
    return (np.frombuffer(data, np.uint8) ^ np.frombuffer(stream, np.uint8)).tobytes()
