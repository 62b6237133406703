"""Who may write which part of a ResourceClaim's status, by the cases that upstream's checks are tested with."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api.codec.json import from_builtins
from pilothouse.api.errors import StatusError
from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.api.types.meta.v1 import PatchOptions
from pilothouse.api.types.resource.v1 import ResourceClaim
from pilothouse.apiserver.admission.plugins.claim_status import ResourceClaimStatusAuthorization, node_of
from pilothouse.apiserver.authz.interface import NO_OPINION, Decision, Verdict
from pilothouse.apiserver.request.access import Access
from pilothouse.semantics.serviceaccounts import NODE_NAME
from pilothouse.testing.admission import attributes, plugin_context, send
from pilothouse.testing.reader import FakeReader

NODE = "worker-1"


def claim(*devices: tuple[str, str], node: str = "", reserved: str = "") -> ResourceClaim:
    status: dict[str, Any] = {"devices": [{"driver": d, "pool": "p", "device": name} for d, name in devices]}
    if node:
        field = {"key": "metadata.name", "operator": "In", "values": node.split()}
        status["allocation"] = {"nodeSelector": {"nodeSelectorTerms": [{"matchFields": [field]}]}}
    if reserved:
        status["reservedFor"] = [{"resource": "pods", "name": reserved, "uid": "u"}]
    return from_builtins({"metadata": {"name": "c", "namespace": "ns"}, "status": status}, ResourceClaim)


class Asked:
    """Allows what is listed, and keeps what it was asked: `VERB SUBRESOURCE NAMESPACE NAME`."""

    def __init__(self, *allowed: str) -> None:
        self.allowed = allowed
        self.asked: list[str] = []

    def authorize(self, access: Access) -> Verdict:
        question = f"{access.verb} {access.subresource} {access.namespace} {access.name}"
        self.asked.append(question)
        return Verdict(Decision.ALLOW) if question in self.allowed else NO_OPINION


def user(node: str = "") -> UserInfo:
    return UserInfo(username="system:serviceaccount:ns:driver", extra={NODE_NAME: (node,)} if node else {})


BINDING = "changing status.allocation or status.reservedFor requires extra permission"
DEVICES = "changing status.devices requires extra permission"
OLD = claim(("a", "old"), ("b", "old"), node=NODE)


@pytest.mark.parametrize(
    ("new", "old", "who", "allowed", "asked", "refused"),
    [
        (OLD, OLD, user(), [], [], []),
        (claim(node=NODE), claim(), user(), ["update binding  "], ["update binding  "], []),
        (claim(node=NODE), claim(), user(), [], ["update binding  "], [BINDING]),
        (claim(reserved="p"), claim(), user(), [], ["update binding  "], [BINDING]),
        (
            claim(("a", "new"), ("b", "old"), node=NODE), OLD, user(NODE),
            ["associated-node:update driver ns a"], ["associated-node:update driver ns a"], [],
        ),
        (
            claim(("a", "new"), ("b", "old"), node=NODE), OLD, user(NODE), ["arbitrary-node:update driver ns a"],
            ["associated-node:update driver ns a", "arbitrary-node:update driver ns a"], [],
        ),
        (
            claim(("a", "new"), ("b", "old"), node=NODE), OLD, user("other"), ["associated-node:update driver ns a"],
            ["arbitrary-node:update driver ns a"], [DEVICES],
        ),
        (
            claim(("a", "new"), ("b", "old"), node=NODE), OLD, user(), ["arbitrary-node:update driver ns a"],
            ["arbitrary-node:update driver ns a"], [],
        ),
        (
            claim(("a", "new"), ("b", "new"), node=NODE), OLD, user(NODE), ["associated-node:update driver ns a"],
            ["associated-node:update driver ns a", "associated-node:update driver ns b",
             "arbitrary-node:update driver ns b"], [DEVICES],
        ),
        (
            claim(("a", "new"), node=f"{NODE} other"), claim(node=f"{NODE} other"), user(NODE), [],
            ["arbitrary-node:update driver ns a"], [DEVICES],
        ),
        (claim(node=NODE), claim(("a", "x"), node=NODE), user(), [], ["arbitrary-node:update driver ns a"], [DEVICES]),
    ],
)  # fmt: skip
async def test_parts_of_a_status_take_rights_of_their_own(
    new: ResourceClaim, old: ResourceClaim, who: UserInfo, allowed: list[str], asked: list[str], refused: list[str]
) -> None:
    plugin = ResourceClaimStatusAuthorization(plugin_context(FakeReader()))
    plugin._authorizer = authorizer = Asked(*allowed)
    write = attributes("UPDATE", new, old, subresource="status", user=who)
    causes: list[str] = []
    try:
        await send(plugin, write)
    except StatusError as error:
        details = error.status.details
        assert details is not None
        causes = [cause.message for cause in details.causes or ()]
        if error.code != 422:
            raise
    assert causes == [f"Forbidden: {text}" for text in refused]
    assert authorizer.asked == asked


async def test_a_patch_takes_the_right_to_patch() -> None:
    plugin = ResourceClaimStatusAuthorization(plugin_context(FakeReader()))
    plugin._authorizer = authorizer = Asked("patch binding  ")
    write = attributes("UPDATE", claim(node=NODE), claim(), subresource="status", user=user())
    write.options = PatchOptions()
    await send(plugin, write)
    assert authorizer.asked == ["patch binding  "]


@pytest.mark.parametrize(("node", "one"), [("", ""), ("n", "n"), ("a b", "")])
def test_the_node_of_an_allocation(node: str, one: str) -> None:
    assert node_of(claim(node=node).status.allocation) == one
