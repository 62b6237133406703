"""Puts the authenticators together in upstream's order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.apiserver.authn.bearer import BearerAuthenticator, Tokens, WebSocketAuthenticator
from pilothouse.apiserver.authn.bootstraptokens import BootstrapTokens
from pilothouse.apiserver.authn.interface import TokenAuthenticator
from pilothouse.apiserver.authn.serviceaccounts import ServiceAccountTokens
from pilothouse.apiserver.authn.static import StaticTokens
from pilothouse.apiserver.authn.union import RequestAuthentication, ReviewedTokens
from pilothouse.apiserver.authn.x509 import CertificateAuthenticator
from pilothouse.apiserver.reader import Reader
from pilothouse.kit import jwt
from pilothouse.kit.clock import Clock
from pilothouse.semantics.serviceaccounts import ISSUER


@dataclass(frozen=True, slots=True)
class Settings:
    """`keys` are the public keys that service account tokens may be signed with."""

    keys: Sequence[jwt.Key]
    issuer: str = ISSUER
    audiences: tuple[str, ...] = (ISSUER,)
    static_tokens: Mapping[str, UserInfo] = field(default_factory=dict)
    anonymous: bool = True


@dataclass(frozen=True, slots=True)
class Authn:
    """`requests` is for the filter, `tokens` for TokenReview."""

    requests: RequestAuthentication
    tokens: ReviewedTokens


def build(settings: Settings, reader: Reader, clock: Clock) -> Authn:
    """Authentication as `settings` say."""
    kinds: list[TokenAuthenticator] = []
    if settings.static_tokens:
        kinds.append(StaticTokens(settings.static_tokens, settings.audiences))
    kinds.append(
        ServiceAccountTokens(settings.keys, reader, clock, issuer=settings.issuer, audiences=settings.audiences)
    )
    kinds.append(BootstrapTokens(reader, clock, settings.audiences))
    tokens = Tokens(kinds, clock)
    ways = (CertificateAuthenticator(clock), BearerAuthenticator(tokens), WebSocketAuthenticator(tokens))
    return Authn(RequestAuthentication(ways, anonymous=settings.anonymous), ReviewedTokens(tokens))
