"""The cluster that recorded cases are played against."""

from __future__ import annotations

import base64
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
from tests.golden.playing import Server


class Silent:
    def started(self, step: str) -> None: ...
    def finished(self, step: str, seconds: float) -> None: ...
    def failed(self, step: str, message: str) -> None: ...

    def abandoned(self, step: str) -> None: ...
    def note(self, message: str) -> None: ...


@pytest.fixture(scope="package")
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
