"""What random clients ask: every endpoint, the parameter table's values and nonsense, in every form, sane and not."""

from __future__ import annotations

import json
import random
from typing import Any
from urllib.parse import quote

import msgspec

from llmfit.query import params
from llmfit.query.param import Param

from .broken import TEXTS, bytes_of

PATHS = {
    "models": "/api/v1/models", "top": "/api/v1/models/top", "name": "/api/v1/models/{name}",
    "compare": "/api/v1/compare", "system": "/api/v1/system",
}  # fmt: skip
RESERVATIONS = "/api/v1/reservations"
NAMES = ("qwen", "Qwen/Qwen3-8B", "llama", "nobody", "%00", "a%2Fb", "..%2F..%2Fetc", "é", "%FF", "x" * 300)
MODELS = ("Qwen/Qwen3-8B", "microsoft/phi-4", "Qwen/Qwen3-32B")
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
ACCEPT = ("application/x-ndjson", "text/csv", "*/*", "application/json;q=0.5, text/csv;q=0.6", "text/html", "x", "")
ENCODINGS = ("gzip", "br, zstd;q=0.1, gzip;q=0.5", "identity;q=0", "*", "gzip;q=2")
METHODS = ("PUT", "POST", "DELETE", "OPTIONS", "PATCH", "TRACE")
JSON = "application/json"


class Asked(msgspec.Struct, frozen=True):
    """One request. `operation`: method and path as the OpenAPI document names them."""

    operation: tuple[str, str]
    url: str
    method: str = "GET"
    headers: dict[str, str] = {}
    body: bytes | None = None

    def __str__(self) -> str:
        more = f" {self.headers}" if self.headers else ""
        return f"{self.method} {self.url:.400}{more}{' ' + repr(self.body[:600]) if self.body is not None else ''}"


def value(chance: random.Random, param: Param) -> str:
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
    return got(chance).url


def got(chance: random.Random) -> Asked:
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
    url = path + "?" + "&".join(f"{quote(name, safe='')}={quote(text, safe='')}" for name, text in pairs)
    return Asked(("get", PATHS[endpoint]), url)


def scalar(chance: random.Random, text: str) -> Any:
    """The text as the JSON number or word that it may be, mostly."""
    if text in ("true", "false", "null") or text[:1].isdigit():
        try:
            return json.loads(text)
        except ValueError:
            return text
    return chance.choice((None, [], [text], {"a": text}, 1e308, -1)) if chance.randrange(60) == 0 else text


def some(chance: random.Random, table: list[Param], most: int) -> dict[str, Any]:
    chosen = chance.sample(table, min(len(table), chance.randrange(most + 1)))
    return {param.name: scalar(chance, value(chance, param)) for param in chosen}


def of(endpoint: str, *stages: str) -> list[Param]:
    return [param for param in params.at(endpoint) if param.stage in stages]


def machines(chance: random.Random) -> list[Any]:
    facts = of("system", "machine")
    made: list[Any] = []
    for _ in range(chance.choice((1, 1, 2, 3))):
        one: dict[str, Any] = some(chance, facts, 3)
        if chance.randrange(3) == 0:
            one = {"gpu": chance.choice(OWN["gpu"][:5]), "ram_gb": 64, "ram_bandwidth_gbps": 60}
        made.append(one)
    return made


def plan(chance: random.Random) -> dict[str, Any]:
    return {"model": chance.choice(MODELS), **some(chance, list(params.at("plan")), 3)}


def fit(chance: random.Random) -> dict[str, Any]:
    body: dict[str, Any] = some(chance, of("models", "basis", "analyse", "score"), 2)
    if chance.randrange(5):
        body["machines"] = machines(chance)
    named = list(MODELS[: chance.randrange(1, 4)])
    filters = {**some(chance, of("models", "filter", "order"), 2), "limit": chance.randrange(5)}
    body["models"] = named if chance.randrange(2) else filters
    for name, values in (("contexts", (512, 8192, 131072)), ("concurrency", (1, 4, 64))):
        if chance.randrange(3) == 0:
            body[name] = list(values[: chance.randrange(1, 4)])
    if chance.randrange(4) == 0:
        body["fields"] = ["name", "score", "machine"][: chance.randrange(1, 4)]
    return body


