"""The clusters of this machine: `seams.house.House` for the command line."""

from __future__ import annotations

import contextlib
import pathlib
import socket
from collections.abc import Iterator, Sequence

import msgspec
import yaml

from pilothouse.house import doctor, encryption, kubeconfig, observe
from pilothouse.house import spec as specs
from pilothouse.house.addresses import FIRST_PORT, choose_networks, free_port, own_address, port_is_free
from pilothouse.house.bring_up import BringUp, Options
from pilothouse.house.claim import claimed
from pilothouse.house.export import export
from pilothouse.house.given_files import text_of
from pilothouse.house.kubelet_config import kubelet_config_as_asked
from pilothouse.house.log_files import lines_of
from pilothouse.house.logging import logging_as_asked
from pilothouse.house.members import SUPERVISOR, daemons
from pilothouse.house.paths import Paths
from pilothouse.house.pki import ADMIN, AUTHORITY, PKI
from pilothouse.house.spec import ClusterSpec, NodeSpec
from pilothouse.house.steps import advice_on
from pilothouse.house.take_down import half_removed, take_down
from pilothouse.kit.clock import Clock, SystemClock
from pilothouse.seams.house import Check, ClusterStatus, HouseError, LogRequest, Progress, RuntimeKind, UpRequest


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
            self._require_whole(paths)
            existing = specs.load(paths)
            wanted = self._wanted(request, existing)
            keys = _encryption_asked_for(request)
            doctor.require(wanted.runtime)
            options = Options(keys, request.kubeconfig, request.switch_context, request.timeout)
            self._bring_up(paths, existing, wanted, progress, options, fixed_port=request.port is not None)
        return self.status(request.name)

    def _bring_up(
        self,
        paths: Paths,
        existing: ClusterSpec | None,
        wanted: ClusterSpec,
        progress: Progress,
        options: Options,
        *,
        fixed_port: bool = False,
    ) -> None:
        """A new cluster whose port somebody takes in the meantime gets another one."""
        for tries_left in (2, 1, 0):
            try:
                BringUp(paths, existing, wanted, self._clock, progress, options).run(self._fail_after)
                return
            except HouseError as error:
                if "already in use" not in str(error):
                    raise
                if existing is not None or fixed_port or not tries_left:
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
            if request.port not in (None, existing.api_port):
                raise HouseError(
                    f"cluster {request.name} has port {existing.api_port}, and nodes and clients know it by that",
                    f"take it down first (pilothouse down --name {request.name}), or use another --name",
                )
            count = len(existing.nodes) if request.nodes is None else request.nodes
            changed = msgspec.structs.replace(
                existing, nodes=_nodes(count), encrypted=True, listen=_listen(request, existing.listen)
            )
            return kubelet_config_as_asked(logging_as_asked(changed, request), request)
        return self._new(request)

    def _new(self, request: UpRequest) -> ClusterSpec:
        others = [found for name in self.names() if (found := _known(Paths.of(name)))]
        runtime: RuntimeKind = request.runtime or "containerd"
        if runtime == "containerd":
            taken = [network for other in others for network in (other.node_subnet, other.pod_cidr)]
            subnet, pods = choose_networks(taken)
        else:
            subnet, pods = "172.30.0.0/24", "10.244.0.0/16"
        spec = ClusterSpec(
            name=request.name,
            runtime=runtime,
            api_port=_port(request, others),
            listen=_listen(request, ""),
            advertise_address="",
            node_subnet=subnet,
            pod_cidr=pods,
            nodes=_nodes(1 if request.nodes is None else request.nodes),
            encrypted=True,
        )
        address = spec.gateway if runtime == "containerd" else own_address()
        addressed = msgspec.structs.replace(spec, advertise_address=address)
        return kubelet_config_as_asked(logging_as_asked(addressed, request), request)

    def down(self, name: str, progress: Progress) -> bool:
        paths = Paths.of(name)
        with self._claimed(paths):
            try:
                spec = specs.load(paths)
            except HouseError as error:
                progress.note(f"{error}; what is known otherwise is taken away")
                spec = None
            spec = spec or specs.salvage(paths)
            if spec is None:
                return False
            if spec.kubeconfig is None:  # it is not known where the entries are: most likely where they usually go
                usual = specs.KubeconfigMark(str(kubeconfig.path()))
                spec = msgspec.structs.replace(spec, kubeconfig=usual)
            take_down(paths, spec, progress)
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

    def _require_whole(self, paths: Paths) -> None:
        """Raises HouseError if somebody began to take the cluster down: what is left of it does not run."""
        if paths.removing.exists():
            raise HouseError(half_removed(paths.state.name), "then run the same command again")

    def rotate_encryption_key(self, name: str, progress: Progress) -> None:
        paths, spec = self._existing(name)
        with self._claimed(paths):
            self._require_whole(paths)
            keys = encryption.rotated(encryption.read(paths), str(paths.encryption))
            self._bring_up(paths, spec, spec, progress, Options(keys, switch_context=False))

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
        from pilothouse.house.images import archive_file, load

        paths, _ = self._existing(name)
        # The claim keeps nodes from coming or going meanwhile, which would miss it.
        with archive_file(archive, paths.state) as file, self._claimed(paths):
            paths, spec = self._existing(name)
            self._require_whole(paths)
            return load(paths, spec, file, progress)

    def components(self, name: str) -> Sequence[str]:
        paths, spec = self._existing(name)
        return [*(daemon.name for daemon in daemons(paths, spec)), SUPERVISOR]

    def logs(self, name: str, request: LogRequest) -> Iterator[str]:
        paths, component = Paths.of(name), request.component
        known = self.components(name)
        if component is not None and component not in known:
            raise HouseError(f"cluster {name} has no component {component}", f"it has: {', '.join(known)}")
        files = [(f"{one}: ", paths.log(one)) for one in known] if component is None else [("", paths.log(component))]
        return lines_of(files, request, self._clock)

    def export_logs(self, name: str, folder: pathlib.Path) -> pathlib.Path:
        paths, spec = self._existing(name)
        try:
            export(paths, spec, self.status(name), folder)
        except OSError as error:
            raise HouseError(f"cannot write {error.filename or folder}: {error.strerror}", advice_on(error)) from None
        return folder

    def run_daemon(self, arguments: Sequence[str]) -> int:
        from pilothouse.house.processes import run

        return run(arguments)

    @contextlib.contextmanager
    def _claimed(self, paths: Paths) -> Iterator[None]:
        """One command at a time changes a cluster; a second one waits."""
        with contextlib.ExitStack() as held:
            try:
                held.enter_context(claimed(paths))
            except OSError as error:
                raise HouseError(f"cannot write {error.filename}: {error.strerror}", advice_on(error)) from None
            try:
                yield
            finally:
                if not paths.spec.exists():
                    paths.claim.unlink(missing_ok=True)
                    for directory in (paths.run.parent, paths.state.parent):
                        with contextlib.suppress(OSError):
                            directory.rmdir()  # the last cluster leaves no empty house behind


