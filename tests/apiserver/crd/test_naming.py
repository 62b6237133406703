from __future__ import annotations

from msgspec.structs import replace

from pilothouse.api.types.apiextensions.v1 import (
    CustomResourceDefinition,
    CustomResourceDefinitionNames,
    CustomResourceDefinitionSpec,
)
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.apiserver.crd.naming import decided


def definition(plural: str, *short: str) -> CustomResourceDefinition:
    kind = plural.title()
    names = CustomResourceDefinitionNames(
        plural=plural, singular=f"a{plural}", kind=kind, list_kind=f"{kind}List", short_names=short
    )
    return CustomResourceDefinition(
        metadata=ObjectMeta(name=f"{plural}.example.com"),
        spec=CustomResourceDefinitionSpec(group="example.com", names=names),
    )


def test_free_names_establish_a_definition() -> None:
    status = decided(definition("widgets", "w"), [], 0.0)
    assert status.accepted_names.short_names == ("w",)
    assert [(c.type, c.status, c.reason) for c in status.conditions or ()] == [
        ("NamesAccepted", "True", "NoConflicts"),
        ("Established", "True", "InitialNamesAccepted"),
    ]


def test_a_name_that_is_taken_is_not_accepted() -> None:
    first = definition("widgets", "w")
    first = replace(first, status=decided(first, [], 0.0))
    status = decided(definition("gadgets", "w"), [first], 0.0)
    assert status.accepted_names.short_names == ()
    assert status.accepted_names.plural == "gadgets"
    assert [(c.type, c.status, c.reason, c.message) for c in status.conditions or ()] == [
        ("NamesAccepted", "False", "ShortNamesConflict", '"w" is already in use'),
        ("Established", "False", "NotAccepted", "not all names are accepted"),
    ]


def test_what_is_established_stays_so() -> None:
    first, second = definition("widgets", "w"), definition("gadgets")
    second = replace(second, status=decided(second, [], 0.0))
    first = replace(first, status=decided(first, [], 0.0))
    renamed = replace(second, spec=replace(second.spec, names=replace(second.spec.names, short_names=("w",))))
    status = decided(renamed, [first], 5.0)
    assert [(c.type, c.status) for c in status.conditions or ()] == [
        ("NamesAccepted", "False"),
        ("Established", "True"),
    ]
