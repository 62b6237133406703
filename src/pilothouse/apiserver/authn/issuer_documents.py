"""What others need to check service account tokens themselves: the issuer's OpenID documents. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pilothouse.kit import jwt

CONFIGURATION_PATH, KEYS_PATH = "/.well-known/openid-configuration", "/openid/v1/jwks"
CONFIGURATION_TYPE, KEYS_TYPE = b"application/json", b"application/jwk-set+json"
CACHE_CONTROL = (b"cache-control", b"public, max-age=3600")


def configuration(issuer: str, keys_url: str, keys: Sequence[jwt.Key]) -> bytes:
    """The discovery document; `keys_url` is where `key_set` is served."""
    document = {
        "issuer": issuer,
        "jwks_uri": keys_url,
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": sorted({k.algorithm for k in keys}),
    }
    return msgspec.json.encode(document)


def key_set(keys: Sequence[jwt.Key]) -> bytes:
    """The public keys as a JWK set."""
    return msgspec.json.encode({"keys": [k.jwk() for k in keys]})
