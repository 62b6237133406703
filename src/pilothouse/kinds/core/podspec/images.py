"""Image references, as far as the API server reads them. Pure."""

from __future__ import annotations

import re

from pilothouse.kit.texts import remembered

_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_HOST = rf"(?:{_HOST_LABEL}(?:\.{_HOST_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_REFERENCE = re.compile(
    rf"(?:(?P<host>{_HOST})/)?(?P<path>{_PART}(?:/{_PART})*)"
    r"(?::(?P<tag>[\w][\w.-]{0,127}))?(?P<digest>@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,})?\Z",
    re.ASCII,
)
_DIGEST = re.compile(r"@(?:sha256:[a-f0-9]{64}|sha384:[a-f0-9]{96}|sha512:[a-f0-9]{128})\Z")
_IDENTIFIER = re.compile(r"[a-f0-9]{64}\Z")
_PATH_LIMIT = 255
_DEFAULT_HOSTS = ("docker.io", "index.docker.io")


def _normalized(image: str) -> str:
    """`image` with the registry and the folder that it means without saying (reference.splitDockerDomain)."""
    host, slash, rest = image.partition("/")
    if not slash or not ("." in host or ":" in host or host == "localhost" or host.lower() != host):
        host, rest = _DEFAULT_HOSTS[0], image
    if host in _DEFAULT_HOSTS:
        host, rest = _DEFAULT_HOSTS[0], rest if "/" in rest else f"library/{rest}"
    return f"{host}/{rest}"


@remembered(4096)
def default_pull_policy(image: str) -> str:
    """Always for what is tagged `latest` or not at all, else IfNotPresent, also for what is no reference
    (parsers.ParseImageName)."""
    match = None if _IDENTIFIER.match(image) else _REFERENCE.match(_normalized(image))
    if match is None or len(match["path"]) > _PATH_LIMIT or (match["digest"] and not _DIGEST.match(match["digest"])):
        return "IfNotPresent"
    tag = match["tag"] or ("" if match["digest"] else "latest")
    return "Always" if tag == "latest" else "IfNotPresent"
