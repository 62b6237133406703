"""The side effects of writing Services: addresses and node ports are taken before validation and settled after."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from msgspec.structs import replace

from pilothouse.api import errors
from pilothouse.api.errors import StatusError
from pilothouse.api.field_errors import as_status, invalid
from pilothouse.api.types.core.v1 import Service, ServicePort
from pilothouse.apiserver.allocation.addresses import ServiceIPAllocator
from pilothouse.apiserver.allocation.node_ports import NodePortAllocator
from pilothouse.apiserver.allocation.pools import PoolError
from pilothouse.kinds.core.services import families, needs, transitions
from pilothouse.kinds.strategy import Write, WriteHook

Spawn = Callable[[Coroutine[Any, Any, None], str], object]


class _Taken:
    """What one write took: given back if it is refused; what it frees is given back when it is stored."""

    def __init__(self, hooks: ServiceHooks, service: Service) -> None:
        self._hooks = hooks
        self._service = service.metadata
        self.ips: list[str] = []
        self.ports: list[int] = []
        self.freed: list[str] = []

    def commit(self) -> None:
        self._end(self.freed)

    def revert(self) -> None:
        self._end(self.ips)

    def _end(self, released: list[str]) -> None:
        for port in self.ports:
            self._hooks.port_book.drop(port)
        for ip in released:
            work = self._hooks.address_book.release(ip, self._service.namespace, self._service.name)
            self._hooks.spawn(work, f"release {ip}")


class ServiceHooks:
    """The `kinds.strategy.Hooks` of Services. `spawn` runs work in the background."""

    def __init__(self, address_book: ServiceIPAllocator, port_book: NodePortAllocator, spawn: Spawn) -> None:
        self.address_book = address_book
        self.port_book = port_book
        self.spawn = spawn

    async def begin_create(self, obj: Service, write: Write) -> tuple[Service, WriteHook]:
        obj = families.with_families(transitions.in_step(obj, None), None)
        taken = _Taken(self, obj)
        return await self._guarded(taken, self._taking(obj, None, taken, write))

    async def begin_update(self, new: Service, old: Service, write: Write) -> tuple[Service, WriteHook]:
        taken = _Taken(self, old)
        if write.subresource:
            return new, taken
        new = families.with_families(transitions.in_step(transitions.kept(new, old), old), old)
        return await self._guarded(taken, self._taking(new, old, taken, write))

    async def _guarded(self, taken: _Taken, work: Coroutine[Any, Any, Service]) -> tuple[Service, WriteHook]:
        done = False
        try:
            obj = await work
            done = True
        finally:
            if not done:
                taken.revert()
        return obj, taken

    async def _taking(self, new: Service, old: Service | None, taken: _Taken, write: Write) -> Service:
        new = await self._addresses(new, old, taken, write)
        new = self._ports(new, old, taken, write.dry_run)
        return self._health(new, old, taken, write.dry_run)

    async def after_delete(self, obj: Service, write: Write) -> None:
        for ip in obj.spec.cluster_ips:
            if ip != needs.HEADLESS:
                await self.address_book.release(ip, obj.metadata.namespace, obj.metadata.name)

    async def _addresses(self, new: Service, old: Service | None, taken: _Taken, write: Write) -> Service:
        had = [ip for ip in old.spec.cluster_ips if ip != needs.HEADLESS] if old is not None else []
        if needs.external_name(new):
            taken.freed = had
            return new
        if needs.headless(new) or (had and needs.cluster_ip(new)):
            return new
        found: list[str] = []
        meta, spec = new.metadata, new.spec
        for index, family in enumerate(spec.ip_families):
            asked = spec.cluster_ips[index] if index < len(spec.cluster_ips) else ""
            try:
                if asked:
                    await self.address_book.claim(asked, meta.namespace, meta.name, write.dry_run)
                else:
                    asked = await self.address_book.next(family, meta.namespace, meta.name, write.dry_run)
            except PoolError as error:
                raise self._refused(new, asked, error) from None
            found.append(asked)
            if not write.dry_run:
                taken.ips.append(asked)
        return replace(new, spec=replace(spec, cluster_ip=found[0], cluster_ips=tuple(found)))

    @staticmethod
    def _refused(obj: Service, asked: str, error: PoolError) -> StatusError:
        if not asked:
            return errors.internal(f"failed to allocate a serviceIP: {error}")
        told = f"failed to allocate IP {asked}: {error}"
        return as_status("", "Service", obj.metadata.name, [invalid("spec.clusterIPs", obj.spec.cluster_ips, told)])

    def _ports(self, new: Service, old: Service | None, taken: _Taken, dry_run: bool) -> Service:
        if not needs.node_ports(new):
            return new
        had = {p.node_port for p in old.spec.ports if p.node_port} if old is not None else set()
        ports: list[ServicePort] = []
        by_port: dict[int, int] = {}
        for index, port in enumerate(new.spec.ports):
            if port.node_port or needs.allocates_node_ports(new):
                port = replace(port, node_port=self._port(new, index, had, by_port, taken, dry_run))
                by_port.setdefault(port.port, port.node_port)
                if old is not None and any((p.protocol, p.node_port) == (port.protocol, port.node_port) for p in ports):
                    raise errors.make(500, "", f"duplicate nodePort: {{{port.protocol} {port.node_port}}}")
            ports.append(port)
        return replace(new, spec=replace(new.spec, ports=tuple(ports)))

    def _port(
        self, obj: Service, index: int, had: set[int], by_port: dict[int, int], taken: _Taken, dry_run: bool
    ) -> int:
        """The node port of one port. Raises StatusError (422, 500)."""
        port = obj.spec.ports[index]
        asked = port.node_port
        if not had:
            # Ports that differ in protocol only share a node port.
            shared = by_port.get(port.port, 0)
            if shared and asked in (0, shared):
                return shared
            asked = asked or next((p.node_port for p in obj.spec.ports if p.port == port.port and p.node_port), 0)
        if asked in had or (asked and had and asked in taken.ports):
            return asked
        try:
            if asked:
                self.port_book.claim(asked, dry_run)
            else:
                asked = self.port_book.next()
        except PoolError as error:
            if not asked:
                raise errors.internal(f"failed to allocate a nodePort: {error}") from None
            path = f"spec.ports[{index}].nodePort"
            raise as_status("", "Service", obj.metadata.name, [invalid(path, asked, str(error))]) from None
        taken.ports.append(asked)
        return asked

    def _health(self, new: Service, old: Service | None, taken: _Taken, dry_run: bool) -> Service:
        if not needs.health_check_port(new):
            return new
        asked = new.spec.health_check_node_port
        if old is not None and needs.health_check_port(old) and asked == old.spec.health_check_node_port:
            return new
        try:
            if asked:
                self.port_book.claim(asked, dry_run)
            else:
                asked = self.port_book.next()
        except PoolError as error:
            told = f"failed to allocate requested HealthCheck NodePort {asked}: {error}"
            raise errors.internal(told) from None
        taken.ports.append(asked)
        return replace(new, spec=replace(new.spec, health_check_node_port=asked))
