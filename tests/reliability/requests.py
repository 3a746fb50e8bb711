"""What comes back to random clients: no 5xx, one shape of error, answers as the schema says, rows that hold."""

from __future__ import annotations

import csv
import http.client
import io
import json
import random
import sys
import time
import zlib
from pathlib import Path
from typing import Any

import jsonschema
import msgspec

sys.path.insert(0, str(Path(__file__).parents[1] / "http"))

from contract import ENVELOPE, row_faults, type_faults
from wire import Client, Response

from .questions import JSON, Asked, asked

try:  # validates a hundred times as fast; comes with schemathesis
    import jsonschema_rs
except ImportError:
    jsonschema_rs = None
Schemas = dict[tuple[str, str], Any]
FULL = 507  # what a reservation is told that finds no room: as documented
EVERY = 20  # one answer in so many is held against the schema where the fast validator is missing


class Figures(msgspec.Struct):
    """What came back."""

    requests: int = 0
    by_status: dict[int, int] = {}
    by_operation: dict[str, int] = {}
    rows: int = 0
    validated: int = 0  # answers that were held against the schema of their operation
    seconds: float = 0.0
    slowest_ms: float = 0.0
    failures: list[str] = []


def schemas_of(document: Any) -> Schemas:
    """By operation: what its answer must be."""
    found = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            answers = operation.get("responses", {})
            content = (answers.get("200") or answers.get("201") or {}).get("content", {}).get(JSON)
            if content is not None:
                schema = {**content["schema"], "components": document["components"]}
                make = jsonschema_rs.Draft202012Validator if jsonschema_rs else jsonschema.Draft202012Validator
                found[method, path] = make(schema)
    return found


def faults(one: Asked, answer: Response, held: Any) -> list[str]:
    """What is wrong with an answer; `held` is the validator of its operation, None where it is not to be asked."""
    status, body, kind = answer.status, answer.body, answer.headers.get("content-type", "")
    if one.method == "HEAD" or status in (204, 304):
        return [f"{status} with a body"] if body else [f"{status}"] if status >= 500 else []
    if status >= 400:
        return failed(one, status, body, kind)
    if answer.headers.get("content-encoding") == "gzip":
        body = zlib.decompress(body, 31)
    elif "content-encoding" in answer.headers:
        return []
    if kind.startswith("application/x-ndjson"):
        return [fault for line in body.splitlines() for fault in partial(one, json.loads(line))]
    if kind.startswith("text/csv"):
        lines = list(csv.reader(io.StringIO(body.decode(), newline="")))
        return [] if len({len(line) for line in lines}) == 1 else ["lines of several lengths, or none"]
    if not kind.startswith(JSON):
        return [] if one.operation[1] in ("/", "/docs") else [f"{status} of type {kind!r}"]
    found = json.loads(body, parse_constant=lambda word: (_ for _ in ()).throw(ValueError(word)))
    wrong = [error.message[:200] for error in held.iter_errors(found)] if held is not None else []
    if "models" in found and "returned_models" in found:
        wrong += listed(one, found)
    return wrong


def failed(one: Asked, status: int, body: bytes, kind: str) -> list[str]:
    if status >= 500 and not (status == FULL and one.operation == ("post", "/api/v1/reservations")):
        return [f"{status} {body[:200]!r}"]
    said = json.loads(body) if kind.startswith(JSON) else None
    text = said.get("error") if isinstance(said, dict) else None
    fine = isinstance(text, str) and text and "\n" not in text and "Traceback" not in text and len(said) == 1
    return [] if fine else [f"{status} of type {kind!r} with {body[:200]!r}"]


def partial(one: Asked, row: Any) -> list[str]:
    return [] if not isinstance(row, dict) or "fields=" in one.url or one.body is not None else row_faults(row)


def listed(one: Asked, found: Any) -> list[str]:
    """The invariants of an envelope and its rows."""
    if "fields=" in one.url:
        return []
    wrong = type_faults(found, ENVELOPE)
    if found["returned_models"] != len(found["models"]) or found["total_models"] < found["returned_models"]:
        wrong.append("the counts disagree")
    for row in found["models"]:
        wrong += row_faults(row)
        runs = row["fit_level"] != "too_tight"
        if runs and not 0 < row["memory_required_gb"] <= row["memory_available_gb"]:
            wrong.append(f"{row['name']}: {row['memory_required_gb']} of {row['memory_available_gb']} GiB")
        if runs != (row["estimated_tps"] > 0) and not (runs and "bandwidth" in one.url):  # 0.004 is sent as 0.0
            wrong.append(f"{row['name']}: {row['fit_level']} at {row['estimated_tps']} tokens/s")
        if row["utilization_pct"] > 100 and runs:
            wrong.append(f"{row['name']}: {row['utilization_pct']} % used")
    return wrong


def run(client: Client, count: int, seed: int = 0, until: float | None = None) -> Figures:
    """`count` requests over one connection, fewer where time.monotonic() passes `until`; the seed says which."""
    schemas, found, begun = schemas_of(client.ok("/openapi.json")), Figures(), time.monotonic()
    for number in range(seed, seed + count):
        if until is not None and time.monotonic() > until:
            break
        one = asked(random.Random(f"request{number}"))
        held = schemas.get(one.operation) if jsonschema_rs or number % EVERY == 0 else None
        start = time.monotonic()
        try:
            answer = client.get(one.url, one.headers, one.method, one.body)
            found.slowest_ms = max(found.slowest_ms, (time.monotonic() - start) * 1e3)
            wrong = faults(one, answer, held)
            found.by_status[answer.status] = found.by_status.get(answer.status, 0) + 1
            found.validated += held is not None and answer.status in (200, 201) and one.method != "HEAD"
            found.rows += answer.body.count(b'"fit_level"')
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
            client.close()
            wrong = [repr(error)]
        name = " ".join(one.operation)
        found.by_operation[name] = found.by_operation.get(name, 0) + 1
        found.requests += 1
        found.failures += [f"{number} {one}: {text}" for text in wrong[:2]]
        if len(found.failures) > 20:
            break
    found.seconds = time.monotonic() - begun
    return found
