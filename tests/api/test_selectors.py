"""Selectors: what they match, their canonical text and the texts of their errors."""

from __future__ import annotations

import pytest

from pilothouse.api.selectors import NOTHING, SelectorError, of_object, parse_fields, parse_labels
from pilothouse.api.types.meta.v1 import LabelSelector, LabelSelectorRequirement

LABELS = {"app": "web", "tier": "front", "n": "5"}


@pytest.mark.parametrize(
    ("text", "canonical", "matches"),
    [
        ("", "", True),
        ("app", "app", True),
        ("!app", "!app", False),
        ("app=web", "app=web", True),
        ("app == web", "app==web", True),
        ("tier=front,app=web", "app=web,tier=front", True),
        ("app!=web", "app!=web", False),
        ("other!=x", "other!=x", True),
        ("app in (web, api)", "app in (api,web)", True),
        ("app notin (web)", "app notin (web)", False),
        ("app in (,)", "app in ()", False),
        ("n>4,n<6", "n>4,n<6", True),
        ("n>5", "n>5", False),
        ("app=", "app=", False),
        ("in in (in,notin)", "in in (in,notin)", False),
    ],
)
def test_labels(text: str, canonical: str, matches: bool) -> None:
    selector = parse_labels(text)
    assert str(selector) == canonical
    assert selector.matches(LABELS) is matches
    assert selector.compiled()(LABELS) is matches


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a===b", "unable to parse requirement: found '=', expected: identifier"),
        ("a in b", "unable to parse requirement: found 'b' expected: '('"),
        ("a,", "found '', expected: identifier after ','"),
        (",a", "found ',', expected: !, identifier, or 'end of string'"),
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("a=b c", "found 'c', expected: ',' or 'end of string'"),
        ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
        (
            "n>x",
            "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, "
            "the value must be an integer",
        ),
    ],
)
def test_label_errors(text: str, error: str) -> None:
    with pytest.raises(SelectorError) as raised:
        parse_labels(text)
    assert str(raised.value) == error


def test_selector_of_an_object() -> None:
    assert of_object(None) is NOTHING
    assert not of_object(None).compiled()({})
    assert of_object(LabelSelector()).matches({})
    both = LabelSelector(
        match_labels={"app": "web"},
        match_expressions=(LabelSelectorRequirement(key="tier", operator="In", values=("front", "back")),),
    )
    assert of_object(both).matches(LABELS)
    assert str(of_object(both)) == "app=web,tier in (back,front)"


def test_fields() -> None:
    selector = parse_fields("status.phase!=Failed,metadata.name=a\\,b")
    assert selector.exactly("metadata.name") == "a,b"
    assert str(selector) == "metadata.name=a\\,b,status.phase!=Failed"
    assert selector.matches({"metadata.name": "a,b"})
    assert not selector.matches({"metadata.name": "a,b", "status.phase": "Failed"})
    with pytest.raises(SelectorError, match="can't understand 'spec\\.color'"):
        parse_fields("spec.color")
