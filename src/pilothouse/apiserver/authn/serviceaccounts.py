"""Service account tokens: making them, and accepting them while what they are bound to lives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pilothouse.api.time import parse_time
from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.api.types.core.v1 import Node, Pod, Secret, ServiceAccount
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.apiserver.authn.interface import Authentication, BadCredentials
from pilothouse.apiserver.reader import Reader
from pilothouse.kit import jwt
from pilothouse.kit.clock import Clock
from pilothouse.kit.random import Chance
from pilothouse.semantics import serviceaccounts as accounts

_PRIVATE = "kubernetes.io"
_INVALIDATED = "service account token has been invalidated"
_GRACE_AFTER_DELETION = 60.0
"""A token outlives the moment its object was to be gone by this much, for clocks that differ."""

_LEGACY_NAMESPACE = "kubernetes.io/serviceaccount/namespace"
_LEGACY_NAME = "kubernetes.io/serviceaccount/service-account.name"
_LEGACY_UID = "kubernetes.io/serviceaccount/service-account.uid"
_LEGACY_SECRET = "kubernetes.io/serviceaccount/secret.name"


@dataclass(frozen=True, slots=True)
class Bound:
    """What a token is bound to, beside its account: at most one of pod, secret and node is the object itself;
    a pod's node may be told along with it. Each is (name, uid)."""

    pod: tuple[str, str] | None = None
    secret: tuple[str, str] | None = None
    node: tuple[str, str] | None = None


class TokenIssuer:
    """Signs tokens of service accounts."""

    def __init__(self, signer: jwt.Signer, clock: Clock, chance: Chance, issuer: str = accounts.ISSUER) -> None:
        self.issuer = issuer
        self._signer = signer
        self._clock = clock
        self._chance = chance

    @property
    def key(self) -> jwt.Key:
        return self._signer.key

    def issue(
        self,
        account: ObjectMeta,
        audiences: Sequence[str],
        seconds: int,
        bound: Bound,
        *,
        warn_after: int | None = None,
    ) -> str:
        """A token of `account` for `audiences` that lasts `seconds`; its use is frowned on after `warn_after`."""
        now = int(self._clock.now())
        private: dict[str, Any] = {"namespace": account.namespace}
        if bound.node is not None:
            private["node"] = _reference(bound.node)
        if bound.pod is not None:
            private["pod"] = _reference(bound.pod)
        if bound.secret is not None:
            private["secret"] = _reference(bound.secret)
        private["serviceaccount"] = _reference((account.name, account.uid))
        if warn_after is not None:
            private["warnafter"] = now + warn_after
        claims = {
            "aud": list(audiences),
            "exp": now + seconds,
            "iat": now,
            "iss": self.issuer,
            "jti": self._chance.uid(),
            _PRIVATE: private,
            "nbf": now,
            "sub": accounts.username(account.namespace, account.name),
        }
        return self._signer.sign(claims)

    def issue_legacy(self, account: ObjectMeta, secret: str) -> str:
        """The everlasting token that a Secret of type kubernetes.io/service-account-token holds."""
        claims = {
            "iss": accounts.LEGACY_ISSUER,
            _LEGACY_NAMESPACE: account.namespace,
            _LEGACY_SECRET: secret,
            _LEGACY_NAME: account.name,
            _LEGACY_UID: account.uid,
            "sub": accounts.username(account.namespace, account.name),
        }
        return self._signer.sign(claims)


def _reference(named: tuple[str, str]) -> dict[str, str]:
    name, uid = named
    return {"name": name, "uid": uid} if uid else {"name": name}


