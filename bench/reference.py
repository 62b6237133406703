"""What kube-apiserver, controller-manager, scheduler v1.36.2 and etcd 3.6 did on a machine of two cores, with the load
generator beside them: rates a second, seconds, megabytes. Where several runs differ, a range."""

RATES = {
    "create pod": (720, 1270),
    "get pod": (2100, 3700),
    "list 2,000 pods": (15, 24),
    "list by label, 200 of 2,000": (180, 180),
    "list limit=100": (320, 440),
    "merge patch": (590, 680),
    "server-side apply": (480, 520),
    "watch fan-out, 50 watchers": (18000, 24000),
    "delete pod": (550, 650),
    "create and schedule, 500 nodes": (268, 268),
    "create and schedule, 2000 nodes": (145, 145),
}
SECONDS = {
    "cold start to the default account": (9.0, 10.0),
    "one pod, apply to Ready": (0.6, 0.6),
    "30 pods on one node, apply to Ready": (5.4, 5.4),
}
MEGABYTES = {"control plane idle": (490, 490), "control plane after the load": (1390, 1390)}
