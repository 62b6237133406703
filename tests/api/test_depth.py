"""How deep JSON is nested."""

import pytest

from pilothouse.api.codec.depth import DEEPEST, too_deep


@pytest.mark.parametrize(
    ("data", "deep"),
    [
        (b"", False),
        (b"[" * DEEPEST + b"]" * DEEPEST, False),
        (b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1), True),
        (b'{"a":' * (DEEPEST + 1) + b"1" + b"}" * (DEEPEST + 1), True),
        (b"[" + b",".join([b"{}"] * 2000) + b"]", False),
        (b'["' + b"[{" * 2000 + b'"]', False),
        (b'["\\"' + b"[" * 2000 + b'\\\\"]', False),
        (b'["' + b"\\" * 200_000 + b'",' + b"[" * DEEPEST + b'"' + b"\\" * 200_001 + b'"]', True),
        (b'["' + b"x" * 300_000 + b"[" * 2000 + b'"]', False),
        (b"[" + b"[]," * 100_000 + b"[" * DEEPEST, True),
    ],
)
def test_depth(data: bytes, deep: bool) -> None:
    assert too_deep(data) is deep
