"""The health endpoints /healthz, /livez and /readyz: lists of named checks, and each check by itself.

Upstream: pkg/server/healthz of the API server's library. What is wrong is told to who may ask for the one check alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence

from pilothouse.apiserver.endpoints import answers
from pilothouse.apiserver.endpoints.health_results import HealthResults
from pilothouse.apiserver.request.context import Context
from pilothouse.kit.http.messages import Answer

Check = Callable[[], Awaitable[str]]
"""A health check: empty if all is well, else what is wrong."""
HEALTHZ, LIVEZ, READYZ = ENDPOINTS = ("healthz", "livez", "readyz")


class Health:
    """The checks of each endpoint, in the order in which they were added."""

    def __init__(self) -> None:
        self.results = HealthResults()
        self._checks: dict[str, dict[str, Check]] = {endpoint: {} for endpoint in ENDPOINTS}

    def add(self, name: str, check: Check, endpoints: Sequence[str] = ENDPOINTS) -> None:
        """`name` may have slashes; it is the path below the endpoint."""
        for endpoint in endpoints:
            self._checks[endpoint][name] = check

    def paths(self) -> Iterator[str]:
        """Every path that is answered."""
        for endpoint, checks in self._checks.items():
            yield f"/{endpoint}"
            yield from (f"/{endpoint}/{name}" for name in checks)

    async def answer(self, context: Context, endpoint: str, name: str) -> Answer:
        """The check `name` of an endpoint, or all of them for an empty name. 404 for one that there is not."""
        if not name:
            return await self._all(context, endpoint)
        check = self._checks[endpoint].get(name)
        if check is None:
            return answers.text(404, "404 page not found\n")
        wrong = await check()
        return answers.text(500, f"internal server error: {wrong}\n") if wrong else answers.text(200, "ok")

    async def _all(self, context: Context, endpoint: str) -> Answer:
        excluded = dict.fromkeys(context.query.get("exclude", ()))
        lines, failed = [], False
        for name, check in self._checks[endpoint].items():
            if name in excluded:
                lines.append(f"[+]{name} excluded: ok\n")
                continue
            wrong = await check()
            self.results.checked(name, endpoint, not wrong)
            lines.append(f"[-]{name} failed: reason withheld\n" if wrong else f"[+]{name} ok\n")
            failed = failed or bool(wrong)
        if unknown := sorted(name for name in excluded if name not in self._checks[endpoint]):
            quoted = ",".join(f'"{name}"' for name in unknown)
            lines.append(f"warn: some health checks cannot be excluded: no matches for {quoted}\n")
        if failed:
            return answers.text(500, "".join(lines) + f"{endpoint} check failed\n")
        if "verbose" in context.query:
            return answers.text(200, "".join(lines) + f"{endpoint} check passed\n")
        return answers.text(200, "ok")
