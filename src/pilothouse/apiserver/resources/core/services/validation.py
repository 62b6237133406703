"""The rules of a Service. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence

from pilothouse.api.field_errors import FieldError, FieldErrors, duplicate, forbidden, invalid, not_supported, required
from pilothouse.api.types.core.v1 import Service, ServicePort
from pilothouse.apiserver.resources.core.services import needs
from pilothouse.semantics.validation import names
from pilothouse.semantics.validation.meta import label_map

TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_PROTOCOLS = ("SCTP", "TCP", "UDP")
_IP_FAULT = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
_PORT_FAULT = "must be between 1 and 65535, inclusive"
_AFFINITY_LIMIT = 86400
_PORT_NAME = re.compile(r"[-a-z0-9]+\Z")
_LETTER = re.compile(r"[a-z]")


def valid_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def port_name(name: str) -> Sequence[str]:
    """The faults of an IANA service name, as a target port may be."""
    found = []
    if len(name) > 15:
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


def address_errors(obj: Service) -> FieldErrors:
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
    found += _families(obj)
    for index, ip in enumerate(spec.cluster_ips):
        path = f"spec.clusterIPs[{index}]"
        if index == 0 and ip == needs.HEADLESS:
            if len(spec.cluster_ips) > 1:
                found.append(invalid("spec.clusterIPs", spec.cluster_ips, "'None' must be the first and only value"))
                return found
            continue
        if not valid_ip(ip):
            found.append(invalid(path, ip, _IP_FAULT))
            continue
        if index < len(spec.ip_families) and (":" in ip) != (spec.ip_families[index] == "IPv6"):
            found.append(
                invalid(path, ip, f"expected an {spec.ip_families[index]} value as indicated by `ipFamilies[{index}]`")
            )
    if len(spec.cluster_ips) > 2:
        found.append(invalid("spec.clusterIPs", spec.cluster_ips, "may only hold up to 2 values"))
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
    spec = obj.spec
    found: FieldErrors = []
    if not spec.ports and not needs.headless(obj) and spec.type != "ExternalName":
        found.append(required("spec.ports"))
    found += _type(obj)
    found += label_map(spec.selector, "spec.selector")
    found += _affinity(obj)
    found += address_errors(obj)
    names_seen: set[str] = set()
    for index, port in enumerate(spec.ports):
        found += _port(port, index, obj, names_seen)
    found += _clashes(obj)
    found += _external_ips(obj)
    return found + _policies(obj) + _load_balancer(obj)


def _type(obj: Service) -> FieldErrors:
    spec = obj.spec
    found: FieldErrors = []
    if not spec.type:
        return [required("spec.type")]
    if spec.type not in TYPES:
        return [not_supported("spec.type", spec.type, TYPES)]
    if spec.type == "LoadBalancer":
        for index, port in enumerate(spec.ports):
            if port.port == 10250:
                told = "may not expose port 10250 externally since it is used by kubelet"
                found.append(invalid(f"spec.ports[{index}]", port.port, told))
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
    if port.node_port and not needs.node_ports(obj):
        told = f"may not be used when `type` is '{obj.spec.type}'"
        found.append(forbidden(f"{path}.nodePort", told))
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
            found.append(_clash(f"spec.ports[{index}]", port, with_port=True))
        ports.add(key)
        if not port.node_port:
            continue
        node_key = (port.protocol, port.node_port)
        if node_key in node_ports:
            found.append(_clash(f"spec.ports[{index}].nodePort", port, with_port=False))
        node_ports.add(node_key)
    return found


def _clash(path: str, port: ServicePort, with_port: bool) -> FieldError:
    shown = ServicePort(
        protocol=port.protocol, port=port.port if with_port else 0, node_port=0 if with_port else port.node_port
    )
    return duplicate(path, shown)


def _external_ips(obj: Service) -> FieldErrors:
    found: FieldErrors = []
    for index, ip in enumerate(obj.spec.external_ips):
        path = f"spec.externalIPs[{index}]"
        if not valid_ip(ip):
            found.append(invalid(path, ip, _IP_FAULT))
        else:
            found += [invalid(path, ip, fault) for fault in non_special(ipaddress.ip_address(ip))]
    return found


def non_special(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> Sequence[str]:
    """Why an address cannot be one of an outside host."""
    if ip.is_unspecified:
        return [f"may not be unspecified ({ip})"]
    if ip.is_loopback:
        return ["may not be in the loopback range (127.0.0.0/8, ::1/128)"]
    if ip.is_link_local:
        return ["may not be in the link-local range (169.254.0.0/16, fe80::/10)"]
    if ip.is_multicast and str(ip).startswith(("224.0.0.", "ff02:")):
        return ["may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"]
    return []


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
    elif needs.health_check_port(obj) and not 0 <= health < 65536:
        found.append(invalid("spec.healthCheckNodePort", health, _PORT_FAULT))
    internal = spec.internal_traffic_policy
    if spec.type in ("LoadBalancer", "NodePort", "ClusterIP"):
        if internal is None:
            found.append(required("spec.internalTrafficPolicy"))
        elif internal not in ("Cluster", "Local"):
            found.append(not_supported("spec.internalTrafficPolicy", internal, ("Cluster", "Local")))
    distribution = spec.traffic_distribution
    supported = ("PreferClose", "PreferSameZone", "PreferSameNode")
    if distribution is not None and distribution not in supported:
        found.append(not_supported("spec.trafficDistribution", distribution, supported))
    return found


def _load_balancer(obj: Service) -> FieldErrors:
    spec = obj.spec
    found: FieldErrors = []
    ranges = spec.load_balancer_source_ranges
    if ranges and spec.type != "LoadBalancer":
        told = "may only be used when `type` is 'LoadBalancer'"
        found.append(forbidden("spec.LoadBalancerSourceRanges", told))
    for index, text in enumerate(ranges):
        if not _valid_cidr(text.strip()):
            told = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
            found.append(invalid(f"spec.LoadBalancerSourceRanges[{index}]", text, told))
    if spec.allocate_load_balancer_node_ports is not None and spec.type != "LoadBalancer":
        found.append(forbidden("spec.allocateLoadBalancerNodePorts", "may only be used when `type` is 'LoadBalancer'"))
    if spec.type == "LoadBalancer" and spec.allocate_load_balancer_node_ports is None:
        found.append(required("spec.allocateLoadBalancerNodePorts"))
    if spec.load_balancer_class is not None:
        if spec.type != "LoadBalancer":
            found.append(forbidden("spec.loadBalancerClass", "may only be used when `type` is 'LoadBalancer'"))
        else:
            faults = names.qualified_name(spec.load_balancer_class)
            found += [invalid("spec.loadBalancerClass", spec.load_balancer_class, fault) for fault in faults]
    return found


def _valid_cidr(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return "/" in text


def validate_update(new: Service, old: Service) -> FieldErrors:
    found: FieldErrors = []
    if needs.cluster_ip(new) and needs.cluster_ip(old):
        before, after = old.spec.cluster_ips, new.spec.cluster_ips
        if before[:1] != after[:1] and before:
            if not after:
                found.append(invalid("spec.clusterIPs[0]", "", "primary clusterIP can not be unset"))
            else:
                told = "may not change once set"
                found.append(invalid("spec.clusterIPs[0]", after[0], told))
        if old.spec.ip_families[:1] and new.spec.ip_families[:1] != old.spec.ip_families[:1]:
            found.append(invalid("spec.ipFamilies[0]", new.spec.ip_families[0], "may not change once set"))
    found += _class_update(new, old)
    checked = needs.health_check_port(new) and needs.health_check_port(old)
    if checked and new.spec.health_check_node_port != old.spec.health_check_node_port:
        found.append(forbidden("spec.healthCheckNodePort", "field is immutable"))
    return found + validate(new)


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
    for index, entry in enumerate(ingress):
        at = f"{path}[{index}]"
        if entry.ip and not valid_ip(entry.ip):
            found.append(invalid(f"{at}.ip", entry.ip, _IP_FAULT))
        if entry.ip_mode is not None and entry.ip_mode not in ("Proxy", "VIP"):
            found.append(not_supported(f"{at}.ipMode", entry.ip_mode, ("Proxy", "VIP")))
        if entry.ip_mode is not None and not entry.ip:
            found.append(forbidden(f"{at}.ipMode", "may not be specified when `ip` is not set"))
        if not entry.hostname:
            continue
        found += [invalid(f"{at}.hostname", entry.hostname, fault) for fault in names.dns_subdomain(entry.hostname)]
        if valid_ip(entry.hostname):
            found.append(invalid(f"{at}.hostname", entry.hostname, "must be a DNS name, not an IP address"))
    return found


def warnings(obj: Service) -> Sequence[str]:
    spec = obj.spec
    found: list[str] = []
    if spec.external_ips:
        found.append("spec.externalIPs is deprecated and may no longer be implemented in some clusters")
    if needs.headless(obj) and spec.session_affinity not in ("", "None"):
        found.append("spec.SessionAffinity is ignored for headless services")
    if spec.external_name and spec.type != "ExternalName":
        found.append('spec.externalName is ignored when spec.type is not "ExternalName"')
    if spec.traffic_distribution == "PreferClose":
        found.append('spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"')
    return found
