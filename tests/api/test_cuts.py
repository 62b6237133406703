"""A large document decodes to the same in parts as at once, and no part is larger than one call of C code should be."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from pilothouse.api.codec import cuts, go_json
from pilothouse.api.codec.json import decode_any

_TEXTS = ["x", 'a"b\\', "[{,", "\\\\", ",", "é", '",', "\u0001", ""]
_KEYS = ["a", "b", "c,", 'd"', "\\", "[", ""]
_SPACED: list[tuple[str, str]] = [(",", ":"), (", ", ": "), (" ,\n", " :  ")]


def tree(dice: random.Random, depth: int = 0) -> Any:
    roll = dice.random()
    if depth > 5 or roll < 0.35:
        return dice.choice([1, True, None, -2.5, *_TEXTS])
    if roll < 0.65:
        return [tree(dice, depth + 1) for _ in range(dice.randrange(6))]
    return {dice.choice([*_KEYS, f"k{dice.randrange(50)}"]): tree(dice, depth + 1) for _ in range(dice.randrange(6))}


def damaged(document: bytes, dice: random.Random) -> bytes:
    found = bytearray(document)
    for _ in range(dice.randrange(1, 4)):
        at = dice.randrange(len(found) + 1)
        found[at : at + dice.randrange(3)] = bytes(dice.choice(b'{}[]",:\\ 1aN-t') for _ in range(dice.randrange(3)))
    return bytes(found)


def documents(seed: int) -> Iterator[bytes]:
    """Good ones, and others."""
    dice = random.Random(seed)
    for _ in range(500):
        made = [tree(dice) for _ in range(3)]
        text = json.dumps(made, ensure_ascii=dice.random() < 0.5, separators=dice.choice(_SPACED)).encode()
        yield text
        yield damaged(text, dice)


def decoded(document: bytes) -> Any:
    """The tree, None if there is none, or if members were lost."""
    try:
        found = cuts.decode(document, msgspec.json.decode)
    except (msgspec.DecodeError, ValueError):
        return None
    return found if msgspec.json.encode(found).count(b":") == document.count(b":") else None


@pytest.mark.parametrize("piece", [2, 3, 5, 20, 100])
def test_parts_make_the_whole(monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    for document in documents(piece):
        whole = decoded(document)
        with monkeypatch.context() as patch:
            patch.setattr(cuts, "PIECE", piece)
            patch.setattr(cuts, "WHOLE", 0)
            assert json.dumps(decoded(document)) == json.dumps(whole), document


def told(document: bytes) -> str:
    try:
        go_json.check_syntax(document)
    except go_json.JSONSyntaxError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("piece", [100, 200])
def test_what_is_wrong_is_told_from_a_part(monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    for document in documents(piece):
        whole = told(document)
        with monkeypatch.context() as patch:
            patch.setattr(cuts, "PIECE", piece)
            patch.setattr(cuts, "WHOLE", 2 * piece)
            assert told(document) == whole, document


@pytest.mark.parametrize(
    "document",
    [
        {"a": [[] for _ in range(400_000)]},
        {"spec": {"containers": [{"name": f"c{i}", "image": "i"} for i in range(30_000)]}},
        {"data": {f"k{i}": "\\" for i in range(60_000)}},
        [{"a": {"b": {f"k{i}": [{}] for i in range(60_000)}}}],
    ],
)
def test_no_call_takes_more_than_a_piece(document: Any) -> None:
    data = json.dumps(document).encode()
    lengths: list[int] = []

    def decode(part: bytes) -> Any:
        lengths.append(len(part))
        return msgspec.json.decode(part)

    assert cuts.decode(data, decode) == document
    assert max(lengths) < 2 * cuts.PIECE
    assert sum(lengths) < 1.1 * len(data)


def test_a_member_named_as_what_is_gone_on_with_is_not_lost() -> None:
    document = {"a": {"\x7f\x7f continued \x7f\x7f": "x", **{f"k{i}": i for i in range(40_000)}}}
    assert decode_any(json.dumps(document).encode()) == document
