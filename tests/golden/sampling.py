"""Adds recorded mutations to the sample that the tests play.

    python -m tests.golden.sampling RECORDED_DIR GROUP.RESOURCE LINE [LINE ...]

RECORDED_DIR holds GROUP.RESOURCE.jsonl.xz in the format of `tests/golden/mutating.py`; a LINE is a line's number in it,
counted from 0. What the sample has already stays once; bases come before their mutations, in the recorded order.
"""

from __future__ import annotations

import json
import lzma
import pathlib
import sys
from typing import Any

from tests.golden.mutating import read, write

DATA = pathlib.Path(__file__).parent.parent / "data/golden/mutations"


def _key(line: dict[str, Any]) -> str:
    return json.dumps(line, sort_keys=True)


def sample(recorded: list[dict[str, Any]], kept: list[dict[str, Any]], numbers: set[int]) -> list[dict[str, Any]]:
    """The lines of `recorded` that are in `kept` or chosen by number, with the bases that they change."""
    known = {_key(line) for line in kept}
    chosen = [line for number, line in enumerate(recorded) if number in numbers or _key(line) in known]
    bases = {line["base"] for line in chosen if "base" in line}
    keys = {_key(line) for line in chosen if "base" in line}
    return [line for line in recorded if line.get("define") in bases or _key(line) in keys]


def main(directory: str, kind: str, numbers: list[str]) -> None:
    path = DATA / f"{kind}.jsonl.gz"
    with lzma.open(pathlib.Path(directory) / f"{kind}.jsonl.xz", "rt") as lines:
        recorded = [json.loads(line) for line in lines]
    DATA.mkdir(parents=True, exist_ok=True)
    write(path, sample(recorded, read(path) if path.exists() else [], set(map(int, numbers))))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
