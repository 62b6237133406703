"""The steps from a wanted spec to a running cluster."""

from __future__ import annotations

import pathlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from pilothouse.house import encryption, kubeconfig, loaded_images, members, observe
from pilothouse.house import spec as specs
from pilothouse.house.daemon import Daemon, stop_all, wait_all_ready
from pilothouse.house.kubelet_config import same_settings
from pilothouse.house.logging import same_logging
from pilothouse.house.paths import Paths
from pilothouse.house.pki import (
    ACCOUNT_KEY,
    ADMIN,
    API_SERVER,
    AUTHORITY,
    DNS,
    KUBELET_CLIENT,
    PKI,
    PROXY,
    node_client,
    node_server,
)
from pilothouse.house.removal import Removal, nodes_in_words
from pilothouse.house.spec import ClusterSpec, KubeconfigMark, NodeSpec
from pilothouse.house.steps import Step, run
from pilothouse.kit.clock import Clock, pause
from pilothouse.seams.house import ClusterStatus, HouseError, Progress

CONTROL_PLANE_SECONDS = 30.0
NODE_SECONDS = 60.0
READY_SECONDS = 30.0
SUPERVISOR_SECONDS = 20.0
_POLL_SECONDS = 0.1


class Options(NamedTuple):
    """How `up` shall do it; the cluster itself does not change by it, but for the keys."""

    encryption: str | None = None
    """The text of an EncryptionConfiguration that is asked for; None keeps what there is."""
    kubeconfig: pathlib.Path | None = None
    switch_context: bool = True
    timeout: float | None = None
    """Seconds to wait for each thing; None has a limit for each."""


