"""What the real API server answered, request by request. Cases that match must go on matching: those that do not yet
are named in `not_yet.txt`, which may only shrink."""

from __future__ import annotations

import gzip
import json
import pathlib
from typing import Any

import pytest

from tests.golden.playing import Server, play

HERE = pathlib.Path(__file__).parent
DATA = HERE.parent / "data/golden"
AREAS: dict[str, list[dict[str, Any]]] = {
    area: cases
    for name in ("cases", "custom")
    for area, cases in json.loads(gzip.decompress((DATA / f"{name}.json.gz").read_bytes())).items()
}
CASES = {f"{area}/{case['name']}": case for area, cases in AREAS.items() for case in cases}
NOT_YET = {line.split("#")[0].strip() for line in (HERE / "not_yet.txt").read_text().splitlines()} - {""}


@pytest.mark.parametrize("name", sorted(set(CASES) - NOT_YET))
def test_the_answers_are_those_of_the_real_server(server: Server, name: str) -> None:
    found = play(server, CASES[name])
    assert found == [], "\n".join(found[:8])


def test_the_list_of_what_does_not_match_names_known_cases() -> None:
    assert set(CASES) >= NOT_YET
