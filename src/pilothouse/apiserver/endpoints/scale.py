"""The scale subresource: a Scale of autoscaling/v1 in place of the object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pilothouse.api import errors
from pilothouse.api.types.autoscaling.v1 import Scale
from pilothouse.api.types.meta.v1 import UpdateOptions
from pilothouse.apiserver.endpoints import answers, bodies
from pilothouse.apiserver.endpoints.resource import ResourceEndpoint
from pilothouse.apiserver.generic.patching import patch_type
from pilothouse.apiserver.generic.scaling import scale_of
from pilothouse.apiserver.request import options as opt
from pilothouse.apiserver.request.context import Context, Handler
from pilothouse.apiserver.request.negotiation import body_type
from pilothouse.apiserver.table.build import Columns, Printer
from pilothouse.kinds.cells import age
from pilothouse.kinds.strategy import Cell
from pilothouse.kinds.strategy import Scale as ScaleRules
from pilothouse.kit.http.messages import Response


def _cells(scale: Scale, now: float) -> Sequence[Cell]:
    meta = scale.metadata
    return meta.name, scale.spec.replicas, scale.status.replicas, age(meta.creation_timestamp, now)


def _printer(group: str, columns: Columns) -> Printer:
    return Printer((group, "scale"), columns, _cells)


_COUNTS = (("Desired", "integer", "", 0), ("Available", "integer", "", 0))
PRINTER = _printer("autoscaling", (("Name", "string", "", 0), *_COUNTS, ("Age", "string", "", 0)))
CUSTOM = _printer("apiextensions.k8s.io", (("Name", "string", "name", 0), *_COUNTS, ("Age", "date", "", 0)))


class ScaleEndpoint:
    """The verbs get, update and patch of a Scale."""

    def __init__(self, endpoint: ResourceEndpoint, rules: ScaleRules[Any]) -> None:
        self.endpoint = endpoint
        self.rules = rules
        self.printer = PRINTER if endpoint.registry.strategy.printer is None else CUSTOM

    def verbs(self) -> dict[str, Handler]:
        return {"get": self.get, "update": self.update, "patch": self.patch}

    async def get(self, context: Context) -> Response:
        context.negotiate()
        info = context.info
        item = await self.endpoint.registry.get(info.scope, info.name)
        if told := self.rules.missing(item.obj):
            raise errors.internal(told)
        return answers.structure(context, scale_of(self.rules, item.obj), printer=self.printer)

    async def update(self, context: Context) -> Response:
        context.negotiate()
        media_type = body_type(context.request.header(b"content-type"))
        data = await context.body()
        options = opt.write_options(context.query, UpdateOptions)
        scale: Scale = await bodies.decode(context, data, media_type, Scale, options.field_validation)
        bodies.named(scale, context.info.name, context.info.scope)
        call = context.call(self.endpoint.api_version, options, "scale")
        item = await self.endpoint.registry.scale(lambda live: scale, self.rules, call, uid=scale.metadata.uid)
        return answers.structure(context, scale_of(self.rules, item.obj), printer=self.printer)

    async def patch(self, context: Context) -> Response:
        context.negotiate()
        kind = patch_type(context.request.header(b"content-type"))
        if kind is None:
            raise bodies.unsupported_patch()
        data = await context.body()
        options, force = opt.patch_options(context.query, kind == "apply")
        call = context.call(self.endpoint.api_version, options, "scale")
        if kind == "apply":
            item = await self.endpoint.patcher.apply_scale(self.endpoint.registry, self.rules, data, call, force)
            return answers.structure(context, scale_of(self.rules, item.obj), printer=self.printer)
        change = self.endpoint.patcher.scale_change(kind, data, call, force)
        item = await self.endpoint.registry.scale(change, self.rules, call)
        return answers.structure(context, scale_of(self.rules, item.obj), printer=self.printer)
