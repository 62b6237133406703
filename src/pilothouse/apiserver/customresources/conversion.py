"""From one version of a custom resource to another. Pure."""

from __future__ import annotations

from collections.abc import Callable

from pilothouse.api import errors
from pilothouse.api.custom import CustomObject
from pilothouse.api.errors import StatusError
from pilothouse.api.types.apiextensions.v1 import CustomResourceDefinition
from pilothouse.apiserver.customresources.version import Version


def converter(
    crd: CustomResourceDefinition, source: Version, target: Version
) -> Callable[[CustomObject], CustomObject]:
    """Without a webhook the versions differ in their names, and in what their schemas know. Raises StatusError (500)
    for objects that only a webhook could convert."""
    conversion = crd.spec.conversion
    if conversion is not None and conversion.strategy == "Webhook":

        def refuse(obj: CustomObject) -> CustomObject:
            raise _unreachable(source)

        return refuse
    return lambda obj: target.defaults(target.of(obj)) if target.declared.storage else target.of(obj)


def _unreachable(source: Version) -> StatusError:
    told = f"conversion webhook for {source.api_version}, Kind={source.kind} failed: webhooks are not called"
    return errors.make(500, "", told)
