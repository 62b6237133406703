"""kit.jwt: what is signed verifies with its key, and with no other."""

from __future__ import annotations

import pytest

from pilothouse.kit import jwt, tls

CLAIMS = {"sub": "a", "aud": ["b"], "exp": 7}


@pytest.fixture(scope="module", params=["ec", "rsa"])
def signer(request: pytest.FixtureRequest) -> jwt.Signer:
    return jwt.Signer(tls.new_key() if request.param == "ec" else tls.new_rsa_key())


def test_round_trip(signer: jwt.Signer) -> None:
    token = signer.sign(CLAIMS)
    header, claims = jwt.read_unverified(token)
    assert claims == CLAIMS
    assert header["kid"] == signer.key.id
    jwt.verify(token, header, [signer.key])


def test_another_key_or_changed_claims_are_refused(signer: jwt.Signer) -> None:
    token = signer.sign(CLAIMS)
    header, _ = jwt.read_unverified(token)
    with pytest.raises(jwt.BadToken):
        jwt.verify(token, header, [jwt.Signer(tls.new_key()).key])
    head, _, signature = token.split(".")
    forged = f"{head}.{jwt.encode(b'{}')}.{signature}"
    with pytest.raises(jwt.BadToken):
        jwt.verify(forged, header, [signer.key])


@pytest.mark.parametrize("alg", ["none", "HS256", "RS256", "ES256"])
def test_an_unsigned_token_is_refused(signer: jwt.Signer, alg: str) -> None:
    header = {"alg": alg, "kid": signer.key.id}
    token = f"{jwt.encode(b'{}')}.{jwt.encode(b'{}')}."
    with pytest.raises(jwt.BadToken):
        jwt.verify(token, header, [signer.key])


@pytest.mark.parametrize("text", ["", "a.b", "a.b.c", "!.!.!", jwt.encode(b"[]") + "." + jwt.encode(b"{}") + ".x"])
def test_text_that_is_no_token(text: str) -> None:
    with pytest.raises(jwt.BadToken):
        jwt.read_unverified(text)


def test_padding_is_refused() -> None:
    """As Go's RawURLEncoding does."""
    with pytest.raises(jwt.BadToken, match="padding"):
        jwt.decode(jwt.encode(b"a") + "==")


def test_the_public_key_as_jwk(signer: jwt.Signer) -> None:
    found = signer.key.jwk()
    assert found["kid"] == signer.key.id
    assert found["kty"] == ("RSA" if signer.key.algorithm == "RS256" else "EC")
