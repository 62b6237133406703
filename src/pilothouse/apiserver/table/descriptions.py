"""What a Table says of its columns: the documentation of the fields they show, from the official client's package."""

from __future__ import annotations


def describe(column: str) -> str:
    """The description of a column; empty where no documentation is installed."""
    return ""
