"""Access reviews: may this user do that? For anyone, for oneself, and within one namespace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from pilothouse.api.errors import bad_request
from pilothouse.api.field_errors import FieldErrors, as_status, forbidden, invalid, required
from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.api.types.authorization.v1 import (
    FieldSelectorAttributes,
    LabelSelectorAttributes,
    LocalSubjectAccessReview,
    NonResourceAttributes,
    ResourceAttributes,
    SelfSubjectAccessReview,
    SelfSubjectAccessReviewSpec,
    SubjectAccessReview,
    SubjectAccessReviewSpec,
    SubjectAccessReviewStatus,
)
from pilothouse.api.types.meta.v1 import FieldSelectorRequirement, LabelSelectorRequirement, ObjectMeta
from pilothouse.apiserver.authz.access import joined, of_review
from pilothouse.apiserver.authz.interface import Authorizer, Decision
from pilothouse.apiserver.reviews.interface import Call
from pilothouse.kit.aside import aside

GROUP = "authorization.k8s.io"
_RESOURCE = "spec.resourceAttributes"
_EMPTY = ObjectMeta()
_SELECTORS_COST = 8
"""Times as much as a body of the same length."""


class _Answers:
    """What the three have in common: they ask the authorizer."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def defaults(self, obj: Any) -> Any:
        return obj

    async def _status(
        self, user: UserInfo, resource: ResourceAttributes | None, path: NonResourceAttributes | None, size: int
    ) -> SubjectAccessReviewStatus:
        access, ignored = await aside(_SELECTORS_COST * size, lambda: of_review(user, resource, path))
        verdict = self._authorizer.authorize(access)
        return SubjectAccessReviewStatus(
            allowed=verdict.allowed,
            denied=verdict.decision is Decision.DENY,
            reason=verdict.reason,
            evaluation_error=joined((verdict.error, ignored)),
        )


class SubjectAccess(_Answers):
    """SubjectAccessReview."""

    resource = (GROUP, "subjectaccessreviews", "")

    async def create(self, obj: SubjectAccessReview, call: Call) -> SubjectAccessReview:
        await aside(call.size, lambda: _check(subject_errors(obj.spec) + metadata_errors(obj.metadata)))
        await call.admitted(obj)
        return replace(obj, status=await self._status(_subject(obj.spec), *_asked(obj.spec), call.size))


class SelfSubjectAccess(_Answers):
    """SelfSubjectAccessReview: about the one who asks."""

    resource = (GROUP, "selfsubjectaccessreviews", "")

    async def create(self, obj: SelfSubjectAccessReview, call: Call) -> SelfSubjectAccessReview:
        asked = _asked(obj.spec)

        def check() -> None:
            _check(attribute_errors(*asked) + selector_errors(asked[0]) + metadata_errors(obj.metadata))

        await aside(call.size, check)
        await call.admitted(obj)
        return replace(obj, status=await self._status(call.user, *asked, call.size))


class LocalSubjectAccess(_Answers):
    """LocalSubjectAccessReview: within the namespace that it is posted to."""

    resource = (GROUP, "localsubjectaccessreviews", "")

    async def create(self, obj: LocalSubjectAccessReview, call: Call) -> LocalSubjectAccessReview:
        await aside(call.size, lambda: _check(local_errors(obj)))
        if obj.metadata.namespace != call.namespace:
            raise bad_request(f"spec.resourceAttributes.namespace must match namespace: {call.namespace}")
        await call.admitted(obj)
        return replace(obj, status=await self._status(_subject(obj.spec), _asked(obj.spec)[0], None, call.size))


def _asked(
    spec: SubjectAccessReviewSpec | SelfSubjectAccessReviewSpec,
) -> tuple[ResourceAttributes | None, NonResourceAttributes | None]:
    return spec.resource_attributes, spec.non_resource_attributes


def _check(found: FieldErrors) -> None:
    """Raises StatusError (422)."""
    if found:
        raise as_status(GROUP, "", "", found)


def _subject(spec: SubjectAccessReviewSpec) -> UserInfo:
    return UserInfo(username=spec.user, uid=spec.uid, groups=spec.groups, extra=spec.extra)


def metadata_errors(metadata: ObjectMeta, allowed: str = "") -> FieldErrors:
    """Reviews have no metadata but managedFields (and `allowed`: the namespace of a local one)."""
    bare = replace(metadata, managed_fields=())
    if allowed:
        bare = replace(bare, namespace="")
    if bare == _EMPTY:
        return []
    return [invalid("metadata", metadata, f"must be empty except for {allowed}" if allowed else "must be empty")]


def attribute_errors(resource: ResourceAttributes | None, path: NonResourceAttributes | None) -> FieldErrors:
    """Exactly one of the two is asked about."""
    if resource is not None and path is not None:
        return [
            invalid("spec.nonResourceAttributes", path, "cannot be specified in combination with resourceAttributes")
        ]
    if resource is None and path is None:
        text = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        return [invalid(_RESOURCE, None, text)]
    return []


def subject_errors(spec: SubjectAccessReviewSpec) -> FieldErrors:
    errors = attribute_errors(spec.resource_attributes, spec.non_resource_attributes)
    if not spec.user and not spec.groups:
        errors.append(invalid("spec.user", spec.user, "at least one of user or group must be specified"))
    return errors + selector_errors(spec.resource_attributes)


def local_errors(obj: LocalSubjectAccessReview) -> FieldErrors:
    errors = subject_errors(obj.spec) + metadata_errors(obj.metadata, "namespace")
    asked = obj.spec.resource_attributes
    if asked is not None and asked.namespace != obj.metadata.namespace:
        errors.append(invalid("spec.resourceAttributes.namespace", asked.namespace, "must match metadata.namespace"))
    if obj.spec.non_resource_attributes is not None:
        path = obj.spec.non_resource_attributes
        errors.append(invalid("spec.nonResourceAttributes", path, "disallowed on this kind of request"))
    return errors


def selector_errors(resource: ResourceAttributes | None) -> FieldErrors:
    """The form of the selectors; what a raw one says is not looked at here."""
    if resource is None:
        return []
    errors: FieldErrors = []
    for name, selector in (("fieldSelector", resource.field_selector), ("labelSelector", resource.label_selector)):
        if selector is not None:
            errors += _selector_errors(f"{_RESOURCE}.{name}", selector)
    return errors


def _selector_errors(path: str, selector: FieldSelectorAttributes | LabelSelectorAttributes) -> FieldErrors:
    errors: FieldErrors = []
    if selector.raw_selector and selector.requirements:
        text = "may not specified at the same time as requirements"
        errors.append(invalid(f"{path}.rawSelector", selector.raw_selector, text))
    if not selector.raw_selector and not selector.requirements:
        errors.append(
            required(f"{path}.requirements", f"when {path} is specified, requirements or rawSelector is required")
        )
    requirements: Sequence[FieldSelectorRequirement | LabelSelectorRequirement] = selector.requirements
    for index, requirement in enumerate(requirements):
        at = f"{path}.requirements[{index}]"
        if not requirement.key:
            errors.append(required(f"{at}.key", "must be specified"))
        if requirement.operator in ("In", "NotIn"):
            if not requirement.values:
                errors.append(required(f"{at}.values", "must be specified when `operator` is 'In' or 'NotIn'"))
        elif requirement.operator in ("Exists", "DoesNotExist"):
            if requirement.values:
                text = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                errors.append(forbidden(f"{at}.values", text))
        else:
            errors.append(invalid(f"{at}.operator", requirement.operator, "not a valid selector operator"))
    return errors