class ServiceAccountTokens:
    """Accepts tokens that one of `keys` signed for this cluster, while account and bound object are there."""

    def __init__(
        self,
        keys: Sequence[jwt.Key],
        reader: Reader,
        clock: Clock,
        *,
        issuer: str = accounts.ISSUER,
        audiences: tuple[str, ...] = (accounts.ISSUER,),
    ) -> None:
        self._keys = tuple(keys)
        self._reader = reader
        self._clock = clock
        self._issuer = issuer
        self._audiences = audiences

    def authenticate_token(self, token: str, audiences: tuple[str, ...]) -> Authentication | None:
        """The account of a token of ours; None for anybody else's. Raises BadCredentials."""
        try:
            header, claims = jwt.read_unverified(token)
        except jwt.BadToken:
            return None
        legacy = claims.get("iss") == accounts.LEGACY_ISSUER
        if claims.get("iss") != self._issuer and not legacy:
            return None
        try:
            jwt.verify(token, header, self._keys)
        except jwt.BadToken as error:
            raise BadCredentials("invalid signature, no keys found") from error
        good_for = self._good_for(claims, audiences)
        user = self._legacy_user(token, claims) if legacy else self._user(claims)
        return Authentication(user, good_for)

    def _good_for(self, claims: Mapping[str, Any], audiences: tuple[str, ...]) -> tuple[str, ...]:
        told = claims.get("aud")
        own = (told,) if isinstance(told, str) else tuple(str(a) for a in told or ())
        own = own or self._audiences
        wanted = audiences or self._audiences
        good_for = tuple(a for a in own if a in wanted)
        if not good_for:
            raise BadCredentials(f"token audiences {_list(own)} is invalid for the target audiences {_list(wanted)}")
        return good_for

    def _user(self, claims: Mapping[str, Any]) -> UserInfo:
        now = self._clock.now()
        if now > _number(claims, "exp"):
            raise BadCredentials("service account token has expired")
        if now < _number(claims, "nbf"):
            raise BadCredentials("service account token is not valid yet")
        private = claims.get(_PRIVATE)
        if not isinstance(private, dict):
            raise BadCredentials("service account token claim could not be validated")
        namespace = str(private.get("namespace", ""))
        account = self._account(namespace, *_named(private, "serviceaccount"), now)
        secret, pod, node = _named(private, "secret"), _named(private, "pod"), _named(private, "node")
        if secret[0]:
            self._check_alive(Secret, secret, namespace, now)
        if pod[0]:
            self._check_alive(Pod, pod, namespace, now)
        elif node[0]:
            self._check_alive(Node, node, "", now)
        extra = _extra(str(claims.get("jti", "")), pod, node)
        return _user_info(namespace, account, extra)

    def _legacy_user(self, token: str, claims: Mapping[str, Any]) -> UserInfo:
        now = self._clock.now()
        namespace = str(claims.get(_LEGACY_NAMESPACE, ""))
        if claims.get("sub") != accounts.username(namespace, str(claims.get(_LEGACY_NAME, ""))):
            raise BadCredentials("sub claim is invalid")
        secret = self._reader.get(Secret, str(claims.get(_LEGACY_SECRET, "")), namespace)
        if secret is None or secret.metadata.deletion_timestamp:
            raise BadCredentials("Token has been invalidated")
        if secret.data.get("token", b"") != token.encode("utf-8"):
            raise BadCredentials("Token does not match server's copy")
        uid = str(claims.get(_LEGACY_UID, ""))
        account = self._account(namespace, str(claims.get(_LEGACY_NAME, "")), uid, now)
        return _user_info(namespace, account, {})

    def _account(self, namespace: str, name: str, uid: str, now: float) -> ObjectMeta:
        account = self._reader.get(ServiceAccount, name, namespace)
        if account is None:
            raise BadCredentials(f'serviceaccounts "{name}" not found')
        if _gone(account.metadata, now):
            raise BadCredentials(f"service account {namespace}/{name} has been deleted")
        if account.metadata.uid != uid:
            raise BadCredentials(f"service account UID ({account.metadata.uid}) does not match claim ({uid})")
        return account.metadata

    def _check_alive(self, kind: type[Any], named: tuple[str, str], namespace: str, now: float) -> None:
        name, uid = named
        found = self._reader.get(kind, name, namespace)
        if found is None or _gone(found.metadata, now):
            raise BadCredentials(_INVALIDATED)
        if found.metadata.uid != uid:
            what = kind.__name__.lower()
            raise BadCredentials(
                f"{what} UID ({found.metadata.uid}) does not match service account {what} ref claim ({uid})"
            )


def _user_info(namespace: str, account: ObjectMeta, extra: dict[str, tuple[str, ...]]) -> UserInfo:
    name = accounts.username(namespace, account.name)
    return UserInfo(username=name, uid=account.uid, groups=accounts.groups(namespace), extra=extra)


def _extra(jti: str, pod: tuple[str, str], node: tuple[str, str]) -> dict[str, tuple[str, ...]]:
    told = {
        accounts.CREDENTIAL_ID: f"JTI={jti}" if jti else "",
        accounts.POD_NAME: pod[0],
        accounts.POD_UID: pod[1],
        accounts.NODE_NAME: node[0],
        accounts.NODE_UID: node[1],
    }
    return {key: (value,) for key, value in told.items() if value}


def _named(private: Mapping[str, Any], key: str) -> tuple[str, str]:
    found = private.get(key)
    if not isinstance(found, dict):
        return "", ""
    return str(found.get("name", "")), str(found.get("uid", ""))


def _number(claims: Mapping[str, Any], key: str) -> float:
    value = claims.get(key)
    if isinstance(value, int | float):
        return float(value)
    raise BadCredentials("service account token claim could not be validated")


def _gone(metadata: ObjectMeta, now: float) -> bool:
    deleted = metadata.deletion_timestamp
    return deleted is not None and deleted != "" and now > parse_time(deleted) + _GRACE_AFTER_DELETION


def _list(audiences: Sequence[str]) -> str:
    return "[" + " ".join(f'"{a}"' for a in audiences) + "]"
