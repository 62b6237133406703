"""The way of a request: counted, authenticated, let in when it is its turn, authorized, routed, answered."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from msgspec import Struct, field

from pilothouse.api.codec.depth import TOLD
from pilothouse.api.errors import StatusError, bad_request, internal
from pilothouse.api.integers import integer
from pilothouse.apiserver.authn.impersonation import Impersonation, wanted
from pilothouse.apiserver.authn.union import RequestAuthentication
from pilothouse.apiserver.authz.access import of_request
from pilothouse.apiserver.endpoints import answers
from pilothouse.apiserver.endpoints.documents import Documents
from pilothouse.apiserver.endpoints.router import Router, not_allowed
from pilothouse.apiserver.filters.audit.log import Trail
from pilothouse.apiserver.filters.compression import compressed
from pilothouse.apiserver.filters.flowcontrol.controller import TooMany
from pilothouse.apiserver.filters.request_metrics import RequestMetrics, long_running
from pilothouse.apiserver.filters.uploads import Uploads
from pilothouse.apiserver.gatekeeper import Gatekeeper
from pilothouse.apiserver.request import negotiation, query, request_info
from pilothouse.apiserver.request.access import Access
from pilothouse.apiserver.request.context import Context
from pilothouse.apiserver.request.request_info import RequestInfo
from pilothouse.apiserver.request.warnings import Warnings
from pilothouse.kit import aside, guard
from pilothouse.kit.clock import Clock
from pilothouse.kit.http.messages import Answer, BodyTooLarge, ConnectionClosed, Request, Response

log = logging.getLogger(__name__)
_PASSING = (StatusError, RecursionError, TooMany, BodyTooLarge, ConnectionClosed)
FAILED = "the request made the API server fail; its log says how"


class _Progress(Struct, eq=False):
    """A request, and what is known of it by the time it is refused."""

    request: Request
    context: Context | None = None
    trail: Trail | None = None
    warnings: Warnings = field(default_factory=Warnings)

    def refused(self, error: StatusError, parameters: query.Query) -> Response:
        """The answer that says why."""
        media = self.context.media if self.context is not None else negotiation.PLAIN
        if media is negotiation.PLAIN:
            media = _wanted(self.request, parameters)
        if self.trail is not None:
            self.trail.refused(error)
        return answers.failure(error, media, self.warnings)


class Pipeline:
    """Answers requests over HTTP."""

    def __init__(
        self,
        *,
        authentication: RequestAuthentication,
        impersonation: Impersonation,
        gatekeeper: Gatekeeper,
        request_metrics: RequestMetrics,
        router: Router,
        documents: Documents,
        known: Callable[[RequestInfo], int],
        clock: Clock,
    ) -> None:
        """`router` finds who answers for resources, `documents` answers all other paths; `known` tells how many objects
        there are in what a list reads."""
        self._authentication = authentication
        self._impersonation = impersonation
        self._gatekeeper = gatekeeper
        self._request_metrics = request_metrics
        self._router = router
        self._documents = documents
        self._known = known
        self._clock = clock
        self._uploads = Uploads()

    async def answer(self, request: Request) -> Answer:
        """The handler for the HTTP server."""
        target = request.target
        if len(target) < aside.LARGE:
            path, parameters = query.split(target)
        else:
            path, parameters = await aside.aside(len(target), lambda: query.split(target))
        info = request_info.read(request.method, path, parameters)
        request_metrics = self._request_metrics
        begun = request_metrics.begun(info)
        answer: Answer | None = None
        try:
            answer = await self._answer(request, info, parameters)
        finally:
            answer = request_metrics.ended(request, info, parameters, begun, answer)
            aside.end()
        assert answer is not None
        return answer

    async def _answer(self, request: Request, info: RequestInfo, parameters: query.Query) -> Answer:
        progress = _Progress(request)
        try:
            answer = await guard.result("request", info.path, self._let_in(progress, info, parameters), _PASSING)
            return progress.refused(internal(FAILED), parameters) if isinstance(answer, Exception) else answer
        except TooMany as refusal:
            return refusal.answer() if progress.trail is None else progress.trail.answered(refusal.answer())
        except StatusError as error:
            return progress.refused(error, parameters)
        except RecursionError:
            # Nested so deeply that even to say where is too much.
            log.info("refused %s %r: nested too deeply", request.method, request.target[:300])
            return progress.refused(bad_request(TOLD), parameters)

    async def _let_in(self, progress: _Progress, info: RequestInfo, parameters: query.Query) -> Answer:
        """Find out who asks, and as whom; then answer in turn. Raises StatusError, TooMany."""
        request = progress.request
        found = self._authentication.authenticate(request)
        aside.begin(found.user.username)
        if found.warnings:
            progress.warnings += found.warnings
        access = of_request(found.user, info, parameters)
        trail = progress.trail = self._gatekeeper.audit_of(request, access)
        if trail is not None:
            request = trail.request
        access = self._acting(request, access, trail)
        context = progress.context = Context(
            request,
            info,
            access,
            self._gatekeeper.authorize,
            parameters,
            self._clock,
            self._uploads,
            warnings=progress.warnings,
            size=len(request.target),
        )
        return await self._in_turn(context, access, trail)

    async def _in_turn(self, context: Context, access: Access, trail: Trail | None) -> Answer:
        """Wait for the request's turn, authorize and handle it. Raises StatusError, TooMany."""
        seat = await self._gatekeeper.enter(access, self._expected(context.info, context.query))
        answer: Answer | None = None
        try:
            self._gatekeeper.authorize(access, trail)
            answer = await self._handled(context)
            if trail is not None:
                answer = trail.answered(answer)
            if isinstance(answer, Response) and not long_running(context.info):
                answer = await compressed(context.request, answer)
            return seat.done_with(answer)
        finally:
            if answer is None:
                seat.done()

    async def _handled(self, context: Context) -> Answer:
        """Do what was authorized."""
        info = context.info
        if not info.is_resource:
            return await self._documents.answer(context)
        operation = self._router.operation(context.request.method, info)
        if operation is None:
            return _unknown_group()
        if operation.verb != context.access.verb:
            raise not_allowed()
        if operation.also is not None:
            self._gatekeeper.authorize_besides(operation.also(context.access))
        if operation.warning:
            context.warnings.append(operation.warning)
        made = operation.handler(context)
        return await made if isinstance(made, Awaitable) else made

    def _expected(self, info: RequestInfo, parameters: query.Query) -> int:
        """How many objects the request will answer, roughly."""
        if info.verb != "list":
            return 0
        known = self._known(info)
        limit = parameters.get("limit", ("",))[0]
        most = integer(limit) or 0
        return min(known, most) if most > 0 else known

    def _acting(self, request: Request, access: Access, trail: Trail | None) -> Access:
        """The access as the user whom the request acts as. Raises StatusError (400, 403)."""
        asked = wanted(request)
        if asked is None:
            return access
        user = self._impersonation.impersonate(asked, access)
        if trail is not None:
            trail.acts_as(user)
        return access._replace(user=user)


def _wanted(request: Request, parameters: query.Query) -> negotiation.Media:
    """The media type for an error that came before anything was negotiated."""
    try:
        kind = negotiation.accepted(request.header(b"accept")).type
    except StatusError:
        kind = negotiation.JSON
    pretty = negotiation.wants_pretty(parameters.get("pretty"), request.header(b"user-agent"))
    return negotiation.Media(kind, pretty=pretty)


def _unknown_group() -> Answer:
    return answers.text(404, "404 page not found\n")
