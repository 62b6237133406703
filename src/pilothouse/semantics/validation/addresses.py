"""IP addresses and networks in fields of the API, in upstream's words. Pure."""

from __future__ import annotations

import functools
import ipaddress
import re
from collections.abc import Collection, Iterator, Sequence

from pilothouse.api.field_errors import FieldErrors, invalid
from pilothouse.api.go_text import quote
from pilothouse.kit.texts import remembered

IP_FAULT = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
CIDR_FAULT = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
_INTERFACE_FAULT = "must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)"
_MAPPED, _ZEROS = "must not be an IPv4-mapped IPv6 address", "must not have leading 0s"
_MAPPED_NET, _ZEROS_NET = "must not have an IPv4-mapped IPv6 address", "must not have leading 0s in IP or prefix length"
_EXTRA_BITS = "must not have bits set beyond the prefix length"
_LEADING = re.compile(r"(?<![0-9a-fA-F:])0+(?=[0-9])")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _without_zeros(text: str) -> str:
    """IPv4 parts and a prefix length without the leading zeros that the API once let pass."""
    return _LEADING.sub("", text) if "." in text or "/" in text else text


@remembered(4096)
def parse(text: str) -> Address | None:
    """An address as the API has always read it, leading zeros of IPv4 parts included; None if it is none."""
    try:
        return None if "%" in text else ipaddress.ip_address(_without_zeros(text))
    except ValueError:
        return None


def parse_network(text: str) -> Network | None:
    """As `parse`, for the network that an address with a prefix length lies in."""
    try:
        return ipaddress.ip_network(_without_zeros(text), strict=False) if _has_length(text) else None
    except ValueError:
        return None


def _has_length(text: str) -> bool:
    return text.rpartition("/")[2].isdecimal() and "/" in text and "%" not in text


@functools.lru_cache(maxsize=4096)
def _strict_ip(text: str) -> str:
    """What is wrong with an address in a field that exists since before rules were strict; nothing: "" """
    found = parse(text)
    if found is None:
        return IP_FAULT
    if _without_zeros(text) != text:
        return _ZEROS
    return _MAPPED if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped else ""


def _strict_cidr(text: str) -> str:
    found = parse_network(text)
    if found is None:
        return CIDR_FAULT
    if _without_zeros(text) != text:
        return _ZEROS_NET
    address = parse(text.partition("/")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return _MAPPED_NET
    return _EXTRA_BITS if address != found.network_address else ""


def ip(path: str, text: str, held: Collection[str] = ()) -> FieldErrors:
    """An address; one that the object `held` already may stay as it is."""
    fault = "" if text in held else _strict_ip(text)
    return [invalid(path, text, fault)] if fault else []


def cidr(path: str, text: str, held: Collection[str] = ()) -> FieldErrors:
    """A network; one that the object `held` already may stay as it is."""
    fault = "" if text in held else _strict_cidr(text)
    return [invalid(path, text, fault)] if fault else []


def canonical_ip_faults(text: str) -> Sequence[str]:
    """The faults of an address that must be in its one canonical form."""
    fault = _strict_ip(text) or _other_form(text, str(parse(text)))
    return [fault] if fault else []


def canonical_cidr(path: str, text: str) -> FieldErrors:
    fault = _strict_cidr(text) or _other_form(text, str(parse_network(text)))
    return [invalid(path, text, fault)] if fault else []


def interface(path: str, text: str) -> FieldErrors:
    """An address with the length of its network, in canonical form."""
    try:
        found = ipaddress.ip_interface(_without_zeros(text)) if _has_length(text) else None
    except ValueError:
        found = None
    fault = _INTERFACE_FAULT if found is None else _other_form(text, found.with_prefixlen)
    return [invalid(path, text, fault)] if fault else []


def _other_form(text: str, canonical: str) -> str:
    return "" if canonical == text else f"must be in canonical form ({quote(canonical)})"


@functools.lru_cache(maxsize=4096)
def special_faults(found: Address) -> Sequence[str]:
    """Why an address cannot be one of an outside host or an endpoint."""
    if found.is_unspecified:
        return [f"may not be unspecified ({found})"]
    if found.is_loopback:
        return ["may not be in the loopback range (127.0.0.0/8, ::1/128)"]
    if found.is_link_local:
        return ["may not be in the link-local range (169.254.0.0/16, fe80::/10)"]
    if found.is_multicast and str(found).startswith(("224.0.0.", "ff02:")):
        return ["may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"]
    return []


def ip_warnings(path: str, text: str) -> Iterator[str]:
    """IPv6 addresses have one form that all tools agree on."""
    found = parse(text)
    if isinstance(found, ipaddress.IPv6Address) and str(found) != text:
        yield f"{path}: IPv6 address {quote(text)} should be in RFC 5952 canonical format ({quote(str(found))})"


def cidr_warnings(path: str, text: str) -> Iterator[str]:
    found = parse_network(text)
    if isinstance(found, ipaddress.IPv6Network) and str(found) != text:
        yield f"{path}: IPv6 CIDR value {quote(text)} should be in RFC 5952 canonical format ({quote(str(found))})"
