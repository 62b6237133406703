"""The rules of a Service. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from pilothouse.api.field_errors import FieldErrors, duplicate, forbidden, invalid, not_supported, required
from pilothouse.api.types.core.v1 import Service, ServicePort
from pilothouse.kinds.core.services import needs
from pilothouse.semantics.validation import addresses, names
from pilothouse.semantics.validation.meta import label_map

TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_PROTOCOLS = ("SCTP", "TCP", "UDP")
_PORT_FAULT = "must be between 1 and 65535, inclusive"
_AFFINITY_LIMIT = 86400
_MOST = 2
_BALANCED = "may only be used when `type` is 'LoadBalancer'"
_HINTS, _MODE = "service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode"
_RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"
_PORT_NAME = re.compile(r"[-a-z0-9]+\Z")
_LETTER = re.compile(r"[a-z]")


def port_name(name: str) -> Sequence[str]:
    """The faults of an IANA service name, as a target port may be."""
    found = []
    if names.longer(name, 15):
        found.append(names.too_long(15))
    if not _PORT_NAME.match(name):
        found.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not _LETTER.search(name):
        found.append("must contain at least one letter (a-z)")
    if "--" in name:
        found.append("must not contain consecutive hyphens")
    if name.startswith("-") or name.endswith("-"):
        found.append("must not begin or end with a hyphen")
    return found


def address_errors(obj: Service, held: Collection[str] = ()) -> FieldErrors:
    """Errors of clusterIP, clusterIPs, ipFamilies and their policy."""
    spec = obj.spec
    found: FieldErrors = []
    if needs.external_name(obj):
        if spec.cluster_ips:
            found.append(forbidden("spec.clusterIPs", "may not be set for ExternalName services"))
        if spec.ip_families:
            found.append(forbidden("spec.ipFamilies", "may not be set for ExternalName services"))
        if spec.ip_family_policy is not None:
            found.append(forbidden("spec.ipFamilyPolicy", "may not be set for ExternalName services"))
        return found
    if spec.cluster_ips:
        if not spec.cluster_ip:
            detail = "must be empty when `clusterIP` is not specified"
            found.append(invalid("spec.clusterIPs", spec.cluster_ips, detail))
        elif spec.cluster_ips[0] != spec.cluster_ip:
            found.append(invalid("spec.clusterIPs", spec.cluster_ips, "first value must match `clusterIP`"))
    elif spec.cluster_ip:
        found.append(required("spec.clusterIPs"))
    return found + _families(obj) + _cluster_ips(obj, held)


def _cluster_ips(obj: Service, held: Collection[str]) -> FieldErrors:
    """Each address on its own; only if all are good, whether they fit together and with the families."""
    ips, families = obj.spec.cluster_ips, obj.spec.ip_families
    odd: FieldErrors = []
    if ips[:1] == (needs.HEADLESS,):
        if len(ips) > 1:
            odd.append(invalid("spec.clusterIPs", ips, "'None' must be the first and only value"))
        start = 1
    else:
        start = 0
    for index, ip in enumerate(ips[start:], start):
        odd += addresses.ip(f"spec.clusterIPs[{index}]", ip, held)
    found = [*odd, invalid("spec.clusterIPs", ips, "may only hold up to 2 values")] if len(ips) > _MOST else odd
    if odd or start:
        return found
    if len(ips) > 1 and len({":" in ip for ip in ips}) < len(ips):
        found.append(invalid("spec.clusterIPs", ips, "may specify no more than one IP for each IP family"))
    for index, (ip, family) in enumerate(zip(ips, families, strict=False)):
        if family in ("IPv4", "IPv6") and (":" in ip) != (family == "IPv6"):
            told = f"expected an {family} value as indicated by `ipFamilies[{index}]`"
            found.append(invalid(f"spec.clusterIPs[{index}]", ip, told))
    return found


def _families(obj: Service) -> FieldErrors:
    found: FieldErrors = []
    seen: set[str] = set()
    for index, family in enumerate(obj.spec.ip_families):
        path = f"spec.ipFamilies[{index}]"
        if family not in ("IPv4", "IPv6"):
            found.append(not_supported(path, family, ("IPv4", "IPv6")))
        if family in seen:
            found.append(duplicate(path, family))
        seen.add(family)
    policy = obj.spec.ip_family_policy
    policies = ("PreferDualStack", "RequireDualStack", "SingleStack")
    if policy is not None and policy not in policies:
        found.append(not_supported("spec.ipFamilyPolicy", policy, policies))
    return found


def validate(obj: Service) -> FieldErrors:
    return _validate(obj, frozenset())


def _validate(obj: Service, held: Collection[str]) -> FieldErrors:
    """`held`: addresses and networks that the Service has already, and may keep even if they are bad."""
    spec = obj.spec
    found = _topology(obj)
    if not spec.ports and not needs.headless(obj) and spec.type != "ExternalName":
        found.append(required("spec.ports"))
    found += _type(obj)
    found += label_map(spec.selector, "spec.selector")
    found += _affinity(obj)
    found += address_errors(obj, held)
    names_seen: set[str] = set()
    for index, port in enumerate(spec.ports):
        found += _port(port, index, obj, names_seen)
    found += _clashes(obj)
    found += _external_ips(obj, held)
    return found + _policies(obj) + _load_balancer(obj, held)


def _topology(obj: Service) -> FieldErrors:
    annotations = obj.metadata.annotations
    mode, hints = annotations.get(_MODE), annotations.get(_HINTS)
    if mode is None or hints is None or mode == hints:
        return []
    told = f"must match annotations[{_HINTS}] when both are specified"
    return [invalid(f"metadata.annotations[{_MODE}]", mode, told)]


def _type(obj: Service) -> FieldErrors:
    spec = obj.spec
    found: FieldErrors = []
    if not spec.type:
        return [required("spec.type")]
    if spec.type not in TYPES:
        return [not_supported("spec.type", spec.type, TYPES)]
    if spec.type in ("LoadBalancer", "NodePort") and needs.headless(obj):
        found.append(
            invalid("spec.clusterIPs[0]", needs.HEADLESS, f"may not be set to 'None' for {spec.type} services")
        )
    if spec.type == "ExternalName":
        name = spec.external_name.removesuffix(".")
        if not name:
            found.append(required("spec.externalName"))
        else:
            found += [invalid("spec.externalName", name, fault) for fault in names.dns_subdomain(name)]
    return found


def _affinity(obj: Service) -> FieldErrors:
    spec = obj.spec
    found: FieldErrors = []
    if not spec.session_affinity:
        found.append(required("spec.sessionAffinity"))
    elif spec.session_affinity not in ("ClientIP", "None"):
        found.append(not_supported("spec.sessionAffinity", spec.session_affinity, ("ClientIP", "None")))
    config = spec.session_affinity_config
    if spec.session_affinity == "ClientIP":
        path = "spec.sessionAffinityConfig"
        if config is None or config.client_ip is None or config.client_ip.timeout_seconds is None:
            told = f"when session affinity type is {spec.session_affinity}"
            return [*found, required(path, told)]
        seconds = config.client_ip.timeout_seconds
        if not 0 < seconds <= _AFFINITY_LIMIT:
            told = f"must be greater than 0 and less than {_AFFINITY_LIMIT}"
            found.append(invalid(f"{path}.clientIP.timeoutSeconds", seconds, told))
    elif spec.session_affinity == "None" and config is not None:
        told = "must not be set when session affinity is None"
        found.append(forbidden("spec.sessionAffinityConfig", told))
    return found


def _port(port: ServicePort, index: int, obj: Service, seen: set[str]) -> FieldErrors:
    path = f"spec.ports[{index}]"
    found: FieldErrors = []
    if len(obj.spec.ports) > 1 and not port.name:
        found.append(required(f"{path}.name"))
    elif port.name:
        found += [invalid(f"{path}.name", port.name, fault) for fault in names.dns_label(port.name)]
        if port.name in seen:
            found.append(duplicate(f"{path}.name", port.name))
        seen.add(port.name)
    if not 0 < port.port < 65536:
        found.append(invalid(f"{path}.port", port.port, _PORT_FAULT))
    if not port.protocol:
        found.append(required(f"{path}.protocol"))
    elif port.protocol not in _PROTOCOLS:
        found.append(not_supported(f"{path}.protocol", port.protocol, _PROTOCOLS))
    found += _target(port, path, obj)
    if port.app_protocol is not None:
        found += [invalid(f"{path}.appProtocol", port.app_protocol, f) for f in names.qualified_name(port.app_protocol)]
    if port.node_port and obj.spec.type == "ClusterIP":
        found.append(forbidden(f"{path}.nodePort", "may not be used when `type` is 'ClusterIP'"))
    return found


def _target(port: ServicePort, path: str, obj: Service) -> FieldErrors:
    target = port.target_port
    found: FieldErrors = []
    if isinstance(target, str):
        found += [invalid(f"{path}.targetPort", target, fault) for fault in port_name(target)]
    elif not 0 < target < 65536:
        found.append(invalid(f"{path}.targetPort", target, _PORT_FAULT))
    return found


def _clashes(obj: Service) -> FieldErrors:
    """The same port and protocol twice; the same node port and protocol twice."""
    found: FieldErrors = []
    ports: set[tuple[str, int]] = set()
    node_ports: set[tuple[str, int]] = set()
    for index, port in enumerate(obj.spec.ports):
        key = (port.protocol, port.port)
        if key in ports:
            found.append(duplicate(f"spec.ports[{index}]", ServicePort(protocol=port.protocol, port=port.port)))
        ports.add(key)
        if not port.node_port:
            continue
        node_key = (port.protocol, port.node_port)
        if node_key in node_ports:
            found.append(duplicate(f"spec.ports[{index}].nodePort", port.node_port))
        node_ports.add(node_key)
    return found


def _external_ips(obj: Service, held: Collection[str]) -> FieldErrors:
    found: FieldErrors = []
    for index, ip in enumerate(obj.spec.external_ips):
        path = f"spec.externalIPs[{index}]"
        faults = addresses.ip(path, ip, held)
        address = addresses.parse(ip)
        if not faults and address is not None:
            faults = [invalid(path, ip, fault) for fault in addresses.special_faults(address)]
        found += faults
    return found


def _policies(obj: Service) -> FieldErrors:
    spec = obj.spec
    found: FieldErrors = []
    policy = spec.external_traffic_policy
    if needs.external_traffic_policy(obj):
        if not policy:
            found.append(required("spec.externalTrafficPolicy"))
        elif policy not in ("Cluster", "Local"):
            found.append(not_supported("spec.externalTrafficPolicy", policy, ("Cluster", "Local")))
    elif policy:
        told = "may only be set for externally-accessible services"
        found.append(invalid("spec.externalTrafficPolicy", policy, told))
    health = spec.health_check_node_port
    if health and not needs.health_check_port(obj):
        told = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        found.append(invalid("spec.healthCheckNodePort", health, told))
    elif needs.health_check_port(obj) and not health:
        found.append(required("spec.healthCheckNodePort"))
    elif needs.health_check_port(obj) and not 0 < health < 65536:
        found.append(invalid("spec.healthCheckNodePort", health, _PORT_FAULT))
    internal = spec.internal_traffic_policy
    if internal is None:
        if spec.type in ("LoadBalancer", "NodePort", "ClusterIP"):
            found.append(required("spec.internalTrafficPolicy"))
    elif internal not in ("Cluster", "Local"):
        found.append(not_supported("spec.internalTrafficPolicy", internal, ("Cluster", "Local")))
    distribution = spec.traffic_distribution
    supported = ("PreferClose", "PreferSameZone", "PreferSameNode")
    if distribution is not None and distribution not in supported:
        found.append(not_supported("spec.trafficDistribution", distribution, supported))
    return found


def _load_balancer(obj: Service, held: Collection[str]) -> FieldErrors:
    spec = obj.spec
    found = _source_ranges(obj, held)
    if spec.allocate_load_balancer_node_ports is not None and spec.type != "LoadBalancer":
        found.append(forbidden("spec.allocateLoadBalancerNodePorts", _BALANCED))
    if spec.type == "LoadBalancer" and spec.allocate_load_balancer_node_ports is None:
        found.append(required("allocateLoadBalancerNodePorts"))
    return found + _class(obj)


def _source_ranges(obj: Service, held: Collection[str]) -> FieldErrors:
    """The field, or the annotation that it had been; both may be padded with spaces."""
    ranges, annotation = obj.spec.load_balancer_source_ranges, obj.metadata.annotations.get(_RANGES)
    found: FieldErrors = []
    if ranges:
        path = "spec.LoadBalancerSourceRanges"
        given = [(f"{path}[{index}]", text.strip()) for index, text in enumerate(ranges)]
    elif annotation is not None:
        path = f"metadata.annotations[{_RANGES}]"
        given = [(path, text.strip()) for text in annotation.split(",")] if annotation.strip() else []
    else:
        return found
    if obj.spec.type != "LoadBalancer":
        found.append(forbidden(path, _BALANCED))
    for at, text in given:
        found += addresses.cidr(at, text, held)
    return found


def _class(obj: Service) -> FieldErrors:
    path, name = "spec.loadBalancerClass", obj.spec.load_balancer_class
    if name is None:
        return []
    if obj.spec.type != "LoadBalancer":
        return [forbidden(path, _BALANCED)]
    return [invalid(path, name, fault) for fault in names.qualified_name(name)]


def validate_update(new: Service, old: Service) -> FieldErrors:
    """The class of a load balancer is checked twice: for the change, and for the Service."""
    found = _ips_update(new, old) + _families_update(new, old) + _class_update(new, old) + _class(new)
    checked = needs.health_check_port(new) and needs.health_check_port(old)
    if checked and new.spec.health_check_node_port != old.spec.health_check_node_port:
        found.append(forbidden("spec.healthCheckNodePort", "field is immutable"))
    b = old.spec
    held = {*b.cluster_ips, *b.external_ips, *(text.strip() for text in b.load_balancer_source_ranges)}
    return found + _validate(new, held)


def _ips_update(new: Service, old: Service) -> FieldErrors:
    """A second address may come and go, the first one stays."""
    if needs.external_name(new) or needs.external_name(old) or (needs.headless(new) and needs.headless(old)):
        return []
    found = _same_start("spec.clusterIPs", new.spec.cluster_ips, old.spec.cluster_ips, "clusterIP")
    if len(old.spec.cluster_ips) > len(new.spec.cluster_ips) == 1 and new.spec.ip_family_policy != "SingleStack":
        told = "must be set to 'SingleStack' when releasing the secondary clusterIP"
        found.append(invalid("spec.ipFamilyPolicy", new.spec.ip_family_policy, told))
    return found


def _families_update(new: Service, old: Service) -> FieldErrors:
    if needs.external_name(new) or needs.external_name(old) or needs.headless(new) or needs.headless(old):
        return []
    found = _same_start("spec.ipFamilies", new.spec.ip_families, old.spec.ip_families, "ipFamily")
    if len(old.spec.ip_families) > len(new.spec.ip_families) == 1 and new.spec.ip_family_policy != "SingleStack":
        told = "must be set to 'SingleStack' when releasing the secondary ipFamily"
        found.append(invalid("spec.ipFamilyPolicy", new.spec.ip_family_policy, told))
    return found


def _same_start(path: str, new: Sequence[str], old: Sequence[str], what: str) -> FieldErrors:
    if not new and old:
        return [invalid(f"{path}[0]", new or None, f"primary {what} can not be unset")]
    both = len(old) if len(new) == len(old) else min(1, len(new), len(old))
    changed = (index for index in range(both) if new[index] != old[index])
    return [invalid(f"{path}[{index}]", new, "may not change once set") for index in changed]


def _class_update(new: Service, old: Service) -> FieldErrors:
    if old.spec.type != "LoadBalancer" or new.spec.type != "LoadBalancer":
        return []
    if old.spec.load_balancer_class == new.spec.load_balancer_class:
        return []
    return [invalid("spec.loadBalancerClass", new.spec.load_balancer_class, "may not change once set")]


def validate_status(new: Service, old: Service) -> FieldErrors:
    """Errors of the addresses that a load balancer is said to have."""
    found: FieldErrors = []
    ingress = new.status.load_balancer.ingress
    path = "status.loadBalancer.ingress"
    if ingress and new.spec.type != "LoadBalancer" and ingress != old.status.load_balancer.ingress:
        return [forbidden(path, "may only be used when `spec.type` is 'LoadBalancer'")]
    held = {before.ip for before in old.status.load_balancer.ingress}
    for index, entry in enumerate(ingress):
        at = f"{path}[{index}]"
        if entry.ip:
            found += addresses.ip(f"{at}.ip", entry.ip, held)
        if entry.ip_mode is None:
            if entry.ip:
                found.append(required(f"{at}.ipMode", "must be specified when `ip` is set"))
        elif not entry.ip:
            found.append(forbidden(f"{at}.ipMode", "may not be specified when `ip` is not set"))
        elif entry.ip_mode not in ("Proxy", "VIP"):
            found.append(not_supported(f"{at}.ipMode", entry.ip_mode, ("Proxy", "VIP")))
        if not entry.hostname:
            continue
        found += [invalid(f"{at}.hostname", entry.hostname, fault) for fault in names.dns_subdomain(entry.hostname)]
        if addresses.parse(entry.hostname) is not None:
            found.append(invalid(f"{at}.hostname", entry.hostname, "must be a DNS name, not an IP address"))
    return found


def warnings(obj: Service) -> Sequence[str]:
    return list(_warnings(obj))


def _warnings(obj: Service) -> Iterator[str]:
    spec = obj.spec
    if _HINTS in obj.metadata.annotations:
        yield f"annotation {_HINTS} is deprecated, please use {_MODE} instead"
    headless = spec.type == "ClusterIP" and spec.cluster_ip == needs.HEADLESS
    external = spec.type == "ExternalName"
    if not headless:
        for index, ip in enumerate(spec.cluster_ips):
            yield from addresses.ip_warnings(f"spec.clusterIPs[{index}]", ip)
    else:
        if spec.load_balancer_ip:
            yield "spec.loadBalancerIP is ignored for headless services"
        if spec.external_ips:
            yield "spec.externalIPs is ignored for headless services"
        if spec.session_affinity != "None":
            yield "spec.SessionAffinity is ignored for headless services"
    for index, ip in enumerate(spec.external_ips):
        yield from addresses.ip_warnings(f"spec.externalIPs[{index}]", ip)
    if spec.external_ips and not headless and not external:
        yield "spec.externalIPs is deprecated and may no longer be implemented in some clusters"
    if spec.load_balancer_ip:
        yield from addresses.ip_warnings("spec.loadBalancerIP", spec.load_balancer_ip)
    for index, text in enumerate(spec.load_balancer_source_ranges):
        yield from addresses.cidr_warnings(f"spec.loadBalancerSourceRanges[{index}]", text)
    if external and spec.external_ips:
        yield 'spec.externalIPs is ignored when spec.type is "ExternalName"'
    if spec.external_name and not external:
        yield 'spec.externalName is ignored when spec.type is not "ExternalName"'
    if spec.traffic_distribution == "PreferClose":
        yield 'spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"'
