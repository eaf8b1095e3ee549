"""What puts a run on machines: launcher files, manifests, the image, the pages."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import jsonschema
import pytest
import yaml
from typer.main import get_command

from swagflow.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
CLUSTER = ROOT / "cluster"
LAUNCHERS = ("aws.yaml", "gcp.yaml")
MANIFESTS = ("kuberay/raycluster.yaml", "kuberay/rayjob.yaml")
WHEEL = "dist/*.whl"
SCRIPT = CLUSTER / "swagflow.sbatch"


def load(name: str) -> dict[str, Any]:
    return cast(dict[str, Any], yaml.safe_load((CLUSTER / name).read_text()))


def ray_folder() -> Path:
    spec = find_spec("ray")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def ray_version() -> str:
    pins = (ROOT / "constraints.txt").read_text()
    return str(re.findall(r"^ray==(.+)$", pins, re.MULTILINE)[0])


# Launcher files


@pytest.mark.parametrize("name", LAUNCHERS)
def test_launcher_file_follows_rays_schema(name: str) -> None:
    schema = json.loads((ray_folder() / "autoscaler" / "ray-schema.json").read_text())
    jsonschema.validate(load(name), schema)
    with pytest.raises(jsonschema.ValidationError, match="max_wrokers"):
        jsonschema.validate({**load(name), "max_wrokers": 2}, schema)


@pytest.mark.parametrize("name", LAUNCHERS)
def test_launcher_file_asks_for_spot_workers_with_gpus_and_a_lasting_head(name: str) -> None:
    config = load(name)
    types = config["available_node_types"]
    head, worker = types[config["head_node_type"]], types["gpu"]
    spot = ("InstanceMarketOptions", "scheduling")
    assert not any(key in head["node_config"] for key in spot)
    assert any(key in worker["node_config"] for key in spot)
    assert head["resources"] == {"CPU": 0}
    assert worker["resources"]["GPU"] == 1
    assert worker["min_workers"] == 0
    assert worker["max_workers"] == config["max_workers"]
    assert "min_workers" not in head


@pytest.mark.parametrize("name", LAUNCHERS)
def test_launcher_file_merges_with_rays_own_defaults(name: str) -> None:
    config = load(name)
    provider = config["provider"]["type"]
    defaults = yaml.safe_load(
        (ray_folder() / "autoscaler" / provider / "defaults.yaml").read_text()
    )
    unknown = config.keys() - defaults.keys()
    assert unknown == set()
    commands = [*config["setup_commands"], *config.get("initialization_commands", [])]
    for command in commands:
        subprocess.run(["bash", "-n", "-c", command], check=True)


@pytest.mark.slow
def test_aws_launcher_reaches_the_launch_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray's own preparation, against a simulated account: roles, network, security group."""
    boto3 = pytest.importorskip("boto3")
    moto = pytest.importorskip("moto")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    aws = pytest.importorskip("ray.autoscaler._private.aws.config")
    prepare_config = pytest.importorskip("ray.autoscaler._private.util").prepare_config
    config = load("aws.yaml")
    config["auth"]["ssh_private_key"] = "unused.pem"
    with moto.mock_aws():
        iam = boto3.client("iam", region_name="us-west-2")
        for role in ("swagflow-head", "swagflow-worker"):
            iam.create_instance_profile(InstanceProfileName=role)
        monkeypatch.setattr(aws, "_configure_key_pair", lambda config: config)
        ready = aws.bootstrap_aws(prepare_config(config))
    for node in ready["available_node_types"].values():
        assert node["node_config"]["SubnetIds"]
        assert node["node_config"]["SecurityGroupIds"]
        assert node["node_config"]["ImageId"].startswith("resolve:ssm:")
    worker = ready["available_node_types"]["gpu"]["node_config"]
    assert worker["IamInstanceProfile"] == {"Name": "swagflow-worker"}


# Manifests


def test_every_cluster_asks_for_a_token() -> None:
    for name in LAUNCHERS:
        config = load(name)
        assert "-e RAY_AUTH_MODE=token" in config["docker"]["run_options"]
        assert config["file_mounts"]["/home/ray/.ray/auth_token"] == "~/.ray/auth_token"
    for name in MANIFESTS:
        assert cluster_spec(load(name))["authOptions"] == {"mode": "token"}


def kuberay_schema() -> dict[str, Any]:
    return cast(
        dict[str, Any], json.loads((ROOT / "tests" / "cluster" / "kuberay_schema.json").read_text())
    )


def cluster_spec(manifest: dict[str, Any]) -> dict[str, Any]:
    return cast(dict[str, Any], manifest["spec"].get("rayClusterSpec", manifest["spec"]))


@pytest.mark.parametrize("name", MANIFESTS)
def test_manifest_follows_the_schema(name: str) -> None:
    jsonschema.validate(load(name), kuberay_schema())


def test_manifest_schema_refuses_a_misspelt_field() -> None:
    manifest = load("kuberay/rayjob.yaml")
    manifest["spec"]["shutdownAfterJobFinish"] = True
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(manifest, kuberay_schema())


def test_both_manifests_describe_the_same_cluster() -> None:
    cluster, job = (cluster_spec(load(name)) for name in MANIFESTS)
    for spec in (cluster, job):
        spec["workerGroupSpecs"][0].pop("maxReplicas")
    assert cluster == job


