"""Claims with admin access, through the whole server: only in namespaces that are labelled for it."""

import pytest
from msgspec.structs import replace

from pilothouse.api.codec.json import from_builtins
from pilothouse.api.errors import StatusError
from pilothouse.api.types.core.v1 import Namespace
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.api.types.resource.v1 import ResourceClaim, ResourceClaimTemplate
from pilothouse.kinds.resource.admin_access import LABEL
from tests.apiserver.servers import running

DEVICES = {"devices": {"requests": [{"name": "g", "exactly": {"deviceClassName": "c", "adminAccess": True}}]}}
REFUSED = r"spec.devices.requests\[0\].adminAccess: Forbidden: admin access to devices requires the"


async def test_only_labelled_namespaces_ask_for_admin_access():
    claim = from_builtins({"metadata": {"name": "c", "namespace": "default"}, "spec": DEVICES}, ResourceClaim)
    template = from_builtins(
        {"metadata": {"name": "t", "namespace": "default"}, "spec": {"spec": DEVICES}}, ResourceClaimTemplate
    )
    async with running() as (_server, client):
        for obj in (claim, template):
            with pytest.raises(StatusError, match=REFUSED):
                await client.create(obj)
        await client.create(Namespace(metadata=ObjectMeta(name="admins", labels={LABEL: "true"})))
        for obj in (claim, template):
            made = await client.create(replace(obj, metadata=replace(obj.metadata, namespace="admins")))
            assert made.metadata.uid
