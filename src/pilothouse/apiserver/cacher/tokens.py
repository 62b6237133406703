"""Continue tokens of lists: base64 of `{"v":"meta.k8s.io/v1","rv":REVISION,"start":KEY}`, as the real server's."""

from __future__ import annotations

import base64
import binascii
import posixpath

import msgspec

from pilothouse.api import errors

_TOKEN_VERSION = "meta.k8s.io/v1"
# A continued list that need not be consistent with its first page any more.
ANY_REVISION = -1


class _Token(msgspec.Struct, forbid_unknown_fields=False):
    v: str = ""
    rv: int = 0
    start: str = ""


def make_token(start: str, revision: int) -> str:
    """The token of a list that goes on at `start` (a key without the prefix of the list, its namespace included),
    at `revision`."""
    text = msgspec.json.encode({"v": _TOKEN_VERSION, "rv": revision, "start": start})
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def read_token(token: str, prefix: str) -> tuple[str, int]:
    """(first key, revision) of a token. Raises StatusError 400 with the API's text."""
    try:
        raw = base64.urlsafe_b64decode(_padded(token))
        found = msgspec.json.decode(raw, type=_Token)
    except (binascii.Error, ValueError, msgspec.DecodeError) as error:
        raise _bad(_told(token, error)) from None
    if found.v != _TOKEN_VERSION:
        raise _bad(f"server does not recognize this encoded version {found.v}")
    if found.rv == 0:
        raise _bad("encoded start resourceVersion was 0 (version meta.k8s.io/v1)")
    if not found.start:
        raise _bad("start key is empty (version meta.k8s.io/v1)")
    rooted = found.start if found.start.startswith("/") else "/" + found.start
    if posixpath.normpath(rooted) != rooted:
        raise _bad(found.start)
    return prefix + rooted[1:], found.rv


def _padded(token: str) -> bytes:
    raw = token.encode()
    if any(c not in _ALPHABET for c in raw):
        raise binascii.Error
    return raw + b"=" * (-len(raw) % 4)


_ALPHABET = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def _told(token: str, error: Exception) -> str:
    """Why a token cannot be read, as Go's decoders say it."""
    for index, char in enumerate(token.encode()):
        if char not in _ALPHABET:
            return f"illegal base64 data at input byte {index}"
    if len(token) % 4 == 1:
        return f"illegal base64 data at input byte {len(token) - 1}"
    raw = base64.urlsafe_b64decode(_padded(token))
    if not raw.strip():
        return "unexpected end of JSON input"
    first = raw.lstrip()[:1].decode("latin-1")
    if first not in '{["-0123456789tfn':
        shown = first if first.isprintable() and first.isascii() else f"\\u{ord(first):04x}"
        return f"invalid character '{shown}' looking for beginning of value"
    return str(error)


def _bad(why: str) -> errors.StatusError:
    return errors.bad_request(f"invalid continue token: continue key is not valid: {why}")
