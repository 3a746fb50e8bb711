"""Requests that the parameter table makes, sane and not: no 5xx, one shape of error, rows that hold."""

from __future__ import annotations

import http.client
import json
import random
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jsonschema
import msgspec

from llmfit import params

sys.path.insert(0, str(Path(__file__).parents[1] / "http"))

from contract import ENVELOPE, row_faults, type_faults
from wire import Client

from .broken import TEXTS

PATHS = {
    "models": "/api/v1/models", "top": "/api/v1/models/top", "name": "/api/v1/models/{name}",
    "compare": "/api/v1/compare", "system": "/api/v1/system",
}  # fmt: skip
NAMES = ("qwen", "Qwen/Qwen3-8B", "llama", "nobody", "%00", "a%2Fb", "..%2F..%2Fetc", "é", "%FF", "x" * 300)
KINDS: dict[str, tuple[str, ...]] = {
    "bool": ("true", "false", "1", "off", "YES"), "count": ("0", "1", "3", "64", "2147483648"),
    "positive": ("1", "2", "8", "4096", "131072"),
    "number": ("0.5", "1", "24", "936.2", "1e3", "1000000", ".000000000001"),
    "amount": ("0", "0.1", "8", "24.5", "999999"), "text": ("qwen", "8B", "RTX 4090", "2x RTX 3090", "Q4_K_M", "H100"),
    "date": ("2024", "2025-06", "2025-06-31", "1999-01-01"), "words": ("mit", "apache-2.0,mit"),
    "names": ("Qwen/Qwen3-8B,microsoft/phi-4",), "keys": ("name", "name,score,fit_level", "notes"),
}  # fmt: skip
OWN = {
    "gpu": ("RTX 4090", "2x RTX 3090", "RTX 4090 + RTX 3060", "H100", "MI300X", "Apple M3 Max", "nothing"),
    "profile": ("aws-g5.xlarge", "nothing"), "quant": ("Q4_K_M", "BF16", "nothing"),
    "search": ("qwen", "8B coder", "zzz"),
    "limit": ("0", "1", "3", "20"), "offset": ("0", "5", "20000", "2147483647", "2147483648"),
    "gpu_count": ("0", "1", "2", "8", "64", "65"),
}  # fmt: skip


class Figures(msgspec.Struct):
    """What came back."""

    requests: int = 0
    by_status: dict[int, int] = {}
    rows: int = 0
    seconds: float = 0.0
    slowest_ms: float = 0.0
    failures: list[str] = []


def value(chance: random.Random, param: params.Param) -> str:
    kind = chance.randrange(10)
    if kind == 0:
        return chance.choice(TEXTS)
    if kind == 1:
        return chance.choice([text for texts in KINDS.values() for text in texts])
    if param.name in OWN:
        return chance.choice(OWN[param.name])
    if param.choices and param.kind in ("choice", "choices"):
        return chance.choice((*param.choices, *param.value_aliases))
    return chance.choice(KINDS.get(param.kind, ("x",)))


def question(chance: random.Random) -> str:
    """A URL of one of the endpoints with up to six parameters; never the whole list."""
    endpoint = chance.choice(("models", "models", "top", "name", "compare", "system"))
    path = PATHS[endpoint].replace("{name}", quote(chance.choice(NAMES), safe="%"))
    table = params.at(endpoint)
    pairs = []
    for param in chance.sample(table, min(len(table), chance.choice((0, 1, 1, 2, 3, 6)))):
        name = chance.choice((param.name, *param.aliases))
        pairs.append((name, value(chance, param)))
    if chance.randrange(20) == 0:
        pairs.append((chance.choice(("x", "limitt", "", "name", "é")), "1"))
    if endpoint == "compare" and chance.randrange(4):
        pairs = [(name, text) for name, text in pairs if name != "models"] + [("models", KINDS["names"][0])]
    if endpoint in ("models", "name") and not {"limit", "n", "top"} & {name for name, _ in pairs}:
        pairs.append(("limit", "2"))
    return path + "?" + "&".join(f"{quote(name, safe='')}={quote(text, safe='')}" for name, text in pairs)


def faults(status: int, kind: str, body: bytes, asked: str, held: jsonschema.Draft202012Validator | None) -> list[str]:
    """What is wrong with an answer."""
    if status >= 500:
        return [f"{status} {body[:200]!r}"]
    if not kind.startswith("application/json"):
        return [f"{status} of type {kind!r}"]
    answer: Any = json.loads(body, parse_constant=lambda word: (_ for _ in ()).throw(ValueError(word)))
    if status >= 400:
        said = answer.get("error") if isinstance(answer, dict) else None
        fine = isinstance(said, str) and said and "\n" not in said and "Traceback" not in said
        return [] if fine else [f"{status} with {body[:200]!r}"]
    found = [error.message[:200] for error in held.iter_errors(answer)] if held is not None else []
    if "models" in answer and "fields=" not in asked:
        found += type_faults(answer, ENVELOPE)
        if answer["returned_models"] != len(answer["models"]) or answer["total_models"] < answer["returned_models"]:
            found.append("the counts disagree")
        for row in answer["models"]:
            found += row_faults(row)
            runs = row["fit_level"] != "too_tight"
            if runs and not 0 < row["memory_required_gb"] <= row["memory_available_gb"]:
                found.append(f"{row['name']}: {row['memory_required_gb']} of {row['memory_available_gb']} GiB")
            if runs != (row["estimated_tps"] > 0) and not (runs and "bandwidth" in asked):  # 0.004 is sent as 0.0
                found.append(f"{row['name']}: {row['fit_level']} at {row['estimated_tps']} tokens/s")
            if row["utilization_pct"] > 100 and runs:
                found.append(f"{row['name']}: {row['utilization_pct']} % used")
    return found


def run(client: Client, count: int, seed: int = 0, until: float | None = None, every: int = 10) -> Figures:
    """`count` requests over one connection; one answer in `every` is held against the OpenAPI document too."""
    document = client.ok("/openapi.json")
    schemas = {}
    for endpoint, path in PATHS.items():
        schema = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        schemas[endpoint] = jsonschema.Draft202012Validator({**schema, "components": document["components"]})
    found, begun = Figures(), time.monotonic()
    for number in range(seed, seed + count):
        if until is not None and time.monotonic() > until:
            break
        asked = question(random.Random(f"request{number}"))
        path = asked.partition("?")[0]
        endpoint = next((name for name, other in PATHS.items() if other == path), "name")
        held = schemas[endpoint] if number % every == 0 and "fields=" not in asked else None
        start = time.monotonic()
        try:
            answer = client.get(asked)
            wrong = faults(answer.status, answer.headers.get("content-type", ""), answer.body, asked, held)
            found.by_status[answer.status] = found.by_status.get(answer.status, 0) + 1
            found.rows += answer.body.count(b'"fit_level"')
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
            wrong = [repr(error)]
        found.slowest_ms = max(found.slowest_ms, (time.monotonic() - start) * 1e3)
        found.requests += 1
        found.failures += [f"{number} {asked}: {text}" for text in wrong[:2]]
        if len(found.failures) > 20:
            break
    found.seconds = time.monotonic() - begun
    return found
