"""Between the runtime seam's values and CRI's messages. Pure."""

from __future__ import annotations

from pilothouse.runtime.generated import cri
from pilothouse.seams import runtime as seam

NANO = 1_000_000_000
PROTOCOLS = {"TCP": 0, "UDP": 1, "SCTP": 2}


def optional(value: int | None) -> cri.Int64Value | None:
    return None if value is None else cri.Int64Value(value=value)


def namespaces(value: seam.Namespaces) -> cri.NamespaceOption:
    return cri.NamespaceOption(
        network=value.network.value, pid=value.pid.value, ipc=value.ipc.value, target_id=value.target_id
    )


def seccomp(value: seam.Seccomp | None) -> cri.SecurityProfile | None:
    if value is None:
        return None
    return cri.SecurityProfile(profile_type=value.profile.value, localhost_ref=value.localhost_path)


def resources(value: seam.Resources) -> cri.LinuxContainerResources:
    return cri.LinuxContainerResources(
        cpu_period=value.cpu_period,
        cpu_quota=value.cpu_quota,
        cpu_shares=value.cpu_shares,
        memory_limit_in_bytes=value.memory_limit,
        oom_score_adj=value.oom_score_adj,
        hugepage_limits=tuple(cri.HugepageLimit(page_size=k, limit=v) for k, v in value.hugepage_limits.items()),
        unified=value.unified,
    )


def sandbox_config(config: seam.SandboxConfig) -> cri.PodSandboxConfig:
    security = config.security
    linux = cri.LinuxPodSandboxConfig(
        cgroup_parent=config.cgroup_parent,
        sysctls=config.sysctls,
        resources=resources(config.resources) if config.resources else None,
        security_context=cri.LinuxSandboxSecurityContext(
            namespace_options=namespaces(security.namespaces),
            run_as_user=optional(security.run_as_user),
            run_as_group=optional(security.run_as_group),
            supplemental_groups=tuple(security.supplemental_groups),
            supplemental_groups_policy=int(security.strict_supplemental_groups),
            privileged=security.privileged,
            readonly_rootfs=security.readonly_rootfs,
            seccomp=seccomp(security.seccomp),
        ),
    )
    dns = config.dns
    return cri.PodSandboxConfig(
        metadata=cri.PodSandboxMetadata(
            name=config.name, uid=config.uid, namespace=config.namespace, attempt=config.attempt
        ),
        hostname=config.hostname,
        log_directory=config.log_directory,
        dns_config=cri.DNSConfig(servers=tuple(dns.servers), searches=tuple(dns.searches), options=tuple(dns.options))
        if dns
        else None,
        port_mappings=tuple(
            cri.PortMapping(
                protocol=PROTOCOLS[m.protocol],
                container_port=m.container_port,
                host_port=m.host_port,
                host_ip=m.host_ip,
            )
            for m in config.port_mappings
        ),
        labels=config.labels,
        annotations=config.annotations,
        linux=linux,
    )


def features(found: cri.StatusResponse) -> seam.RuntimeFeatures:
    handlers = {
        handler.name: seam.HandlerFeatures(bool(handler.features and handler.features.recursive_read_only_mounts))
        for handler in found.runtime_handlers
    }
    return seam.RuntimeFeatures(handlers, bool(found.features and found.features.supplemental_groups_policy))


def mount(value: seam.Mount) -> cri.Mount:
    return cri.Mount(
        container_path=value.container_path,
        host_path=value.host_path,
        readonly=value.readonly,
        propagation=value.propagation.value,
        recursive_read_only=value.recursive_readonly,
    )


def container_security(value: seam.ContainerSecurity) -> cri.LinuxContainerSecurityContext:
    capabilities = cri.Capability(
        add_capabilities=tuple(value.add_capabilities), drop_capabilities=tuple(value.drop_capabilities)
    )
    return cri.LinuxContainerSecurityContext(
        capabilities=capabilities,
        privileged=value.privileged,
        namespace_options=namespaces(value.namespaces),
        run_as_user=optional(value.run_as_user),
        run_as_group=optional(value.run_as_group),
        run_as_username=value.run_as_username,
        readonly_rootfs=value.readonly_rootfs,
        supplemental_groups=tuple(value.supplemental_groups),
        supplemental_groups_policy=int(value.strict_supplemental_groups),
        no_new_privs=value.no_new_privileges,
        masked_paths=tuple(value.masked_paths),
        readonly_paths=tuple(value.readonly_paths),
        seccomp=seccomp(value.seccomp),
        apparmor=apparmor(value.apparmor),
    )


