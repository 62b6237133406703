"""The application under test: a web server that answers with its pod's name and version."""

from __future__ import annotations

import pathlib

from pilothouse.testing.images import busybox_image

SERVE = b"""#!/bin/sh
mkdir -p /tmp/www
echo "$VERSION $HOSTNAME" > /tmp/www/index.html
cp /content/motto /tmp/www/motto
echo "$TOKEN" > /tmp/www/token
echo serving
exec httpd -f -p 8080 -h /tmp/www
"""
IMAGES = ("pilothouse.example/web:1", "pilothouse.example/web:2")


def archive(path: pathlib.Path) -> pathlib.Path:
    return busybox_image(path, IMAGES, ("/bin/serve",), {"bin/serve": SERVE})


def manifest(replicas: int = 3, version: str = "v1", image: str = IMAGES[0]) -> str:
    return f"""
apiVersion: v1
kind: ConfigMap
metadata: {{name: web}}
data: {{motto: "steady as she goes"}}
---
apiVersion: v1
kind: Secret
metadata: {{name: web}}
stringData: {{token: sesame}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, labels: {{app: web}}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: web}}}}
  strategy: {{rollingUpdate: {{maxUnavailable: 0, maxSurge: 1}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      terminationGracePeriodSeconds: 4
      tolerations:
      - {{key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 2}}
      - {{key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: 2}}
      topologySpreadConstraints:
      - maxSkew: 1
        topologyKey: kubernetes.io/hostname
        whenUnsatisfiable: ScheduleAnyway
        labelSelector: {{matchLabels: {{app: web}}}}
      containers:
      - name: web
        image: {image}
        imagePullPolicy: IfNotPresent
        ports: [{{name: http, containerPort: 8080}}]
        env:
        - {{name: VERSION, value: {version}}}
        - {{name: TOKEN, valueFrom: {{secretKeyRef: {{name: web, key: token}}}}}}
        resources:
          requests: {{cpu: 20m, memory: 8Mi}}
          limits: {{cpu: 500m, memory: 32Mi}}
        readinessProbe: {{httpGet: {{path: /index.html, port: http}}, periodSeconds: 1}}
        livenessProbe: {{tcpSocket: {{port: http}}, periodSeconds: 5}}
        startupProbe: {{exec: {{command: [test, -e, /tmp/www/index.html]}}, periodSeconds: 1}}
        lifecycle: {{preStop: {{exec: {{command: [sleep, "2"]}}}}}}
        volumeMounts: [{{name: content, mountPath: /content}}]
      volumes:
      - {{name: content, configMap: {{name: web}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec:
  type: NodePort
  selector: {{app: web}}
  ports: [{{name: http, port: 80, targetPort: http}}]
"""


def visitor(name: str, node: str) -> str:
    """A pod on `node` that waits to be told what to fetch."""
    return f"""
apiVersion: v1
kind: Pod
metadata: {{name: {name}, labels: {{app: visitor}}}}
spec:
  nodeName: {node}
  terminationGracePeriodSeconds: 0
  containers:
  - {{name: visitor, image: {IMAGES[0]}, imagePullPolicy: Never, command: [sleep, "100000"]}}
"""
