"""One version of a custom resource with all that is compiled from its schema, once for as long as it stays. Pure."""

from __future__ import annotations

import hashlib
from typing import Any

from msgspec.structs import replace

from pilothouse.api import custom
from pilothouse.api.codec.json import encode, to_builtins
from pilothouse.api.custom import CustomObject
from pilothouse.api.field_errors import FieldErrors
from pilothouse.api.types.apiextensions.v1 import CustomResourceDefinition, CustomResourceDefinitionVersion
from pilothouse.kinds.schema import checking, defaulting, embedded, lists, structural
from pilothouse.kinds.schema.faults import Faults
from pilothouse.kinds.schema.pruning import prune
from pilothouse.kinds.schema.ratcheting import unchanged

_UNSCHEMED = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


class Version:
    """What the objects of one version are, and what is right for them."""

    def __init__(self, crd: CustomResourceDefinition, declared: CustomResourceDefinitionVersion) -> None:
        self.declared = declared
        self.kind = crd.spec.names.kind
        self.api_version = f"{crd.spec.group}/{declared.name}"
        self.type = custom.type_of(self.kind, self.api_version)
        raw = _raw(declared)
        if crd.spec.preserve_unknown_fields:
            raw = {**raw, "x-kubernetes-preserve-unknown-fields": True}
        self.schema = structural.parse(raw)
        self.digest = hashlib.sha256(encode(raw)).hexdigest()
        self._fill = defaulting.compiled(self.schema)
        self._check = checking.compiled(raw)
        status = raw.get("properties", {}).get("status")
        self._check_status = checking.compiled(status) if status is not None else None
        self._repeats = lists.compiled(self.schema)
        self._check_embedded = embedded.validator(self.schema)
        self.coerce = embedded.coercer(self.schema)
        metadata = raw.get("properties", {}).get("metadata", {})
        self._sees_metadata = set(metadata) > {"type"} and bool(metadata.get("properties"))

    def defaults(self, obj: CustomObject) -> CustomObject:
        """`obj` with the defaults of the schema."""
        body = self._fill(obj.body)
        return obj if body is obj.body else replace(obj, body=body)

    def of(self, obj: CustomObject) -> CustomObject:
        """An object of another version, as this version shows it: it has what the schema knows."""
        body = prune(self.schema, dict(obj.body))
        return self.type(kind=obj.kind, api_version=self.api_version, metadata=obj.metadata, body=body)

    def errors(self, obj: CustomObject) -> FieldErrors:
        """What the schema has against a new object."""
        found = [fault.error("") for fault in self._check(self._tree(obj))] if self._check is not None else []
        return found + self._structure_errors(obj, None)

    def update_errors(self, new: CustomObject, old: CustomObject) -> FieldErrors:
        """What the schema has against a changed object; what was so before is let stay."""
        found: Faults = self._check(self._tree(new)) if self._check is not None else ()
        if found:
            before, after = self._tree(old), self._tree(new)
            found = [fault for fault in found if not unchanged(self.schema, after, before, fault.node)]
        return [fault.error("") for fault in found] + self._structure_errors(new, old)

    def status_errors(self, new: CustomObject, old: CustomObject) -> FieldErrors:
        """What the schema has against an object whose status alone was written."""
        found: Faults = ()
        if self._check_status is not None and "status" in new.body:
            found = self._check_status(new.body["status"])
            if found:
                schema, held = self.schema.properties["status"], old.body.get("status")
                found = [fault for fault in found if not unchanged(schema, new.body["status"], held, fault.node)]
        return [fault.error("status") for fault in found] + self._structure_errors(new, old)

    def _structure_errors(self, new: CustomObject, old: CustomObject | None) -> FieldErrors:
        found: FieldErrors = []
        if self._check_embedded is not None:
            found += self._check_embedded(new.body)
        if self._repeats is not None and (repeated := self._repeats(new.body, "")):
            found += repeated if old is None or not self._repeats(old.body, "") else []
        return found

    def _tree(self, obj: CustomObject) -> dict[str, Any]:
        metadata = to_builtins(obj.metadata) if self._sees_metadata else {"name": obj.metadata.name}
        return {"kind": obj.kind, "apiVersion": obj.api_version, "metadata": metadata, **obj.body}


def _raw(declared: CustomResourceDefinitionVersion) -> dict[str, Any]:
    schema = declared.schema.open_apiv_3_schema if declared.schema is not None else None
    if schema is None:
        return _UNSCHEMED
    raw: dict[str, Any] = to_builtins(schema)
    return raw
