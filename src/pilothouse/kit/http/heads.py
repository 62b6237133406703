"""Heads of answers as bytes, and the texts that Go's net/http sends for requests it cannot read."""

from __future__ import annotations

import time
from collections.abc import Iterable
from http import HTTPStatus

from pilothouse.kit.http.messages import Header

# Go's phrases where Python's differ.
_PHRASES = {
    203: "Non-Authoritative Information",
    413: "Request Entity Too Large",
    414: "Request URI Too Long",
    416: "Requested Range Not Satisfiable",
    418: "I'm a teapot",
    422: "Unprocessable Entity",
}
_STATUS_LINES: dict[int, bytes] = {}
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class BadRequest(Exception):
    """Bytes that are no request: answered with `status` and closed."""

    def __init__(self, status: int, why: str = "") -> None:
        super().__init__(why)
        self.status = status
        self.why = why


def phrase(status: int) -> str:
    """The reason phrase of `status`, `status code N` for one without a name."""
    if status in _PHRASES:
        return _PHRASES[status]
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"status code {status}"


def status_line(status: int) -> bytes:
    """`HTTP/1.1 200 OK` and its line end."""
    line = _STATUS_LINES.get(status)
    if line is None:
        line = _STATUS_LINES[status] = f"HTTP/1.1 {status} {phrase(status)}\r\n".encode("ascii")
    return line


def http_date(seconds: float) -> bytes:
    """A Date value, as RFC 9110 wants it (locale-independent)."""
    t = time.gmtime(seconds)
    return (
        f"{_DAYS[t.tm_wday]}, {t.tm_mday:02d} {_MONTHS[t.tm_mon - 1]} {t.tm_year} "
        f"{t.tm_hour:02d}:{t.tm_min:02d}:{t.tm_sec:02d} GMT"
    ).encode("ascii")


def join_headers(headers: Iterable[Header]) -> bytes:
    """Header lines, each with its end."""
    return b"".join([b"%b: %b\r\n" % header for header in headers])


def plain_refusal(refused: BadRequest) -> bytes:
    """The whole answer to bytes that are no request, as Go's server words it."""
    text = f"{refused.status} {phrase(refused.status)}" + (f": {refused.why}" if refused.why else "")
    return (
        status_line(refused.status)
        + b"Content-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"
        + text.encode("ascii", "replace")
    )
