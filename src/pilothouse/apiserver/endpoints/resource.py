"""The verbs of a stored resource over HTTP, for one served version of it."""

from __future__ import annotations

from functools import partial
from typing import Any

from msgspec.structs import replace

from pilothouse.api.errors import StatusError, bad_request
from pilothouse.api.scheme import BY_RESOURCE
from pilothouse.api.selectors import FieldSelector, FieldTerm, SelectorError, parse_fields, parse_labels
from pilothouse.api.types.meta.v1 import (
    CreateOptions,
    DeleteOptions,
    ListOptions,
    Status,
    UpdateOptions,
)
from pilothouse.apiserver.cacher import tokens
from pilothouse.apiserver.endpoints import answers, bodies, unreadable, watching
from pilothouse.apiserver.endpoints.revisions import expired, too_large
from pilothouse.apiserver.generic.deleting import check_options
from pilothouse.apiserver.generic.kind_store import unavailable
from pilothouse.apiserver.generic.patching import Patcher, patch_type
from pilothouse.apiserver.generic.registry import Registry
from pilothouse.apiserver.generic.storage import CachedObject, Page, SelectionPredicate
from pilothouse.apiserver.request import options as opt
from pilothouse.apiserver.request import query as q
from pilothouse.apiserver.request.context import Context
from pilothouse.apiserver.request.negotiation import TEXTS, TYPES, body_type
from pilothouse.apiserver.table.build import KindPrinter
from pilothouse.kit.aside import aside
from pilothouse.kit.http.messages import Response
from pilothouse.seams.store import Compacted, FutureRevision, StoreUnavailable

_SELECTOR_COSTS = 8
"""Times as much as a body of the same length: a term of ten characters takes some ten microseconds."""


