"""Records as values that know their bytes. Names are dotted, without the trailing dot."""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass

from pilothouse.dns.wire.message import Type
from pilothouse.dns.wire.names import encode_name

_SERVER = struct.Struct("!HHH")
_SERIAL = struct.Struct("!IIIII")


@dataclass(frozen=True, slots=True)
class Address:
    """A or AAAA."""

    owner: str
    ip: str

    @property
    def type(self) -> int:
        return Type.AAAA if ":" in self.ip else Type.A

    def data(self) -> bytes:
        return ipaddress.ip_address(self.ip).packed


@dataclass(frozen=True, slots=True)
class Server:
    """SRV."""

    owner: str
    port: int
    target: str
    weight: int = 100
    priority: int = 0
    type: int = Type.SRV

    def data(self) -> bytes:
        return _SERVER.pack(self.priority, self.weight, self.port) + encode_name(self.target)


@dataclass(frozen=True, slots=True)
class Pointer:
    """PTR."""

    owner: str
    target: str
    type: int = Type.PTR

    def data(self) -> bytes:
        return encode_name(self.target)


@dataclass(frozen=True, slots=True)
class Alias:
    """CNAME."""

    owner: str
    target: str
    type: int = Type.CNAME

    def data(self) -> bytes:
        return encode_name(self.target)


@dataclass(frozen=True, slots=True)
class NameServer:
    """NS."""

    owner: str
    target: str
    type: int = Type.NS

    def data(self) -> bytes:
        return encode_name(self.target)


@dataclass(frozen=True, slots=True)
class Text:
    """TXT with one string of at most 255 bytes."""

    owner: str
    text: str
    type: int = Type.TXT

    def data(self) -> bytes:
        raw = self.text.encode()
        return bytes((len(raw),)) + raw


@dataclass(frozen=True, slots=True)
class Authority:
    """SOA; `minimum` is how long in seconds a client may remember that a name does not exist."""

    owner: str
    primary: str
    mailbox: str
    serial: int
    minimum: int
    type: int = Type.SOA

    def data(self) -> bytes:
        numbers = _SERIAL.pack(self.serial, 7200, 1800, 86400, self.minimum)
        return encode_name(self.primary) + encode_name(self.mailbox) + numbers


Record = Address | Server | Pointer | Alias | NameServer | Text | Authority
