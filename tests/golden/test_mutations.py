"""What the real API server said of one changed member of a good object, kind by kind. `tests/golden/sampling.py` adds
recorded mutations to the sample: every cause that was mended keeps the mutation that showed it."""

from __future__ import annotations

import pathlib

import pytest

from tests.golden.mutating import Player, read
from tests.golden.playing import Server

DATA = pathlib.Path(__file__).parent.parent / "data/golden/mutations"
KINDS = sorted(path.name.removesuffix(".jsonl.gz") for path in DATA.glob("*.jsonl.gz"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_changed_member_is_answered_as_by_the_real_server(server: Server, kind: str) -> None:
    player, bases, failures = Player(server), {}, []
    try:
        for line in read(DATA / f"{kind}.jsonl.gz"):
            if "define" in line:
                bases[line["define"]] = line
            elif found := player.play(bases[line["base"]], line):
                change = str(line["to"])[:120] if "to" in line else "(taken away)"
                failures.append(f"{line['how']} {'.'.join(map(str, line['at']))} = {change}\n    {found[0]}")
    finally:
        player.close()
    assert failures == [], f"{len(failures)} differ\n" + "\n".join(failures[:12])
