"""What is checked of each version of a definition: schema, subresources, columns, selectable fields. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pilothouse.api.codec.json import to_builtins
from pilothouse.api.field_errors import FieldErrors, duplicate, forbidden, invalid, required, too_many
from pilothouse.api.types.apiextensions.v1 import CustomResourceDefinitionVersion, JSONSchemaProps
from pilothouse.kinds.apiextensions import field_paths
from pilothouse.kinds.apiextensions.convertible import convertible, has_dialect
from pilothouse.kinds.apiextensions.default_rules import default_errors
from pilothouse.kinds.apiextensions.schema_rules import schema_errors
from pilothouse.kinds.apiextensions.structural_rules import structural_errors
from pilothouse.kinds.schema.numbers import sized

Version = CustomResourceDefinitionVersion
_TYPES = ("boolean", "date", "integer", "number", "string")
_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
_MOST_SELECTABLE = 8
_LONGEST_WARNING = 256
_AT_ROOT = {
    name: name[:1].upper() + name[1:]
    for name in (
        *("description", "type", "format", "title", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum"),
        *("maxLength", "minLength", "pattern", "maxItems", "minItems", "uniqueItems", "multipleOf", "required"),
        *("items", "properties", "externalDocs", "example"),
    )
} | {
    "x-kubernetes-preserve-unknown-fields": "XPreserveUnknownFields",
    "x-kubernetes-validations": "XValidations",
}
"""What a root may have beside a status subresource, with its name in upstream's internal type."""
_SELECTABLE = (
    "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed."
)


def schema_errors_of(version: Version, path: str, has_status: bool) -> FieldErrors:
    """The errors of a version's schema: of its rules, else of its structure, else of its defaults."""
    schema = version.schema.open_apiv_3_schema if version.schema is not None else None
    if schema is None:
        return []
    raw = sized(to_builtins(schema))
    path = f"{path}.openAPIV3Schema"
    found: FieldErrors = list(_root_errors(schema, raw, path)) if has_status else []
    if raw.get("nullable"):
        found.append(forbidden(f"{path}.nullable", "nullable cannot be true at the root"))
    found += schema_errors(raw, path)
    if not convertible(raw):
        return found
    if has_dialect(raw):
        return found or [invalid(path, "", "OpenAPIV3Schema 'schema' is not supported")]
    return found + (structural_errors(raw, path) or default_errors(raw, path))


def _root_errors(schema: JSONSchemaProps, raw: Mapping[str, Any], path: str) -> Iterator[Any]:
    """With a status subresource, `properties.status` alone says what a status is: the root may say little else."""
    if raw.keys().isdisjoint(("id", "$schema", "$ref")) and raw.get("type", "object") != "object":
        told = 'only "object" is allowed as the type at the root of the schema if the status subresource is enabled'
        yield invalid(f"{path}.type", raw["type"], told)
    elif not raw.keys() <= _AT_ROOT.keys():
        told = f"only [{' '.join(_AT_ROOT.values())}] fields are allowed at the root of the schema"
        yield invalid(path, schema, f"{told} if the status subresource is enabled")


def deprecation_errors(version: Version, path: str) -> Iterator[Any]:
    warning, path = version.deprecation_warning, f"{path}.deprecationWarning"
    if warning is None:
        return
    if not version.deprecated:
        yield invalid(path, warning, "can only be set for deprecated versions")
        return
    if not warning:
        yield invalid(path, warning, "must not be an empty string")
    if len(warning.encode()) > _LONGEST_WARNING:
        yield invalid(path, warning, f"must be <= {_LONGEST_WARNING} characters long")
    for at, char in enumerate(warning):
        if not char.isprintable():
            byte = len(warning[:at].encode())
            told = f"must only contain printable UTF-8 characters; non-printable character found at index {byte}"
            yield invalid(path, warning, told)
            return


def subresource_errors(version: Version, path: str, has_status: bool) -> FieldErrors:
    scale = version.subresources.scale if version.subresources is not None else None
    if scale is None:
        return []
    found: FieldErrors = []
    path = f"{path}.scale"
    for value, name, prefix in (
        (scale.spec_replicas_path, "specReplicasPath", ".spec"),
        (scale.status_replicas_path, "statusReplicasPath", ".status"),
    ):
        if not value:
            found.append(required(f"{path}.{name}"))
        elif wrong := _simple(value, f"{path}.{name}"):
            found += wrong
        elif not value.startswith(f"{prefix}."):
            found.append(invalid(f"{path}.{name}", value, f"should be a json path under {prefix}"))
    if selector := scale.label_selector_path:
        wrong = _simple(selector, f"{path}.labelSelectorPath")
        if not wrong and not selector.startswith((".spec.", ".status.")):
            told = "should be a json path under either .spec or .status"
            wrong = [invalid(f"{path}.labelSelectorPath", selector, told)]
        found += wrong
    return found


def column_errors(version: Version, path: str, has_status: bool) -> FieldErrors:
    found: FieldErrors = []
    types, formats = f"must be one of {','.join(_TYPES)}", f"must be one of {','.join(_FORMATS)}"
    for at, column in enumerate(version.additional_printer_columns):
        where = f"{path}[{at}]"
        if not column.name:
            found.append(required(f"{where}.name"))
        if not column.type:
            found.append(required(f"{where}.type", types))
        elif column.type not in _TYPES:
            found.append(invalid(f"{where}.type", column.type, types))
        if column.format and column.format not in _FORMATS:
            found.append(invalid(f"{where}.format", column.format, formats))
        if not column.json_path:
            found.append(required(f"{where}.JSONPath"))
        else:
            found += _simple(column.json_path, f"{where}.JSONPath")
    return found


def _simple(path: str, where: str) -> FieldErrors:
    if not path.startswith("."):
        return [invalid(where, path, "must be a simple json path starting with .")]
    return []


def selectable_errors(version: Version, path: str, has_status: bool) -> FieldErrors:
    fields = version.selectable_fields
    if not fields:
        return []
    shared = path.startswith("spec.selectable")
    if version.schema is None or version.schema.open_apiv_3_schema is None:
        told = "validations.schema is included" if shared else "`version.schema.openAPIV3Schema` is not included"
        return [invalid(path, "", f"may only be set when {told}")]
    found: FieldErrors = []
    raw = to_builtins(version.schema.open_apiv_3_schema)
    seen: set[tuple[str, ...]] = set()
    for at, selectable in enumerate(fields):
        where, said = f"{path}[{at}].jsonPath", selectable.json_path
        if not said:
            found.append(required(where))
            continue
        try:
            names, target = field_paths.resolved(raw, said, brackets=False)
        except field_paths.FieldPathError as error:
            found.append(invalid(where, said, f"is an invalid path: {error}"))
            continue
        if names[0] == "metadata":
            found.append(invalid(where, said, "must not point to fields in metadata"))
        if target is None or target.get("type") not in ("string", "boolean", "integer"):
            found.append(invalid(where, said, _SELECTABLE))
        if names in seen:
            found.append(duplicate(where, said))
        seen.add(names)
    if len(seen) > _MOST_SELECTABLE:
        found.append(too_many(path, len(seen), _MOST_SELECTABLE))
    return found
