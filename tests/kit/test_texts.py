"""Memory for what was made of texts."""

from __future__ import annotations

from pilothouse.kit.texts import LONGEST, remembered, short


def test_long_texts_are_not_remembered() -> None:
    made: list[str] = []

    @remembered(8)
    def length(text: str, more: int = 0) -> int:
        made.append(text)
        return len(text) + more

    for text in ("a", "a", "b" * LONGEST, "b" * LONGEST, "c" * (LONGEST + 1), "c" * (LONGEST + 1)):
        assert length(text, 1) == len(text) + 1
    assert [text[0] for text in made] == ["a", "b", "c", "c"]


def test_short_keys() -> None:
    assert short(("a", "b" * (LONGEST - 1)))
    assert not short(("a", "b" * LONGEST))
