"""YAML's numbers, as Go's decoder takes them."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api.codec import yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0xff", "255"),
        ("0o17", "15"),
        ("017", "15"),
        ("-0x10", "-16"),
        ("0xffffffffffffffff", "18446744073709551615"),
        ("0x10000000000000000", "0x10000000000000000"),
        ("-0x8000000000000000", "-9223372036854775808"),
        ("-0x8000000000000001", "-0x8000000000000001"),
        ("0b" + "1" * 65, "0b" + "1" * 65),
        ("0x" + "f" * 100_000, "0x" + "f" * 100_000),
    ],
)
def test_whole_numbers(text: str, value: Any) -> None:
    found, faults = yaml.load(f"a: {text}".encode())
    assert (found, faults) == ({"a": value}, ())


def test_a_number_out_of_range() -> None:
    with pytest.raises(yaml.YAMLError, match="unsupported value"):
        yaml.load(b"a: " + b"7" * 5000)
