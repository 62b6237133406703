from __future__ import annotations

from msgspec.structs import replace

from pilothouse.api.types.apiextensions.v1 import (
    CustomResourceConversion,
    CustomResourceDefinition,
    CustomResourceDefinitionNames,
    CustomResourceDefinitionSpec,
    CustomResourceDefinitionStatus,
    WebhookClientConfig,
    WebhookConversion,
)
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.kinds.apiextensions.naming import decided
from pilothouse.kinds.apiextensions.validation import validate_update
from pilothouse.kit import tls

AUTHORITY = tls.new_authority("some authority", now=1_700_000_000.0).certificate


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


def with_authorities(crd: CustomResourceDefinition, bundle: bytes) -> CustomResourceDefinition:
    client = WebhookClientConfig(url="https://converter.example.com", ca_bundle=bundle)
    webhook = WebhookConversion(client_config=client, conversion_review_versions=("v1",))
    conversion = CustomResourceConversion(strategy="Webhook", webhook=webhook)
    return replace(crd, spec=replace(crd.spec, conversion=conversion))


def established(status: CustomResourceDefinitionStatus) -> tuple[str, str, str]:
    condition = next(c for c in status.conditions or () if c.type == "Established")
    return condition.status, condition.reason, condition.message


def test_authorities_that_cannot_be_read_keep_a_definition_from_being_established() -> None:
    bad = with_authorities(definition("widgets"), b"not a certificate")
    bad = replace(bad, status=decided(bad, [], 0.0))
    told = "The conversion webhook CABundle is invalid"
    assert established(bad.status) == ("False", "InvalidCABundle", told)
    assert bad.status.accepted_names.plural == "widgets"
    mended = replace(with_authorities(bad, AUTHORITY), status=bad.status)
    assert established(decided(mended, [], 1.0))[:2] == ("True", "InitialNamesAccepted")
    # Upstream leaves a definition alone that came to be established.
    served = with_authorities(definition("widgets"), AUTHORITY)
    served = replace(served, status=decided(served, [], 0.0))
    assert established(decided(with_authorities(served, b"bad"), [], 1.0))[0] == "True"


def test_an_established_definition_keeps_authorities_that_can_be_read() -> None:
    plain = definition("widgets")
    served = replace(plain, status=decided(plain, [], 0.0))
    good, bad = with_authorities(served, AUTHORITY), with_authorities(served, b"bad")

    def refused(new: CustomResourceDefinition, old: CustomResourceDefinition) -> list[str]:
        return [f"{e.path}: {e.message}" for e in validate_update(new, old) if "caBundle" in e.path]

    (told,) = refused(bad, good)
    assert "spec.conversion.webhookClientConfig.caBundle" in told
    assert 'Invalid value: "YmFk": unable to load root certificates: unable to parse bytes as PEM block' in told
    assert len(refused(bad, served)) == 1
    assert refused(with_authorities(served, b"worse"), bad) == []
    assert refused(bad, replace(good, status=CustomResourceDefinitionStatus())) == []
