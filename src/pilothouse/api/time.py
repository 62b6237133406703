"""Timestamps of the API: RFC 3339 text in UTC, to the second (Time) or the microsecond (MicroTime). Pure."""

from __future__ import annotations

from datetime import UTC, datetime


def format_time(seconds: float) -> str:
    """A Time from seconds since the epoch; fractions are cut, as the API does."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def format_micro_time(seconds: float) -> str:
    """A MicroTime from seconds since the epoch."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(text: str) -> float:
    """Seconds since the epoch of a Time or MicroTime in canonical form."""
    return datetime.fromisoformat(text).timestamp()
