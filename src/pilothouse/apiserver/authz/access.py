"""From a request, or from the attributes of an access review, to the question that authorizers answer. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pilothouse.api import selectors
from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.api.types.authorization.v1 import (
    FieldSelectorAttributes,
    LabelSelectorAttributes,
    NonResourceAttributes,
    ResourceAttributes,
)
from pilothouse.api.types.meta.v1 import FieldSelectorRequirement, LabelSelectorRequirement
from pilothouse.apiserver.request.access import Access
from pilothouse.apiserver.request.request_info import LONGEST_SELECTOR, RequestInfo

_SELECTING = frozenset({"list", "watch", "deletecollection"})
_LABEL_OPERATORS = {"=": "In", "==": "In", "in": "In", "!=": "NotIn", "notin": "NotIn", "exists": "Exists"}

FieldTerms = tuple[FieldSelectorRequirement, ...]
LabelTerms = tuple[LabelSelectorRequirement, ...]


def of_request(user: UserInfo, info: RequestInfo, query: Mapping[str, Sequence[str]]) -> Access:
    """What `user` asks for with a request. Selectors that cannot be parsed are left out: then nothing is narrowed; so
    are very long ones, and those of `watch/` paths, which do not all heed them."""
    if not info.is_resource:
        return Access(user, info.verb, path=info.path)
    fields: FieldTerms = ()
    labels: LabelTerms = ()
    if query and info.verb in _SELECTING and not info.prefixed:
        fields = fields_of_text(_looked_into(query.get("fieldSelector", ("",))[0]))
        labels = labels_of_text(_looked_into(query.get("labelSelector", ("",))[0]))
    return Access(
        user,
        info.verb,
        info.group,
        info.version,
        info.resource,
        info.subresource,
        info.namespace,
        info.name,
        info.path,
        fields,
        labels,
    )


def _looked_into(selector: str) -> str:
    """A selector, unless it is so long that reading it would be work before permission. Without it nothing is
    narrowed, so that more can be refused only."""
    return selector if len(selector) <= LONGEST_SELECTOR else ""


def fields_of_text(text: str) -> FieldTerms:
    try:
        return _field_terms(text)
    except selectors.SelectorError:
        return ()


def labels_of_text(text: str) -> LabelTerms:
    try:
        return _label_terms(text)
    except selectors.SelectorError:
        return ()


def _field_terms(text: str) -> FieldTerms:
    return tuple(
        FieldSelectorRequirement(key=t.field, operator="NotIn" if t.negated else "In", values=(t.value,))
        for t in selectors.parse_fields(text).terms
    )


def _label_terms(text: str) -> LabelTerms:
    return tuple(
        LabelSelectorRequirement(
            key=r.key, operator=_LABEL_OPERATORS.get(r.operator, "DoesNotExist"), values=tuple(r.values)
        )
        for r in selectors.parse_labels(text).requirements
        if r.operator not in ("gt", "lt")
    )


def of_review(
    user: UserInfo, resource: ResourceAttributes | None, path: NonResourceAttributes | None
) -> tuple[Access, str]:
    """What a review asks about, and its evaluationError: selectors that cannot be used are left out and told."""
    if resource is None:
        wanted = path or NonResourceAttributes()
        return Access(user, wanted.verb, path=wanted.path), ""
    errors: list[str] = []
    fields = _reviewed_fields(resource.field_selector, errors)
    labels = _reviewed_labels(resource.label_selector, errors)
    access = Access(
        user,
        resource.verb,
        resource.group,
        resource.version,
        resource.resource,
        resource.subresource,
        resource.namespace,
        resource.name,
        "",
        fields,
        labels,
    )
    return access, joined(errors)


def joined(errors: Iterable[str]) -> str:
    """Several errors as one text: alone as it is, else in brackets."""
    told = list(dict.fromkeys(e for e in errors if e))
    return told[0] if len(told) == 1 else f"[{', '.join(told)}]" if told else ""


def _reviewed_fields(asked: FieldSelectorAttributes | None, errors: list[str]) -> FieldTerms:
    if asked is None:
        return ()
    try:
        if asked.raw_selector:
            return _field_terms(asked.raw_selector)
    except selectors.SelectorError:
        errors.append("spec.resourceAttributes.fieldSelector ignored due to parse error")
        return ()
    usable = tuple(r for r in asked.requirements if r.operator in ("In", "NotIn") and len(r.values) == 1)
    if len(usable) != len(asked.requirements):
        errors.append("spec.resourceAttributes.fieldSelector ignored due to parse error")
    return usable


def _reviewed_labels(asked: LabelSelectorAttributes | None, errors: list[str]) -> LabelTerms:
    if asked is None:
        return ()
    try:
        if asked.raw_selector:
            return _label_terms(asked.raw_selector)
        for requirement in asked.requirements:
            selectors.require(requirement.key, _label_operator(requirement.operator), requirement.values)
    except selectors.SelectorError:
        errors.append("spec.resourceAttributes.labelSelector ignored due to parse error")
        return ()
    return asked.requirements


def _label_operator(operator: str) -> str:
    known = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}
    if operator not in known:
        raise selectors.SelectorError(f'"{operator}" is not a valid label selector operator')
    return known[operator]
