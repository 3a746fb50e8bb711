"""Models of the user's own under a running server: seen by every worker when a file changes, whatever else is wrong."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from wire import MODELS, TOP, Server

from llmfit.catalog import hub_lists
from llmfit.catalog.own_models import model_of

Start = Callable[..., Server]
ACME = 'id = "acme/Acme-7B"\nparams_total = 7_000_000_000\ncontext_length = {}\n'
RIG = ("--gpu", "RTX 4090", "--ram-gb", "64", "--ram-bandwidth-gbps", "80", "--cpu-cores", "16")


def eventually(holds: Callable[[], object], seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while not (found := bool(holds())) and time.monotonic() < end:
        time.sleep(0.1)
    return found


def asked(own: Server) -> tuple[int, str]:
    """(context of the own model, 0 where there is none; the generation of the answer), from whichever worker."""
    answer = own.fresh().get(MODELS + "/acme/Acme-7B?exact=true&include_too_tight=true")
    if answer.status == 404:
        return 0, own.fresh().ok(TOP, limit=1)["generation"]
    body = answer.json()
    return body["models"][0]["context_length"], body["generation"]


def test_a_changed_file_is_seen_by_all_workers(start_server: Start, tmp_path: Path) -> None:
    folder = tmp_path / "models.d"
    folder.mkdir()
    own = start_server("--models-dir", str(folder), "--workers", "2", *RIG)
    seen = [asked(own) for _ in range(4)]
    assert {context for context, _ in seen} == {0} and len(set(seen)) == 1
    (folder / "acme.toml").write_text(ACME.format(4096))

    def all_say(context: int) -> bool:
        return {seen.append(one := asked(own)) or one[0] for _ in range(6)} == {context}  # type: ignore[func-returns-value]

    assert eventually(lambda: all_say(4096)), own.said()
    (folder / "acme.toml").write_text(ACME.format(8192))
    assert eventually(lambda: all_say(8192)), own.said()
    (folder / "bad.toml").write_text("nonsense = [")
    assert eventually(lambda: f"left out: {folder}/bad.toml:1: " in own.said()), "a broken file is named"
    assert all_say(8192), "and changes nothing"
    (folder / "acme.toml").unlink()
    assert eventually(lambda: all_say(0)), own.said()
    assert len({stamp for context, stamp in seen if context == 8192}) == 1
    assert len({stamp for _, stamp in seen}) == 3, "one generation for each state; none again where it is the same"
    assert str(folder) not in own.fresh().get(TOP).body.decode()


def test_a_replaced_worker_begins_with_what_there_is(start_server: Start, tmp_path: Path) -> None:
    (tmp_path / "acme.toml").write_text(ACME.format(4096))
    own = start_server("--workers", "2", env={"LLMFIT_MODELS_DIR": str(tmp_path)})
    assert own.process is not None
    for child in psutil.Process(own.process.pid).children():
        child.kill()
    (tmp_path / "acme.toml").write_text(ACME.format(8192))

    def answers() -> bool:
        try:
            return all(asked(own)[0] == 8192 for _ in range(6))
        except OSError:
            return False

    assert eventually(answers), own.said()


def test_a_list_from_the_hub_comes_into_use(
    start_server: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = start_server("--data-dir", str(tmp_path), *RIG)
    assert asked(own)[0] == 0
    monkeypatch.setenv("LLMFIT_DATA_DIR", str(tmp_path))
    model = model_of(ACME.format(4096).encode(), "acme.toml")
    hub_lists.use(hub_lists.write(hub_lists.Gathered("2026-11-24T12:00:00+00:00", "0" * 16, [model])))
    assert eventually(lambda: asked(own)[0] == 4096), own.said()
    hub_lists.use("", pinned=True)
    assert eventually(lambda: asked(own)[0] == 0), own.said()
