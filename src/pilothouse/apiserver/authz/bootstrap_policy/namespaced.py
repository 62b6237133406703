"""The Roles and RoleBindings of the cluster's own namespaces."""

ROLES = {
    "kube-system": """
extension-apiserver-authentication-reader
  get,list,watch core configmaps extension-apiserver-authentication
system:controller:bootstrap-signer
  get,list,watch core secrets
system:controller:cloud-provider
  create,get,list,watch core configmaps
system:controller:token-cleaner
  delete,get,list,watch core secrets
  EVENTS
system::leader-locking-kube-controller-manager
  create,get,list,update,watch coordination.k8s.io leases
  create,get,list,update,watch coordination.k8s.io leasecandidates
system::leader-locking-kube-scheduler
  create,get,list,update,watch coordination.k8s.io leases
  create,get,list,update,watch coordination.k8s.io leasecandidates
""",
    "kube-public": """
system:controller:bootstrap-signer
  get,list,watch core configmaps
  update core configmaps cluster-info
  EVENTS
""",
}

# Namespace, binding, role, and the subjects: a user, or a service account of kube-system.
BINDINGS: tuple[tuple[str, str, str, tuple[tuple[str, str], ...]], ...] = (
    (
        "kube-system",
        "system::extension-apiserver-authentication-reader",
        "extension-apiserver-authentication-reader",
        (("User", "system:kube-controller-manager"), ("User", "system:kube-scheduler")),
    ),
    (
        "kube-system",
        "system::leader-locking-kube-controller-manager",
        "system::leader-locking-kube-controller-manager",
        (
            ("User", "system:kube-controller-manager"),
            ("ServiceAccount", "kube-controller-manager"),
            ("ServiceAccount", "leader-election-controller"),
        ),
    ),
    (
        "kube-system",
        "system::leader-locking-kube-scheduler",
        "system::leader-locking-kube-scheduler",
        (("User", "system:kube-scheduler"), ("ServiceAccount", "kube-scheduler")),
    ),
    (
        "kube-system",
        "system:controller:bootstrap-signer",
        "system:controller:bootstrap-signer",
        (("ServiceAccount", "bootstrap-signer"),),
    ),
    (
        "kube-system",
        "system:controller:cloud-provider",
        "system:controller:cloud-provider",
        (("ServiceAccount", "cloud-provider"),),
    ),
    (
        "kube-system",
        "system:controller:token-cleaner",
        "system:controller:token-cleaner",
        (("ServiceAccount", "token-cleaner"),),
    ),
    (
        "kube-public",
        "system:controller:bootstrap-signer",
        "system:controller:bootstrap-signer",
        (("ServiceAccount", "bootstrap-signer"),),
    ),
)
