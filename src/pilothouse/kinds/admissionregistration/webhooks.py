"""Webhooks, validating or mutating: their defaults and their rules. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar
from urllib.parse import SplitResult, urlsplit

from msgspec.structs import replace

from pilothouse.api.field_errors import FieldErrors, duplicate, invalid, not_supported, required
from pilothouse.api.types.admissionregistration.v1 import (
    MutatingWebhook,
    ServiceReference,
    ValidatingWebhook,
    WebhookClientConfig,
)
from pilothouse.api.types.meta.v1 import LabelSelector
from pilothouse.kinds.admissionregistration import rules
from pilothouse.semantics.validation import names, selectors

W = TypeVar("W", ValidatingWebhook, MutatingWebhook)
_SIDE_EFFECTS, _VERSIONS = ("None", "NoneOnDryRun"), ("v1", "v1beta1")
_FORM = "; desired format: https://host[/path]"
_SEGMENTS = "should be a domain with at least three segments separated by dots"


def defaults(webhook: W) -> W:
    changes: dict[str, Any] = {}
    for name, value in (
        ("failure_policy", "Fail"),
        ("match_policy", "Equivalent"),
        ("namespace_selector", LabelSelector()),
        ("object_selector", LabelSelector()),
        ("timeout_seconds", 10),
        ("reinvocation_policy", "Never"),
    ):
        if getattr(webhook, name, value) is None:
            changes[name] = value
    service = webhook.client_config.service
    if service is not None and service.port is None:
        changes["client_config"] = replace(webhook.client_config, service=replace(service, port=443))
    scoped = tuple(rule if rule.scope is not None else replace(rule, scope="*") for rule in webhook.rules)
    if scoped != webhook.rules:
        changes["rules"] = scoped
    return replace(webhook, **changes) if changes else webhook


def validate(webhooks: Sequence[W]) -> FieldErrors:
    """All webhooks of a configuration, each with a name of its own."""
    found: FieldErrors = []
    seen: set[str] = set()
    for index, webhook in enumerate(webhooks):
        path = f"webhooks[{index}]"
        found += _webhook(path, webhook)
        found += _review_versions(f"{path}.admissionReviewVersions", webhook.admission_review_versions or ())
        if webhook.name in seen:
            found.append(duplicate(f"{path}.name", webhook.name))
        if webhook.name:
            seen.add(webhook.name)
    return found


def _webhook(path: str, webhook: ValidatingWebhook | MutatingWebhook) -> FieldErrors:
    found = _full_name(f"{path}.name", webhook.name)
    for index, rule in enumerate(webhook.rules):
        found += rules.rule(f"{path}.rules[{index}]", rule)
    found += rules.known(f"{path}.failurePolicy", webhook.failure_policy, rules.FAILURE_POLICIES)
    found += rules.known(f"{path}.matchPolicy", webhook.match_policy, rules.MATCH_POLICIES)
    effects = webhook.side_effects
    if effects is None:
        found.append(required(f"{path}.sideEffects", f"must specify one of {', '.join(_SIDE_EFFECTS)}"))
    elif effects not in _SIDE_EFFECTS:
        found.append(not_supported(f"{path}.sideEffects", effects, _SIDE_EFFECTS))
    seconds = webhook.timeout_seconds
    if seconds is not None and not 1 <= seconds <= 30:
        told = "the timeout value must be between 1 and 30 seconds"
        found.append(invalid(f"{path}.timeoutSeconds", seconds, told))
    for name, selector in (
        ("namespaceSelector", webhook.namespace_selector),
        ("objectSelector", webhook.object_selector),
    ):
        if selector is not None:
            found += selectors.label_selector(f"{path}.{name}", selector)
    found += client_config(f"{path}.clientConfig", webhook.client_config)
    found += rules.match_conditions(f"{path}.matchConditions", webhook.match_conditions)
    if isinstance(webhook, MutatingWebhook):
        found += rules.known(f"{path}.reinvocationPolicy", webhook.reinvocation_policy, rules.REINVOCATIONS)
    return found


def _full_name(path: str, name: str) -> FieldErrors:
    if not name:
        return [required(path)]
    if faults := names.dns_subdomain(name):
        return [invalid(path, name, ",".join(faults))]
    return [] if name.count(".") >= 2 else [invalid(path, name, _SEGMENTS)]


def _review_versions(path: str, versions: Sequence[str]) -> FieldErrors:
    if not versions:
        return [required(path, f"must specify one of {', '.join(_VERSIONS)}")]
    found: FieldErrors = []
    seen: set[str] = set()
    for index, version in enumerate(versions):
        at = f"{path}[{index}]"
        if version in seen:
            found.append(invalid(at, version, "duplicate version"))
            continue
        seen.add(version)
        found += [invalid(at, version, fault) for fault in names.dns1035_label(version)]
    if not seen & set(_VERSIONS):
        found.append(invalid(path, versions, f"must include at least one of {', '.join(_VERSIONS)}"))
    return found


def client_config(path: str, config: WebhookClientConfig) -> FieldErrors:
    """How a webhook is called: by a URL, or through a Service."""
    if (config.url is None) == (config.service is None):
        return [required(path, "exactly one of url or service is required")]
    if config.url is not None:
        return _url(f"{path}.url", config.url)
    assert config.service is not None
    return _service(f"{path}.service", config.service)


def _url(path: str, text: str) -> FieldErrors:
    try:
        url = urlsplit(text)
    except ValueError as error:
        return [required(path, f"url must be a valid URL: parse {text!r}: {error}{_FORM}")]
    found: FieldErrors = []
    if url.scheme != "https":
        found.append(invalid(path, url.scheme, f"'https' is the only allowed URL scheme{_FORM}"))
    host = url.netloc.rpartition("@")[2]
    if not host:
        found.append(invalid(path, host, f"host must be specified{_FORM}"))
    if "@" in url.netloc:
        found.append(invalid(path, url.netloc.rpartition("@")[0], "user information is not permitted in the URL"))
    return found + _extras(path, url)


def _extras(path: str, url: SplitResult) -> FieldErrors:
    found: FieldErrors = []
    if url.fragment:
        found.append(invalid(path, url.fragment, "fragments are not permitted in the URL"))
    if url.query:
        found.append(invalid(path, url.query, "query parameters are not permitted in the URL"))
    return found


def _service(path: str, service: ServiceReference) -> FieldErrors:
    found: FieldErrors = []
    # Upstream's callers give name and namespace in the other order than its rule takes them.
    if not service.namespace:
        found.append(required(f"{path}.name"))
    if not service.name:
        found.append(required(f"{path}.namespace"))
    port = service.port
    if port is not None and not 0 < port < 65536:
        told = "port is not valid: must be between 1 and 65535, inclusive"
        found.append(invalid(f"{path}.port", port, told))
    return found + (_path(f"{path}.path", service.path) if service.path not in (None, "", "/") else [])


def _path(path: str, text: str | None) -> FieldErrors:
    text = text or ""
    if text == "//":
        return [invalid(path, text, "segment[0] may not be empty")]
    found = [] if text.startswith("/") else [invalid(path, text, "must start with a '/'")]
    for index, step in enumerate(text[1:].removesuffix("/").split("/")):
        if not step:
            found.append(invalid(path, text, f"segment[{index}] may not be empty"))
            continue
        found += [invalid(path, text, f"segment[{index}]: {fault}") for fault in names.dns_subdomain(step)]
    return found
