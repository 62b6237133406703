"""Why a server could not be reached, in words for a log. Pure."""

from __future__ import annotations

import os
import socket
import ssl

import aiohttp


def in_words(error: aiohttp.ClientError) -> str:
    """The client library's own words have the address of an object in them where no connection came about; these have
    what failed: `connect to 10.0.0.1:6443: Connection refused`."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"connect to {error.host}:{error.port}: {_cause(error.certificate_error)}"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"connect to {error.host}:{error.port}: {_cause(error.os_error)}"
    return str(error) or type(error).__name__


def _cause(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or error}"
    if isinstance(error, socket.gaierror):
        return error.strerror or str(error)
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error) or type(error).__name__
