#!/usr/bin/env bash
# From a fresh Debian or Ubuntu machine to a cluster of two nodes that runs a web application. Run it as root.
set -euo pipefail
cd "$(dirname "$0")"
EXTRA="[demo]"
source tools/environment.sh

say "the packages that nodes need"
pilothouse doctor --install > /dev/null || { pilothouse doctor; exit 1; }

say "a cluster with two nodes"
pilothouse up --nodes 2
kubectl get nodes -o wide

say "an application: three replicas over two nodes"
image=$(mktemp --suffix=.tar)
trap 'rm -f "$image"' EXIT
python demo/image.py "$image"
pilothouse image load "$image"
kubectl apply -f demo/web.yaml
kubectl rollout status deployment/web --timeout=60s
kubectl get pods -o wide

say "six requests from a pod, by the Service's DNS name"
kubectl delete pod/visitor --ignore-not-found --now > /dev/null
kubectl run visitor --image=pilothouse.example/web:1 --restart=Never --command -- sh -c \
  'for i in 1 2 3 4 5 6; do timeout 3 wget -q -O - http://web.default.svc.cluster.local/cgi-bin/hello; done' > /dev/null
kubectl wait pod/visitor --for=jsonpath='{.status.phase}'=Succeeded --timeout=30s > /dev/null
kubectl logs visitor

cat <<END

The cluster runs, and kubectl (in .venv/bin) is set to it. Some things to try:
    source .venv/bin/activate
    kubectl get all
    kubectl scale deployment/web --replicas=10
    kubectl exec -it deploy/web -- sh
    pilothouse status
    pilothouse down
END
