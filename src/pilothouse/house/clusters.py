"""The clusters of this machine: `seams.house.House` for the command line."""

from __future__ import annotations

import contextlib
import fcntl
import pathlib
import shutil
from collections.abc import Iterator, Sequence

import msgspec
import yaml

from pilothouse.house import doctor, encryption, kubeconfig, observe
from pilothouse.house import spec as specs
from pilothouse.house.addresses import FIRST_PORT, choose_networks, free_port, own_address
from pilothouse.house.bring_up import BringUp
from pilothouse.house.logging import logging_as_asked
from pilothouse.house.members import daemons
from pilothouse.house.paths import Paths
from pilothouse.house.pki import ADMIN, AUTHORITY, PKI
from pilothouse.house.spec import ClusterSpec, NodeSpec
from pilothouse.kit.clock import Clock, SystemClock
from pilothouse.seams.house import Check, ClusterStatus, HouseError, Progress, RuntimeKind, UpRequest


class Clusters:
    """Implements the house on this machine's files, processes and network."""

    def __init__(self, clock: Clock | None = None, fail_after: str = "") -> None:
        self._clock = clock or SystemClock()
        self._fail_after = fail_after

    def names(self) -> Sequence[str]:
        return Paths.names()

    def up(self, request: UpRequest, progress: Progress) -> ClusterStatus:
        paths = Paths.of(request.name)
        with self._claimed(paths):
            existing = specs.load(paths)
            wanted = self._wanted(request, existing)
            keys = _encryption_asked_for(request)
            doctor.require(wanted.runtime)
            self._bring_up(paths, existing, wanted, progress, keys)
        return self.status(request.name)

    def _bring_up(
        self,
        paths: Paths,
        existing: ClusterSpec | None,
        wanted: ClusterSpec,
        progress: Progress,
        keys: str | None = None,
    ) -> None:
        """A new cluster whose port somebody takes in the meantime gets another one."""
        for tries_left in (2, 1, 0):
            try:
                BringUp(paths, existing, wanted, self._clock, progress, keys).run(self._fail_after)
                return
            except HouseError as error:
                if "already in use" not in str(error):
                    raise
                if existing is not None or not tries_left:
                    port = wanted.api_port
                    who = f"see who has it with: ss -ltnp 'sport = :{port}'; end it, then run the same command again"
                    raise HouseError(f"another program has port {port}, where the API server listens", who) from error
            progress.note(f"port {wanted.api_port} was taken meanwhile; trying another one")
            wanted = msgspec.structs.replace(wanted, api_port=free_port([FIRST_PORT]))

    def _wanted(self, request: UpRequest, existing: ClusterSpec | None) -> ClusterSpec:
        """The spec that `request` asks for: an existing cluster keeps its addresses, a new one gets free ones."""
        if existing is not None:
            if request.runtime not in (None, existing.runtime):
                raise HouseError(
                    f"cluster {request.name} runs {existing.runtime}, not {request.runtime}",
                    f"take it down first (pilothouse down --name {request.name}), or use another --name",
                )
            count = len(existing.nodes) if request.nodes is None else request.nodes
            return logging_as_asked(msgspec.structs.replace(existing, nodes=_nodes(count), encrypted=True), request)
        others = [found for name in self.names() if (found := specs.load(Paths.of(name)))]
        runtime: RuntimeKind = request.runtime or "containerd"
        if runtime == "containerd":
            taken = [network for other in others for network in (other.node_subnet, other.pod_cidr)]
            subnet, pods = choose_networks(taken)
        else:
            subnet, pods = "172.30.0.0/24", "10.244.0.0/16"
        spec = ClusterSpec(
            name=request.name,
            runtime=runtime,
            api_port=free_port(other.api_port for other in others),
            advertise_address="",
            node_subnet=subnet,
            pod_cidr=pods,
            nodes=_nodes(1 if request.nodes is None else request.nodes),
            encrypted=True,
        )
        address = spec.gateway if runtime == "containerd" else own_address()
        return logging_as_asked(msgspec.structs.replace(spec, advertise_address=address), request)

    def down(self, name: str, progress: Progress) -> bool:
        paths = Paths.of(name)
        with self._claimed(paths):
            spec = specs.load(paths)
            if spec is None and not paths.state.exists() and not paths.run.exists():
                return False
            if spec is not None:
                BringUp(paths, spec, spec, self._clock, progress).take_down()
            shutil.rmtree(paths.state, ignore_errors=True)
            shutil.rmtree(paths.run, ignore_errors=True)
        return True

    def status(self, name: str) -> ClusterStatus:
        paths, spec = self._existing(name)
        return observe.status(paths, spec, self._clock.now())

    def _existing(self, name: str) -> tuple[Paths, ClusterSpec]:
        paths = Paths.of(name)
        spec = specs.load(paths)
        if spec is None:
            known = ", ".join(self.names()) or "none"
            raise HouseError(f"there is no cluster {name} (known: {known})", f"pilothouse up --name {name} makes one")
        return paths, spec

    def rotate_encryption_key(self, name: str, progress: Progress) -> None:
        paths, spec = self._existing(name)
        with self._claimed(paths):
            keys = encryption.rotated(encryption.read(paths), str(paths.encryption))
            self._bring_up(paths, spec, spec, progress, keys)

    def kubeconfig(self, name: str) -> str:
        paths, spec = self._existing(name)
        pki = PKI(paths.pki)
        admin = pki.pair(ADMIN)
        text: str = yaml.safe_dump(
            kubeconfig.render(spec, pki.pair(AUTHORITY).certificate, admin.certificate, admin.key), sort_keys=False
        )
        return text

    def doctor(self, runtime: RuntimeKind) -> Sequence[Check]:
        return doctor.checks(runtime)

    def install(self, runtime: RuntimeKind, progress: Progress) -> Sequence[Check]:
        return doctor.install(runtime, progress)

    def load_image(self, name: str, archive: pathlib.Path, progress: Progress) -> Sequence[str]:
        from pilothouse.house.images import load

        paths, spec = self._existing(name)
        if not archive.exists():
            raise HouseError(f"{archive}: no such file", "save an image with `docker save -o FILE IMAGE`")
        return load(paths, spec, archive, progress)

    def components(self, name: str) -> Sequence[str]:
        paths, spec = self._existing(name)
        return [daemon.name for daemon in daemons(paths, spec)]

    def logs(self, name: str, component: str | None) -> Iterator[str]:
        paths, _ = self._existing(name)
        known = self.components(name)
        if component is not None and component not in known:
            raise HouseError(f"cluster {name} has no component {component}", f"it has: {', '.join(known)}")
        for one in [component] if component else known:
            file = paths.log(one)
            if not file.exists():
                continue
            prefix = "" if component else f"{one}: "
            with open(file, errors="replace") as lines:
                for line in lines:
                    yield prefix + line.rstrip("\n")

    def run_daemon(self, arguments: Sequence[str]) -> int:
        from pilothouse.house.processes import run

        return run(arguments)

    @contextlib.contextmanager
    def _claimed(self, paths: Paths) -> Iterator[None]:
        """One command at a time changes a cluster; a second one waits."""
        try:
            paths.claim.parent.mkdir(parents=True, exist_ok=True)
            claim = open(paths.claim, "w")  # noqa: SIM115 - closed below
        except PermissionError as error:
            raise HouseError(f"cannot write {error.filename}", "run it as root") from None
        with claim:
            fcntl.flock(claim, fcntl.LOCK_EX)
            try:
                yield
            finally:
                if specs.load(paths) is None:
                    paths.claim.unlink(missing_ok=True)
                    for directory in (paths.run.parent, paths.state.parent):
                        with contextlib.suppress(OSError):
                            directory.rmdir()  # the last cluster leaves no empty house behind


def _encryption_asked_for(request: UpRequest) -> str | None:
    """The text of the configuration that `up` was given. Raises HouseError for one that cannot be used."""
    if request.encryption is None:
        return None
    try:
        text = request.encryption.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise HouseError(f"cannot read the encryption configuration: {error}") from None
    encryption.checked(text, str(request.encryption))
    return text


def _nodes(count: int) -> tuple[NodeSpec, ...]:
    return tuple(NodeSpec(f"node-{index}", index) for index in range(1, count + 1))
