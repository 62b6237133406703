"""Where the description of a Table's column comes from: a field whose documentation it repeats, or a text of its own.

Fields are written `core.v1.PodStatus.podIP`, after the definitions of OpenAPI; whatever has a space in it is a text.
Some kinds still repeat what a version that is gone said: its words are texts here.
"""

from __future__ import annotations

from collections.abc import Mapping

_META = "meta.v1.ObjectMeta."
EVERYWHERE: Mapping[str, str] = {
    "Name": _META + "name",
    "Age": _META + "creationTimestamp",
    "Created At": _META + "creationTimestamp",
    "Containers": "Names of each container in the template.",
    "Images": "Images referenced by each container in the template.",
}
_READY_PODS = "Number of the pod with ready state"
_PARAM_KIND = "ParamKind specifies the kind of resources used to parameterize this policy"
_POLICY_BINDING = {
    "PolicyName": "PolicyName indicates the policy definition which the policy binding binded to",
    "ParamRef": "ParamRef indicates the param resource which sets the configuration param",
}
_WEBHOOKS = {"Webhooks": "Webhooks indicates the number of webhooks registered in this configuration"}
_UNRESOLVED = "If the RoleRef cannot be resolved, the Authorizer must return an error."
_EVENT = {
    "Last Seen": "core.v1.Event.lastTimestamp",
    "Type": "core.v1.Event.type",
    "Reason": "core.v1.Event.reason",
    "Object": "core.v1.Event.involvedObject",
    "Subobject": "core.v1.ObjectReference.fieldPath",
    "Source": "core.v1.Event.source",
    "Message": "core.v1.Event.message",
    "First Seen": "core.v1.Event.firstTimestamp",
    "Count": "core.v1.Event.count",
}
_SIGNER = """\
Requested signer for the request. It is a qualified name in the form: `scope-hostname.io/name`. \
If empty, it will be defaulted:
 1. If it's a kubelet client certificate, it is assigned
    "kubernetes.io/kube-apiserver-client-kubelet".
 2. If it's a kubelet serving certificate, it is assigned
    "kubernetes.io/kubelet-serving".
 3. Otherwise, it is assigned "kubernetes.io/legacy-unknown".
Distribution of trust for signers happens out of band. You can select on this field using `spec.signerName`."""


def _role_binding(kind: str, role: str) -> dict[str, str]:
    subjects = {subject: f"{subject} in the {kind}" for subject in ("Users", "Groups", "ServiceAccounts")}
    return {"Role": f"RoleRef can {role} {_UNRESOLVED}", **subjects}


def _fields(type_name: str, **columns: str) -> dict[str, str]:
    """Columns that repeat fields of one type."""
    return {column: f"{type_name}.{field}" for column, field in columns.items()}


_AUTOSCALER = {
    "Replicas": "autoscaling.v2.HorizontalPodAutoscalerStatus.currentReplicas",
    **_fields(
        "autoscaling.v2.HorizontalPodAutoscalerSpec",
        Reference="scaleTargetRef",
        Targets="metrics",
        MinPods="minReplicas",
        MaxPods="maxReplicas",
    ),
}

