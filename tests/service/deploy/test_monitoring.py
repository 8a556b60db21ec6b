"""Alerts, dashboard and autoscaler ask for metrics and labels that /metrics has, in forms that their readers accept."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from foundations.settings import load_settings
from service import metrics
from service.access.key_ring import KeyRing
from service.access.keys import ROLES
from tests.image_files import image_environment

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
NOTES = (DEPLOY / "README.md").read_text(encoding="utf-8")
JOB = "sales-conversion"
SEVERITIES = {"critical", "warning"}
DURATION = re.compile(r"\d+[smhd]")
SELECTOR = re.compile(r"\b(sales_\w+|up)\b(?:\{([^}]*)\})?")
MATCHER = re.compile(r'\s*(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"\s*')
KNOWN_WORDS = {  # of the query language, as far as these files use it
    *("sum", "min", "max", "topk", "rate", "increase", "delta", "histogram_quantile", "by", "label_values", "instance"),
    *("le", "status", "model", "route", "result", "m", "h"),
}


@pytest.fixture(scope="module")
def labels() -> dict[str, set[str]]:
    """The labels of every metric that the service has, by the names that its text format gives."""
    from prometheus_client.parser import text_string_to_metric_families  # after `service.metrics`, as that wants it

    metrics.count_request("POST", "/predict", 200, 0.1)
    metrics.predictions.labels("starter", "successful").inc()
    metrics.webhook_events.labels("sent").inc()
    for gauge in (metrics.in_flight, metrics.queued, metrics.dropped, metrics.database_up):
        gauge.set(0)
    for gauge in (metrics.model_ready, metrics.webhook_waiting):
        gauge.set(0)
    found: dict[str, set[str]] = {"up": set()}  # Prometheus's own
    for family in text_string_to_metric_families(metrics.latest().decode("utf-8")):
        for sample in family.samples:
            if not sample.name.startswith("sales_"):
                continue  # a library's, such as Ray's, which another test has brought into this process
            found.setdefault(sample.name, set()).update(sample.labels)
    return {name: names | {"job", "instance"} for name, names in found.items()}


@pytest.fixture(scope="module")
def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((DEPLOY / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    assert set(group) == {"name", "rules"}
    return list(group["rules"])


@pytest.fixture(scope="module")
def dashboard() -> dict[str, Any]:
    return dict(json.loads((DEPLOY / "grafana.json").read_text(encoding="utf-8")))


def problems(query: str, labels: dict[str, set[str]]) -> Iterator[str]:
    """What of a query the service has not, or nobody could read."""
    for opening, closing in ("()", "{}", "[]"):
        if query.count(opening) != query.count(closing):
            yield f"{opening} and {closing}"
    selected = list(SELECTOR.finditer(query))
    if not selected:
        yield "no metric"
    for name, matchers in (found.groups() for found in selected):
        if name not in labels:
            yield name
            continue
        for matcher in filter(None, (part.strip() for part in re.split(r",(?=\s*\w+\s*[=!])", matchers or ""))):
            read = MATCHER.fullmatch(matcher)
            if read is None or read[1] not in labels[name]:
                yield f"{name}: {matcher}"
            elif "~" in read[2]:
                re.compile(read[3])
    for by in re.findall(r"\bby \(([^)]*)\)", query):
        grouped = {label.strip() for label in by.split(",")}
        if not any(grouped <= labels.get(found[1], set()) for found in selected):
            yield f"by ({by})"
    words = re.findall(r"[A-Za-z_]\w*", re.sub(r"\$\w+|\[[^]]*\]", "", SELECTOR.sub("", query)))
    yield from sorted(set(words) - KNOWN_WORDS)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("sum(rate(sales_requests_total[5m]))", []),
        ("sum(rate(sales_requests[5m]))", ["sales_requests"]),
        ('sales_in_flight{role="x"}', ['sales_in_flight: role="x"']),
        ("sum by (model) (rate(sales_requests_total[5m]))", ["by (model)"]),
        ("sum(rate(sales_requests_total[5m])", ["( and )"]),
        ("avrg(sales_in_flight)", ["avrg"]),
        ("1 > 0", ["no metric"]),
    ],
)
def test_a_query_that_asks_for_what_is_not_there_is_found(
    query: str, found: list[str], labels: dict[str, set[str]]
) -> None:
    assert list(problems(query, labels)) == found


# Alerts


def test_every_rule_is_whole_and_asks_for_what_is_there(
    rules: list[dict[str, Any]], labels: dict[str, set[str]]
) -> None:
    assert len({rule["alert"] for rule in rules}) == len(rules) >= 10
    for rule in rules:
        assert (
            {"alert", "expr", "labels", "annotations"} <= set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        )
        assert re.fullmatch(r"Sales[A-Za-z]+", rule["alert"])
        assert list(problems(rule["expr"], labels)) == [], rule["alert"]
        assert DURATION.fullmatch(rule.get("for", "0s"))
        assert set(rule["labels"]) == {"severity"} and rule["labels"]["severity"] in SEVERITIES
        assert set(rule["annotations"]) == {"summary", "description"}
        _check_template(rule)


def _check_template(rule: dict[str, Any]) -> None:
    """A label that the query sums away would be empty in the message."""
    summed = re.search(r"\bsum\b|histogram_quantile|topk", rule["expr"]) is not None
    for placeholder in re.findall(r"{{(.*?)}}", rule["annotations"]["summary"]):
        if placeholder.strip() == "$labels.instance":
            assert not summed, rule["alert"]
        else:
            assert re.fullmatch(r" \$value(?: \| humanize(?:Percentage|Duration)?)? ", placeholder), placeholder


def test_what_must_be_watched_is(rules: list[dict[str, Any]]) -> None:
    asked = " ".join(rule["expr"] for rule in rules)
    for name in ("up", "sales_model_ready", "sales_database_up", "sales_store_queued", "sales_store_dropped"):
        assert re.search(rf"\b{name}\b", asked), name
    assert "0.99" in asked and "429|503|504" in asked and "5.." in asked


def test_prometheus_loads_the_rules_of_its_own_job(rules: list[dict[str, Any]]) -> None:
    configured = yaml.safe_load((DEPLOY / "prometheus.yml").read_text(encoding="utf-8"))
    assert configured["rule_files"] == ["alerts.yml"], "beside it, as the compose file mounts them"
    assert [scraped["job_name"] for scraped in configured["scrape_configs"]] == [JOB]
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    assert "./alerts.yml:/etc/prometheus/alerts.yml:ro" in compose["services"]["prometheus"]["volumes"]
    assert any(f'job="{JOB}"' in rule["expr"] for rule in rules)


# The dashboard


def test_each_panel_asks_for_what_is_there(dashboard: dict[str, Any], labels: dict[str, set[str]]) -> None:
    variables = {one["name"] for one in dashboard["templating"]["list"]}
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"]) >= 10
    for panel in dashboard["panels"]:
        assert panel["title"] and panel["targets"]
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        for target in panel["targets"]:
            assert list(problems(target["expr"], labels)) == [], panel["title"]
            used = set(re.findall(r"\$(\w+)", target["expr"])) - {"__rate_interval"}
            assert used <= variables
            shown = re.findall(r"{{(\w+)}}", target["legendFormat"])
            grouped = re.findall(r"\bby \(([^)]*)\)", target["expr"])
            assert all(any(label in by for by in grouped) or label == "instance" for label in shown), panel["title"]
    (instances,) = [one["query"]["query"] for one in dashboard["templating"]["list"] if one["name"] == "instance"]
    assert list(problems(instances, labels)) == []


def test_the_dashboard_shows_every_metric_of_the_service(
    dashboard: dict[str, Any], labels: dict[str, set[str]]
) -> None:
    asked = " ".join(target["expr"] for panel in dashboard["panels"] for target in panel["targets"])
    shown = {found[1] for found in SELECTOR.finditer(asked)}
    expected = {name for name in labels if not name.endswith(("_created", "_sum", "_count"))} - {"up"}
    assert shown == expected


def test_panels_lie_beside_each_other(dashboard: dict[str, Any]) -> None:
    places = [panel["gridPos"] for panel in dashboard["panels"]]
    for place in places:
        assert place["x"] >= 0 and place["x"] + place["w"] <= 24
    for one, other in combinations(places, 2):
        apart = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert apart or below, (one, other)


def test_the_dashboard_can_be_imported(dashboard: dict[str, Any]) -> None:
    assert dashboard["schemaVersion"] >= 36 and dashboard["title"] and dashboard["uid"]
    assert "id" not in dashboard, "the number that one Grafana gave it"
    assert not re.search(r"https?://", json.dumps(dashboard)), "nobody's address is in it"


# The autoscaler


@pytest.fixture(scope="module")
def keda() -> dict[str, dict[str, Any]]:
    found = yaml.safe_load_all((DEPLOY / "keda.yaml").read_text(encoding="utf-8"))
    return {resource["kind"]: resource for resource in found}


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return dict(json.loads((ROOT / "tests" / "data" / "keda_schema.json").read_text(encoding="utf-8")))


def test_the_resources_are_valid(keda: dict[str, dict[str, Any]], schema: dict[str, Any]) -> None:
    from jsonschema import ValidationError, validate  # seconds of imports that only this needs

    assert set(keda) == {"ScaledObject", "TriggerAuthentication"}
    for kind, resource in keda.items():
        validate(resource, schema[kind])
    wrong = copy.deepcopy(keda["ScaledObject"])
    wrong["spec"]["triggers"][0]["metadata"]["targetValue"] = 4
    with pytest.raises(ValidationError, match="4 is not of type 'string'"):
        validate(wrong, schema["ScaledObject"])
    wrong = copy.deepcopy(keda["ScaledObject"])
    wrong["spec"]["minReplicas"] = 2
    with pytest.raises(ValidationError, match="minReplicas"):
        validate(wrong, schema["ScaledObject"])


def test_each_trigger_has_what_its_scaler_takes(keda: dict[str, dict[str, Any]], schema: dict[str, Any]) -> None:
    for trigger in keda["ScaledObject"]["spec"]["triggers"]:
        takes, given = schema["triggers"][trigger["type"]], trigger["metadata"]
        assert set(takes["required"]) <= set(given) <= {*takes["required"], *takes["optional"]}
        if mode := given.get("authMode"):
            reference = trigger["authenticationRef"]
            assert reference["name"] == keda["TriggerAuthentication"]["metadata"]["name"]
            secrets = [one["parameter"] for one in keda["TriggerAuthentication"]["spec"]["secretTargetRef"]]
            assert secrets == takes["authentication"][mode]


def test_it_scales_our_deployment_by_a_metric_that_is_there(
    keda: dict[str, dict[str, Any]], labels: dict[str, set[str]]
) -> None:
    manifests = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text(encoding="utf-8")))
    ours = {one["kind"]: one for one in manifests if one["metadata"]["name"] == "sales-conversion"}
    spec = keda["ScaledObject"]["spec"]
    target = spec["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", ours["Deployment"]["metadata"]["name"])
    before = ours["HorizontalPodAutoscaler"]["spec"]
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (before["minReplicas"], before["maxReplicas"])
    assert spec["minReplicaCount"] <= spec["fallback"]["replicas"] <= spec["maxReplicaCount"]
    behaviour = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert behaviour == before["behavior"]

    by_metric, by_processor = spec["triggers"]
    asked = by_metric["metadata"]
    assert asked["valueLocation"] in labels
    service = ours["Service"]["metadata"]["name"]
    port = image_environment()["SALES_PORT"]
    assert asked["url"] == f"http://{service}.default.svc.cluster.local:{port}/metrics"
    container = ours["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    assert int(asked["targetValue"]) == 2 * int(container["resources"]["limits"]["cpu"])
    settings = ours["ConfigMap"]["data"]
    assert int(asked["targetValue"]) < int(settings["SALES_MAX_IN_FLIGHT"]), "else it could never be reached"
    processor = before["metrics"][0]["resource"]["target"]
    assert by_processor["metricType"] == processor["type"]
    assert by_processor["metadata"]["value"] == str(processor["averageUtilization"])


def test_its_key_has_the_role_metrics_and_the_notes_say_how_to_make_it(
    keda: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    (secret,) = keda["TriggerAuthentication"]["spec"]["secretTargetRef"]
    made = f'kubectl create secret generic {secret["name"]} --from-literal={secret["key"]}="$METRICS_KEY"'
    assert made in NOTES
    assert "metrics:$METRICS_KEY" in NOTES, "the service knows that key by this role"
    key = KeyRing(load_settings(state=tmp_path, api_keys="metrics:" + "k" * 20)).matching("k" * 20)
    assert key is not None and key.needs == ROLES["metrics"] == frozenset({"metrics"})
    assert "kubectl delete hpa sales-conversion" in NOTES, "two autoscalers of one Deployment work against each other"
    assert "kubectl label namespace keda sales-conversion/clients=yes" in NOTES, "else the policy keeps KEDA out"
