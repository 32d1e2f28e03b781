"""A Kustomize base and its overlays, adapted to the config: a StatefulSet of shards, its monitoring and NetworkPolicy.

Every manifest is a plain structure that PyYAML writes. Secrets are never exported: the base refers to the files that
the config names, and an empty file is written for each missing one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from monitor import __version__
from monitor.config.capacity import Process
from monitor.settings import MIB

Manifest = dict[str, Any]
"""One Kubernetes object, as in its YAML."""

NAME = "chat-monitor"
PORT = 9877
LABELS = {"app.kubernetes.io/name": NAME}
CONFIG, STATE, CREDENTIALS = "/etc/chat-monitor", "/var/lib/chat-monitor", "/etc/chat-monitor-credentials"
GRACE = 40
"""Seconds between SIGTERM and SIGKILL: the daemon waits 25 s for probes in flight."""
USER = 65532
"""The user of the container, as in the Containerfile."""
MANY = 3
"""The fewest shards of the overlay `many`."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """The input of the manifests; `process` are the resources of one shard."""

    config: Mapping[str, str]
    """The texts of config.toml and of the files that it includes, by their paths below its directory."""
    credentials: Sequence[str]
    """The names of the secret files of the config."""
    locations: Sequence[str]
    shards: int
    process: Process
    rules: str
    """The PrometheusRule's groups, as YAML."""
    boards: Mapping[str, str]
    """Dashboards by file name."""
    scrape_interval: str


def files(cluster: Cluster) -> Iterator[tuple[str, str]]:
    """Return each file by its path below the directory, with its text."""
    for name, text in cluster.config.items():
        yield f"base/{name}", text
    for name, text in cluster.boards.items():
        yield f"base/dashboards/{name}", text
    for name, manifest in base(cluster).items():
        yield f"base/{name}", _yaml(manifest)
    yield "base/kustomization.yaml", _yaml(_base_kustomization(cluster))
    for name, overlay in overlays(cluster).items():
        yield f"overlays/{name}/kustomization.yaml", _yaml(overlay)


def _yaml(manifest: Manifest) -> str:
    return yaml.safe_dump(manifest, sort_keys=False, width=120, allow_unicode=True)


def _object(version: str, kind: str, spec: Mapping[str, Any], name: str = NAME) -> Manifest:
    meta = {"name": name, "labels": dict(LABELS)}
    return {"apiVersion": version, "kind": kind, "metadata": meta, **spec}


def base(cluster: Cluster) -> dict[str, Manifest]:
    """Return the objects that every overlay has, by file name."""
    return {
        "serviceaccount.yaml": _object("v1", "ServiceAccount", {"automountServiceAccountToken": False}),
        "service.yaml": _object("v1", "Service", {"spec": _SERVICE}),
        "statefulset.yaml": _object("apps/v1", "StatefulSet", {"spec": _stateful_set(cluster)}),
        "networkpolicy.yaml": _object("networking.k8s.io/v1", "NetworkPolicy", {"spec": _NETWORK_POLICY}),
        "poddisruptionbudget.yaml": _object(
            "policy/v1", "PodDisruptionBudget", {"spec": {"maxUnavailable": 1, "selector": {"matchLabels": LABELS}}}
        ),
        "podmonitor.yaml": _object("monitoring.coreos.com/v1", "PodMonitor", {"spec": _pod_monitor(cluster)}),
        "prometheusrule.yaml": _object(
            "monitoring.coreos.com/v1", "PrometheusRule", {"spec": yaml.safe_load(cluster.rules)}
        ),
    }


_SERVICE: Mapping[str, Any] = {
    "clusterIP": "None",
    "selector": dict(LABELS),
    "ports": [{"name": "http", "port": PORT, "targetPort": "http"}],
    "publishNotReadyAddresses": True,  # a shard that drains is still scraped
}
# Targets may be anywhere, so that only the metadata addresses are out of reach; who scrapes is in the namespace
# `monitoring`, which an overlay of one's own changes.
_NETWORK_POLICY: Mapping[str, Any] = {
    "podSelector": {"matchLabels": dict(LABELS)},
    "policyTypes": ["Ingress", "Egress"],
    "ingress": [
        {
            "from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
            "ports": [{"protocol": "TCP", "port": "http"}],
        }
    ],
    "egress": [
        {
            "to": [
                {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.0.0/16"]}},
                {"ipBlock": {"cidr": "::/0", "except": ["fe80::/10", "fd00:ec2::254/128"]}},
            ]
        }
    ],
}


def _stateful_set(cluster: Cluster) -> Manifest:
    return {
        "serviceName": NAME,
        "replicas": 1,
        # Shards are independent: none has to wait for another.
        "podManagementPolicy": "Parallel",
        "updateStrategy": {"type": "RollingUpdate"},
        "selector": {"matchLabels": dict(LABELS)},
        "template": {"metadata": {"labels": dict(LABELS)}, "spec": _pod(cluster)},
    }


def config_key(name: str) -> str:
    """Return the key of a config's file in its ConfigMap, in which there is no slash."""
    return name.replace("/", "..")


def _items(cluster: Cluster) -> list[Manifest]:
    """Return under which path each key of the ConfigMap is mounted: patterns of `include` find the files as before."""
    return [{"key": config_key(name), "path": name} for name in cluster.config]


def _pod(cluster: Cluster) -> Manifest:
    volumes: list[Manifest] = [
        {"name": "config", "configMap": {"name": f"{NAME}-config", "items": _items(cluster)}},
        {"name": "state", "emptyDir": {"sizeLimit": "1Gi"}},
        {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
    ]
    if cluster.credentials:
        volumes.append({"name": "credentials", "secret": {"secretName": f"{NAME}-credentials", "defaultMode": 0o440}})
    return {
        "serviceAccountName": NAME,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": dict(LABELS)},
            }
        ],
        "containers": [_container(cluster, volumes)],
        "volumes": volumes,
    }


