"""Every scenario runs twice: on the fake cluster, and on the real API server with admission, validation and the rights
that each controller has. `@pytest.mark.api("fake")` (or "server") chooses one, and says why in a comment."""

from __future__ import annotations

import pytest

from tests.controllers.world import Api


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    mark = metafunc.definition.get_closest_marker("api")
    if "clock" in metafunc.fixturenames or mark is not None:
        metafunc.parametrize("api", mark.args if mark is not None else (Api.FAKE, Api.SERVER), indirect=True)


@pytest.fixture(autouse=True)
def api(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The API that the test's world stands on."""
    chosen: str = getattr(request, "param", Api.FAKE)
    monkeypatch.setattr(Api, "chosen", chosen)
    return chosen
