"""Impersonation: acting as somebody else, when one may.

There are two kinds of rights. The plain verb `impersonate` allows everything in another's name. The constrained kind
needs two: `impersonate:MODE` on who it is, and `impersonate-on:MODE:VERB` on what is done. Modes are tried in
turn; the first that applies words the refusal. An impersonator's last successful mode is tried first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from pilothouse.api.errors import StatusError, bad_request
from pilothouse.api.go_text import quote
from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.apiserver.authn.interface import RequestHead
from pilothouse.apiserver.authz.forbidden import forbidden
from pilothouse.apiserver.authz.interface import Access, Authorizer
from pilothouse.semantics import serviceaccounts as accounts

_AUTHN = "authentication.k8s.io"
_AUTHENTICATED, _UNAUTHENTICATED, _ANONYMOUS = "system:authenticated", "system:unauthenticated", "system:anonymous"
_NODE_PREFIX, _NODES = "system:node:", "system:nodes"
_EXTRA = b"impersonate-extra-"
_REMEMBERED = 4096
_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whom the headers ask for, as they were given."""

    name: str
    uid: str
    groups: tuple[str, ...]
    extra: Mapping[str, tuple[str, ...]]

    @property
    def name_alone(self) -> bool:
        return not (self.uid or self.groups or self.extra)


def wanted(head: RequestHead) -> Wanted | None:
    """Whom `head` asks to act as; None if nobody. Raises StatusError 400."""
    name = uid = ""
    groups: list[str] = []
    extra: dict[str, list[str]] = {}
    for header, value in head.headers:
        if not header.startswith(b"impersonate-"):
            continue
        text = value.decode("latin-1")
        if header == b"impersonate-user":
            name = name or text
        elif header == b"impersonate-uid":
            uid = uid or text
        elif header == b"impersonate-group":
            groups.append(text)
        elif header.startswith(_EXTRA):
            extra.setdefault(_extra_key(header), []).append(text)
    if not (name or uid or groups or extra):
        return None
    found = Wanted(name, uid, tuple(groups), {key: tuple(values) for key, values in extra.items()})
    if not name:
        raise bad_request(f"requested {_go_user(found)} without impersonating a user name")
    return found


def _extra_key(header: bytes) -> str:
    encoded = header[len(_EXTRA) :].decode("latin-1").lower()
    return encoded if _PERCENT.search(encoded) else unquote(encoded)


def _go_user(asked: Wanted) -> str:
    groups = "[]string{" + ", ".join(map(quote, asked.groups)) + "}" if asked.groups else "[]string(nil)"
    extra = "map[string][]string(nil)"
    if asked.extra:
        pairs = (f"{quote(k)}:[]string{{{', '.join(map(quote, v))}}}" for k, v in sorted(asked.extra.items()))
        extra = "map[string][]string{" + ", ".join(pairs) + "}"
    return f"&user.DefaultInfo{{Name:{quote(asked.name)}, UID:{quote(asked.uid)}, Groups:{groups}, Extra:{extra}}}"


Checks = list[Access]
Mode = Callable[[Access, Wanted], "tuple[Checks, UserInfo] | None"]
"""What must be allowed, in order, and who one then is; None if the mode does not apply."""


