"""Actions over HTTP."""

from __future__ import annotations

from typing import Any

from pilothouse.api.types.meta.v1 import CreateOptions
from pilothouse.apiserver.endpoints import answers, bodies
from pilothouse.apiserver.generic.actions import Action
from pilothouse.apiserver.request import options as opt
from pilothouse.apiserver.request.context import Context
from pilothouse.apiserver.request.negotiation import METADATA_SHAPES, body_type
from pilothouse.kit.http.messages import Response


class ActionEndpoint:
    """POST of an action."""

    def __init__(self, action: Action) -> None:
        self.action = action
        self.api_version = f"{action.group}/{action.version}" if action.group else action.version

    async def create(self, context: Context) -> Response:
        context.negotiate(shapes=METADATA_SHAPES)  # what is asked for is done only if the answer can be given
        media_type = body_type(context.request.header(b"content-type"))
        data = await context.body()
        options = opt.write_options(context.query, CreateOptions)
        body = await bodies.decode(context, data, media_type, self.action.body, options.field_validation)
        call = context.call(self.api_version, options, self.action.subresource)
        answer = await self.action.run(body, call)
        return answers.structure(context, answer, _code(answer) or self.action.status)


def _code(answer: Any) -> int:
    return int(answer.code) if answer.kind == "Status" else 0