@dataclass
class BringUp:
    """Takes one cluster from `existing` (None: nothing) to `wanted`."""

    paths: Paths
    existing: ClusterSpec | None
    wanted: ClusterSpec
    clock: Clock
    progress: Progress
    options: Options = field(default_factory=Options)
    started: list[Daemon] = field(default_factory=list)
    mark: KubeconfigMark | None = None
    renewed: set[str] = field(default_factory=set)
    old_keys: str | None = None
    stays: bool = False
    """What was started goes on although it is not all ready: an object in the store that keeps a node from being ready
    can be deleted only while the API is served."""

    def run(self, fail_after: str = "") -> None:
        """Do it, or leave everything as it was and raise HouseError."""
        run(self.steps(), self.progress, fail_after)

    @property
    def _new(self) -> bool:
        return self.existing is None

    def steps(self) -> list[Step]:
        real = self.wanted.runtime == "containerd"
        steps = [
            Step("write down the cluster", self._write_spec, self._unwrite_spec),
            Step("make certificates", self._make_certificates, self._nothing_if_kept(self.paths.pki)),
            Step("make the encryption key", self._make_encryption_key, self._restore_encryption_key),
        ]
        removal = Removal(self.paths, self.wanted, self._surplus(), self.clock, self.options.timeout)
        steps += removal.before()
        if real:
            steps.append(Step("connect the nodes' network", self._make_network, self._remove_network))
        what = f"start the control plane and {nodes_in_words(len(self.wanted.nodes))}"
        late = [node for node in _real_nodes(self.wanted) if loaded_images.missing(self.paths, node)]
        if late := [node for node in late if members.node(self.paths, self.wanted, node).pid() is None]:
            what += f", import loaded images on {nodes_in_words(len(late))}"
        steps.append(Step(what, self._start, self._stop_started))
        steps += removal.after()
        steps.append(Step("start the supervisor", self._start_supervisor, self._stop_supervisor))
        steps.append(Step("wait until all of it is ready", self._wait_ready))
        shown = "switch kubectl to it" if self.options.switch_context else "keep its entries in kubectl's configuration"
        steps.append(Step(shown, self._switch_kubectl, self._switch_back))
        return steps

    # The spec: written first, so that `down` knows what there may be, whatever happens next.

    def _write_spec(self) -> bool:
        if self.existing == self.wanted:
            return False
        # Nodes that shall go are still there, and `down` must know of them.
        everything = msgspec.structs.replace(self.wanted, nodes=(*self.wanted.nodes, *self._surplus()))
        specs.save(self.paths, everything)
        return True

    def _unwrite_spec(self) -> None:
        if self.existing is not None:
            specs.save(self.paths, self.existing)
            return
        shutil.rmtree(self.paths.state, ignore_errors=True)
        shutil.rmtree(self.paths.run, ignore_errors=True)

    def _nothing_if_kept(self, directory: pathlib.Path) -> Callable[[], None]:
        return (lambda: shutil.rmtree(directory, ignore_errors=True)) if self._new else (lambda: None)

    def _make_certificates(self) -> bool:
        """Those that a process was started with and cannot use any more make it start again."""
        made = PKI(self.paths.pki).ensure(self.wanted, self.clock.now(), started=self.paths.store.exists())
        self.renewed = {pair.name for pair in made if pair.reason}
        for pair in made:
            if pair.reason not in ("", "missing"):
                self.progress.note(f"made {pair.name} anew: {pair.reason}")
        return bool(made)

    # Encryption at rest. A file that is lost is never replaced: nobody could read the store any more.

    def _make_encryption_key(self) -> bool:
        known = self.existing is not None and self.existing.encrypted and self.paths.store.exists()
        self.old_keys = encryption.read(self.paths) if known else None
        text = self.options.encryption if self.options.encryption is not None else self.old_keys or encryption.begun()
        if text == self.old_keys:
            return False
        encryption.write(self.paths, text)
        return True

    def _restore_encryption_key(self) -> None:
        if self.old_keys is not None:
            encryption.write(self.paths, self.old_keys)

    # Nodes that the cluster has and shall not have any more.

    def _surplus(self) -> list[NodeSpec]:
        kept = {node.name for node in self.wanted.nodes}
        return [node for node in (self.existing.nodes if self.existing else ()) if node.name not in kept]

    def _make_network(self) -> bool:
        from pilothouse.house import machine

        return machine.ensure_network(self.paths, self.wanted)

    def _remove_network(self) -> None:
        from pilothouse.house import machine

        if self._new:
            machine.remove_network(self.paths, self.wanted)
        else:
            before = {node.name for node in self.existing.nodes} if self.existing else set()
            for node in self.wanted.nodes:
                if node.name not in before:
                    machine.remove_node(self.paths, self.wanted, node)

    # The processes, all at once: nodes wait for the API server by themselves.

    def _start(self) -> bool:
        first, *nodes = members.daemons(self.paths, self.wanted)
        patience = {first.name: CONTROL_PLANE_SECONDS}
        for node in _real_nodes(self.wanted):
            patience[node.name] = NODE_SECONDS + loaded_images.seconds_for(self.paths, node)
        if self._must_restart(first):
            first.stop()
        for daemon in nodes:
            renewed = self.renewed & {node_client(daemon.name), node_server(daemon.name), PROXY, DNS}
            if renewed or not same_settings(self.existing or self.wanted, self.wanted):
                daemon.stop()
        launched = []
        for daemon in (first, *nodes):
            if daemon.pid() is not None:
                continue
            self.started.append(daemon)  # before it is launched: an interrupt may come then
            if (one := daemon.launch()) is not None:
                launched.append((one, self.options.timeout or patience[daemon.name]))
        try:
            wait_all_ready(launched)
        except HouseError:
            self.stays = not self._new and _is_served(observe.status(self.paths, self.wanted, self.clock.now()))
            raise
        for node in _real_nodes(self.wanted):
            for archive in loaded_images.missing(self.paths, node):
                self.progress.note(f"{node.name} could not import {archive.file}: its log tells why")
        return bool(self.started)

    def _must_restart(self, first: Daemon) -> bool:
        """The control plane reads at start what it logs, and, of a simulated cluster, the nodes in its process."""
        if self.existing is None or first.pid() is None:
            return False
        shown = {API_SERVER, KUBELET_CLIENT, ACCOUNT_KEY}
        if self.wanted.runtime == "simulated":
            shown |= {node_server(node.name) for node in self.wanted.nodes}
        new_keys = encryption.read(self.paths) != self.old_keys
        other_place = self.existing.listen != self.wanted.listen
        if new_keys or other_place or self.renewed & shown or not same_logging(self.existing, self.wanted):
            return True
        other_nodes = self.existing.nodes != self.wanted.nodes or not same_settings(self.existing, self.wanted)
        return other_nodes and self.wanted.runtime == "simulated"

    def _stop_started(self) -> None:
        if self.stays:
            return
        stop_all(list(reversed(self.started)))
        if self.wanted.runtime == "containerd":
            from pilothouse.house import machine

            started = {daemon.name for daemon in self.started}
            for node in self.wanted.nodes:
                if self._new and node.name in started:
                    machine.remove_node_runtime(self.paths, self.wanted, node)

    def _start_supervisor(self) -> bool:
        return members.supervisor(self.paths, self.wanted).start(SUPERVISOR_SECONDS)

    def _stop_supervisor(self) -> None:
        if self._new:
            members.supervisor(self.paths, self.wanted).stop()

    def _wait_ready(self) -> bool:
        """What ran already may not answer: nothing is called ready that is not."""
        deadline = self.clock.monotonic() + (self.options.timeout or READY_SECONDS)
        while not (found := observe.status(self.paths, self.wanted, self.clock.now())).ready:
            if self.clock.monotonic() > deadline:
                name = self.wanted.name
                self.stays = not self._new and _is_served(found)
                advice = f"see why with: pilothouse logs --name {name}"
                if self.stays:
                    advice += f"; its API is served: kubectl --context {kubeconfig.context_name(name)} get nodes"
                raise HouseError(f"cluster {name} is not ready: {'; '.join(observe.lacking(found))}", advice)
            pause(_POLL_SECONDS)
        return False

    # kubectl's configuration.

    def _switch_kubectl(self) -> bool:
        pki = PKI(self.paths.pki)
        admin = pki.pair(ADMIN)
        own = kubeconfig.render(self.wanted, pki.pair(AUTHORITY).certificate, admin.certificate, admin.key)
        kept = self.existing.kubeconfig if self.existing else None
        asked = self.options.kubeconfig
        chosen = asked is not None or (kept is not None and kept.chosen)
        file = asked or (pathlib.Path(kept.path) if kept is not None and kept.chosen else kubeconfig.path())
        mark = kubeconfig.merge(own, file, switch=self.options.switch_context)
        if kept is not None and kept.path != mark.path:
            kubeconfig.remove(self.wanted.name, kept)
        mark = msgspec.structs.replace(mark, chosen=chosen)
        self.mark = mark
        specs.save(self.paths, msgspec.structs.replace(self.wanted, kubeconfig=mark))
        return True

    def _switch_back(self) -> None:
        if self.mark is not None and self._new:
            kubeconfig.remove(self.wanted.name, self.mark)


def _is_served(status: ClusterStatus) -> bool:
    """Whether the API server has told of its nodes."""
    return any(node.ready is not None for node in status.nodes)


def _real_nodes(spec: ClusterSpec) -> Sequence[NodeSpec]:
    """Those that have a containerd."""
    return spec.nodes if spec.runtime == "containerd" else ()
