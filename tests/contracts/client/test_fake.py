"""The fake client keeps the contract."""

from __future__ import annotations

import pytest

from pilothouse.kit.clock import SystemClock
from pilothouse.testing.fake_client import FakeClient
from pilothouse.testing.fake_cluster import FakeCluster
from tests.contracts.client.contract import ClientContract


class TestFakeClient(ClientContract):
    @pytest.fixture
    def client(self) -> FakeClient:
        return FakeClient(FakeCluster(SystemClock()))
