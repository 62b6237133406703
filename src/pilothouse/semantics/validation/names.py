"""The API's forms of names. A rule gives the faults of a name, none if it is good. Pure.

With `prefix` the text is a generateName: a trailing dash is let through, since characters follow it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from pilothouse.kit.texts import remembered

NameRule = Callable[[str, bool], Sequence[str]]

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = _LABEL + r"(\." + _LABEL + ")*"
_DNS1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_is_label = re.compile(_LABEL + r"\Z", re.ASCII).match
_is_subdomain = re.compile(_SUBDOMAIN + r"\Z", re.ASCII).match
_is_dns1035 = re.compile(_DNS1035 + r"\Z", re.ASCII).match
_is_qualified = re.compile(_QUALIFIED + r"\Z", re.ASCII).match
_is_value = re.compile(f"({_QUALIFIED})?" + r"\Z", re.ASCII).match

SUBDOMAIN_FAULT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    f"end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{_SUBDOMAIN}')"
)
LABEL_FAULT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    f"an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{_LABEL}')"
)
DNS1035_FAULT = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    f"and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '{_DNS1035}')"
)
QUALIFIED_FAULT = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
    f"(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{_QUALIFIED}')"
)
KEY_FAULT = (
    f"a valid label key {QUALIFIED_FAULT} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
)
VALUE_FAULT = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    f"'({_QUALIFIED})?')"
)


def too_long(limit: int, unit: str = "characters") -> str:
    return f"must be no more than {limit} {unit}"


def longer(text: str, limit: int) -> bool:
    """Whether a text has more than `limit` bytes, which is what upstream counts, whatever its messages say."""
    return len(text) > limit or (not text.isascii() and len(text.encode()) > limit)


def _masked(text: str, prefix: bool) -> str:
    """A generateName that ends in a dash is checked as if a letter stood there."""
    return text[:-2] + "a" if prefix and len(text) > 1 and text.endswith("-") else text


@remembered(8192)
def dns_subdomain(text: str, prefix: bool = False) -> Sequence[str]:
    text = _masked(text, prefix)
    found = [too_long(253)] if longer(text, 253) else []
    return found if _is_subdomain(text) else [*found, SUBDOMAIN_FAULT]


@remembered(8192)
def dns_label(text: str, prefix: bool = False) -> Sequence[str]:
    text = _masked(text, prefix)
    found = [too_long(63)] if longer(text, 63) else []
    if _is_label(text):
        return found
    return [*found, "must not contain dots" if _is_subdomain(text) else LABEL_FAULT]


@remembered(8192)
def dns1035_label(text: str, prefix: bool = False) -> Sequence[str]:
    text = _masked(text, prefix)
    found = [too_long(63)] if longer(text, 63) else []
    return found if _is_dns1035(text) else [*found, DNS1035_FAULT]


def path_segment(text: str, prefix: bool = False) -> Sequence[str]:
    """A name that can stand in a URL's path (RBAC objects)."""
    if not prefix and text in (".", ".."):
        return [f"may not be '{text}'"]
    return [f"may not contain '{part}'" for part in ("/", "%") if part in text]


@remembered(16384)
def qualified_name(text: str) -> Sequence[str]:
    """`[prefix/]name`, the form of label keys, finalizers and conditions."""
    found: list[str] = []
    parts = text.split("/")
    if len(parts) > 2:
        return [KEY_FAULT]
    if len(parts) == 2:
        if not parts[0]:
            found.append("prefix part must be non-empty")
        else:
            found += [f"prefix part {fault}" for fault in dns_subdomain(parts[0], False)]
    name = parts[-1]
    if not name:
        found.append("name part must be non-empty")
    elif longer(name, 63):
        found.append("name part " + too_long(63, "bytes"))
    if not _is_qualified(name):
        found.append("name part " + QUALIFIED_FAULT)
    return found


@remembered(16384)
def label_value(text: str) -> Sequence[str]:
    found = [too_long(63, "bytes")] if longer(text, 63) else []
    return found if _is_value(text) else [*found, VALUE_FAULT]
