"""Requests to a cluster's API server as its administrator, from outside its processes."""

from __future__ import annotations

import http.client
import ssl
import urllib.parse

from pilothouse.house.paths import Paths
from pilothouse.house.pki import ADMIN, AUTHORITY, PKI
from pilothouse.house.spec import ClusterSpec
from pilothouse.kit import tls
from pilothouse.seams.house import HouseError

_SECONDS = 5.0


def request(paths: Paths, spec: ClusterSpec, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
    """One request to the API server as its administrator: (status, body). `body` is JSON, of a PATCH a merge patch.
    Raises HouseError if nobody answers."""
    pki = PKI(paths.pki)
    try:
        context = tls.client_context(pki.pair(AUTHORITY).certificate, pki.pair(ADMIN))
    except (ssl.SSLError, UnicodeDecodeError) as error:
        advice = f"pilothouse up --name {spec.name}"
        raise HouseError(f"the certificates in {paths.pki} are damaged: {error}", advice) from None
    port = urllib.parse.urlsplit(spec.server).port
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=_SECONDS)
    try:
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = {"Accept": "application/json", **({"Content-Type": kind} if body else {})}
        connection.request(method, path, body or None, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise HouseError(f"the API server at {spec.server} does not answer: {error}") from error
    finally:
        connection.close()
