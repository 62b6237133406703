"""The formats of strings that are checked; others are let pass. Pure."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
import urllib.parse
from collections.abc import Callable

from pilothouse.api.time import TimeError, canonical_time
from pilothouse.semantics.validation.names import dns_label, dns_subdomain

_UNITS = (
    ("ns", "nano"), ("us", "µs", "micro"), ("ms", "milli"), ("s", "sec"), ("m", "min"), ("h", "hr", "hour"),
    ("d", "day"), ("w", "wk", "week"),
)  # fmt: skip
_GO_DURATION = re.compile(r"[-+]?(?:0|(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)\Z")
_WORDED = re.compile(r"\d+\s*([A-Za-zµ]+)")
_PATTERNS = {
    "bsonobjectid": r"[0-9a-fA-F]{24}\Z",
    "mac": r"(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}\Z|(?:[0-9A-Fa-f]{2}[:-]){7}[0-9A-Fa-f]{2}\Z"
    r"|(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4}\Z",
    "uuid": r"(?i:[0-9A-F]{8}-?[0-9A-F]{4}-?[0-9A-F]{4}-?[0-9A-F]{4}-?[0-9A-F]{12})\Z",
    "uuid3": r"(?i:[0-9A-F]{8}-?[0-9A-F]{4}-?3[0-9A-F]{3}-?[0-9A-F]{4}-?[0-9A-F]{12})\Z",
    "uuid4": r"(?i:[0-9A-F]{8}-?[0-9A-F]{4}-?4[0-9A-F]{3}-?[89AB][0-9A-F]{3}-?[0-9A-F]{12})\Z",
    "uuid5": r"(?i:[0-9A-F]{8}-?[0-9A-F]{4}-?5[0-9A-F]{3}-?[89AB][0-9A-F]{3}-?[0-9A-F]{12})\Z",
    "creditcard": r"(?:4\d{12}(?:\d{3})?|5[1-5]\d{14}|(?:222[1-9]|22[3-9]\d|2[3-6]\d{2}|27[01]\d|2720)\d{12}"
    r"|6(?:011|5\d\d)\d{12}|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}|(?:2131|1800|35\d{3})\d{11})\Z",
    "ssn": r"\d{3}[- ]?\d{2}[- ]?\d{4}\Z",
    "hexcolor": r"#?(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})\Z",
    "rgbcolor": r"rgb\(\s*(?:0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])\s*,\s*(?:0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])\s*,"
    r"\s*(?:0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])\s*\)\Z",
    "date": r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])\Z",
}
_EMAIL = re.compile(r"[^\s@<>(),;:\\\"\[\]]+@[^\s@<>(),;:\\\"\[\]]+\Z")
_HOST = re.compile(
    r"(?:[a-zA-Z0-9](?:[-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?)(?:\.[a-zA-Z0-9](?:[-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?)*\.?\Z"
)


def _matching(pattern: str) -> Callable[[str], bool]:
    found = re.compile(pattern)
    return lambda text: bool(found.match(text))


def _ip(version: int) -> Callable[[str], bool]:
    def fits(text: str) -> bool:
        try:
            return ipaddress.ip_address(text).version == version
        except ValueError:
            return False

    return fits


def _cidr(text: str) -> bool:
    try:
        ipaddress.ip_interface(text)
    except ValueError:
        return False
    return "/" in text


def _uri(text: str) -> bool:
    try:
        parts = urllib.parse.urlsplit(text)
    except ValueError:
        return False
    return not re.search(r"[\s\x00-\x1f]", text) and (bool(parts.scheme) or text.startswith("/"))


def _byte(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _duration(text: str) -> bool:
    return bool(_GO_DURATION.match(text)) or any(_is_unit(word.lower()) for word in _WORDED.findall(text))


def _is_unit(word: str) -> bool:
    return any(word in variants or word.startswith(variants[-1]) for variants in _UNITS)


def _date_time(text: str) -> bool:
    try:
        canonical_time(text)
    except TimeError:
        return False
    return True


def _isbn10(text: str) -> bool:
    digits = text.replace("-", "").replace(" ", "")
    if not re.fullmatch(r"\d{9}[\dXx]", digits):
        return False
    values = [10 if d in "Xx" else int(d) for d in digits]
    return sum((i + 1) * v for i, v in enumerate(values)) % 11 == 0


def _isbn13(text: str) -> bool:
    digits = text.replace("-", "").replace(" ", "")
    if not re.fullmatch(r"\d{13}", digits):
        return False
    return sum(int(d) * (3 if i % 2 else 1) for i, d in enumerate(digits)) % 10 == 0


FORMATS: dict[str, Callable[[str], bool]] = {
    **{name: _matching(pattern) for name, pattern in _PATTERNS.items()},
    "byte": _byte,
    "cidr": _cidr,
    "date-time": _date_time,
    "datetime": _date_time,
    "duration": _duration,
    "email": lambda text: bool(_EMAIL.match(text)),
    "hostname": lambda text: len(text) <= 255 and bool(_HOST.match(text)),
    "ipv4": _ip(4),
    "ipv6": _ip(6),
    "isbn": lambda text: _isbn10(text) or _isbn13(text),
    "isbn10": _isbn10,
    "isbn13": _isbn13,
    "k8s-long-name": lambda text: not dns_subdomain(text),
    "k8s-short-name": lambda text: not dns_label(text),
    "password": lambda text: True,
    "uri": _uri,
}
