"""The issuer's OpenID documents as answers to requests."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pilothouse.api.errors import make
from pilothouse.apiserver.authn import issuer_documents as documents
from pilothouse.apiserver.request.context import Context
from pilothouse.kit import jwt
from pilothouse.kit.http.messages import Answer, Response


def issuer_documents(
    issuer: str, keys: Sequence[jwt.Key], address: Callable[[], str]
) -> dict[str, Callable[[Context], Answer]]:
    """Path to handler. `address` is the host and port of the server, where the keys are to be had."""

    def configuration(context: Context) -> Answer:
        url = f"https://{address()}{documents.KEYS_PATH}"
        body = documents.configuration(issuer, url, keys)
        return _answer(context, body, documents.CONFIGURATION_TYPE)

    def key_set(context: Context) -> Answer:
        return _answer(context, documents.key_set(keys), documents.KEYS_TYPE)

    return {documents.CONFIGURATION_PATH: configuration, documents.KEYS_PATH: key_set}


def _answer(context: Context, body: bytes, content_type: bytes) -> Answer:
    """Raises StatusError (406) where the client does not take the document's type."""
    accept = context.request.header(b"accept") or b"*/*"
    taken = {part.split(b";")[0].strip().lower() for part in accept.split(b",")}
    if not taken & {content_type, b"*/*", b"application/*"}:
        told = f"only the following media types are accepted: {content_type.decode()}"
        raise make(406, "NotAcceptable", told)
    return Response(200, body, content_type, (documents.CACHE_CONTROL,))