_RUN = ("run", "--config", f"{CONFIG}/config.toml")
_PATHS = {"config": CONFIG, "state": STATE, "tmp": "/tmp", "credentials": CREDENTIALS}  # noqa: S108 - a mount


def _container(cluster: Cluster, volumes: Iterable[Manifest]) -> Manifest:
    return {
        "name": NAME,
        "image": f"{NAME}:{__version__}",
        "imagePullPolicy": "Always",
        # Within the cluster the NetworkPolicy restricts access.
        "args": [*_RUN, "--web.listen-address", f":{PORT}", "--web.allow-unprotected"],
        "env": [
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "CHAT_MONITOR_SHARD", "value": "auto/1"},
            {"name": "LOCATION", "value": ""},
            {"name": "STATE_DIRECTORY", "value": STATE},
            {"name": "CREDENTIALS_DIRECTORY", "value": CREDENTIALS},
        ],
        "ports": [{"name": "http", "containerPort": PORT}],
        "resources": {
            "requests": {"cpu": _cpu(cluster.process), "memory": _mebibytes(cluster.process.memory)},
            "limits": {"memory": _mebibytes(cluster.process.most_memory)},
        },
        "startupProbe": _probe("/-/ready", periodSeconds=2, failureThreshold=60),
        "livenessProbe": _probe("/-/healthy", periodSeconds=10, timeoutSeconds=5, failureThreshold=3),
        "readinessProbe": _probe("/-/ready", periodSeconds=5, timeoutSeconds=5, failureThreshold=2),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "privileged": False,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": one["name"], "mountPath": _PATHS[one["name"]]}
            | ({"readOnly": True} if one["name"] in {"config", "credentials"} else {})
            for one in volumes
        ],
    }


def _probe(path: str, **times: int) -> Manifest:
    return {"httpGet": {"path": path, "port": "http"}, **times}


def _cpu(process: Process) -> str:
    """Return the CPU request in thousandths; at least a twentieth of a core, so that the loop is on time."""
    return f"{max(round(process.cores * 1000), 50)}m"


def _mebibytes(size: int) -> str:
    return f"{-(-size // MIB)}Mi"


def _pod_monitor(cluster: Cluster) -> Manifest:
    return {
        "selector": {"matchLabels": dict(LABELS)},
        "podMetricsEndpoints": [
            {
                "port": "http",
                "path": "/metrics",
                "interval": cluster.scrape_interval,
                "scrapeTimeout": cluster.scrape_interval,
                "relabelings": [{"targetLabel": "job", "replacement": NAME}],
            }
        ],
    }


def _base_kustomization(cluster: Cluster) -> Manifest:
    kustomization: Manifest = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": NAME,
        "resources": list(base(cluster)),
        "configMapGenerator": [
            {"name": f"{NAME}-config", "files": [f"{config_key(name)}={name}" for name in cluster.config]},
            {
                "name": f"{NAME}-dashboards",
                "files": [f"dashboards/{name}" for name in cluster.boards],
                # Grafana's sidecar selects by this label, and needs no name that changes with the content.
                "options": {"labels": {"grafana_dashboard": "1"}, "disableNameSuffixHash": True},
            },
        ],
    }
    if cluster.credentials:
        kustomization["secretGenerator"] = [
            {"name": f"{NAME}-credentials", "files": [f"{name}=credentials/{name}" for name in cluster.credentials]}
        ]
    return kustomization


def overlays(cluster: Cluster) -> dict[str, Manifest]:
    """Return the overlays by their directory: one shard, many, and many in each of several locations."""
    many = cluster.shards if cluster.shards > 1 else MANY
    places = cluster.locations or ("eu-1", "us-1")
    return {
        "one": _overlay("../../base", 1),
        "many": _overlay("../../base", many),
        **{f"locations/{place}": _overlay("../../../base", many, place) for place in places},
    }


def _overlay(below: str, shards: int, location: str = "") -> Manifest:
    container = {"name": NAME, "env": [{"name": "CHAT_MONITOR_SHARD", "value": f"auto/{shards}"}]}
    if location:
        container["env"].append({"name": "LOCATION", "value": location})  # type: ignore[attr-defined]
    patched = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": NAME},
        "spec": {"replicas": shards, "template": {"spec": {"containers": [container]}}},
    }
    patches: list[Manifest] = [{"patch": _yaml(patched)}]
    if location:
        label = {"targetLabel": "location", "replacement": location}
        added = [{"op": "add", "path": "/spec/podMetricsEndpoints/0/relabelings/-", "value": label}]
        patches.append({"target": {"kind": "PodMonitor", "name": NAME}, "patch": yaml.safe_dump(added)})
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [below],
        "patches": patches,
    }