def _encryption_asked_for(request: UpRequest) -> str | None:
    """The text of the configuration that `up` was given. Raises HouseError for one that cannot be used."""
    if request.encryption is None:
        return None
    text = text_of(request.encryption, "encryption configuration")
    encryption.checked(text, str(request.encryption))
    return text


def _known(paths: Paths) -> ClusterSpec | None:
    """What another cluster has taken; also that of one whose spec is damaged, as far as it is known."""
    try:
        return specs.load(paths)
    except HouseError:
        return specs.salvage(paths)


def _port(request: UpRequest, others: Sequence[ClusterSpec]) -> int:
    if request.port is None:
        return free_port(other.api_port for other in others)
    owner = next((other.name for other in others if other.api_port == request.port), None)
    if owner is not None:
        raise HouseError(f"port {request.port} is cluster {owner}'s", "choose another --port, or none for a free one")
    if not port_is_free(request.port, "0.0.0.0"):
        who = f"see who has it with: ss -ltnp 'sport = :{request.port}'"
        raise HouseError(f"another program has port {request.port}", f"{who}; or choose another --port")
    return request.port


def _listen(request: UpRequest, before: str) -> str:
    """The address to listen on. Raises HouseError for one that this machine does not have."""
    if request.listen is None:
        return before
    try:
        family = socket.AF_INET6 if ":" in request.listen else socket.AF_INET
        with socket.socket(family) as probe:
            probe.bind((request.listen, 0))
    except OSError as error:
        advice = "use an address of this machine, or 0.0.0.0 for all of them"
        raise HouseError(f"cannot listen on {request.listen}: {error.strerror}", advice) from None
    return request.listen


def _nodes(count: int) -> tuple[NodeSpec, ...]:
    return tuple(NodeSpec(f"node-{index}", index) for index in range(1, count + 1))
