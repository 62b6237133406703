"""What is checked of a definition's conversion. Pure."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator
from typing import Any

from pilothouse.api.field_errors import forbidden, invalid, not_supported, required
from pilothouse.api.types.apiextensions.v1 import CustomResourceConversion, ServiceReference, WebhookClientConfig
from pilothouse.kit.repeats import repeated
from pilothouse.semantics.validation.names import dns1035_label

_STRATEGIES = ("None", "Webhook")
_REVIEWS = ("v1", "v1beta1")
_FORM = "desired format: https://host[/path]"
_LAST_PORT = 65535


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
        yield from _client(client, f"{path}.webhookClientConfig")
    yield from _reviews(reviews, f"{path}.conversionReviewVersions")


def _client(client: WebhookClientConfig, path: str) -> Iterator[Any]:
    if (client.url is None) == (client.service is None):
        yield required(path, "exactly one of url or service is required")
    elif client.url is not None:
        yield from _url(client.url, f"{path}.url")
    elif client.service is not None:
        yield from _service(client.service, f"{path}.service")


def _url(text: str, path: str) -> Iterator[Any]:
    url = urllib.parse.urlsplit(text)
    if url.scheme != "https":
        yield invalid(path, url.scheme, f"'https' is the only allowed URL scheme; {_FORM}")
    if not url.netloc:
        yield invalid(path, url.netloc, f"host must be specified; {_FORM}")
    if url.username is not None:
        yield invalid(path, url.netloc.rpartition("@")[0], "user information is not permitted in the URL")
    if url.fragment:
        yield invalid(path, url.fragment, "fragments are not permitted in the URL")
    if url.query:
        yield invalid(path, url.query, "query parameters are not permitted in the URL")


def _service(service: ServiceReference, path: str) -> Iterator[Any]:
    if not service.name:
        yield required(f"{path}.name", "service name is required")
    if not service.namespace:
        yield required(f"{path}.namespace", "service namespace is required")
    port = service.port if service.port is not None else 443
    if not 0 < port <= _LAST_PORT:
        yield invalid(f"{path}.port", port, f"port is not valid: must be between 1 and {_LAST_PORT}, inclusive")
    if service.path is not None and not service.path.startswith("/"):
        yield invalid(f"{path}.path", service.path, "must start with a '/'")


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