def test_gpu_request_is_its_limit() -> None:
    """Kubernetes refuses a GPU count that differs between the two."""
    group = cluster_spec(load("kuberay/rayjob.yaml"))["workerGroupSpecs"][0]
    resources = group["template"]["spec"]["containers"][0]["resources"]
    assert resources["requests"]["nvidia.com/gpu"] == resources["limits"]["nvidia.com/gpu"] == "1"


def test_rayjob_asks_for_no_more_workers_than_its_cluster_has() -> None:
    spec = load("kuberay/rayjob.yaml")["spec"]
    words = shlex.split(spec["entrypoint"])
    workers = int(words[words.index("--workers") + 1])
    assert workers <= spec["rayClusterSpec"]["workerGroupSpecs"][0]["maxReplicas"]


# The image


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions and their arguments, continuation lines joined."""
    text = (CLUSTER / "Dockerfile").read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(line.split()[0], line.partition(" ")[2].strip()) for line in joined.splitlines()]


def test_dockerfile_is_well_formed() -> None:
    steps = instructions()
    known = {"FROM", "ARG", "ENV", "RUN", "WORKDIR", "COPY", "USER"}
    assert {name for name, _ in steps} <= known
    assert steps[0][0] == "FROM"
    assert ":" in steps[0][1]
    assert not steps[0][1].endswith(":latest")
    for name, argument in steps:
        if name == "RUN":
            subprocess.run(["bash", "-n", "-c", argument], check=True)
            assert "pip install" not in argument or "--no-cache-dir -c constraints.txt" in argument
        if name == "COPY":
            sources = [word for word in argument.split()[:-1] if not word.startswith("--")]
            assert [source for source in sources if not (ROOT / source).exists()] in ([], [WHEEL])
    assert not any(name == "USER" and "root" in argument for name, argument in steps)


def test_image_context_holds_what_the_build_needs_and_no_more() -> None:
    lines = (ROOT / ".dockerignore").read_text().split()
    kept = {line[1:] for line in lines if line.startswith("!")}
    copied = [argument.split()[1:-1] for name, argument in instructions() if name == "COPY"]
    assert "*" in lines
    assert copied == [["constraints.txt"], [WHEEL]]
    assert kept == {"constraints.txt", Path(WHEEL).parent.name}


def test_the_image_is_made_of_the_wheel_with_all_extras() -> None:
    _, install = instructions()[-1]
    assert install.endswith('"$(ls ./swagflow-*.whl)[all]"')
    page = (CLUSTER / "docker.md").read_text()
    assert page.index("pip wheel --no-deps --wheel-dir dist .") < page.index("docker build")


def test_what_is_installed_on_machines_has_all_extras() -> None:
    files = [path for path in sorted(CLUSTER.rglob("*")) if path.suffix in {"", ".md", ".yaml"}]
    lines = [line for path in files if path.is_file() for line in path.read_text().splitlines()]
    installs = [line for line in lines if re.search(r"-c constraints\.txt.* '?\.", line)]
    assert len(installs) == 6
    assert all(re.search(r" '\.\[all\]'|\.whl\)\[all\]", line) for line in installs)


def test_all_files_name_the_pinned_ray() -> None:
    version = ray_version()
    images = [load(name)["docker"]["image"] for name in LAUNCHERS]
    images += [argument for name, argument in instructions() if name == "FROM"]
    assert set(images) == {f"rayproject/ray:{version}-py311"}
    assert {cluster_spec(load(name))["rayVersion"] for name in MANIFESTS} == {version}


# The pages


@pytest.mark.parametrize("page", sorted(CLUSTER.glob("*.md")), ids=lambda path: path.name)
def test_page_has_runnable_shell_and_a_price_to_fill_in(page: Path) -> None:
    text = page.read_text()
    for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
        subprocess.run(["bash", "-n", "-c", block], check=True)
    assert "PRICE" in text


def swagflow_calls() -> list[list[str]]:
    """Return every call of swagflow in the pages, the README, the manifest and the script."""
    texts = [path.read_text() for path in [ROOT / "README.md", *CLUSTER.glob("*.md")]]
    texts.append(f"$ {load('kuberay/rayjob.yaml')['spec']['entrypoint']}\n")
    texts.append(re.sub(r"^swagflow", "$ swagflow", SCRIPT.read_text(), flags=re.MULTILINE))
    joined = "\n".join(texts).replace("\\\n", " ")
    calls = re.findall(r"^\$ (?:\w+=\S+ )*(swagflow [^\n#&]+)", joined, re.MULTILINE)
    return [shlex.split(call) for call in calls]


def test_every_call_of_swagflow_uses_options_that_it_has() -> None:
    commands = cast(Any, get_command(app)).commands
    calls = swagflow_calls()
    assert len(calls) >= 8
    if "submit" not in commands:
        pytest.skip("the command line has no submit yet")
    table = re.findall(r"^\| `swagflow (\w+)", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert set(table) == set(commands)
    for _, name, *words in calls:
        options = {option for item in commands[name].params for option in item.opts}
        assert {word for word in words if word.startswith("--")} <= options, (name, words)
