"""How a pod is called on the network: hostname, resolver, hosts file. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.api.types.core.v1 import HostAlias, Pod
from pilothouse.seams.runtime import DNSConfig

_LONGEST = 63
_FIXED_HOSTS = (
    "127.0.0.1\tlocalhost",
    "::1\tlocalhost ip6-localhost ip6-loopback",
    "fe00::\tip6-localnet",
    "fe00::\tip6-mcastprefix",
    "fe00::1\tip6-allnodes",
    "fe00::2\tip6-allrouters",
)


def hostname(pod: Pod, domain: str) -> tuple[str, str]:
    """(what `hostname` says, the domain name or "") of a pod."""
    spec = pod.spec
    if spec.hostname_override is not None:
        return spec.hostname_override, ""
    short = (spec.hostname or pod.metadata.name)[:_LONGEST].rstrip("-.")
    full = f"{short}.{spec.subdomain}.{pod.metadata.namespace}.svc.{domain}" if spec.subdomain else ""
    return (full if full and spec.set_hostname_as_fqdn else short), full


def parse_resolv_conf(text: str) -> DNSConfig:
    """The resolver's configuration as the node has it."""
    servers: list[str] = []
    searches: list[str] = []
    options: list[str] = []
    for line in text.splitlines():
        words = line.split("#")[0].split()
        if len(words) < 2:
            continue
        if words[0] == "nameserver":
            servers.append(words[1])
        elif words[0] == "search":
            searches = [w.rstrip(".") or "." for w in words[1:]]
        elif words[0] == "options":
            options = words[1:]
    return DNSConfig(servers, searches, options)


def dns_config(pod: Pod, host: DNSConfig, servers: Sequence[str], domain: str) -> DNSConfig:
    """What the pod's resolv.conf says, by its policy; `servers` are the cluster's."""
    policy = pod.spec.dns_policy or "ClusterFirst"
    if policy == "ClusterFirst" and pod.spec.host_network:
        policy = "Default"
    if policy in ("ClusterFirst", "ClusterFirstWithHostNet") and servers:
        own = [f"{pod.metadata.namespace}.svc.{domain}", f"svc.{domain}", domain]
        found = DNSConfig(tuple(servers), _unique([*own, *host.searches]), ("ndots:5",))
    elif policy == "None":
        found = DNSConfig()
    else:
        found = DNSConfig(tuple(host.servers), tuple(host.searches), tuple(host.options))
    extra = pod.spec.dns_config
    if extra is None:
        return found
    options = {o.partition(":")[0]: o for o in found.options}
    for option in extra.options:
        options[option.name] = option.name if option.value is None else f"{option.name}:{option.value}"
    return DNSConfig(
        _unique([*found.servers, *extra.nameservers]),
        _unique([*found.searches, *extra.searches]),
        tuple(options.values()),
    )


def _unique(items: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(items))


def hosts_file(ips: Sequence[str], host: str, full: str, aliases: Sequence[HostAlias]) -> str:
    """/etc/hosts of a pod in a network of its own. `host` and `full` are what `hostname` gives: of a pod with a domain
    name the short name is listed beside it, also where the pod calls itself by the long one."""
    host = full.split(".", maxsplit=1)[0] or host
    lines = ["# Kubernetes-managed hosts file.", *_FIXED_HOSTS]
    lines += [f"{ip}\t{full}\t{host}" if full else f"{ip}\t{host}" for ip in ips]
    return "\n".join(lines) + "\n" + _alias_lines(aliases)


def node_hosts_file(text: str, aliases: Sequence[HostAlias]) -> str:
    """/etc/hosts of a pod in the node's network: the node's own, and the pod's aliases."""
    return "# Kubernetes-managed hosts file (host network).\n" + text + _alias_lines(aliases)


def _alias_lines(aliases: Sequence[HostAlias]) -> str:
    if not aliases:
        return ""
    lines = ["\t".join((alias.ip, *alias.hostnames)) for alias in aliases]
    return "\n# Entries added by HostAliases.\n" + "\n".join(lines) + "\n"
