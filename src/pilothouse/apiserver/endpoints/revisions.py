"""What is said of revisions that cannot be answered: those of the future, and those that history has forgotten."""

from __future__ import annotations

from msgspec.structs import replace

from pilothouse.api import errors
from pilothouse.api.errors import StatusError
from pilothouse.api.types.meta.v1 import ListOptions, StatusCause, StatusDetails
from pilothouse.apiserver.cacher import tokens
from pilothouse.seams.store import Compacted


def too_large(asked: int, current: int) -> StatusError:
    """504: a revision that has not happened yet."""
    cause = StatusCause(reason="ResourceVersionTooLarge", message="Too large resource version")
    told = f"Timeout: Too large resource version: {asked}, current: {current}"
    return errors.make(504, "Timeout", told, StatusDetails(causes=(cause,), retry_after_seconds=1))


def expired(options: ListOptions, scope: str, start: str, error: Compacted) -> StatusError:
    """410; a continued list is told how to go on without consistency."""
    if not options.continue_:
        return errors.expired("The resourceVersion for the provided list is too old.")
    token = tokens.make_token(start.removeprefix(scope), tokens.ANY_REVISION)
    told = (
        "The provided continue parameter is too old to display a consistent list result. You can start a new list "
        "without the continue parameter, or use the continue token in this response to retrieve the remainder of the "
        "results. Continuing with the provided token results in an inconsistent list - objects that were created, "
        "modified, or deleted between the time the first chunk was returned and now may show up in the list."
    )
    found = errors.expired(told)
    return StatusError(replace(found.status, metadata=replace(found.status.metadata, continue_=token)))


def gone(revision: int, error: Compacted) -> StatusError:
    """410 for a watch from `revision`."""
    return errors.expired(f"too old resource version: {revision} ({error.compacted_revision})")
