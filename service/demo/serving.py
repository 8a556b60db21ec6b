"""The stops before any prediction: the service, its pages, and the models that it serves. None changes what is served."""

from __future__ import annotations

import re

from service.demo.client import require
from service.demo.stop import Stop, Tour


def _start(tour: Tour) -> str:
    info = tour.client.get("/")
    require(info["status"] in ("ok", "degraded") and bool(info["auto"]), f"/ says it serves nothing: {info}")
    tour.auto = info["auto"]
    return f"{info['name']} {info['version']}, {info['status']}; auto means {tour.auto}"


def _health(tour: Tour) -> str:
    health = tour.client.get("/health")
    for path in ("/health/live", "/health/ready"):
        require(tour.client.get(path) == {"status": "ok"}, f"{path} is not ok")
    store, problem = health["store"]["status"], f" ({health['problem']})" if health["problem"] else ""
    return f"{health['status']}{problem}: {health['workers']} workers, database {store}; alive and ready"


def _pages(tour: Tour) -> str:
    pages = {path: tour.client.text(path, "text/html") for path in ("/app", "/dashboard", "/docs", "/redoc")}
    assets = sorted(set(re.findall(r'"(/assets/[^"]+)"', pages["/app"])))
    require(bool(assets), "/app loads nothing")
    for asset in assets:
        tour.client.text(asset, _asset_kind(asset))
    outside = {
        path: found for path, page in pages.items() if (found := re.findall(r'(?:src|href)="(https?:[^"]+)', page))
    }
    require(not outside, f"pages load from other hosts: {outside}")
    paths = tour.client.get("/openapi.json")["paths"]
    return f"{', '.join(pages)} with {len(assets)} files, none from another host; the schema has {len(paths)} paths"


def _asset_kind(path: str) -> str:
    kinds = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
    return kinds[path.rpartition(".")[2]]


def _models(tour: Tour) -> str:
    models = tour.client.get("/models")["models"]
    trained = [model for model in models if model["trained"]]
    require(any(model["auto"] for model in trained), f"none of the models is auto: {models}")
    lines = [f"{m['name']} {m['version']}" + (" (auto)" if m["auto"] else "") for m in trained]
    return ", ".join(lines)


def _load(tour: Tour) -> str:
    """Loads what is served already, so that a tour changes nothing."""
    model = next((model for model in tour.client.get("/models")["models"] if model["auto"]), None)
    require(model is not None, "/models has none that is auto")
    assert model is not None
    newest = any(version["newest"] and version["served"] for version in model["versions"])
    body = {} if newest else {"version": model["version"]}
    loaded = tour.client.expect("POST", f"/models/{tour.auto}/load", body)
    require(loaded["version"] == model["version"], f"another version was loaded than was served: {loaded}")
    return f"{tour.auto} {loaded['version']} in {loaded['workers_serving']} of {loaded['workers']} workers"


def _trials(tour: Tour) -> str:
    """Asks to change what is served of a model that there is not, so that a tour changes nothing."""
    trial = {"version": "none", "role": "shadow"}
    changes = [
        ("POST", "trial", trial),
        ("DELETE", "trial", None),
        ("POST", "promote", None),
        ("POST", "rollback", None),
    ]
    for method, what, body in changes:
        status, answer = tour.client.ask(method, f"/models/none/{what}", body)
        require(status == 404 and answer["error"]["code"] == "unknown_model", f"{what}: {status} {answer}")
    found = tour.client.get("/experiments")["experiments"]
    for one in found:
        low, high = one["interval"] or (one["difference"], one["difference"])
        require(low is None or low <= one["difference"] <= high, f"a difference outside its interval: {one}")
    running = [f"{one['model']} {one['challenger']}: {one['sentence']}" for one in found if one["until"] is None]
    return "; ".join(running) or f"none runs, {len(found)} have ended; nothing was changed"


STOPS = (
    Stop(("GET /",), "What it is", _start),
    Stop(("GET /health", "GET /health/live", "GET /health/ready"), "How it is", _health),
    Stop(
        ("GET /app", "GET /dashboard", "GET /docs", "GET /redoc", "GET /openapi.json", "GET /assets/{name}"),
        "Pages",
        _pages,
    ),
    Stop(("GET /models",), "Models", _models),
    Stop(("POST /models/{model_type}/load",), "Loading a version", _load),
    Stop(
        (
            "GET /experiments",
            "POST /models/{model_type}/trial",
            "DELETE /models/{model_type}/trial",
            "POST /models/{model_type}/promote",
            "POST /models/{model_type}/rollback",
        ),
        "Trials of versions",
        _trials,
    ),
)
