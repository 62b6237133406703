"""Files that a user gives to a command: policies, configurations."""

from __future__ import annotations

import pathlib

from pilothouse.seams.house import HouseError


def text_of(file: pathlib.Path, what: str) -> str:
    """The text of `file`, which is `what` (the audit policy). Raises HouseError."""
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise HouseError(f"cannot read the {what}: {error}") from None
