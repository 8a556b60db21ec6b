"""The image, the compose file and the manifests agree with the application, and with what their own tools accept.

No container engine is needed: hadolint, docker compose's own parser and Kubernetes' schemas come as packages, and the
image's files are laid out in a folder, where every package that the image lacks is hidden.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import Mock

import pytest
import yaml
from fastapi.routing import APIRoute

from benchmarks.running_server import free_port
from foundations.artifact_folder import ArtifactFolder
from foundations.errors import InputError
from foundations.settings import ENVIRONMENT_PREFIX, Settings, load_settings
from main import MODES
from service.access.admin_key import read_admin_key
from service.access.callers import check_openness
from service.access.key_ring import KeyRing
from service.access.keys import ROLES
from service.routes.management import figures_router, health_router, management_routers
from service.running.process import ANSWER_SECONDS, SILENT_SECONDS
from stages.options import options_parser
from tests import image_files
from tests.image_files import ROOT

SECRETS = {"ADMIN_KEY": "a" * 20, "PREDICT_KEY": "p" * 20, "METRICS_KEY": "m" * 20, "POSTGRES_PASSWORD": "w" * 20}
MANIFEST = ROOT / "deploy" / "kubernetes.yaml"
PROMETHEUS = ROOT / "deploy" / "prometheus.yml"
KUBERNETES_VERSIONS = ("1.27", "1.37")  # the first that the manifest promises, and the newest known
INCLUDED = ("include_analysis", "include_similar", "include_trajectory")
LONGEST_DRAIN = 20  # seconds from SIGTERM to the end, as docs/service.md says


def _tool(name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a program that requirements/dev.txt installed."""
    command = [str(Path(sys.executable).parent / name), *arguments]
    return subprocess.run(command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)


def _compose(**environment: str) -> subprocess.CompletedProcess[str]:
    arguments = ("--env-file", os.devnull, "--file", "deploy/compose.yaml", "config", "--format", "json")
    return _tool("docker-compose", *arguments, **environment)


def _routes() -> set[str]:
    access, part = Mock(), Mock()
    access.route_class.return_value = APIRoute
    routers = [
        health_router(part, part, part),
        figures_router(access, part, part, part),
        *management_routers(access, part, part, part),
    ]
    return {route.path for router in routers for route in router.routes if isinstance(route, APIRoute)}


def _checked(monkeypatch: pytest.MonkeyPatch, variables: dict[str, Any]) -> Settings:
    """The settings that a file's SALES_ variables make; fails where one is unknown or refused."""
    for name in [name for name in os.environ if name.startswith(ENVIRONMENT_PREFIX)]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        if name.startswith(ENVIRONMENT_PREFIX):
            assert name.removeprefix(ENVIRONMENT_PREFIX).lower() in Settings.model_fields, f"no such setting: {name}"
            monkeypatch.setenv(name, str(value))
    return load_settings()


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    done = _compose(**SECRETS)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.fixture(scope="module")
def resources() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(MANIFEST.read_text(encoding="utf-8")))