def place(chance: random.Random) -> dict[str, Any]:
    demands = []
    for _ in range(chance.choice((1, 1, 2, 4))):
        one: dict[str, Any] = {"replicas": chance.choice((1, 1, 2, 5)), "spread": chance.randrange(2) == 0}
        if chance.randrange(3):
            one["model"] = chance.choice(MODELS)
        else:
            one |= {"use_case": chance.choice(("coding", "chat")), "min_params_b": 7}
        if chance.randrange(3) == 0:
            one |= {"min_tps": 20, "context": chance.choice((4096, 131072)), "priority": 3}
        demands.append(one)
    where = machines(chance)
    for one in where:
        if chance.randrange(3) == 0:
            one |= {"free_ram_gb": chance.choice((1, 8, 1e9)), "free_vram_gb": chance.choice((0, 4, [8], -1))}
    return {"demands": demands, "machines": where, "policy": chance.choice(("pack", "pack", "spread", "none"))}


def reserve(chance: random.Random) -> dict[str, Any]:
    body: dict[str, Any] = {"ttl_s": chance.choice((1, 1, 1.5, 2, "1", 0, -1, 1e9))}
    sizes = {"ram_gb": chance.choice((0.25, 1, 1e6, -1)), "vram_gb": chance.choice((0, 0.5, [1], [0.5, 0.5], "2"))}
    body |= {"model": chance.choice(MODELS)} if chance.randrange(3) == 0 else sizes
    return body | ({"label": chance.choice(TEXTS)} if chance.randrange(3) == 0 else {})


BODIES = {
    "/api/v1/plan": plan, "/api/v1/fit": fit, "/api/v1/place": place, RESERVATIONS: reserve,
    RESERVATIONS + "/{id}/renew": lambda chance: {"ttl_s": chance.choice((1, 2, 0, "x", None))},
}  # fmt: skip


def posted(chance: random.Random) -> Asked:
    """A body, in one case of ten with bytes of it broken."""
    path = chance.choice(("/api/v1/plan", "/api/v1/plan", "/api/v1/fit", "/api/v1/fit", "/api/v1/place", *BODIES))
    body = json.dumps(BODIES[path](chance)).encode()
    if chance.randrange(10) == 0:
        body = chance.choice((bytes_of(chance, body), b"", b"[" * 5000, b"null", b"\xff\xfe", body + b"x"))
    kind = JSON if chance.randrange(30) else chance.choice(("text/plain", "", "application/json; charset=utf-8"))
    url = path.replace("{id}", chance.choice(("0" * 16, "x", "%2F", "%C3%A9")))
    return Asked(("post", path), url, "POST", {"Content-Type": kind} if kind else {}, body)


def odd(chance: random.Random) -> Asked:
    """Another form, another method, a known ETag, the documents."""
    one, kind = got(chance), chance.randrange(6)
    if kind == 0:
        return msgspec.structs.replace(one, headers={"Accept": chance.choice(ACCEPT)})
    if kind == 1:
        return msgspec.structs.replace(one, headers={"Accept-Encoding": chance.choice(ENCODINGS)})
    if kind == 2:
        return msgspec.structs.replace(one, method="HEAD")
    if kind == 3:
        return msgspec.structs.replace(one, method=chance.choice(METHODS))
    if kind == 4:
        return msgspec.structs.replace(one, headers={"If-None-Match": chance.choice(("*", '"x"', *TEXTS[:5]))})
    path = chance.choice(("/health", "/readyz", "/", "/docs", "/openapi.json", "/api/v1/hardware", "/nope", "/.." * 9))
    return Asked(("get", path), path)


def asked(chance: random.Random) -> Asked:
    """Any request: most are questions."""
    kind = chance.randrange(20)
    if kind == 0:
        gone = Asked(("delete", RESERVATIONS + "/{id}"), f"{RESERVATIONS}/{'0' * 16}", "DELETE")
        return chance.choice((gone, Asked(("get", RESERVATIONS), RESERVATIONS)))
    return posted(chance) if kind <= 4 else odd(chance) if kind <= 6 else got(chance)
