"""What admission plugins are given to work with."""

from __future__ import annotations

from dataclasses import dataclass

from pilothouse.apiserver.authz.interface import Authorizer
from pilothouse.apiserver.authz.rbac import RBAC
from pilothouse.apiserver.reader import Reader
from pilothouse.kit.clock import Clock
from pilothouse.kit.random import Chance
from pilothouse.machinery.client import Client


@dataclass(frozen=True, slots=True)
class PluginContext:
    """`client` acts as the API server itself (group system:masters) and is for the few plugins that write."""

    reader: Reader
    client: Client
    authorizer: Authorizer
    rbac: RBAC
    clock: Clock
    chance: Chance
