from __future__ import annotations

from typing import Any

import pytest

from pilothouse.kinds.schema import jsonpath

TREE = {
    "l": ["p", "q"],
    "c": [{"type": "Ready", "status": "True"}, {"type": "Other", "status": "False"}],
    "a": {"example.com/x": "y", "b": {"n": 1}},
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".l[*]", ["p", "q"]),
        (".l[0]", ["p"]),
        (".l[-1:]", ["q"]),
        (".l[7]", []),
        ('.c[?(@.type=="Ready")].status', ["True"]),
        (".c[?(@.type!='Ready')].status", ["False"]),
        (".a['b'].n", [1]),
        (r".a.example\.com/x", ["y"]),
        ("..n", [1]),
        (".missing.n", []),
    ],
)
def test_paths(path: str, found: list[Any]) -> None:
    assert jsonpath.compiled(path)(TREE) == found


@pytest.mark.parametrize("path", [".l[", ".l[x]", "l"])
def test_what_is_no_path(path: str) -> None:
    with pytest.raises(jsonpath.JSONPathError):
        jsonpath.compiled(path)
