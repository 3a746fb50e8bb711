"""Errors are JSON, {"error": text}: 400 for bad values with the contract's texts, 404, 405 and sizes."""

from __future__ import annotations

import json
import random
import re
from urllib.parse import quote

import pytest
from contract import RIG
from wire import MODELS, SYSTEM, TOP, Server

ENDPOINTS = [MODELS, TOP, MODELS + "/qwen"]
BOOL = "invalid {} value: use true|false"
COUNT = "invalid limit value: use a non-negative integer"
TEXTS = {
    "min_fit": "invalid min_fit value: use perfect|good|marginal|too_tight",
    "runtime": "invalid runtime value: use any|mlx|llamacpp",
    "use_case": "invalid use_case value: use general|coding|reasoning|chat|multimodal|embedding",
    "sort": "invalid sort value: use score|tps|params|mem|ctx|date|use_case",
    "limit": COUNT,
    **{name: BOOL.format(name) for name in ("perfect", "include_too_tight", "distinct", "unified_memory")},
}
EXACT = [
    *[(name, value) for name in ("min_fit", "runtime", "use_case", "sort") for value in ("bad", "1", "a,b")],
    ("min_fit", "any"), ("runtime", "ollama"), ("sort", "-score"), ("sort", "name"), ("use_case", "all"),
    *[("limit", value) for value in ("-1", "abc", "1.5", "1_0", "0x5", "1e3", "ten", "5 5")],
    *[(name, value) for name in ("perfect", "include_too_tight", "distinct") for value in ("maybe", "2")],
    ("unified_memory", "maybe"),
]  # fmt: skip
LOOSE = [
    ("max_context", value) for value in ("0", "-1", "abc", "1.5", "8k_", "1_000")
] + [
    ("force_runtime", "ollama"),
    *[(name, value) for name in ("vram_gb", "ram_gb", "gpu_bandwidth_gbps", "ram_bandwidth_gbps")
      for value in ("abc", "-1", "nan", "inf", "-inf", "1_0")],
    *[(name, value) for name in ("gpu_count", "cpu_cores") for value in ("abc", "-1", "1.5")],
    ("backend", "opengl"),
]  # fmt: skip
HARDWARE = ("vram_gb", "ram_gb", "gpu_count", "cpu_cores", "backend", "unified_memory", "gpu_bandwidth_gbps",
            "ram_bandwidth_gbps")  # fmt: skip


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize(("name", "value"), EXACT, ids=["=".join(e) for e in EXACT])
def test_exact_text(server: Server, path: str, name: str, value: str) -> None:
    text = server.bad(path, **{name: value})
    assert text == TEXTS[name], f"{path}?{name}={value}: {text!r}, wanted {TEXTS[name]!r}"


@pytest.mark.parametrize("alias", ["n", "top"])
def test_a_bad_alias_has_the_text_of_its_parameter(server: Server, alias: str) -> None:
    text = server.bad(MODELS, **{alias: "abc"})
    assert text in (COUNT, COUNT.replace("limit", alias)), f"{alias}=abc: {text!r}"


@pytest.mark.parametrize(("name", "value"), LOOSE, ids=["=".join(e) for e in LOOSE])
def test_style_of_the_other_texts(server: Server, name: str, value: str) -> None:
    for path in (MODELS, *([SYSTEM] if name in HARDWARE else [])):
        text = server.bad(path, **{name: value})
        assert re.fullmatch(rf"invalid {name} value: use \S.*", text, re.DOTALL), (
            f"{path}?{name}={value}: {text!r}"
        )


VALUES: dict[str, str] = {
    "limit": "3", "perfect": "true", "min_fit": "good", "include_too_tight": "true", "runtime": "any",
    "use_case": "chat", "provider": "meta", "search": "7B", "sort": "tps", "max_context": "4096",
    "distinct": "true", "force_runtime": "llamacpp", "license": "mit", "gpu": "RTX 4090", "vram_gb": "24",
    "ram_gb": "32", "cpu_cores": "8", "gpu_bandwidth_gbps": "500", "ram_bandwidth_gbps": "50",
    "unified_memory": "false",
    "backend": "cuda", "gpu_count": "1",
}  # fmt: skip
ALIASES = {"n": "limit", "top": "limit", "ram": "ram_gb", "memory": "vram_gb"}


@pytest.mark.parametrize("name", [*VALUES, *ALIASES])
def test_an_empty_value_is_refused(server: Server, name: str) -> None:
    for query in (f"{name}=", name):
        answer = server.get(f"{MODELS}?{query}")
        assert answer.status == 400, f"?{query}: wanted 400, came {answer.status} {answer.body[:150]!r}"
        text = answer.error()
        assert name in text or ALIASES.get(name, name) in text, f"?{query}: {text!r} does not name it"


@pytest.mark.parametrize("name", VALUES)
def test_a_repeated_parameter_is_refused(server: Server, name: str) -> None:
    answer = server.get(f"{MODELS}?{name}={VALUES[name].replace(' ', '%20')}&limit=0&"
                        f"{name}={VALUES[name].replace(' ', '%20')}")  # fmt: skip
    assert answer.status == 400, f"{answer.asked}: wanted 400, came {answer.status} {answer.body[:150]!r}"
    assert name in answer.error(), f"{answer.asked}: {answer.error()!r} does not name it"


