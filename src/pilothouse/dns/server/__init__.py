"""The sockets: UDP and TCP on one address, and what is done with a packet that comes in."""

from pilothouse.dns.server.resolver import Counters, Resolver
from pilothouse.dns.server.sockets import DNSServer

__all__ = ["Counters", "DNSServer", "Resolver"]
