"""What may stand in a `caBundle`: certificates of authorities in PEM. Pure.

Upstream asks its TLS configuration whether it can use them (`ValidateCABundle`, apiserver/pkg/util/webhook): one
certificate that can be read is enough, whatever else stands beside it.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterator

from cryptography import x509

_CERTIFICATE = b"CERTIFICATE"
_BEGIN, _END, _DASHES = b"\n-----BEGIN ", b"\n-----END ", b"-----"


def bundle_fault(bundle: bytes) -> str:
    """Why no authority can be read from `bundle`, in upstream's words; empty if one can, and for an empty bundle, which
    stands for the machine's own authorities."""
    fault, rest = "", 0
    for kind, body, rest in _blocks(bundle):  # noqa: B007 - where the last one ended
        if kind != _CERTIFICATE:
            continue
        try:
            x509.load_der_x509_certificate(body)
        except ValueError:
            fault = fault or "failed to parse certificate: x509: malformed certificate"
        else:
            return ""
    if not bundle:
        return ""
    if not fault and rest < len(bundle):
        fault = "unable to parse bytes as PEM block"
    return f"unable to load root certificates: {fault or 'no valid certificate authority data seen'}"


def _blocks(text: bytes) -> Iterator[tuple[bytes, bytes, int]]:
    """Kind, content and end of each PEM block in a text; what stands between them is passed over. The kind of a block
    with headers (an encrypted one) is empty. Each byte is looked at a few times at most, whatever the text."""
    text = b"\n" + text
    begin = text.find(_BEGIN)
    while begin >= 0:
        following = text.find(_BEGIN, begin + 1)
        end = text.find(_END, begin + 1, following + len(_END) if following >= 0 else len(text))
        first = text.find(b"\n", begin + 1)
        if 0 <= first <= end:
            title = text[begin + len(_BEGIN) : first].rstrip()
            last = text.find(b"\n", end + 1)
            last = last if last >= 0 else len(text)
            closing = text[end + len(_END) : last].rstrip()
            if title == closing and title.endswith(_DASHES):
                body = text[first:end]
                headed = b":" in body
                try:
                    content = b"" if headed else binascii.a2b_base64(b"".join(body.split()), strict_mode=True)
                except binascii.Error:
                    pass  # no block at all, as Go's decoder has it
                else:
                    kind = b"" if headed else title.removesuffix(_DASHES)
                    yield kind, content, min(last, len(text) - 1)  # one byte was put before the text
        begin = following
