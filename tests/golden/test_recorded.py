"""What the real API server answered, request by request. Cases that match must go on matching: those that do not yet
are named in `not_yet.txt`, which may only shrink."""

from __future__ import annotations

import base64
import gzip
import json
import pathlib
import shutil
import ssl
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from pilothouse.house.clusters import Clusters
from pilothouse.seams.house import UpRequest
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


class Silent:
    def started(self, step: str) -> None: ...
    def finished(self, step: str, seconds: float) -> None: ...
    def failed(self, step: str, message: str) -> None: ...
    def note(self, message: str) -> None: ...


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A simulated cluster without nodes, as the recorded one had none."""
    home = pathlib.Path(tempfile.mkdtemp(prefix="phg-", dir="/tmp"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PILOTHOUSE_HOME", str(home))
        patch.setenv("KUBECONFIG", str(home / "kubeconfig"))
        clusters = Clusters()
        status = clusters.up(UpRequest("golden", 0, "simulated"), Silent())
        try:
            config = yaml.safe_load(clusters.kubeconfig("golden"))
            yield Server(int(status.server.rpartition(":")[2]), *_contexts(config, home))
        finally:
            clusters.down("golden", Silent())
            shutil.rmtree(home)


def _contexts(config: dict[str, Any], home: pathlib.Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    authority = base64.b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"]).decode()
    user = config["users"][0]["user"]
    pair = home / "pair.pem"
    pair.write_bytes(base64.b64decode(user["client-certificate-data"]) + base64.b64decode(user["client-key-data"]))
    master, nobody = (ssl.create_default_context(cadata=authority) for _ in range(2))
    master.load_cert_chain(pair)
    return master, nobody


@pytest.mark.parametrize("name", sorted(set(CASES) - NOT_YET))
def test_the_answers_are_those_of_the_real_server(server: Server, name: str) -> None:
    found = play(server, CASES[name])
    assert found == [], "\n".join(found[:8])


def test_the_list_of_what_does_not_match_names_known_cases() -> None:
    assert set(CASES) >= NOT_YET