@pytest.mark.parametrize(
    "query", ["n=1&limit=2", "top=1&limit=1", "n=1&top=1", "ram=8&ram_gb=8", "vram_gb=8&memory=8"]
)
def test_an_alias_counts_as_a_repetition(server: Server, query: str) -> None:
    answer = server.get(f"{MODELS}?{query}")
    assert answer.status == 400, f"?{query}: wanted 400, came {answer.status} {answer.body[:150]!r}"
    answer.error()


UNKNOWN = [
    ("limt", "3", "limit"),
    ("Limit", "3", "limit"),
    ("usecase", "chat", "use_case"),
    ("sorted", "tps", "sort"),
    ("minfit", "good", "min_fit"),
    ("MAX_CONTEXT", "9", "max_context"),
]
STRANGE = [
    *("/nope", "/api", "/api/v1", "/api/v1/nope", "/api/v2/models", "/api/v1/modelsx", "/health/x"),
    *("/API/V1/MODELS", "/%2e%2e/etc/passwd"),
]
ODD = [
    *(
        "%00",
        "%FF",
        "%ED%A0%80",
        "9" * 40,
        "1e400",
        "-0",
        "+5",
        "%20",
        "%0A",
        "٣",
        "true",
        "null",
        "[]",
        "{}",
    ),
    *("%25s", "../..", "a" * 300, "%F0%9F%A6%99", "0.0000001", "1,2", ";", "=", "'; drop table models; --"),
]


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize(("name", "value", "near"), UNKNOWN, ids=[u[0] for u in UNKNOWN])
def test_unknown_parameters_are_ignored_and_named(
    server: Server, path: str, name: str, value: str, near: str
) -> None:
    asked: dict[str, object] = {**RIG, "include_too_tight": False, "provider": "meta", "limit": 4}
    plain, page = server.ok(path, **asked), server.ok(path, **asked, **{name: value})
    assert page["models"] == plain["models"], (
        f"{path}?{name}={value}: the unknown parameter changes the answer"
    )
    told = [json.dumps(w) for w in page["warnings"] if w not in plain["warnings"]]
    assert any(name in w and re.search(rf"\b{near}\b", w.replace(name, "")) for w in told), (
        f"{path}?{name}={value}: warnings {told}, wanted one that names {name} and {near}"
    )


def test_unknown_parameters_of_system(server: Server) -> None:
    page = server.ok(SYSTEM, ramgb=8)
    told = json.dumps([page.get("warnings"), page["system"].get("warnings")])
    assert "ramgb" in told and "ram_gb" in told, f"{SYSTEM}?ramgb=8: warnings {told}"


@pytest.mark.parametrize("path", STRANGE)
def test_unknown_paths_are_404(server: Server, path: str) -> None:
    for accept in ("*/*", "text/html"):
        answer = server.get(path, headers={"Accept": accept})
        assert answer.status == 404, f"{path}: wanted 404, came {answer.status} {answer.body[:150]!r}"
        answer.error()


@pytest.mark.parametrize("path", ["/health", "/healthz", "/readyz", SYSTEM, MODELS, TOP, MODELS + "/qwen"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_other_methods_are_405(server: Server, path: str, method: str) -> None:
    answer = server.get(
        path, method=method, body=b'{"limit": 1}', headers={"Content-Type": "application/json"}
    )
    assert answer.status == 405, f"{method} {path}: wanted 405, came {answer.status} {answer.body[:150]!r}"
    allowed = {word.strip() for word in answer.headers.get("allow", "").split(",")}
    assert {"GET", "HEAD"} <= allowed and method not in allowed, f"{method} {path}: Allow {allowed}"
    answer.error()
    assert server.get("/health").status == 200, f"after {method} {path} the connection is of no use"


@pytest.mark.parametrize("size", [20_000, 200_000])
def test_a_question_too_long_is_refused_in_json(server: Server, size: int) -> None:
    client = server.fresh()
    answer = client.get(f"{MODELS}?limit=1&search={'a' * size}")
    assert answer.status in (413, 414, 431), (
        f"{size} characters of search: {answer.status} {answer.body[:150]!r}"
    )
    answer.error()
    assert server.fresh().get("/health").status == 200, f"/health after {size} characters of search"


def test_no_question_breaks_the_server(server: Server) -> None:
    """Nonsense for every parameter: 200 or 400, always JSON, nothing of the inside in it."""
    dice = random.Random(20240607)
    for _ in range(400):
        known = dice.sample([*VALUES, *ALIASES, "x"], 3)
        pairs = [(name, dice.choice([*ODD, *VALUES.values()])) for name in known]
        query = "&".join(f"{name}={quote(value, safe='%')}" for name, value in pairs)
        # never the whole list; where this repeats a parameter, 400 is the answer
        query += "&provider=zzz-nothing" if {"limit", "n", "top"} & set(known) else "&limit=1"
        answer = server.get(f"{MODELS}?{query}")
        assert answer.status in (200, 400), f"?{query}: {answer.status} {answer.body[:300]!r}"
        if answer.status == 200:
            answer.json()
        else:
            answer.error()
        assert b"Traceback" not in answer.body, f"?{query}: {answer.body[:300]!r}"
