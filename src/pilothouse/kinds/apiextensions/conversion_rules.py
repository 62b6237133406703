"""What is checked of a definition's conversion. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import convert

from pilothouse.api.codec.json import to_builtins
from pilothouse.api.field_errors import forbidden, invalid, not_supported, required
from pilothouse.api.types.admissionregistration.v1 import WebhookClientConfig
from pilothouse.api.types.apiextensions.v1 import CustomResourceConversion
from pilothouse.kinds.admissionregistration.webhooks import client_config
from pilothouse.kit.repeats import repeated
from pilothouse.semantics.validation.authorities import bundle_fault
from pilothouse.semantics.validation.names import dns1035_label

_STRATEGIES = ("None", "Webhook")
_REVIEWS = ("v1", "v1beta1")


def bundle_fault_of(conversion: CustomResourceConversion | None) -> str:
    """What is wrong with the authorities of a conversion's webhook; empty without any."""
    client = conversion.webhook.client_config if conversion is not None and conversion.webhook is not None else None
    return bundle_fault(client.ca_bundle or b"") if client is not None else ""


def bundle_errors(conversion: CustomResourceConversion | None, path: str) -> Iterator[Any]:
    """Of an update of a definition that is established with good authorities, or none. Before, bad ones only keep it
    from being established."""
    if conversion is None or conversion.strategy != "Webhook" or conversion.webhook is None:
        return
    client = conversion.webhook.client_config
    if client is not None and (fault := bundle_fault(client.ca_bundle or b"")):
        yield invalid(f"{path}.webhookClientConfig.caBundle", client.ca_bundle, fault)


def conversion_errors(conversion: CustomResourceConversion | None, path: str) -> Iterator[Any]:
    if conversion is None:
        return
    strategy, webhook = conversion.strategy, conversion.webhook
    if strategy not in _STRATEGIES:
        at = f"{path}.strategy"
        yield not_supported(at, strategy, _STRATEGIES) if strategy else required(at)
    client = webhook.client_config if webhook is not None else None
    reviews = (webhook.conversion_review_versions or ()) if webhook is not None else ()
    if strategy != "Webhook":
        told = "should not be set when strategy is not set to Webhook"
        if client is not None:
            yield forbidden(f"{path}.webhookClientConfig", told)
        if reviews:
            yield forbidden(f"{path}.conversionReviewVersions", told)
        return
    if client is None:
        yield required(f"{path}.webhookClientConfig", "required when strategy is set to Webhook")
    else:
        # The rules are those of admission webhooks; their types have the same fields.
        yield from client_config(f"{path}.webhookClientConfig", convert(to_builtins(client), WebhookClientConfig))
    yield from _reviews(reviews, f"{path}.conversionReviewVersions")


def _reviews(versions: tuple[str, ...], path: str) -> Iterator[Any]:
    if not versions:
        yield required(path)
        return
    for at, (version, again) in enumerate(zip(versions, repeated(versions), strict=True)):
        if again:
            yield invalid(f"{path}[{at}]", version, "duplicate version")
            continue
        for fault in dns1035_label(version):
            yield invalid(f"{path}[{at}]", version, fault)
    if not set(versions) & set(_REVIEWS):
        yield invalid(path, list(versions), f"must include at least one of {', '.join(_REVIEWS)}")
