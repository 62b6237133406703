"""Patterns of clients: what compiling them may take, and what is kept of them."""

from __future__ import annotations

import pytest
import re2

from pilothouse.kinds.schema import regexps


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The patterns that RE2 was given."""
    patterns: list[str] = []

    class Seen(re2._Regexp):  # type: ignore[misc]
        def __init__(self, pattern: str, options: re2.Options) -> None:
            patterns.append(pattern)
            super().__init__(pattern, options)

    monkeypatch.setattr(re2, "_Regexp", Seen)
    monkeypatch.setattr(regexps, "_kept", {})
    return patterns


@pytest.mark.parametrize("piece", [r"\pL", r"\p{Lu}", r"[\PN_]"])
def test_what_would_take_seconds_to_parse_is_refused_unparsed(parsed: list[str], piece: str) -> None:
    pattern = piece * 10_000
    assert regexps.go_error(pattern) == f"error parsing regexp: expression too large: `{pattern}`"
    assert pattern not in parsed


def test_a_program_over_the_budget_is_refused_in_the_words_of_go() -> None:
    pattern = r"\pL{1000}"
    assert regexps.go_error(pattern) == f"error parsing regexp: expression too large: `{pattern}`"


@pytest.mark.parametrize("pattern", [r"^[\p{L}\p{N}_.-]{1,63}$", r"\\pL" * 10_000, r"\p{Zl}" * 10_000, "a" * 100_000])
def test_what_is_not_too_large_compiles(pattern: str) -> None:
    assert regexps.go_error(pattern) == ""


def test_few_and_small_programs_are_kept(parsed: list[str]) -> None:
    large, long = "[^a]{1000}", "d" * 300
    for _ in range(2):
        for pattern in ("ab+c", large, long):
            regexps.compiled(pattern)
    assert parsed == ["ab+c", large, long, large, long]
    for number in range(2000):
        regexps.compiled(f"a{number}")
    assert len(regexps._kept) <= 512


def test_the_module_of_re2_keeps_none() -> None:
    before = re2._Regexp._make.cache_info()
    regexps.compiled("of a stranger")
    assert re2._Regexp._make.cache_info() == before
