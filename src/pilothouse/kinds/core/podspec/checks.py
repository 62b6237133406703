"""Small checks that the fields of a pod share, with the API's texts. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pilothouse.api.field_errors import FieldErrors, invalid, not_supported, required
from pilothouse.kit.texts import remembered
from pilothouse.semantics.validation import addresses
from pilothouse.semantics.validation.names import dns_subdomain, longer, qualified_name, too_long

NON_NEGATIVE = "must be greater than or equal to 0"
BACKSTEPS = "must not contain '..'"
_CONFIG_KEY = re.compile(r"[-._a-zA-Z0-9]+\Z")
_ENV_NAME = re.compile(r"[ -<>-~]+\Z")
_PATH = re.compile(r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+\Z")
_PATH_FAULT = r"Invalid path (regex used for validation is '[A-Za-z0-9/\-._~%!$&'()*+,;=:]+')"
_HTTP_HEADER = re.compile(r"[-A-Za-z0-9]+\Z")


def between(low: int, high: int) -> str:
    return f"must be between {low} and {high}, inclusive"


@remembered(4096)
def env_name(text: str) -> Sequence[str]:
    if _ENV_NAME.match(text):
        return ()
    return ("a valid environment variable name must consist only of printable ASCII characters other than '='",)


@remembered(4096)
def config_key(text: str) -> Sequence[str]:
    """Faults of a key of a ConfigMap or Secret."""
    found = [too_long(253)] if longer(text, 253) else []
    if not _CONFIG_KEY.match(text):
        found.append(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or "
            "'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
        )
    if text == ".":
        found.append("must not be '.'")
    elif text == "..":
        found.append("must not be '..'")
    elif text.startswith(".."):
        found.append("must not start with '..'")
    return found


@remembered(1024)
def port_name(text: str) -> Sequence[str]:
    """Faults of an IANA service name."""
    found = [too_long(15)] if longer(text, 15) else []
    if not re.match(r"[-a-z0-9]+\Z", text):
        found.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search("[a-z]", text):
        found.append("must contain at least one letter (a-z)")
    if "--" in text:
        found.append("must not contain consecutive hyphens")
    if text and (text[0] == "-" or text[-1] == "-"):
        found.append("must not begin or end with a hyphen")
    return found


def http_header(text: str) -> Sequence[str]:
    if _HTTP_HEADER.match(text):
        return ()
    return (
        "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for "
        "validation is '[-A-Za-z0-9]+')",
    )


def is_ip(text: str) -> bool:
    """An address as the API has always read it: IPv4 parts may have leading zeros."""
    return addresses.parse(text) is not None


def ip(path: str, text: str) -> FieldErrors:
    return addresses.ip(path, text)


def port_number(path: str, number: int) -> FieldErrors:
    return [] if 1 <= number <= 65535 else [invalid(path, number, between(1, 65535))]


def port_or_name(path: str, port: int | str) -> FieldErrors:
    """A port of a handler: a number, or the name of a container's port."""
    if isinstance(port, int):
        return port_number(path, port)
    return [invalid(path, port, fault) for fault in port_name(port)]


def non_negative(path: str, number: int) -> FieldErrors:
    return [] if number >= 0 else [invalid(path, number, NON_NEGATIVE)]


def one_of(path: str, value: str, supported: Sequence[str], *, empty_is: str = "unsupported") -> FieldErrors:
    """`empty_is` tells what an empty value counts as: "unsupported", "required" or "fine"."""
    if value in supported or (value == "" and empty_is == "fine"):
        return []
    return [required(path)] if value == "" and empty_is == "required" else [not_supported(path, value, supported)]


def qualified(path: str, text: str) -> FieldErrors:
    return [invalid(path, text, fault) for fault in qualified_name(text)]


def subdomain(path: str, text: str) -> FieldErrors:
    return [invalid(path, text, fault) for fault in dns_subdomain(text, False)]


def domain_prefixed(at: str, text: str) -> FieldErrors:
    """A path after a domain, such as acme.io/foo."""
    domain, slash, path = text.partition("/")
    if not text:
        return [required(at)]
    if not slash or not domain or not path:
        return [invalid(at, text, 'must be a domain-prefixed path (such as "acme.io/foo")')]
    found = subdomain(at, domain)
    return found if _PATH.match(path) else [*found, invalid(at, path, _PATH_FAULT)]


def backsteps(path: str, text: str) -> FieldErrors:
    return [invalid(path, text, BACKSTEPS)] if ".." in text.split("/") else []


def descending(path: str, text: str) -> FieldErrors:
    """A relative path that stays below where it starts."""
    found = [invalid(path, text, "must be a relative path")] if text.startswith("/") else []
    return [*found, *backsteps(path, text)]


def non_reserved(path: str, text: str) -> FieldErrors:
    """A descending path that does not begin with `..`, which volumes keep for themselves."""
    found = descending(path, text)
    if text.startswith("..") and not text.startswith("../"):
        found.append(invalid(path, text, "must not start with '..'"))
    return found


def flat(parts: Iterable[FieldErrors]) -> FieldErrors:
    return [error for part in parts for error in part]
