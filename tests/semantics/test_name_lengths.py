"""Limits of names are in bytes, as Go's len() counts them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from pilothouse.semantics.validation import names


@pytest.mark.parametrize(
    ("rule", "limit"),
    [(names.dns_subdomain, 253), (names.dns_label, 63), (names.dns1035_label, 63), (names.label_value, 63)],
)
def test_a_name_is_measured_in_bytes(rule: Callable[[str], Sequence[str]], limit: int) -> None:
    assert rule("a" * limit) == []
    assert len(rule("a" * (limit + 1))) == 1
    assert not names.longer("a" * limit, limit)
    assert names.longer("ä" * (limit // 2 + 1), limit)
    assert any(f"no more than {limit}" in fault for fault in rule("ä" * (limit // 2 + 1)))
