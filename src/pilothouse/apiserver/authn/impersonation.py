"""Impersonation: acting as somebody else, when one may.

There are two kinds of rights. The plain verb `impersonate` allows everything in another's name. The constrained kind
(KEP 5284) needs two: `impersonate:MODE` on who it is, and `impersonate-on:MODE:VERB` on what is done; it never makes
anybody a member of system:masters. Modes are tried in turn; the first that applies words the refusal. An impersonator's
last successful mode is tried first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import unquote

from pilothouse.api.errors import StatusError, bad_request
from pilothouse.api.go_text import quote
from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.apiserver.authn.interface import RequestHead
from pilothouse.apiserver.authz.access import joined
from pilothouse.apiserver.authz.forbidden import forbidden
from pilothouse.apiserver.authz.interface import Authorizer
from pilothouse.apiserver.authz.union import MASTERS
from pilothouse.apiserver.request.access import Access
from pilothouse.kinds.core.podspec.checks import domain_prefixed
from pilothouse.semantics import serviceaccounts as accounts
from pilothouse.semantics.validation.names import dns_subdomain

_AUTHN = "authentication.k8s.io"
_AUTHENTICATED, _UNAUTHENTICATED, _ANONYMOUS = "system:authenticated", "system:unauthenticated", "system:anonymous"
_NODE_PREFIX, _NODES = "system:node:", "system:nodes"
_PREFIX, _EXTRA = b"impersonate-", b"impersonate-extra-"
_REMEMBERED = 4096
# As many groups or extra values are first asked for with one wildcard.
_MANY = 4
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
    """Whom `head` asks to act as; None if nobody. Of a name or uid given twice the first counts. Raises StatusError
    400."""
    asked = [entry for entry in head.headers if entry[0].startswith(_PREFIX)]
    if not asked:
        return None
    names: list[str] = []
    uids: list[str] = []
    groups: list[str] = []
    extra: dict[str, list[str]] = {}
    for header, value in asked:
        text = value.decode("latin-1")
        if header == b"impersonate-user":
            names.append(text)
        elif header == b"impersonate-uid":
            uids.append(text)
        elif header == b"impersonate-group":
            groups.append(text)
        elif header.startswith(_EXTRA):
            extra.setdefault(_extra_key(header), []).append(text)
    name, uid = (names or [""])[0], (uids or [""])[0]
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


class Check(NamedTuple):
    """Something that must be allowed; with `refused` it never is, for that reason."""

    access: Access
    refused: str = ""


class AllAtOnce(NamedTuple):
    """Several checks of a kind, for which one wildcard will do."""

    wildcard: Access
    checks: Sequence[Check]


Checks = Sequence[Check | AllAtOnce]
Mode = Callable[[Access, Wanted], "tuple[Checks, UserInfo] | None"]
"""What must be allowed, in order, and who one then is; None if the mode does not apply."""


class Impersonation:
    """Decides whether the user of a request may act as another."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer
        self._last_mode: dict[str, Mode] = {}

    def impersonate(self, asked: Wanted, access: Access) -> UserInfo:
        """Whom the request `access` is made as. Raises StatusError 403."""
        who = access.user.username
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
            if isinstance(check, AllAtOnce):
                if self._authorizer.authorize(check.wildcard).allowed:
                    continue
                refusal = self._first_refusal(check.checks)
            else:
                refusal = self._refusal(check)
            if refusal is not None:
                return refusal
        return None

    def _refusal(self, check: Check) -> StatusError | None:
        if check.refused:
            return forbidden(check.access, check.refused)
        verdict = self._authorizer.authorize(check.access)
        return None if verdict.allowed else forbidden(check.access, verdict.reason)


def _on(access: Access, mode: str) -> Check:
    return Check(access._replace(verb=f"impersonate-on:{mode}:{access.verb}"))


def _who(access: Access, verb: str, resource: str, name: str, *, group: str = _AUTHN, namespace: str = "") -> Access:
    return Access(access.user, verb, group=group, version="v1", resource=resource, namespace=namespace, name=name)


def _associated_node(access: Access, asked: Wanted) -> tuple[Checks, UserInfo] | None:
    node = _node_name(asked)
    own = access.user.extra.get(accounts.NODE_NAME, ())
    if node is None or own != (node,) or accounts.split(access.user.username) is None:
        return None
    checks = [_on(access, "associated-node"), Check(_who(access, "impersonate:associated-node", "nodes", "*"))]
    return checks, UserInfo(username=asked.name, groups=(_NODES, _AUTHENTICATED))


