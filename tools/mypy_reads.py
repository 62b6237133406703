"""A plugin of mypy that writes down each access to a field of an API type: `module type.attribute`, one a line."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable

from mypy.plugin import AttributeContext, Plugin
from mypy.types import Type

OUTPUT = "PILOTHOUSE_FIELD_READS"
TYPES = "pilothouse.api.types."


class Reads(Plugin):
    """Changes nothing of what is checked."""

    def get_attribute_hook(self, fullname: str) -> Callable[[AttributeContext], Type] | None:
        if not fullname.startswith(TYPES):
            return None

        def note(context: AttributeContext) -> Type:
            path = pathlib.PurePath(getattr(context.api, "path", ""))
            module = ".".join(path.with_suffix("").parts[1:])
            with open(os.environ[OUTPUT], "a") as file:
                file.write(f"{module} {fullname}\n")
            return context.default_attr_type

        return note


def plugin(version: str) -> type[Plugin]:
    return Reads