class ResourceEndpoint:
    """GET, POST, PUT, PATCH and DELETE of a kind, in the version `api_version`."""

    def __init__(self, registry: Registry, api_version: str, patcher: Patcher) -> None:
        self.registry = registry
        self.api_version = api_version
        self.patcher = patcher
        self.form = registry.forms[api_version]
        group, _, version = api_version.rpartition("/")
        self.own = api_version == registry.resource.api_version
        own = registry.resource
        self.resource = own if self.own else BY_RESOURCE[(group, version, own.resource)]
        self.kind = own.kind
        strategy = registry.strategy
        self.list_kind = strategy.list_kind or f"{own.kind}List"
        self.reading = strategy.reading
        self.media_types = TYPES if strategy.reading is None else TEXTS
        """What the objects can be written in."""
        self.watch_events = 0
        """Events sent to watches, ever."""
        self.printer = strategy.printer or KindPrinter(strategy, api_version)

    # Reading.

    async def get(self, context: Context) -> Response:
        context.negotiate(objects=self.media_types)
        info = context.info
        opt.check_timeout(context.query)
        revision = opt.exact_revision(q.text(context.query, "resourceVersion"))
        try:
            item = await self.registry.get(info.scope, info.name, revision)
        except FutureRevision as error:
            raise too_large(revision, error.current_revision) from None
        return self.answer(context, item)

    def answer(self, context: Context, item: CachedObject, status: int = 200) -> Response:
        return answers.stored(
            context, self.printer, item if self.own else self.registry.shown(item, self.api_version), status
        )

    async def list(self, context: Context) -> Response:
        context.negotiate(listing=True, objects=self.media_types)
        options = opt.list_options(context.query)
        opt.check_list(options)
        interest = await self.interest(context, options)
        page = await self.page(interest, options)
        unreadable.warn(context, self.registry)
        metadata: dict[str, Any] = {"resourceVersion": str(page.revision)}
        if page.next_key:
            metadata["continue"] = self.token(interest, page)
            if page.remaining > 0 and not options.label_selector and not options.field_selector:
                metadata["remainingItemCount"] = page.remaining
        return await self._listed(context, page, metadata)

    async def _listed(self, context: Context, page: Page, metadata: dict[str, Any]) -> Response:
        items = page.items if self.own else [self.registry.shown(i, self.api_version) for i in page.items]
        if self.registry.strategy.list_kind and not context.media.shape:
            metadata = {"continue": "", **metadata}
        return await answers.items(context, self.printer, items, (self.list_kind, self.api_version), metadata)

    def token(self, interest: SelectionPredicate, page: Page) -> str:
        """How to go on with a list that was cut; empty if it was not."""
        if not page.next_key:
            return ""
        return tokens.make_token(page.next_key.removeprefix(self._scope(interest)), page.revision)

    def _scope(self, interest: SelectionPredicate) -> str:
        return self.registry.prefix + (f"{interest.namespace}/" if interest.namespace else "")

    async def page(self, interest: SelectionPredicate, options: ListOptions) -> Page:
        """Raises StatusError (400, 410, 504)."""
        start, limit = "", max(options.limit, 0)
        exact = options.resource_version_match == "Exact"
        if options.continue_:
            if options.resource_version not in ("", "0"):
                raise bad_request("specifying resource version is not allowed when using continue")
            start, revision = tokens.read_token(options.continue_, self._scope(interest))
            exact = revision > 0
        else:
            revision = opt.list_revision(options.resource_version)
            if revision == 0:
                limit = 0
            elif revision > 0 and limit and not options.resource_version_match:
                exact = True
        try:
            return await self.registry.cache.list(interest, revision=revision, exact=exact, start=start, limit=limit)
        except FutureRevision as error:
            raise too_large(revision, error.current_revision) from None
        except Compacted as error:
            raise expired(options, self._scope(interest), start, error) from None
        except StoreUnavailable as error:
            raise unavailable(error) from None

    async def interest(self, context: Context, options: ListOptions) -> SelectionPredicate:
        """What a list or watch is about. Raises StatusError (400)."""
        info = context.info
        name = info.name if len(info.parts) > 1 else ""
        size = _SELECTOR_COSTS * (len(options.label_selector) + len(options.field_selector))
        return await aside(size, lambda: self.selected(info.scope, name, options, size))

    def selected(self, namespace: str, name: str, options: ListOptions, weight: int = 0) -> SelectionPredicate:
        """Raises StatusError (400)."""
        try:
            labels = parse_labels(options.label_selector) if options.label_selector else None
            fields = self._fields(options.field_selector) if options.field_selector else None
        except SelectorError as error:
            raise bad_request(str(error)) from None
        return SelectionPredicate(namespace, name, labels, fields, weight)

    def _fields(self, text: str) -> FieldSelector:
        """A field selector in the terms of the storage version. Raises StatusError (400), SelectorError."""
        strategy = self.registry.strategy
        terms: list[FieldTerm] = []
        for term in parse_fields(text).terms:
            field = self.form.fields.get(term.field, term.field)
            known = field in strategy.fields or field == "metadata.name"
            spaced = self.registry.resource.namespaced or not strategy.own_field_labels
            if not known and not (field == "metadata.namespace" and spaced):
                raise self._unknown_field(term.field)
            terms.append(FieldTerm(field, term.value, negated=term.negated))
        return FieldSelector(tuple(terms))

    def _unknown_field(self, name: str) -> StatusError:
        if self.registry.strategy.own_field_labels:
            return bad_request(f"{self.registry.strategy.unknown_field}: {name}")
        return bad_request(f'"{name}" is not a known field selector: only "metadata.name", "metadata.namespace"')

    async def watch(self, context: Context) -> Response:
        return await watching.start(self, context)

    # Writing.

    async def create(self, context: Context) -> Response:
        context.negotiate(objects=self.media_types)
        media_type = body_type(context.request.header(b"content-type"))
        data = await context.body()
        options = opt.write_options(context.query, CreateOptions)
        obj = await self._decoded(context, data, media_type, options.field_validation)
        if context.info.name not in ("", obj.metadata.name):
            context.authorize(context.access._replace(name=""))  # allowed was to create the one on the path
        item = await self.registry.create(obj, context.call(self.api_version, options))
        return self.answer(context, item, 201)

    async def _decoded(self, context: Context, data: bytes, media_type: str, validation: str) -> Any:
        if self.reading is not None:
            return await bodies.read(context, data, media_type, self.reading, validation)
        return await bodies.decode(context, data, media_type, self.form.type, validation)

    async def update(self, context: Context, subresource: str = "") -> Response:
        context.negotiate(objects=self.media_types)
        media_type = body_type(context.request.header(b"content-type"))
        data = await context.body()
        options = opt.write_options(context.query, UpdateOptions)
        obj = await self._decoded(context, data, media_type, options.field_validation)
        bodies.named(obj, context.info.name, context.info.scope)
        call = context.call(self.api_version, options, subresource)
        item, created = await self.registry.put(obj, call)
        return self.answer(context, item, 201 if created else 200)

    async def patch(self, context: Context, subresource: str = "") -> Response:
        context.negotiate(objects=self.media_types)
        kind = patch_type(context.request.header(b"content-type"))
        if self.reading is not None and kind not in self.reading.patches:
            raise bodies.unknown_patch(self.reading.patches)
        if kind is None:
            raise bodies.unsupported_patch()
        data = await context.body()
        options, force = opt.patch_options(context.query, kind == "apply")
        call = context.call(self.api_version, options, subresource)
        item, created = await self.patcher.patch(self.registry, kind, data, call, force)
        return self.answer(context, item, 201 if created else 200)

    async def delete(self, context: Context) -> Response:
        context.negotiate(objects=self.media_types)
        options = await bodies.delete_options(context) or opt.delete_options(context.query)
        if await unreadable.discard(context, self.registry, self.resource, options):
            return answers.structure(context, Status(status="Success"))
        answer, _gone = await self.registry.delete(options, context.call(self.api_version, options))
        warning = self.registry.strategy.deletion.orphaning_warns
        if warning and options.propagation_policy is None and options.orphan_dependents is None:
            context.warnings.append(warning)
        if isinstance(answer, CachedObject):
            return self.answer(context, answer)
        return answers.structure(context, answer)

    async def deletecollection(self, context: Context) -> Response:
        context.negotiate(listing=True, objects=self.media_types)
        options = await bodies.delete_options(context) or opt.delete_options(context.query)
        await aside(context.size, partial(check_options, options))
        options = replace(options, dry_run=options.dry_run[:1])  # all say the same
        chosen = opt.list_options(context.query)
        opt.check_list(chosen)
        interest = await self.interest(context, chosen)
        page = await self.page(interest, chosen)
        for item in page.items:
            await self._delete_member(context, item, options)
        unreadable.check_emptied(self.registry, interest.namespace)
        metadata = {"resourceVersion": str(page.revision)}
        return await self._listed(context, page, metadata)

    async def _delete_member(self, context: Context, item: CachedObject, options: DeleteOptions) -> None:
        meta = item.obj.metadata
        call = context.call(self.api_version, options)
        call.namespace, call.name, call.size = meta.namespace, meta.name, 0
        try:
            await self.registry.delete(options, call)
        except StatusError as error:
            if error.reason != "NotFound":
                raise