def _arbitrary_node(access: Access, asked: Wanted) -> tuple[Checks, UserInfo] | None:
    node = _node_name(asked)
    if node is None:
        return None
    checks = [_on(access, "arbitrary-node"), Check(_who(access, "impersonate:arbitrary-node", "nodes", node))]
    return checks, UserInfo(username=asked.name, groups=(_NODES, _AUTHENTICATED))


def _service_account(access: Access, asked: Wanted) -> tuple[Checks, UserInfo] | None:
    account = accounts.split(asked.name)
    if account is None or not asked.name_alone:
        return None
    namespace, name = account
    who = Check(_who(access, "impersonate:serviceaccount", "serviceaccounts", name, namespace=namespace))
    return [_on(access, "serviceaccount"), who], _as_user(asked)


def _user_info(access: Access, asked: Wanted) -> tuple[Checks, UserInfo] | None:
    if accounts.split(asked.name) is not None or _node_of(asked.name) is not None:
        return None
    verb = "impersonate:user-info"
    checks: list[Check | AllAtOnce] = [_on(access, "user-info"), Check(_who(access, verb, "users", asked.name))]
    checks += [Check(_who(access, verb, "uids", asked.uid))] if asked.uid else []
    checks += _constrained_groups(_who(access, verb, "groups", ""), asked.groups)
    checks += _constrained_extra(_who(access, verb, "userextras", ""), asked.extra)
    return checks, _as_user(asked)


def _constrained_groups(access: Access, groups: Sequence[str]) -> Checks:
    if "" in groups:
        return [Check(access, "impersonating the empty string group is not allowed")]
    if MASTERS in groups:
        return [Check(access._replace(name=MASTERS), f"impersonating the {MASTERS} group is not allowed")]
    checks = [Check(access._replace(name=group)) for group in groups]
    return [AllAtOnce(access._replace(name="*"), checks)] if len(groups) >= _MANY else checks


def _constrained_extra(access: Access, extra: Mapping[str, Sequence[str]]) -> Checks:
    for key, values in extra.items():
        if fault := _extra_fault(key, values):
            return [Check(access, fault)]
    checks = _extra_checks(access, extra)
    many = len(extra) >= _MANY or len(checks) >= _MANY
    return [AllAtOnce(access._replace(subresource="*", name="*"), checks)] if many else checks


def _extra_fault(key: str, values: Sequence[str]) -> str:
    """Why nobody may have this extra key with these values; empty if one may. No key comes without a value."""
    if not key:
        return "impersonating the empty string key in extra is not allowed"
    if faults := domain_prefixed("extra.key", key):
        told = joined(f"{fault.path}: {fault.message}" for fault in faults)
        return f"impersonating an invalid key in extra is not allowed: {told}"
    if key != key.lower():
        return f"impersonating a non-lowercase key in extra is not allowed: {quote(key)}"
    if "" in values:
        return "impersonating the empty string value in extra is not allowed"
    return ""


def _extra_checks(access: Access, extra: Mapping[str, Sequence[str]]) -> list[Check]:
    return [Check(access._replace(subresource=key, name=value)) for key, values in extra.items() for value in values]


def _legacy(access: Access, asked: Wanted) -> tuple[Checks, UserInfo] | None:
    verb = "impersonate"
    account = accounts.split(asked.name)
    if account is None:
        who = _who(access, verb, "users", asked.name, group="")
    else:
        who = _who(access, verb, "serviceaccounts", account[1], group="", namespace=account[0])
    checks = [Check(who)]
    checks += [Check(_who(access, verb, "uids", asked.uid))] if asked.uid else []
    checks += [Check(_who(access, verb, "groups", group, group="")) for group in asked.groups]
    checks += _extra_checks(_who(access, verb, "userextras", ""), asked.extra)
    return checks, _as_user(asked)


_MODES: tuple[Mode, ...] = (_associated_node, _arbitrary_node, _service_account, _user_info, _legacy)


def _node_of(name: str) -> str | None:
    """The node that a user name names; a name that no node can have makes an ordinary user."""
    node = name.removeprefix(_NODE_PREFIX)
    return node if node != name and not dns_subdomain(node) else None


def _node_name(asked: Wanted) -> str | None:
    return _node_of(asked.name) if asked.name_alone else None


def _as_user(asked: Wanted) -> UserInfo:
    groups = asked.groups
    account = accounts.split(asked.name)
    if account is not None and not groups:
        groups = accounts.groups(account[0])
    implied = _UNAUTHENTICATED if asked.name == _ANONYMOUS else _AUTHENTICATED
    if implied not in groups and _UNAUTHENTICATED not in groups:
        groups = (*groups, implied)
    return UserInfo(username=asked.name, uid=asked.uid, groups=groups, extra=asked.extra)