def apparmor(value: seam.AppArmor | None) -> cri.SecurityProfile | None:
    if value is None:
        return None
    return cri.SecurityProfile(profile_type=value.profile.value, localhost_ref=value.localhost_profile)


def container_config(config: seam.ContainerConfig) -> cri.ContainerConfig:
    return cri.ContainerConfig(
        metadata=cri.ContainerMetadata(name=config.name, attempt=config.attempt),
        image=cri.ImageSpec(image=config.image, user_specified_image=config.user_image),
        command=tuple(config.command),
        args=tuple(config.args),
        working_dir=config.working_dir,
        envs=tuple(cri.KeyValue(key=k, value=v.encode("utf-8", "surrogateescape")) for k, v in config.environment),
        mounts=tuple(mount(m) for m in config.mounts),
        labels=config.labels,
        annotations=config.annotations,
        log_path=config.log_path,
        stdin=config.stdin,
        stdin_once=config.stdin_once,
        tty=config.tty,
        linux=cri.LinuxContainerConfig(
            resources=resources(config.resources), security_context=container_security(config.security)
        ),
    )


def sandbox(found: cri.PodSandbox) -> seam.Sandbox:
    meta = found.metadata or cri.PodSandboxMetadata()
    return seam.Sandbox(
        id=found.id,
        name=meta.name,
        namespace=meta.namespace,
        uid=meta.uid,
        attempt=meta.attempt,
        state=seam.SandboxState(found.state),
        created_at=found.created_at / NANO,
        labels=found.labels,
        annotations=found.annotations,
    )


def sandbox_status(found: cri.PodSandboxStatus) -> seam.Sandbox:
    meta = found.metadata or cri.PodSandboxMetadata()
    network = found.network or cri.PodSandboxNetworkStatus()
    ips = (network.ip, *(extra.ip for extra in network.additional_ips))
    return seam.Sandbox(
        id=found.id,
        name=meta.name,
        namespace=meta.namespace,
        uid=meta.uid,
        attempt=meta.attempt,
        state=seam.SandboxState(found.state),
        created_at=found.created_at / NANO,
        labels=found.labels,
        annotations=found.annotations,
        ips=tuple(ip for ip in ips if ip),
    )


def container(found: cri.Container) -> seam.Container:
    meta = found.metadata or cri.ContainerMetadata()
    return seam.Container(
        id=found.id,
        sandbox_id=found.pod_sandbox_id,
        name=meta.name,
        attempt=meta.attempt,
        image=found.image.image if found.image else "",
        image_ref=found.image_ref,
        state=seam.ContainerState(found.state),
        created_at=found.created_at / NANO,
        labels=found.labels,
        annotations=found.annotations,
    )


def container_status(found: cri.ContainerStatus, sandbox_id: str) -> seam.Container:
    meta = found.metadata or cri.ContainerMetadata()
    return seam.Container(
        id=found.id,
        sandbox_id=sandbox_id,
        name=meta.name,
        attempt=meta.attempt,
        image=found.image.image if found.image else "",
        image_ref=found.image_ref,
        state=seam.ContainerState(found.state),
        created_at=found.created_at / NANO,
        labels=found.labels,
        annotations=found.annotations,
        started_at=found.started_at / NANO,
        finished_at=found.finished_at / NANO,
        exit_code=found.exit_code,
        reason=found.reason,
        message=found.message,
        log_path=found.log_path,
    )


def image(found: cri.Image) -> seam.Image:
    return seam.Image(
        id=found.id,
        tags=found.repo_tags,
        digests=found.repo_digests,
        size=found.size,
        uid=found.uid.value if found.uid else None,
        username=found.username,
        pinned=found.pinned,
    )


def stats(found: cri.ContainerStats) -> seam.ContainerStats:
    attributes = found.attributes or cri.ContainerAttributes()
    meta = attributes.metadata or cri.ContainerMetadata()
    cpu, memory, layer = found.cpu, found.memory, found.writable_layer

    def number(value: cri.UInt64Value | None) -> int | None:
        return value.value if value else None

    return seam.ContainerStats(
        id=attributes.id,
        name=meta.name,
        labels=attributes.labels,
        timestamp=(cpu.timestamp if cpu else 0) / NANO,
        cpu_usage_core_ns=number(cpu.usage_core_nano_seconds) if cpu else None,
        memory_working_set=number(memory.working_set_bytes) if memory else None,
        memory_usage=number(memory.usage_bytes) if memory else None,
        memory_rss=number(memory.rss_bytes) if memory else None,
        writable_layer=number(layer.used_bytes) if layer else None,
    )
