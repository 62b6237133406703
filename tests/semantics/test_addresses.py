"""Addresses and networks: what each kind of field takes, and what it says of the rest."""

from __future__ import annotations

import pytest

from pilothouse.semantics.validation import addresses


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("10.0.0.1", ""),
        ("2001:DB8::1", ""),
        ("010.0.0.1", "must not have leading 0s"),
        ("::ffff:10.0.0.1", "must not be an IPv4-mapped IPv6 address"),
        ("10.0.0", addresses.IP_FAULT),
        ("fe80::1%eth0", addresses.IP_FAULT),
        ("", addresses.IP_FAULT),
    ],
)
def test_addresses_of_old_fields(text: str, fault: str) -> None:
    assert [error.detail for error in addresses.ip("p", text)] == [fault] * bool(fault)
    assert addresses.ip("p", text, {text}) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("10.0.0.0/8", ""),
        ("2001:DB8::/64", ""),
        ("10.0.0.0/08", "must not have leading 0s in IP or prefix length"),
        ("010.0.0.0/8", "must not have leading 0s in IP or prefix length"),
        ("10.0.0.1/8", "must not have bits set beyond the prefix length"),
        ("::ffff:10.0.0.0/104", "must not have an IPv4-mapped IPv6 address"),
        ("10.0.0.0/255.0.0.0", addresses.CIDR_FAULT),
        ("10.0.0.0", addresses.CIDR_FAULT),
        ("10.0.0.0/33", addresses.CIDR_FAULT),
    ],
)
def test_networks_of_old_fields(text: str, fault: str) -> None:
    assert [error.detail for error in addresses.cidr("p", text)] == [fault] * bool(fault)


def test_canonical_forms() -> None:
    assert addresses.canonical_ip_faults("2001:DB8::1") == ['must be in canonical form ("2001:db8::1")']
    assert [e.detail for e in addresses.canonical_cidr("p", "2001:DB8::/64")] == [
        'must be in canonical form ("2001:db8::/64")'
    ]
    assert [e.detail for e in addresses.interface("p", "2001:DB8::1/64")] == [
        'must be in canonical form ("2001:db8::1/64")'
    ]
    assert addresses.interface("p", "10.0.0.1/24") == []


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("0.0.0.0", "may not be unspecified (0.0.0.0)"),
        ("127.0.0.1", "may not be in the loopback range"),
        ("::1", "may not be in the loopback range"),
        ("169.254.0.1", "may not be in the link-local range"),
        ("224.0.0.9", "may not be in the link-local multicast range"),
        ("224.0.1.9", ""),
    ],
)
def test_special_addresses(text: str, start: str) -> None:
    parsed = addresses.parse(text)
    assert parsed is not None
    assert "".join(addresses.special_faults(parsed)).startswith(start)


def test_warnings_are_of_other_forms_of_ipv6() -> None:
    assert list(addresses.ip_warnings("p", "10.0.0.1")) == []
    assert list(addresses.ip_warnings("p", "2001:DB8::1")) == [
        'p: IPv6 address "2001:DB8::1" should be in RFC 5952 canonical format ("2001:db8::1")'
    ]
    assert list(addresses.cidr_warnings("p", "2001:DB8::/64")) == [
        'p: IPv6 CIDR value "2001:DB8::/64" should be in RFC 5952 canonical format ("2001:db8::/64")'
    ]
