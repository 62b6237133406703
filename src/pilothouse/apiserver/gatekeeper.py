"""What stands before every operation, for clients of either kind.

                                    over HTTPS              in the process (`local.py`)
who it is (authentication)          headers, certificate    given by whoever made the client
acting as another                   Impersonate-*           no
audit                               `audit_of`              no
a turn (priority and fairness)      `enter`                 no: it would wait for itself
authorization                       `authorize`             `authorize`
request metrics                     `pipeline.py`           no
admission, validation               the registry            the registry
"""

from __future__ import annotations

from pilothouse.apiserver.authz.forbidden import forbidden, forbidden_besides
from pilothouse.apiserver.authz.interface import Authorizer
from pilothouse.apiserver.filters.audit.log import Audit, Trail
from pilothouse.apiserver.filters.flowcontrol.controller import FlowController, Seat
from pilothouse.apiserver.request.access import Access
from pilothouse.kit.http.messages import Request


class Gatekeeper:
    """Lets requests in one after the other, writes them down, and refuses what is not allowed."""

    def __init__(self, authorizer: Authorizer, flow_controller: FlowController, audit: Audit | None) -> None:
        self._authorizer = authorizer
        self._flow_controller = flow_controller
        self._audit = audit

    def audit_of(self, request: Request, access: Access) -> Trail | None:
        """The audit events of a request; None if none are written of it."""
        return None if self._audit is None else self._audit.begin(request, access)

    async def enter(self, access: Access, expected: int) -> Seat:
        """Return when it is the request's turn. `expected`: about how many objects it will answer. Raises TooMany."""
        return await self._flow_controller.enter(access, expected)

    def authorize(self, access: Access, trail: Trail | None = None) -> None:
        """Raises StatusError (403). `trail` is told how it was decided."""
        verdict = self._authorizer.authorize(access)
        if trail is not None:
            trail.decided(verdict.allowed, verdict.reason)
        if not verdict.allowed:
            raise forbidden(access, verdict.reason)

    def authorize_besides(self, access: Access) -> None:
        """The same for a right that a request needs besides its own."""
        verdict = self._authorizer.authorize(access)
        if not verdict.allowed:
            raise forbidden_besides(access, verdict.reason)
