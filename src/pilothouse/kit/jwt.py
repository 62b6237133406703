"""JSON Web Tokens, signed with ES256 or RS256: making them, checking them, and the public keys as a JWK set.

A key's id is the base64url of the SHA-256 of its public half (DER, SubjectPublicKeyInfo).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from pilothouse.kit.tls import load_key

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
_P256_BYTES = 32


class BadToken(ValueError):
    """Text that is no token, or whose signature is not one of ours."""


class Key:
    """A public key that tokens are checked against."""

    def __init__(self, public: PublicKey) -> None:
        self.public = public
        der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        self.id = encode(hashlib.sha256(der).digest())
        self.algorithm = "RS256" if isinstance(public, rsa.RSAPublicKey) else "ES256"

    def verify(self, message: bytes, signature: bytes) -> bool:
        try:
            if isinstance(self.public, rsa.RSAPublicKey):
                self.public.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
            elif len(signature) != 2 * _P256_BYTES:
                return False
            else:
                r = int.from_bytes(signature[:_P256_BYTES], "big")
                s = int.from_bytes(signature[_P256_BYTES:], "big")
                self.public.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            return False
        return True

    def jwk(self) -> dict[str, str]:
        """The key as a JSON Web Key."""
        found = {"use": "sig", "kid": self.id, "alg": self.algorithm}
        if isinstance(self.public, rsa.RSAPublicKey):
            numbers = self.public.public_numbers()
            size = (numbers.n.bit_length() + 7) // 8
            exponent = (numbers.e.bit_length() + 7) // 8
            return {
                **found,
                "kty": "RSA",
                "n": encode(numbers.n.to_bytes(size, "big")),
                "e": encode(numbers.e.to_bytes(exponent, "big")),
            }
        point = self.public.public_numbers()
        x, y = point.x.to_bytes(_P256_BYTES, "big"), point.y.to_bytes(_P256_BYTES, "big")
        return {**found, "kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y)}


class Signer:
    """Signs with one private key (PEM; EC P-256 or RSA)."""

    def __init__(self, private: bytes) -> None:
        key = load_key(private)
        if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            raise BadToken("tokens are signed with RSA or EC keys")
        self._private = key
        self.key = Key(key.public_key())
        header = {"alg": self.key.algorithm, "kid": self.key.id}
        self._header = encode(msgspec.json.encode(header)).encode("ascii")

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A token that carries `claims`."""
        message = self._header + b"." + encode(msgspec.json.encode(claims)).encode("ascii")
        if isinstance(self._private, rsa.RSAPrivateKey):
            signature = self._private.sign(message, padding.PKCS1v15(), hashes.SHA256())
        else:
            r, s = decode_dss_signature(self._private.sign(message, ec.ECDSA(hashes.SHA256())))
            signature = r.to_bytes(_P256_BYTES, "big") + s.to_bytes(_P256_BYTES, "big")
        return message.decode("ascii") + "." + encode(signature)


def load_public_key(data: bytes) -> Key:
    """A key from PEM, public or private. Raises BadToken or CertificateError."""
    if b"PRIVATE KEY" in data:
        return Signer(data).key
    try:
        public = serialization.load_pem_public_key(data)
    except ValueError as error:
        raise BadToken(str(error)) from error
    if not isinstance(public, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        raise BadToken("tokens are signed with RSA or EC keys")
    return Key(public)


def read_unverified(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims as the token has them; nothing of it is proven. Raises BadToken."""
    parts = token.split(".")
    if len(parts) != 3:
        raise BadToken("a token has three parts")
    return _object(parts[0]), _object(parts[1])


def verify(token: str, header: Mapping[str, Any], keys: Sequence[Key]) -> None:
    """Check the signature of `token`, whose unverified `header` has been read. Raises BadToken."""
    message, _, signature = token.rpartition(".")
    raw = message.encode("ascii")
    wanted = header.get("kid")
    candidates = [k for k in keys if k.id == wanted] or keys
    for key in candidates:
        if header.get("alg") == key.algorithm and key.verify(raw, decode(signature)):
            return
    raise BadToken("the signature is not one of our keys'")


def encode(data: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes:
    """The bytes of base64url without padding. Raises BadToken."""
    if "=" in text:
        raise BadToken("base64url with padding")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadToken(str(error)) from error


def _object(part: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(decode(part), type=dict[str, Any])
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError) as error:
        raise BadToken(str(error)) from error
