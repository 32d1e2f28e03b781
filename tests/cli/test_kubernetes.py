"""`export kubernetes`: what the manifests hold, and that no secret is written into them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.cli.assets import ExportRequest, export
from monitor.config import load
from monitor.daemon.app import DRAIN
from tests.cli.commands import Cli

CONFIG = """\
[monitor]
location = "${LOCATION}"
locations = ["eu-1", "us-1"]
[defaults]
protocol = "openai-chat"
model = "m"
replicas = 2
interval = "20m"
[[targets]]
name = "gateway"
url = "https://gateway.example.net/v1/chat/completions"
api_key_file = "gateway-key"
header_files = { X-Tenant = "tenant", X-Other = "/run/other" }
[[targets]]
name = "local"
url = "http://127.0.0.1:8000/v1/chat/completions"
"""

TARGET = """\
[[targets]]
name = "NAME"
protocol = "raw"
url = "http://127.0.0.1:8000/"
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return the directory that the manifests of this config were written to."""
    return exported(tmp_path, CONFIG, shards=4)


def exported(tmp_path: Path, text: str, shards: int = 1) -> Path:
    """Export the manifests of a config as the command does."""
    file = tmp_path / "config.toml"
    file.write_text(text)
    (tmp_path / "gateway-key").write_text("s3cret-canary")
    (tmp_path / "tenant").write_text("s3cret-canary")
    text_of_other = text.replace("/run/other", str(tmp_path / "tenant"))
    file.write_text(text_of_other)
    config = load(file, {"LOCATION": "eu-1"})
    export("kubernetes", tmp_path / "out", ExportRequest(config.targets, config.settings, file, shards=shards))
    return tmp_path / "out"


def read(file: Path) -> Any:  # noqa: ANN401 - YAML of any shape
    """Read a manifest."""
    return yaml.safe_load(file.read_text())


def test_every_resource_that_the_base_names_is_there(place: Path) -> None:
    """All kinds, each in a file of its own; what the generators read is there as well."""
    base = place / "base"
    kustomization = read(base / "kustomization.yaml")
    kinds = {read(base / name)["kind"] for name in kustomization["resources"]}
    assert kinds == {
        "ServiceAccount", "Service", "StatefulSet", "NetworkPolicy", "PodDisruptionBudget", "PodMonitor",
        "PrometheusRule",
    }  # fmt: skip
    named = [file for one in kustomization["configMapGenerator"] for file in one["files"]]
    assert all((base / file.rpartition("=")[2]).is_file() for file in named)
    assert "dashboards/chat-monitor-target.json" in named
    assert (base / "config.toml").read_text().startswith('[monitor]\nlocation = "${LOCATION}"')


def test_secrets_are_files_and_none_is_exported(place: Path) -> None:
    """Each secret is an empty file with its name; a file with content is not changed."""
    generator = read(place / "base" / "kustomization.yaml")["secretGenerator"][0]
    assert generator["files"] == ["gateway-key=credentials/gateway-key", "tenant=credentials/tenant"]
    assert not any("s3cret-canary" in file.read_text() for file in place.rglob("*") if file.is_file())
    key = place / "base" / "credentials" / "gateway-key"
    assert (key.read_text(), key.stat().st_mode & 0o777) == ("", 0o600)
    key.write_text("mine")
    exported(place.parent, CONFIG)
    assert key.read_text() == "mine"


def test_a_config_without_secrets_needs_no_secret(tmp_path: Path) -> None:
    """Without secrets there is neither generator nor mount; without a config an example is written."""
    lines = [line for line in CONFIG.splitlines(keepends=True) if not line.startswith(("api_key", "header"))]
    for place in (exported(tmp_path, "".join(lines)), _shipped(tmp_path / "shipped")):
        assert "secretGenerator" not in read(place / "base" / "kustomization.yaml")
        pod = read(place / "base" / "statefulset.yaml")["spec"]["template"]["spec"]
        assert {one["name"] for one in pod["volumes"]} == {"config", "state", "tmp"}


def _shipped(place: Path) -> Path:
    export("kubernetes", place, ExportRequest())
    assert load(place / "base" / "config.toml", {"LOCATION": ""}).targets[0].name == "example"
    return place


def test_a_pod_has_no_privileges_and_writes_nowhere_but_to_its_volumes(place: Path) -> None:
    """Non-root, no capability, a root that cannot be written, the runtime's seccomp profile, no token."""
    pod = read(place / "base" / "statefulset.yaml")["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not pod["automountServiceAccountToken"]
    own = container["securityContext"]
    assert (own["readOnlyRootFilesystem"], own["allowPrivilegeEscalation"]) == (True, False)
    assert own["capabilities"] == {"drop": ["ALL"]}
    assert {mount["name"] for mount in container["volumeMounts"] if not mount.get("readOnly")} == {"state", "tmp"}
    assert pod["terminationGracePeriodSeconds"] > DRAIN + 5


def test_probes_ask_the_health_endpoints_and_resources_come_from_the_plan(place: Path) -> None:
    """A daemon that does not answer is restarted, one that drains gets no traffic; memory is limited by its bound."""
    [container] = read(place / "base" / "statefulset.yaml")["spec"]["template"]["spec"]["containers"]
    paths = {name: container[name]["httpGet"]["path"] for name in ("livenessProbe", "readinessProbe", "startupProbe")}
    assert paths == {"livenessProbe": "/-/healthy", "readinessProbe": "/-/ready", "startupProbe": "/-/ready"}
    requests, limits = container["resources"]["requests"], container["resources"]["limits"]
    assert requests["cpu"] == "50m"
    assert int(requests["memory"].removesuffix("Mi")) < int(limits["memory"].removesuffix("Mi"))


def test_overlays_say_how_many_and_where(place: Path) -> None:
    """One shard, as many as were asked for, and those in each location of the config with its name."""
    found = {str(file.parent.relative_to(place / "overlays")): read(file) for file in place.glob("overlays/**/*.yaml")}
    assert set(found) == {"one", "many", "locations/eu-1", "locations/us-1"}
    for name, shards in (("one", 1), ("many", 4), ("locations/us-1", 4)):
        patch = yaml.safe_load(found[name]["patches"][0]["patch"])
        env = {one["name"]: one["value"] for one in patch["spec"]["template"]["spec"]["containers"][0]["env"]}
        assert (patch["spec"]["replicas"], env["CHAT_MONITOR_SHARD"]) == (shards, f"auto/{shards}")
        assert env.get("LOCATION") == ("us-1" if "us-1" in name else None)
    [added] = yaml.safe_load(found["locations/us-1"]["patches"][1]["patch"])
    assert added["value"] == {"targetLabel": "location", "replacement": "us-1"}


def test_rules_are_fitted_as_for_a_file(place: Path) -> None:
    """The same groups as `export rules` writes, with the windows of these intervals."""
    spec = read(place / "base" / "prometheusrule.yaml")["spec"]
    export("rules", place / "rules", ExportRequest(load(place.parent / "config.toml", {"LOCATION": "eu-1"}).targets))
    assert spec == read(place / "rules" / "chat-monitor.rules.yml")
    assert "increase80m" in str(spec) or "increase1h20m" in str(spec)


def test_included_files_are_mounted_where_the_config_finds_them(tmp_path: Path) -> None:
    """The ConfigMap has a key for each, and the volume puts it back under its own path."""
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "more.toml").write_text(TARGET.replace("NAME", "more"))
    place = exported(tmp_path, 'include = ["conf.d/*.toml"]\n' + TARGET.replace("NAME", "one"))
    [config, _] = read(place / "base" / "kustomization.yaml")["configMapGenerator"]
    assert config["files"] == ["config.toml=config.toml", "conf.d..more.toml=conf.d/more.toml"]
    [volume, *_] = read(place / "base" / "statefulset.yaml")["spec"]["template"]["spec"]["volumes"]
    assert volume["configMap"]["items"] == [
        {"key": "config.toml", "path": "config.toml"},
        {"key": "conf.d..more.toml", "path": "conf.d/more.toml"},
    ]
    mounted = tmp_path / "mounted"
    for item in volume["configMap"]["items"]:
        (mounted / item["path"]).parent.mkdir(parents=True, exist_ok=True)
        (mounted / item["path"]).write_text((place / "base" / item["path"]).read_text())
    assert [one.name for one in load(mounted / "config.toml", {}).targets] == ["one", "more"]


@pytest.mark.parametrize(
    ("name", "text", "wrong"),
    [
        ("../outside.toml", "", "outside.toml: is not below the directory of "),
        ("a b.toml", "", "a b.toml: is not a valid key of a ConfigMap"),
        ("big.toml", f"# {'x' * 1024 * 1024}", "config.toml: is larger than 1 MiB"),
    ],
)
def test_a_config_that_no_config_map_holds_is_refused(
    cli: Cli, tmp_path: Path, name: str, text: str, wrong: str
) -> None:
    """A file outside the directory, an invalid key, or too much data is refused, and nothing is written."""
    place = tmp_path / "place"
    place.mkdir()
    (place / name).write_text(text)
    (place / "config.toml").write_text(f'include = ["{name}"]\n' + TARGET.replace("NAME", "one"))
    done = cli("export", "kubernetes", tmp_path / "out", "--config", place / "config.toml")
    assert (done.status, wrong in done.err) == (2, True)
    assert not list((tmp_path / "out").rglob("*.yaml"))
