"""What the parts of the control plane share, and whom they act as."""

from __future__ import annotations

from dataclasses import dataclass

from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.apiserver.parts import MASTER
from pilothouse.apiserver.server import ApiServer
from pilothouse.kit.clock import Clock
from pilothouse.kit.random import Chance
from pilothouse.kit.tasks import TaskScope
from pilothouse.machinery.client import Client

AUTHENTICATED = "system:authenticated"
CONTROLLER_MANAGER = UserInfo(username="system:kube-controller-manager", groups=(AUTHENTICATED,))
SCHEDULER = UserInfo(username="system:kube-scheduler", groups=(AUTHENTICATED,))


@dataclass(frozen=True)
class ControlPlaneContext:
    """The server that all parts are clients of, and their doors to time, chance and tasks."""

    server: ApiServer
    clock: Clock
    chance: Chance
    scope: TaskScope

    def client(self, user: UserInfo) -> Client:
        return self.server.client(user)


__all__ = ["AUTHENTICATED", "CONTROLLER_MANAGER", "MASTER", "SCHEDULER", "ControlPlaneContext"]