class Impersonation:
    """Decides whether the user of a request may act as another."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer
        self._last_mode: dict[tuple[str, str, tuple[str, ...]], Mode] = {}

    def impersonate(self, asked: Wanted, access: Access) -> UserInfo:
        """Whom the request `access` is made as. Raises StatusError 403."""
        user = access.user
        who = (user.username, user.uid, user.groups)
        last = self._last_mode.get(who)
        modes = _MODES if last is None else (last, *(m for m in _MODES if m is not last))
        refusal: StatusError | None = None
        for mode in modes:
            found = mode(access, asked)
            if found is None:
                continue
            checks, as_user = found
            refused = self._first_refusal(checks)
            if refused is None:
                if len(self._last_mode) >= _REMEMBERED:
                    self._last_mode.clear()
                self._last_mode[who] = mode
                return as_user
            refusal = refusal or refused
        if refusal is None:
            raise bad_request(f"cannot impersonate {quote(asked.name)}")
        raise refusal

    def _first_refusal(self, checks: Checks) -> StatusError | None:
        for check in checks:
            verdict = self._authorizer.authorize(check)
            if not verdict.allowed:
                return forbidden(check, verdict.reason)
        return None


def _on(access: Access, mode: str) -> Access:
    return access._replace(verb=f"impersonate-on:{mode}:{access.verb}")


def _who(access: Access, verb: str, resource: str, name: str, *, group: str = _AUTHN, namespace: str = "") -> Access:
    resource, _, subresource = resource.partition("/")
    return Access(
        access.user,
        verb,
        group=group,
        version="v1",
        resource=resource,
        subresource=subresource,
        namespace=namespace,
        name=name,
    )


def _associated_node(access: Access, asked: Wanted) -> tuple[Checks, UserInfo] | None:
    node = _node_name(asked)
    own = access.user.extra.get(accounts.NODE_NAME, ())
    if node is None or own != (node,) or accounts.split(access.user.username) is None:
        return None
    checks = [_on(access, "associated-node"), _who(access, "impersonate:associated-node", "nodes", "*")]
    return checks, UserInfo(username=asked.name, groups=(_NODES, _AUTHENTICATED))


def _arbitrary_node(access: Access, asked: Wanted) -> tuple[Checks, UserInfo] | None:
    node = _node_name(asked)
    if node is None:
        return None
    checks = [_on(access, "arbitrary-node"), _who(access, "impersonate:arbitrary-node", "nodes", node)]
    return checks, UserInfo(username=asked.name, groups=(_NODES, _AUTHENTICATED))


def _service_account(access: Access, asked: Wanted) -> tuple[Checks, UserInfo] | None:
    account = accounts.split(asked.name)
    if account is None or not asked.name_alone:
        return None
    namespace, name = account
    who = _who(access, "impersonate:serviceaccount", "serviceaccounts", name, namespace=namespace)
    return [_on(access, "serviceaccount"), who], _as_user(asked)


def _user_info(access: Access, asked: Wanted) -> tuple[Checks, UserInfo] | None:
    if accounts.split(asked.name) is not None or _node_of(asked.name) is not None:
        return None
    verb = "impersonate:user-info"
    checks = [_on(access, "user-info"), _who(access, verb, "users", asked.name)]
    checks += [_who(access, verb, "uids", asked.uid)] if asked.uid else []
    checks += [_who(access, verb, "groups", g) for g in asked.groups]
    checks += [_who(access, verb, f"userextras/{key}", v) for key, values in asked.extra.items() for v in values]
    return checks, _as_user(asked)


def _legacy(access: Access, asked: Wanted) -> tuple[Checks, UserInfo] | None:
    verb = "impersonate"
    account = accounts.split(asked.name)
    if account is None:
        checks = [_who(access, verb, "users", asked.name, group="")]
    else:
        checks = [_who(access, verb, "serviceaccounts", account[1], group="", namespace=account[0])]
    checks += [_who(access, verb, "groups", g, group="") for g in asked.groups]
    checks += [_who(access, verb, f"userextras/{key}", v) for key, values in asked.extra.items() for v in values]
    checks += [_who(access, verb, "uids", asked.uid)] if asked.uid else []
    return checks, _as_user(asked)


_MODES: tuple[Mode, ...] = (_associated_node, _arbitrary_node, _service_account, _user_info, _legacy)


def _node_of(name: str) -> str | None:
    return name[len(_NODE_PREFIX) :] or None if name.startswith(_NODE_PREFIX) else None


def _node_name(asked: Wanted) -> str | None:
    return _node_of(asked.name) if asked.name_alone else None


def _as_user(asked: Wanted) -> UserInfo:
    groups = asked.groups
    account = accounts.split(asked.name)
    if account is not None and not groups:
        groups = accounts.groups(account[0])
    if _AUTHENTICATED not in groups and _UNAUTHENTICATED not in groups:
        groups = (*groups, _UNAUTHENTICATED if asked.name == _ANONYMOUS else _AUTHENTICATED)
    return UserInfo(username=asked.name, uid=asked.uid, groups=groups, extra=asked.extra)
