"""SPDY/3.1 frames as bytes: heads, and header blocks with their shared compression."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from enum import IntEnum

VERSION = 3
FIN = 0x01
UNIDIRECTIONAL = 0x02
MAX_HEADER_BLOCK = 64 * 1024
MAX_CONTROL = 64 * 1024
"""Bytes of a control frame, and of a header block after decompression."""


class FrameType(IntEnum):
    SYN_STREAM = 1
    SYN_REPLY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PING = 6
    GOAWAY = 7
    HEADERS = 8
    WINDOW_UPDATE = 9


class ResetStatus(IntEnum):
    PROTOCOL_ERROR = 1
    INVALID_STREAM = 2
    REFUSED_STREAM = 3
    UNSUPPORTED_VERSION = 4
    CANCEL = 5
    INTERNAL_ERROR = 6
    FLOW_CONTROL_ERROR = 7
    STREAM_IN_USE = 8
    STREAM_ALREADY_CLOSED = 9


class SpdyError(Exception):
    """The peer broke the protocol; the connection is of no more use."""


# The dictionary that the protocol's third version defines: words with their lengths, then values run together.
_WORDS = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow "
    "authorization cache-control connection content-base content-encoding content-language content-length "
    "content-location content-md5 content-range content-type date etag expect expires from host if-match "
    "if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma "
    "proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade "
    "user-agent vary via warning www-authenticate method get status 200_OK version HTTP/1.1 url public set-cookie "
    "keep-alive origin"
)
_VALUES = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505203 Non-Authoritative "
    "Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden404 Not Found500 "
    "Internal Server Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec "
    "00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,application/xml,"
    "application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8"
    "charset=iso-8859-1,utf-,*,enq=0."
)
DICTIONARY = (
    b"".join(struct.pack("!I", len(word)) + word.replace("_", " ").encode() for word in _WORDS.split())
    + _VALUES.encode()
)


class HeaderCompressor:
    """Header blocks of one direction: they share one zlib stream."""

    def __init__(self) -> None:
        self._zlib = zlib.compressobj(zdict=DICTIONARY)

    def encode(self, headers: Mapping[str, str]) -> bytes:
        parts = [struct.pack("!I", len(headers))]
        for name, value in headers.items():
            for text in (name.lower().encode("utf-8"), value.encode("utf-8")):
                parts += (struct.pack("!I", len(text)), text)
        return self._zlib.compress(b"".join(parts)) + self._zlib.flush(zlib.Z_SYNC_FLUSH)


class HeaderDecompressor:
    """The other end of a HeaderCompressor."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(zdict=DICTIONARY)

    def decode(self, block: bytes) -> dict[str, str]:
        """Headers by lower-case name; of several values the first. Raises SpdyError."""
        try:
            data = self._zlib.decompress(block, MAX_HEADER_BLOCK)
        except zlib.error as error:
            raise SpdyError("bad header compression") from error
        if self._zlib.unconsumed_tail:
            raise SpdyError("header block too large")
        return _parse_headers(data)


def _parse_headers(data: bytes) -> dict[str, str]:
    position = 4
    texts: list[bytes] = []
    try:
        (count,) = struct.unpack_from("!I", data)
        if count > len(data):
            raise SpdyError("bad header count")
        for _ in range(count * 2):
            (size,) = struct.unpack_from("!I", data, position)
            position += 4
            if position + size > len(data):
                raise SpdyError("bad header length")
            texts.append(data[position : position + size])
            position += size
        names = [name.decode("utf-8").lower() for name in texts[::2]]
        values = [value.split(b"\0", 1)[0].decode("utf-8") for value in texts[1::2]]
    except (struct.error, UnicodeDecodeError) as error:
        raise SpdyError("bad header block") from error
    return dict(zip(reversed(names), reversed(values), strict=True))


def control_frame(kind: FrameType, payload: bytes, flags: int = 0) -> bytes:
    return struct.pack("!HHI", 0x8000 | VERSION, kind, flags << 24 | len(payload)) + payload


def data_frame(stream_id: int, data: bytes, flags: int = 0) -> bytes:
    return struct.pack("!II", stream_id, flags << 24 | len(data)) + data
