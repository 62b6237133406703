"""The links of an HTML page, changed while it passes. Pure.

What is no start tag passes as it is; a start tag is written anew, as upstream's `rewriteHTML` does: names in lower
case, values in double quotes. Tags are found by the rules of the HTML tokenizer (WHATWG 13.2.5), so that a `<` in a
comment, a script or a value is none. A tag that a page breaks off in is left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from html.entities import html5

ATTRIBUTES = {
    "a": ("href",),
    "applet": ("codebase",),
    "area": ("href",),
    "audio": ("src",),
    "base": ("href",),
    "blockquote": ("cite",),
    "body": ("background",),
    "button": ("formaction",),
    "command": ("icon",),
    "del": ("cite",),
    "embed": ("src",),
    "form": ("action",),
    "frame": ("longdesc", "src"),
    "head": ("profile",),
    "html": ("manifest",),
    "iframe": ("longdesc", "src"),
    "img": ("longdesc", "src", "usemap"),
    "input": ("src", "usemap", "formaction"),
    "ins": ("cite",),
    "link": ("href",),
    "object": ("classid", "codebase", "data", "usemap"),
    "q": ("cite",),
    "script": ("src",),
    "source": ("src",),
    "video": ("poster", "src"),
}
"""The attributes that hold links, by tag."""
# Tags whose content is text up to their end tag.
_RAW = frozenset(("iframe", "noembed", "noframes", "plaintext", "script", "style", "textarea", "title", "xmp"))
_SPACE = " \n\r\t\f"
LONGEST = 64 * 1024
"""Bytes of one tag or comment that are waited for; what is longer passes as it is."""

Rewrite = Callable[[str], str]
"""From the value of an attribute to another, both Latin-1: one character is one byte of the page."""

_NAME = re.compile(rf"[^{_SPACE}/>]*")
_KEY = re.compile(rf"=?[^{_SPACE}/>=]*")
_UNQUOTED = re.compile(rf"[^{_SPACE}>]*")
_BLANK = re.compile(rf"[{_SPACE}]*")
_REFERENCE = re.compile(r"&(#[0-9]{1,10};?|#[xX][0-9a-fA-F]{1,8};?|[A-Za-z0-9]+;?)(?=(.?))", re.DOTALL)
_END_TAG = re.compile(r"</[A-Za-z]")
_EMPTY_COMMENT, _END_OF_COMMENT = re.compile(r"-*>"), re.compile(r"--!?>")
_ESCAPES = str.maketrans({"&": "&amp;", "'": "&#39;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "\r": "&#13;"})


class _Incomplete(Exception):
    """The rest is still to come."""


class LinkRewriter:
    """Takes a page piece by piece and gives it back with `rewrite` applied to its links. It reads text as Latin-1,
    which keeps every byte."""

    def __init__(self, rewrite: Rewrite) -> None:
        self._rewrite = rewrite
        self._pending = ""
        self._waits = False
        """A tag or comment has begun that only a ">" can end."""
        self._raw_until = ""
        """The tag whose end tag ends the text."""

    def feed(self, data: bytes) -> bytes:
        """What can be given on after `data`."""
        self._pending += data.decode("latin-1")
        if self._waits and b">" not in data and len(self._pending) <= LONGEST:
            return b""
        return self._taken(last=False)

    def close(self) -> bytes:
        """What is left of the page."""
        return self._taken(last=True)

    def _taken(self, last: bool) -> bytes:
        text, at, out = self._pending, 0, list[str]()
        self._waits = False
        try:
            while at < len(text):
                end, piece = self._next(text, at, last)
                out.append(piece)
                at = end
        except _Incomplete:
            self._waits = not self._raw_until
            if len(text) - at > LONGEST:
                out.append(text[at:])
                at = len(text)
        self._pending = "" if last else text[at:]
        return "".join(out).encode("latin-1")

    def _next(self, text: str, at: int, last: bool) -> tuple[int, str]:
        """The end of the token at `at`, and what to write for it. Raises _Incomplete."""
        if self._raw_until:
            return self._raw(text, at, last)
        start = text.find("<", at)
        if start != at:
            end = len(text) if start < 0 else start
            return end, text[at:end]
        follower = text[at + 1 : at + 2]
        if not follower and not last:
            raise _Incomplete
        if follower.isascii() and follower.isalpha():
            return self._start_tag(text, at)
        if follower in ("!", "?", "/") and follower:
            end = _end_of_markup(text, at, last)
            return end, text[at:end]
        return at + 1, "<"

    def _raw(self, text: str, at: int, last: bool) -> tuple[int, str]:
        if self._raw_until != "plaintext":
            found = re.compile(rf"</{self._raw_until}(?=[{_SPACE}/>])", re.IGNORECASE | re.ASCII).search(text, at)
            if found is not None:
                self._raw_until = ""
                return found.start(), text[at : found.start()]
            if not last:
                # The end tag may have begun already.
                kept = max(at, len(text) - len(self._raw_until) - 3)
                if kept == at:
                    raise _Incomplete
                return kept, text[at:kept]
        return len(text), text[at:]

    def _start_tag(self, text: str, at: int) -> tuple[int, str]:
        end, name, attributes = _tag(text, at + 1)
        name = _lower(name)
        if name in _RAW:
            self._raw_until = name
        links = ATTRIBUTES.get(name, ())
        written = []
        for key, value in attributes:
            value = _unescaped(value)
            if key in links:
                value = self._rewrite(value)
            written.append(f' {key}="{value.translate(_ESCAPES)}"')
        slash = "/" if text[end - 2] == "/" else ""
        return end, f"<{name}{''.join(written)}{slash}>"


def _tag(text: str, at: int) -> tuple[int, str, list[tuple[str, str]]]:
    """The end, the name and the attributes of the tag whose name begins at `at`. Raises _Incomplete."""
    name = _matched(_NAME, text, at)
    at += len(name)
    attributes: list[tuple[str, str]] = []
    while True:
        at = _blank(text, at)
        if text[at] == ">":
            return at + 1, name, attributes
        key = _matched(_KEY, text, at)
        at, value = _value(text, at + len(key))
        if key:
            attributes.append((_lower(key), value))


def _value(text: str, at: int) -> tuple[int, str]:
    at = _blank(text, at)
    if text[at] == "/":
        return at + 1, ""
    if text[at] != "=":
        return at, ""
    at = _blank(text, at + 1)
    quote = text[at]
    if quote == ">":
        return at, ""
    if quote in "'\"":
        end = text.find(quote, at + 1)
        if end < 0:
            raise _Incomplete
        return end + 1, text[at + 1 : end]
    value = _matched(_UNQUOTED, text, at)
    return at + len(value), value


def _matched(pattern: re.Pattern[str], text: str, at: int) -> str:
    """What matches at `at`, before the end of the text. Raises _Incomplete."""
    found = pattern.match(text, at)
    assert found is not None
    if found.end() == len(text):
        raise _Incomplete
    return found.group()


def _blank(text: str, at: int) -> int:
    return at + len(_matched(_BLANK, text, at))


def _end_of_markup(text: str, at: int, last: bool) -> int:
    """The end of a comment, a doctype, a processing instruction or an end tag. Raises _Incomplete."""
    if _END_TAG.match(text, at):
        return _tag(text, at + 2)[0]
    if text.startswith("<!--", at):
        found = _EMPTY_COMMENT.match(text, at + 4) or _END_OF_COMMENT.search(text, at + 4)
        end = found.end() if found is not None else 0
    elif not last and "<!--".startswith(text[at:]):
        raise _Incomplete
    else:
        end = text.find(">", at) + 1
    if not end and not last:
        raise _Incomplete
    return end or len(text)


def _lower(text: str) -> str:
    return text.encode("latin-1").lower().decode("latin-1")


def _unescaped(value: str) -> str:
    """A value with its character references read, as in attributes: a name without its semicolon that an equals sign
    follows is none, and only whole names are."""

    def character(found: re.Match[str]) -> str:
        name, follower = found.group(1), found.group(2)
        if name.startswith("#"):
            return _numbered(name)
        if not name.endswith(";") and follower == "=":
            return found.group()
        named = html5.get(name)
        return found.group() if named is None else named.encode().decode("latin-1")

    return _REFERENCE.sub(character, value.replace("\r\n", "\n").replace("\r", "\n")) if "&" in value else value


def _numbered(name: str) -> str:
    digits = name[1:].rstrip(";")
    number = int(digits[1:], 16) if digits[:1] in ("x", "X") else int(digits)
    if 0x80 <= number <= 0x9F:
        character = bytes((number,)).decode("cp1252", "replace")
    elif number == 0 or 0xD800 <= number <= 0xDFFF or number > 0x10FFFF:
        character = "\ufffd"
    else:
        character = chr(number)
    return character.encode().decode("latin-1")
