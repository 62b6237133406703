"""What a request asks to do, as authorization, audit and flow control name it."""

from __future__ import annotations

from typing import NamedTuple

from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.api.types.meta.v1 import FieldSelectorRequirement, LabelSelectorRequirement


class Access(NamedTuple):
    """One action by one user. A request for a resource has `resource` set, any other one `path`.

    `verb` is the API's own for resources (get, list, watch, create, update, patch, delete, deletecollection, ...),
    else the HTTP method in lower case. The selectors are those of list, watch and
    deletecollection that could be parsed.
    """

    user: UserInfo
    verb: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""
    field_selector: tuple[FieldSelectorRequirement, ...] = ()
    label_selector: tuple[LabelSelectorRequirement, ...] = ()

    @property
    def is_resource(self) -> bool:
        return self.resource != ""