SOURCES: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("", "componentstatuses"): {
        "Status": "Status of the component conditions",
        "Message": "Message of the component conditions",
        "Error": "Error of the component conditions",
    },
    ("", "configmaps"): _fields("core.v1.ConfigMap", Data="data"),
    ("", "endpoints"): _fields("core.v1.Endpoints", Endpoints="subsets"),
    ("", "events"): _EVENT,
    ("", "namespaces"): {"Status": "The status of the namespace"},
    ("", "nodes"): {
        "Status": "The status of the node",
        "Roles": "The roles of the node",
        "Version": "core.v1.NodeSystemInfo.kubeletVersion",
        "Internal-IP": "core.v1.NodeStatus.addresses",
        "External-IP": "core.v1.NodeStatus.addresses",
        "OS-Image": "core.v1.NodeSystemInfo.osImage",
        "Kernel-Version": "core.v1.NodeSystemInfo.kernelVersion",
        "Container-Runtime": "core.v1.NodeSystemInfo.containerRuntimeVersion",
    },
    ("", "persistentvolumeclaims"): {
        "Status": "core.v1.PersistentVolumeClaimStatus.phase",
        "Volume": "core.v1.PersistentVolumeClaimSpec.volumeName",
        "Capacity": "core.v1.PersistentVolumeClaimStatus.capacity",
        "Access Modes": "core.v1.PersistentVolumeClaimStatus.accessModes",
        "StorageClass": "StorageClass of the pvc",
        "VolumeAttributesClass": "VolumeAttributesClass of the pvc",
        "VolumeMode": "core.v1.PersistentVolumeClaimSpec.volumeMode",
    },
    ("", "persistentvolumes"): {
        "Capacity": "core.v1.PersistentVolumeSpec.capacity",
        "Access Modes": "core.v1.PersistentVolumeSpec.accessModes",
        "Reclaim Policy": "core.v1.PersistentVolumeSpec.persistentVolumeReclaimPolicy",
        "Status": "core.v1.PersistentVolumeStatus.phase",
        "Claim": "core.v1.PersistentVolumeSpec.claimRef",
        "StorageClass": "StorageClass of the pv",
        "VolumeAttributesClass": "VolumeAttributesClass of the pv",
        "Reason": "core.v1.PersistentVolumeStatus.reason",
        "VolumeMode": "core.v1.PersistentVolumeSpec.volumeMode",
    },
    ("", "pods"): {
        "Ready": "The aggregate readiness state of this pod for accepting traffic.",
        "Status": "The aggregate status of the containers in this pod.",
        "Restarts": "The number of times the containers in this pod have been restarted "
        "and when the last container in this pod has restarted.",
        "IP": "core.v1.PodStatus.podIP",
        "Node": "core.v1.PodSpec.nodeName",
        "Nominated Node": "core.v1.PodStatus.nominatedNodeName",
        "Readiness Gates": "core.v1.PodSpec.readinessGates",
    },
    ("", "podtemplates"): {"Pod Labels": "The labels for the pod template."},
    ("", "replicationcontrollers"): {
        "Desired": "core.v1.ReplicationControllerSpec.replicas",
        "Current": "core.v1.ReplicationControllerStatus.replicas",
        "Ready": "core.v1.ReplicationControllerStatus.readyReplicas",
        "Selector": "core.v1.ReplicationControllerSpec.selector",
    },
    ("", "resourcequotas"): {
        "Request": "Request represents a minimum amount of cpu/memory that a container may consume.",
        "Limit": "Limits control the maximum amount of cpu/memory that a container may use "
        "independent of contention on the node.",
    },
    ("", "secrets"): _fields("core.v1.Secret", Type="type", Data="data"),
    ("", "services"): {
        "Type": "core.v1.ServiceSpec.type",
        "Cluster-IP": "core.v1.ServiceSpec.clusterIP",
        "External-IP": "core.v1.ServiceSpec.externalIPs",
        "Port(s)": "core.v1.ServiceSpec.ports",
        "Selector": "core.v1.ServiceSpec.selector",
    },
    ("admissionregistration.k8s.io", "mutatingadmissionpolicies"): {
        "Mutations": "Mutation indicates the number of mutations rules defined in this configuration",
        "ParamKind": _PARAM_KIND,
    },
    ("admissionregistration.k8s.io", "mutatingadmissionpolicybindings"): _POLICY_BINDING,
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"): _WEBHOOKS,
    ("admissionregistration.k8s.io", "validatingadmissionpolicies"): {
        "Validations": "Validations indicates the number of validation rules defined in this configuration",
        "ParamKind": _PARAM_KIND,
    },
    ("admissionregistration.k8s.io", "validatingadmissionpolicybindings"): _POLICY_BINDING,
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations"): _WEBHOOKS,
    ("apiextensions.k8s.io", "scale"): {
        "Desired": "Number of desired replicas",
        "Available": "Number of actual replicas",
    },
    ("apiregistration.k8s.io", "apiservices"): {
        "Service": "The reference to the service that hosts this API endpoint.",
        "Available": "Whether this service is available.",
    },
    ("apps", "controllerrevisions"): {
        "Controller": "Controller of the object",
        "Revision": "apps.v1.ControllerRevision.revision",
    },
    ("apps", "daemonsets"): {
        "Desired": "apps.v1.DaemonSetStatus.desiredNumberScheduled",
        "Current": "apps.v1.DaemonSetStatus.currentNumberScheduled",
        "Ready": "apps.v1.DaemonSetStatus.numberReady",
        "Up-to-date": "apps.v1.DaemonSetStatus.updatedNumberScheduled",
        "Available": "apps.v1.DaemonSetStatus.numberAvailable",
        "Node Selector": "core.v1.PodSpec.nodeSelector",
        "Selector": "apps.v1.DaemonSetSpec.selector",
    },
    ("apps", "deployments"): {
        "Ready": _READY_PODS,
        "Up-to-date": "apps.v1.DeploymentStatus.updatedReplicas",
        "Available": "apps.v1.DeploymentStatus.availableReplicas",
        "Selector": "apps.v1.DeploymentSpec.selector",
    },
    ("apps", "replicasets"): {
        "Desired": "apps.v1.ReplicaSetSpec.replicas",
        "Current": "apps.v1.ReplicaSetStatus.replicas",
        "Ready": "apps.v1.ReplicaSetStatus.readyReplicas",
        "Selector": "apps.v1.ReplicaSetSpec.selector",
    },
    ("apps", "statefulsets"): {"Ready": _READY_PODS},
    ("autoscaling", "horizontalpodautoscalers"): _AUTOSCALER,
    ("autoscaling", "scale"): {
        "Desired": "autoscaling.v1.ScaleSpec.replicas",
        "Available": "autoscaling.v1.ScaleStatus.replicas",
    },
    ("batch", "cronjobs"): {
        "Schedule": "batch.v1.CronJobSpec.schedule",
        "Timezone": "batch.v1.CronJobSpec.timeZone",
        "Suspend": "batch.v1.CronJobSpec.suspend",
        "Active": "batch.v1.CronJobStatus.active",
        "Last Schedule": "batch.v1.CronJobStatus.lastScheduleTime",
        "Selector": "batch.v1.JobSpec.selector",
    },
    ("batch", "jobs"): {
        "Status": "Status of the job.",
        "Completions": "batch.v1.JobStatus.succeeded",
        "Duration": "Time required to complete the job.",
        "Selector": "batch.v1.JobSpec.selector",
    },
    ("certificates.k8s.io", "certificatesigningrequests"): {
        "SignerName": _SIGNER,
        "Requestor": "Base64-encoded PKCS#10 CSR data",
        "RequestedDuration": "certificates.v1.CertificateSigningRequestSpec.expirationSeconds",
        "Condition": "Conditions applied to the request, such as approval or denial.",
    },
    ("coordination.k8s.io", "leases"): _fields("coordination.v1.LeaseSpec", Holder="holderIdentity"),
    ("discovery.k8s.io", "endpointslices"): _fields(
        "discovery.v1.EndpointSlice", AddressType="addressType", Ports="ports", Endpoints="endpoints"
    ),
    ("events.k8s.io", "events"): _EVENT,
    ("flowcontrol.apiserver.k8s.io", "flowschemas"): {
        "PriorityLevel": "flowcontrol.v1.PriorityLevelConfigurationReference.name",
        "MatchingPrecedence": "flowcontrol.v1.FlowSchemaSpec.matchingPrecedence",
        "DistinguisherMethod": "flowcontrol.v1.FlowSchemaSpec.distinguisherMethod",
        "MissingPL": "references a broken or non-existent PriorityLevelConfiguration",
    },
    ("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations"): {
        "Type": "flowcontrol.v1.PriorityLevelConfigurationSpec.type",
        "NominalConcurrencyShares": "flowcontrol.v1.LimitedPriorityLevelConfiguration.nominalConcurrencyShares",
        "Queues": "flowcontrol.v1.QueuingConfiguration.queues",
        "HandSize": "flowcontrol.v1.QueuingConfiguration.handSize",
        "QueueLengthLimit": "flowcontrol.v1.QueuingConfiguration.queueLengthLimit",
    },
    ("networking.k8s.io", "ingressclasses"): {
        "Controller": "Controller that is responsible for handling this class",
        "Parameters": "A reference to a resource with additional parameters",
    },
    ("networking.k8s.io", "ingresses"): {
        "Class": "The name of the IngressClass resource that should be used for additional configuration",
        "Hosts": "Hosts that incoming requests are matched against before the ingress rule",
        "Address": "Address is a list containing ingress points for the load-balancer",
        "Ports": "Ports of TLS configurations that open",
    },
    ("networking.k8s.io", "ipaddresses"): _fields("networking.v1.IPAddressSpec", ParentRef="parentRef"),
    ("networking.k8s.io", "networkpolicies"): {"Pod-Selector": "networking.v1.NetworkPolicySpec.podSelector"},
    ("networking.k8s.io", "servicecidrs"): _fields("networking.v1.ServiceCIDRSpec", CIDRs="cidrs"),
    ("policy", "poddisruptionbudgets"): {
        "Min Available": "The minimum number of pods that must be available.",
        "Max Unavailable": "The maximum number of pods that may be unavailable.",
        "Allowed Disruptions": "Calculated number of pods that may be disrupted at this time.",
    },
    ("rbac.authorization.k8s.io", "clusterrolebindings"): _role_binding(
        "clusterRoleBinding", "only reference a ClusterRole in the global namespace."
    ),
    ("rbac.authorization.k8s.io", "rolebindings"): _role_binding(
        "roleBinding", "reference a Role in the current namespace or a ClusterRole in the global namespace."
    ),
    ("resource.k8s.io", "resourceclaims"): {
        "State": "A summary of the current state (allocated, pending, reserved, etc.).",
    },
    ("resource.k8s.io", "resourceslices"): {
        "Node": "resource.v1.ResourceSliceSpec.nodeName",
        "Driver": "resource.v1.ResourceSliceSpec.driver",
        "Pool": "resource.v1.ResourcePool.name",
    },
    ("scheduling.k8s.io", "priorityclasses"): {
        "Value": "scheduling.v1.PriorityClass.value",
        "Global-Default": "scheduling.v1.PriorityClass.globalDefault",
        "PreemptionPolicy": "scheduling.v1.PriorityClass.preemptionPolicy",
    },
    ("storage.k8s.io", "csidrivers"): _fields(
        "storage.v1.CSIDriverSpec",
        AttachRequired="attachRequired",
        PodInfoOnMount="podInfoOnMount",
        StorageCapacity="storageCapacity",
        TokenRequests="tokenRequests",
        RequiresRepublish="requiresRepublish",
        Modes="volumeLifecycleModes",
    ),
    ("storage.k8s.io", "csinodes"): {
        "Drivers": "Drivers indicates the number of CSI drivers registered on the node",
    },
    ("storage.k8s.io", "storageclasses"): _fields(
        "storage.v1.StorageClass",
        Provisioner="provisioner",
        ReclaimPolicy="reclaimPolicy",
        VolumeBindingMode="volumeBindingMode",
        AllowVolumeExpansion="allowVolumeExpansion",
    ),
    ("storage.k8s.io", "volumeattachments"): {
        "Attacher": "storage.v1.VolumeAttachmentSpec.attacher",
        "PV": "storage.v1.VolumeAttachmentSource.persistentVolumeName",
        "Node": "storage.v1.VolumeAttachmentSpec.nodeName",
        "Attached": "storage.v1.VolumeAttachmentStatus.attached",
    },
    ("storage.k8s.io", "volumeattributesclasses"): _fields("storage.v1.VolumeAttributesClass", DriverName="driverName"),
}
