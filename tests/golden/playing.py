"""Plays the steps of a recorded case against a server."""

from __future__ import annotations

import http.client
import json
import re
import ssl
from typing import Any

from pilothouse.kit.clock import SystemClock, pause
from pilothouse.kit.random import Chance
from tests.golden.comparing import Words, comparable, differences, dug, sorted_out, text

_VARIABLE = re.compile(r"\$([A-Z][A-Z0-9_]*)")
_SECONDS = 10.0
CLOCK, CHANCE = SystemClock(), Chance()
Answer = tuple[int, Any, list[str]]


def filled(found: Any, values: dict[str, str]) -> Any:
    """`found` with its variables in place."""
    if isinstance(found, str):
        return _VARIABLE.sub(lambda m: str(values.get(m[1], m[0])), found)
    if isinstance(found, dict):
        return {filled(key, values): filled(value, values) for key, value in found.items()}
    return [filled(item, values) for item in found] if isinstance(found, list) else found


def _read(answer: http.client.HTTPResponse) -> Any:
    """The body as JSON, as text if it is none."""
    raw = answer.read().decode(errors="replace")
    try:
        return json.loads(raw)
    except ValueError:
        return raw


class Server:
    """Where the requests go; `nobody` is the TLS of who shows no certificate."""

    def __init__(self, port: int, master: ssl.SSLContext, nobody: ssl.SSLContext) -> None:
        self._port, self._master, self._nobody = port, master, nobody

    def _open(
        self, verb: str, path: str, body: Any, headers: dict[str, Any] | None
    ) -> tuple[http.client.HTTPSConnection, http.client.HTTPResponse]:
        headers = headers or {}
        context = self._nobody if "Authorization" in headers else self._master
        connection = http.client.HTTPSConnection("127.0.0.1", self._port, context=context, timeout=30)
        sent = {"Accept": "application/json", "User-Agent": "golden/v1"}
        data = None
        if body is not None:
            sent["Content-Type"] = "application/json"
            data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        sent |= headers
        connection.request(verb, path, data, {name: value for name, value in sent.items() if value is not None})
        return connection, connection.getresponse()

    def ask(self, verb: str, path: str, body: Any = None, headers: dict[str, Any] | None = None) -> Answer:
        connection, answer = self._open(verb, path, body, headers)
        found = _read(answer)
        connection.close()
        return answer.status, found, answer.headers.get_all("Warning") or []

    def over(self, connection: http.client.HTTPSConnection, verb: str, path: str, body: Any) -> Answer:
        """The answer to one of many requests that share a connection."""
        headers = {"Accept": "application/json", "Content-Type": "application/json", "User-Agent": "golden/v1"}
        connection.request(verb, path, None if body is None else json.dumps(body).encode(), headers)
        answer = connection.getresponse()
        return answer.status, _read(answer), answer.headers.get_all("Warning") or []

    def connection(self) -> http.client.HTTPSConnection:
        """A connection of the cluster's master that stays open."""
        return http.client.HTTPSConnection("127.0.0.1", self._port, context=self._master, timeout=30)

    def watch(self, path: str, count: int, headers: dict[str, Any] | None) -> Answer:
        connection, answer = self._open("GET", path, None, headers)
        events: list[Any] = []
        if answer.status != 200:
            found = _read(answer)
            connection.close()
            return answer.status, found, []
        if connection.sock is not None:
            connection.sock.settimeout(_SECONDS)
        try:
            while len(events) < count and (line := answer.readline()):
                if line.strip():
                    events.append(json.loads(line))
        except OSError:
            pass  # the recording, too, ends when nothing more comes
        connection.close()
        return 200, events, []


def _answer(server: Server, step: dict[str, Any]) -> Answer:
    """The answer to a step, asked again until it is as the step waits for."""
    verb, path = step["do"].split(None, 1)
    end = CLOCK.monotonic() + _SECONDS
    while True:
        if verb == "WATCH":
            return server.watch(path, step.get("events", 1), step.get("headers"))
        answer = server.ask(verb, path, step.get("body"), step.get("headers"))
        wanted = step.get("retry")
        if _unready(answer) and CLOCK.monotonic() <= end:
            pause(0.05)
            continue
        if not wanted or CLOCK.monotonic() > end:
            return answer
        name, _, value = wanted.partition("=")
        try:
            if str(dug(answer[1], name)) == value:
                return answer
        except (LookupError, TypeError, ValueError):
            pass  # not there yet
        pause(0.05)


def _unready(answer: Answer) -> bool:
    """Whether a quota has not been counted yet, which no recording waited to see: it is refused like one exceeded."""
    return answer[0] == 403 and "status unknown for quota" in str(answer[1])


def _namespace(server: Server, name: str) -> None:
    server.ask("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    while server.ask("GET", f"/api/v1/namespaces/{name}/serviceaccounts/default")[0] != 200:
        pause(0.01)


def play(server: Server, case: dict[str, Any]) -> list[str]:
    """The differences of one case, none if it matches."""
    values = {"NS": f"g-{CHANCE.name_suffix(10)}", "ID": f"x{CHANCE.name_suffix(9)}"}
    own_namespace = case.get("namespace", True)
    if own_namespace:
        _namespace(server, values["NS"])
    words: Words = [(values["NS"], "$NS"), (values["ID"], "$ID")]
    found: list[str] = []
    try:
        for number, (raw, want) in enumerate(zip(case["steps"], case["answers"], strict=True), 1):
            step = {key: value if key == "save" else filled(value, values) for key, value in raw.items()}
            status, body, warnings = _answer(server, step)
            for name, path in (step.get("save") or {}).items():
                try:
                    values[name] = dug(body, path)
                except (LookupError, TypeError, ValueError):
                    values[name] = "MISSING"
            got: dict[str, Any] = {"status": status}
            if want == {}:
                continue
            if set(want) != {"status"}:
                got |= {"warnings": [text(w, words) for w in warnings], "body": comparable(step, body, words)}
            at = f"step {number} ({raw['do']})"
            found += [f"{at} {line}" for line in differences(sorted_out(want), sorted_out(got))]
    finally:
        for path in case.get("cleanup") or []:
            server.ask("DELETE", filled(path, values))
        if own_namespace:
            server.ask("DELETE", f"/api/v1/namespaces/{values['NS']}")
    return found
