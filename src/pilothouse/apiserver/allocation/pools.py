"""Which address or port to give out next. Pure, but for chance."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pilothouse.kit.random import Chance

_TRIES = 32


class PoolError(ValueError):
    """What is asked for cannot be given; the message is the API's own."""


@dataclass(frozen=True, slots=True)
class NumberRange:
    """Numbers from `first` on, `size` of them. The lower `reserved` ones are given out unasked only when the others are
    all taken, so that they are there for those who ask for one."""

    first: int
    size: int
    reserved: int

    def __contains__(self, number: int) -> bool:
        return self.first <= number < self.first + self.size

    def next(self, taken: Callable[[int], bool], chance: Chance) -> int:
        """A free number. Raises PoolError."""
        upper = self.size - self.reserved
        for _ in range(_TRIES):
            number = self.first + self.reserved + chance.below(upper)
            if not taken(number):
                return number
        start = chance.below(upper)
        for offset in range(upper):
            number = self.first + self.reserved + (start + offset) % upper
            if not taken(number):
                return number
        for number in range(self.first, self.first + self.reserved):
            if not taken(number):
                return number
        raise PoolError("range is full")


def ports(first: int = 30000, last: int = 32767) -> NumberRange:
    size = last - first + 1
    return NumberRange(first, size, min(max(16, size // 32), 128) if size > 32 else 0)


def addresses(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> NumberRange:
    """The hosts of a Service range, as numbers; its first and (IPv4) last address are never given out."""
    size = min(network.num_addresses, 2**32)
    count = size - (2 if network.version == 4 else 1)
    reserved = min(max(16, size // 16), 256) if size > 32 else 0
    return NumberRange(int(network.network_address) + 1, max(count, 0), min(reserved, max(count - 1, 0)))


def in_networks(ip: str, networks: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    address = ipaddress.ip_address(ip)
    return any(address in network for network in networks)