def _kind(resources: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    found = [resource for resource in resources if resource["kind"] == kind]
    assert len(found) == 1
    return found[0]


def _pods(resources: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The pod specifications by kind of what makes them."""
    jobs = {name: job["spec"]["template"]["spec"] for name, job in _jobs(resources).items()}
    return {"Deployment": _kind(resources, "Deployment")["spec"]["template"]["spec"], **jobs}


def _jobs(resources: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What the nightly jobs are made of, by mode."""
    found = [one["spec"]["jobTemplate"] for one in resources if one["kind"] == "CronJob"]
    return {job["spec"]["template"]["spec"]["containers"][0]["args"][0]: job for job in found}


def _image_of_ours(compose: dict[str, Any]) -> str:
    return str(compose["services"]["service"]["image"])


def _has_digest(image: str) -> bool:
    return re.search(r":[\w.-]+@sha256:[0-9a-f]{64}$", image) is not None


# What serving needs


def test_the_serving_requirements_are_pinned_as_in_requirements_txt() -> None:
    everything = image_files.requirements(ROOT / "requirements.txt")
    for name, requirement in image_files.requirements(image_files.SERVING).items():
        assert str(requirement) == str(everything.get(name)), f"requirements/serving.txt has {requirement}"


def test_training_packages_are_hidden_from_the_image() -> None:
    blocked = set(image_files.packages_to_block())
    assert {"torch", "transformers", "sklearn", "scipy", "matplotlib", "faker", "onnx", "pytest"} <= blocked
    assert not blocked & {"onnxruntime", "fastapi", "psycopg", "psycopg_binary", "h11", "mako", "google"}


@pytest.fixture
def image(tmp_path: Path) -> tuple[list[str], dict[str, str], Path]:
    """The image without an engine: its start, its environment, its folder; packages that it lacks are hidden."""
    folder = tmp_path / "app"
    image_files.lay_out(folder)
    (tmp_path / "home").mkdir()
    (tmp_path / "hidden").mkdir()
    blocker = image_files.BLOCKER.format(blocked=image_files.packages_to_block())
    (tmp_path / "hidden" / "sitecustomize.py").write_text(blocker, encoding="utf-8")
    environment = image_files.image_environment() | {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path / "home"),
        "PYTHONPATH": str(tmp_path / "hidden"),
        "SALES_HOST": "127.0.0.1",
        "SALES_PORT": str(free_port()),
        "SALES_STATE": str(tmp_path / "state"),
    }
    start = image_files.exec_form("ENTRYPOINT")
    assert start[0] == "python"
    return [sys.executable, *start[1:]], environment, folder


def test_serving_imports_only_what_the_image_has(image: tuple[list[str], dict[str, str], Path]) -> None:
    _, environment, folder = image
    code = (
        "import sys\nbefore = set(sys.modules)\n"
        "import deployment_system, main, service.running.process, alembic.command, crm.accounts.connect, crm.sync\n"
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert {"deployment_system", "onnxruntime", "sqlalchemy", "jinja2"} <= loaded
    assert not loaded & set(image_files.packages_to_block())


def test_the_image_serves_is_healthy_and_ends(
    image: tuple[list[str], dict[str, str], Path], trained_artifacts: ArtifactFolder
) -> None:
    start, environment, folder = image
    environment["SALES_ARTIFACTS"] = str(trained_artifacts.root)
    command = [*start, *image_files.exec_form("CMD")]
    with subprocess.Popen(
        command, cwd=folder, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE
    ) as server:
        try:
            _wait_until_healthy(environment, server)
            body = {"transcript": "They will sign."} | dict.fromkeys(INCLUDED, True)
            assert _ask(environment, "POST", "/predict", body) == 200
            for path in (
                "/app",
                "/dashboard",
                "/docs",
                "/openapi.json",
                "/assets/plotly-basic.min.js",
                "/logs",
                "/metrics",
            ):
                assert _ask(environment, "GET", path) == 200, path
            assert (Path(environment["SALES_STATE"]) / "predictions.db").exists()
            server.send_signal(signal.SIGTERM)
            assert server.wait(LONGEST_DRAIN) in (0, -signal.SIGTERM), "it drains, then ends by the signal"
        finally:
            server.kill()
    assert list(Path(environment["HOME"]).rglob("*")) == [], "a library keeps something for its maker"
    assert _health_check(environment) != 0, "nothing listens any more"


def test_what_needs_training_packages_says_so(image: tuple[list[str], dict[str, str], Path]) -> None:
    start, environment, folder = image
    command = [*start, "generate", "--output", "data.json"]
    done = subprocess.run(command, check=False, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "Error: --mode generate needs the package 'faker': pip install -r requirements.txt\n"


def test_the_health_check_fails_on_another_status() -> None:
    class Unwell(BaseHTTPRequestHandler):
        asked: ClassVar[list[str]] = []

        def do_GET(self) -> None:
            self.asked.append(self.path)
            self.send_error(503)

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Unwell)
    threading.Thread(target=server.handle_request, daemon=True).start()
    assert _health_check({"SALES_PORT": str(server.server_port)}) == 1
    server.server_close()
    assert Unwell.asked == ["/health/live"]


def _health_check(environment: dict[str, str]) -> int:
    command = [sys.executable, *image_files.exec_form("HEALTHCHECK")[1:]]
    done = subprocess.run(command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stderr == ""
    return done.returncode


def _wait_until_healthy(environment: dict[str, str], server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while _health_check(environment) != 0:
        assert server.poll() is None, (server.communicate()[1] or b"").decode()
        assert time.monotonic() < deadline
        time.sleep(0.2)


def _ask(environment: dict[str, str], method: str, path: str, body: dict[str, Any] | None = None) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", int(environment["SALES_PORT"]), timeout=20)
    headers = {
        "Content-Type": "application/json",
        "X-API-Key": read_admin_key(Path(environment["SALES_STATE"], "admin_key")),
    }
    connection.request(method, path, json.dumps(body) if body else None, headers)
    status = connection.getresponse().status
    connection.close()
    return status


# Dockerfile


def test_hadolint_has_nothing_to_say(tmp_path: Path) -> None:
    done = _tool("hadolint", "--failure-threshold", "style", "deploy/Dockerfile")
    assert done.returncode == 0, done.stdout
    careless = tmp_path / "Dockerfile"
    careless.write_text("FROM python\nRUN cd /tmp && pip install requests\n", encoding="utf-8")
    assert _tool("hadolint", "--failure-threshold", "style", str(careless)).returncode != 0


def test_the_image_is_slim_and_runs_as_nobody_special() -> None:
    images = {said.split()[0] for name, said in image_files.instructions() if name == "FROM"}
    assert len(images) == 1 and all(image.startswith("python:3.11-slim@") and _has_digest(image) for image in images)
    users = [said for name, said in image_files.last_stage() if name == "USER"]
    assert users and users[-1].isdecimal() and int(users[-1]) > 0
    assert any(f"--uid {users[-1]} " in said for name, said in image_files.last_stage() if name == "RUN")


def test_every_copied_file_exists_and_reaches_the_build() -> None:
    for stage in (image_files.instructions(), image_files.last_stage()):
        for name, said in stage:
            if name == "COPY" and not said.startswith("--from="):
                for source in said.split()[:-1]:
                    found = [path for written, path, _ in image_files.copied(stage) if written == source]
                    assert found and all(map(image_files.in_build_context, found)), f"COPY {source}"


@pytest.mark.parametrize(
    "name", [".env", ".git/config", "artifacts/data/train_data.json", "artifacts/service/x.py", "tests/test_models.py"]
)
def test_nothing_private_reaches_the_build(name: str) -> None:
    assert not image_files.in_build_context(ROOT / name)


def test_the_images_settings_are_the_services(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = _checked(monkeypatch, image_files.image_environment())
    ports = [said for name, said in image_files.last_stage() if name == "EXPOSE"]
    assert ports == [str(settings.port)]
    assert settings.host == "0.0.0.0", "a container is reached from outside only there"
    assert settings.artifacts == Path("/app/artifacts")
    assert not settings.api_keys and not settings.database_url, "no secret in an image"
    with pytest.raises(InputError, match="SALES_API_KEYS"):  # nobody starts it open by mistake
        check_openness(settings)


# compose.yaml


@pytest.mark.parametrize("missing", sorted(SECRETS))
def test_compose_refuses_to_start_without_a_secret(missing: str) -> None:
    done = _compose(**{name: value for name, value in SECRETS.items() if name != missing})
    assert done.returncode != 0
    assert missing in done.stderr


def test_compose_holds_no_secret_and_no_default_of_one() -> None:
    text = (ROOT / "deploy/compose.yaml").read_text(encoding="utf-8")
    assert set(re.findall(r"\$\{(\w+)", text)) == set(SECRETS)
    assert re.findall(r"\$\{\w+(?!:\?\}|\w)", text) == [], "every variable is required"


def test_composes_containers_may_do_little(compose: dict[str, Any]) -> None:
    for name, container in compose["services"].items():
        assert container["cap_drop"] == ["ALL"] and not container.get("cap_add"), name
        assert container["security_opt"] == ["no-new-privileges:true"], name
        assert not container.get("privileged") and container.get("user") not in ("root", "0"), name
        assert set(container["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}, name
        assert container["logging"]["driver"] == "local", "a log that is never rotated fills the disk"
        assert container["image"] == _image_of_ours(compose) or _has_digest(container["image"]), name
        assert {port["host_ip"] for port in container.get("ports", ())} <= {"127.0.0.1"}, name
    writable = {name for name, container in compose["services"].items() if not container.get("read_only")}
    assert writable == {"prometheus"}
    secrets = compose["services"]["prometheus"]["secrets"]
    assert all("environment" in compose["secrets"][secret["source"]] for secret in secrets), "why it is not read-only"


def test_composes_database_can_be_reached_by_few_and_reaches_nobody(compose: dict[str, Any]) -> None:
    networks = {name: set(container["networks"]) for name, container in compose["services"].items()}
    inside = {name for name, network in compose["networks"].items() if network.get("internal")}
    assert networks["database"] | networks["purge"] <= inside
    assert {name for name, joined in networks.items() if joined & networks["database"]} == {
        "database",
        "purge",
        "service",
    }
    assert {name for name, joined in networks.items() if "metrics" in joined} == {"prometheus", "service"}


def test_composes_settings_are_the_services(compose: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    service = compose["services"]["service"]
    settings = _checked(monkeypatch, image_files.image_environment() | service["environment"])
    check_openness(settings)
    metrics = KeyRing(settings).matching(SECRETS["METRICS_KEY"])
    assert metrics is not None and metrics.needs == ROLES["metrics"], "it may do nothing else"
    database = compose["services"]["database"]["environment"]
    user, password = database["POSTGRES_USER"], database["POSTGRES_PASSWORD"]
    assert settings.database_url == f"postgresql://{user}:{password}@database/{database['POSTGRES_DB']}"
    assert service["ports"][0]["target"] == settings.port
    assert service["ports"][0]["host_ip"] == "127.0.0.1"
    mounts = {mount["target"]: mount for mount in service["volumes"]}
    assert mounts[str(settings.artifacts)]["read_only"]
    assert str(settings.state_folder) in mounts
    assert service["stop_grace_period"] == "30s" and LONGEST_DRAIN < 30


def test_composes_purge_cleans_the_services_database(compose: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    service, purge = compose["services"]["service"], compose["services"]["purge"]
    for name in ("image", "read_only", "cap_drop", "security_opt"):
        assert purge[name] == service[name]
    settings = _checked(monkeypatch, image_files.image_environment() | purge["environment"])
    assert settings.database_url == service["environment"]["SALES_DATABASE_URL"]
    assert purge["healthcheck"]["disable"]
    assert "if python main.py --mode purge; then sleep 86400;" in purge["entrypoint"][-1]


def test_prometheus_asks_the_service_with_a_key_it_has(compose: dict[str, Any]) -> None:
    jobs = yaml.safe_load(PROMETHEUS.read_text(encoding="utf-8"))["scrape_configs"]
    assert [job["metrics_path"] for job in jobs] == ["/metrics"] and "/metrics" in _routes()
    (target,) = jobs[0]["static_configs"][0]["targets"]
    name, _, port = target.partition(":")
    assert int(port) == compose["services"][name]["ports"][0]["target"]
    assert name in compose["services"]["service"]["environment"]["SALES_ALLOWED_HOSTS"].split(",")
    secret = compose["services"]["prometheus"]["secrets"][0]["source"]
    assert jobs[0]["authorization"]["credentials_file"] == f"/run/secrets/{secret}"
    key = SECRETS[compose["secrets"][secret]["environment"]]
    assert f"metrics:{key}" in compose["services"]["service"]["environment"]["SALES_API_KEYS"].split(",")
    mounted = {volume["target"]: volume["source"] for volume in compose["services"]["prometheus"]["volumes"]}
    assert Path(mounted["/etc/prometheus/prometheus.yml"]) == PROMETHEUS


# Kubernetes


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
def test_the_manifests_are_valid(resources: list[dict[str, Any]], version: str) -> None:
    import kubernetes_validate  # it builds the grammar of addresses: two seconds in every process

    for resource in resources:
        kubernetes_validate.validate(resource, version, strict=True)
    wrong = json.loads(json.dumps(_kind(resources, "Deployment")))
    wrong["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="livenesProbe"):
        kubernetes_validate.validate(wrong, version, strict=True)


def test_the_probes_ask_routes_that_exist(resources: list[dict[str, Any]]) -> None:
    container = _pods(resources)["Deployment"]["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    asked = {name: container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    paths = {name: probe["path"] for name, probe in asked.items()}
    assert set(paths.values()) <= _routes()
    assert paths["livenessProbe"] == "/health/live" and paths["readinessProbe"] == "/health/ready"
    assert {ports[probe["port"]] for probe in asked.values()} == {int(image_files.image_environment()["SALES_PORT"])}
    assert _kind(resources, "Service")["spec"]["ports"][0]["targetPort"] in ports


def test_the_manifests_settings_are_the_services(
    resources: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    configured = _kind(resources, "ConfigMap")
    for pod in _pods(resources).values():
        container = pod["containers"][0]
        assert container["envFrom"] == [{"configMapRef": {"name": configured["metadata"]["name"]}}]
        secret = [entry["name"] for entry in container["env"] if "secretKeyRef" in entry.get("valueFrom", {})]
        assert [entry["name"] for entry in container["env"]] == secret, "what is no secret is in the ConfigMap"
        given = dict.fromkeys(secret, "")
        settings = _checked(monkeypatch, image_files.image_environment() | configured["data"] | given)
    processors = _pods(resources)["Deployment"]["containers"][0]["resources"]["limits"]["cpu"]
    assert settings.workers * settings.threads == int(processors), "a container's limit is not seen by the service"


def test_pods_may_do_little_and_write_where_the_service_does(resources: list[dict[str, Any]]) -> None:
    user = int([said for name, said in image_files.last_stage() if name == "USER"][-1])
    for pod in _pods(resources).values():
        assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] == user
        assert not pod["automountServiceAccountToken"]
        container = pod["containers"][0]
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
        assert not container["securityContext"]["allowPrivilegeEscalation"]
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert set(container["resources"]) == {"requests", "limits"}
        assert set(container["resources"]["limits"]) == {"cpu", "memory", "ephemeral-storage"}
    mounts = {mount["mountPath"]: mount for mount in _pods(resources)["Deployment"]["containers"][0]["volumeMounts"]}
    environment = image_files.image_environment()
    assert mounts[environment["SALES_ARTIFACTS"]]["readOnly"]
    assert {environment["SALES_STATE"], "/tmp"} <= set(mounts)


def test_the_parts_of_the_manifest_find_each_other(resources: list[dict[str, Any]]) -> None:
    deployment = _kind(resources, "Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"] == labels
    assert _kind(resources, "Service")["spec"]["selector"] == labels
    assert _kind(resources, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == labels
    target = _kind(resources, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", deployment["metadata"]["name"])
    assert "replicas" not in deployment["spec"], "it would undo what the autoscaler set"
    assert set(_jobs(resources)) == {"purge", "retrain"}
    for job in _jobs(resources).values():
        job_labels = job["spec"]["template"]["metadata"]["labels"]
        assert job_labels != labels, "the Service must not send requests to a nightly job"
    claims = [volume["persistentVolumeClaim"]["claimName"] for volume in _volumes(resources)]
    assert claims == [_kind(resources, "PersistentVolumeClaim")["metadata"]["name"]]
    images = {name: pod["containers"][0]["image"] for name, pod in _pods(resources).items()}
    assert images.pop("retrain") == "sales-conversion-training:0.1.0"
    assert len(set(images.values())) == 1


def test_nobody_reaches_the_pods_but_who_is_named(resources: list[dict[str, Any]]) -> None:
    policies = {one["metadata"]["name"]: one["spec"] for one in resources if one["kind"] == "NetworkPolicy"}
    closed, opened = policies["sales-conversion-out"], policies["sales-conversion-in"]
    deployment = _kind(resources, "Deployment")
    made = (deployment, *_jobs(resources).values())
    pods = [one["spec"]["template"]["metadata"]["labels"]["app"] for one in made]
    (selected,) = closed["podSelector"]["matchExpressions"]
    assert (selected["key"], selected["operator"], sorted(selected["values"])) == ("app", "In", sorted(pods))
    assert set(closed["policyTypes"]) == {"Ingress", "Egress"} and "ingress" not in closed
    assert {port["port"] for rule in closed["egress"] for port in rule["ports"]} == {53, 5432}, "names and PostgreSQL"
    assert opened["podSelector"]["matchLabels"] == deployment["spec"]["selector"]["matchLabels"]
    assert opened["policyTypes"] == ["Ingress"]
    (rule,) = opened["ingress"]
    (named,) = rule["from"]
    notes = (ROOT / "deploy" / "README.md").read_text(encoding="utf-8")
    for label, value in named["namespaceSelector"]["matchLabels"].items():
        assert f"{label}={value}" in notes, "who operates it has to give the label"
    ports = [port["name"] for port in _pods(resources)["Deployment"]["containers"][0]["ports"]]
    assert [port["port"] for port in rule["ports"]] == ports


def test_the_retraining_writes_where_the_service_reads_and_its_command_parses(
    resources: list[dict[str, Any]],
) -> None:
    job, service = _jobs(resources)["retrain"]["spec"]["template"]["spec"], _pods(resources)["Deployment"]
    arguments = [*image_files.exec_form("ENTRYPOINT")[2:], *job["containers"][0]["args"]]
    given = options_parser(MODES).parse_args(arguments)
    assert (given.mode, given.after) == ("retrain", 50)
    (claim,) = [one["persistentVolumeClaim"] for one in job["volumes"] if "persistentVolumeClaim" in one]
    (read,) = [one["persistentVolumeClaim"] for one in _volumes(resources)]
    assert claim["claimName"] == read["claimName"] and read["readOnly"] and not claim.get("readOnly")
    mounts = {mount["mountPath"]: mount for mount in job["containers"][0]["volumeMounts"]}
    assert not mounts[image_files.image_environment()["SALES_ARTIFACTS"]].get("readOnly")
    assert job["securityContext"]["fsGroup"] == service["securityContext"]["fsGroup"]
    copied = {
        path.name for _, path, _ in image_files.copied(image_files.instructions()) if image_files.in_build_context(path)
    }
    notes = (ROOT / "deploy" / "README.md").read_text(encoding="utf-8")
    locks = re.search(r'--build-arg LOCK="([\w ]+)"', notes)
    assert locks is not None and {f"{name}.txt" for name in locks[1].split()} <= copied


def _volumes(resources: list[dict[str, Any]]) -> list[dict[str, Any]]:
    volumes = _pods(resources)["Deployment"]["volumes"]
    return [volume for volume in volumes if "persistentVolumeClaim" in volume]


def test_a_pod_has_time_to_finish(resources: list[dict[str, Any]]) -> None:
    pod = _pods(resources)["Deployment"]
    waits = int(pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
    assert SILENT_SECONDS + ANSWER_SECONDS < LONGEST_DRAIN
    assert pod["terminationGracePeriodSeconds"] > waits + LONGEST_DRAIN


# Notes


def test_the_notes_name_settings_and_routes_that_exist() -> None:
    text = (ROOT / "deploy" / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(rf"\b{ENVIRONMENT_PREFIX}[A-Z_]+", text))
    assert named <= {ENVIRONMENT_PREFIX + name.upper() for name in Settings.model_fields}
    assert set(re.findall(r"/(?:health|metrics)[\w/]*", text)) <= _routes()
    assert set(SECRETS) <= set(re.findall(r"\b[A-Z_]+\b", text)), "how to make the secrets of compose.yaml"


def test_task_definitions_in_the_notes_are_json() -> None:
    text = (ROOT / "deploy" / "README.md").read_text(encoding="utf-8")
    (definition,) = [json.loads(block) for block in re.findall(r"^```json\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)]
    (container,) = definition["containerDefinitions"]
    variables = {entry["name"] for entry in container["environment"] + container["secrets"]}
    assert variables <= {ENVIRONMENT_PREFIX + name.upper() for name in Settings.model_fields}
    assert container["healthCheck"]["command"] == ["CMD", *image_files.exec_form("HEALTHCHECK")]
    assert container["stopTimeout"] > LONGEST_DRAIN
    mounts = {mount["containerPath"] for mount in container["mountPoints"]}
    assert mounts == {image_files.image_environment()["SALES_ARTIFACTS"]}
