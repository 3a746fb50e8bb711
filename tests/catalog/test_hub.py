"""`llmfit catalog update` and `add OWNER/NAME` against a server that speaks the Hub's API, and one that misbehaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

pytest.importorskip("huggingface_hub", reason="pip install '.[hub]'")

from commands import PROGRAM, RIG

from llmfit.catalog import hub_lists
from llmfit.catalog.own_models import OwnModel, read_model
from llmfit.errors import LlmfitError

from .hub_server import CONFIG, Handler, Hub, running


class Own:
    """The command with folders of its own and the server as its Hub."""

    def __init__(self, hub: Hub, folder: Path) -> None:
        self.hub, self.folder = hub, folder
        (folder / "models.d").mkdir()
        (folder / "data").mkdir()
        self.words = {
            "HF_ENDPOINT": hub.url, "LLMFIT_DATA_DIR": str(folder / "data"),
            "LLMFIT_MODELS_DIR": str(folder / "models.d"), "HF_HOME": str(folder / "hf"),
            "HF_TOKEN": "hf_a_token_of_some_length",
        }  # fmt: skip

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        words = {**os.environ, **self.words}
        return subprocess.Popen([PROGRAM, *arguments], stdout=pipe, stderr=pipe, text=True, env=words)

    def run(self, *arguments: str) -> tuple[int, str, str]:
        one = self.start(*arguments)
        out, err = one.communicate(timeout=60)
        assert "Traceback" not in err, err
        return one.returncode, out, err

    def update(self, *arguments: str) -> dict[str, Any]:
        status, out, err = self.run("--json", "catalog", "update", *arguments)
        assert (status, err) == (0, ""), (status, out, err)
        found: dict[str, Any] = json.loads(out)["update"]
        return found

    def models(self) -> dict[str, OwnModel]:
        """What is in use, read as every command reads it."""
        with mock.patch.dict(os.environ, self.words):
            found = hub_lists.current()
        return {model.id: model for model in found.models} if found else {}

    def names(self) -> list[str]:
        return sorted(self.models())


@pytest.fixture
def hub() -> Iterator[Hub]:
    with running() as one:
        yield one


@pytest.fixture
def own(hub: Hub, tmp_path: Path) -> Own:
    return Own(hub, tmp_path)


def test_trending_and_newest_beside_the_catalog(hub: Hub, own: Own) -> None:
    hub.add("acme/Acme-7B-Instruct")
    hub.add("Qwen/Qwen9-7B-Thinking", tags=["license:apache-2.0"])
    hub.add("Qwen/Qwen3-8B")  # shipped: stays as it is
    hub.add("acme/Tune-7B", tags=["base_model:finetune:Qwen/Qwen3-8B", "conversational"], sort="createdAt")
    hub.add("acme/Acme-7B-Instruct", sort="createdAt")  # in both lists
    hub.page = 2
    done = own.update()
    assert (done["models"], done["added"], done["looked_at"]) == (3, 3, 3)
    assert done["left_out"] == {"in the catalog already": 1}
    assert hub.count("/resolve/") == 3 and hub.count("cursor=") == 1
    _, out, _ = own.run("--json", "info", "acme/Tune-7B", *RIG)
    row = json.loads(out)["models"][0]
    assert (row["origin"], row["base_model"], row["release_date"]) == ("community", "Qwen/Qwen3-8B", "2026-11-20")
    assert row["params_b"] == 7.241732096 and "not checked by hand" in row["notes"][-1]
    model = own.models()["Qwen/Qwen9-7B-Thinking"]
    assert (model.provider, model.origin, model.license) == ("Qwen", "official", "apache-2.0")
    assert (model.capabilities, model.tuning) == (("reasoning",), "reasoning")
    again = own.update()
    assert (again["digest"], again["added"]) == (done["digest"], 0), "nothing new: the list stays"
    hub.add("acme/Qwen3-8B-FP8", CONFIG | {"quantization_config": {"quant_method": "fp8"}}, safetensors=None,
            tags=["base_model:Qwen/Qwen3-8B", "base_model:quantized:Qwen/Qwen3-8B"])  # fmt: skip
    done = own.update()
    model = own.models()["acme/Qwen3-8B-FP8"]
    assert (model.origin, model.capabilities, model.format) == ("quantized", ("tool_use", "reasoning"), "fp8")
    assert "own models: 0\ngathered models: 4\n" in own.run("catalog", "info")[1]
    assert f"{done['digest']}  " in own.run("catalog", "list")[1]


def test_the_official_client_asks_the_same(hub: Hub, own: Own) -> None:
    """What the test server understands is the API: huggingface_hub lists its models, by the very same question."""
    from huggingface_hub import HfApi

    from llmfit.hub.client import EXPAND

    hub.add("acme/One-7B")
    hub.add("acme/Two-7B")
    hub.page = 1
    api = HfApi(endpoint=hub.url)
    found = list(api.list_models(sort="trending_score", limit=100, expand=list(EXPAND)))  # type: ignore[arg-type]
    assert [model.id for model in found] == ["acme/One-7B", "acme/Two-7B"] and found[0].created_at is not None
    asked, hub.asked = hub.asked, []
    assert own.update("--newest", "0", "--trending", "100")["models"] == 2
    assert [path for path in hub.asked if path.startswith("/api/models?")] == asked
    assert api.model_info("acme/One-7B", files_metadata=True).pipeline_tag == "text-generation"


def test_pin_and_rollback(hub: Hub, own: Own) -> None:
    hub.add("acme/One-7B")
    first = own.update()["digest"]
    hub.add("acme/Two-7B")
    second = own.update()["digest"]
    assert first != second and own.names() == ["acme/One-7B", "acme/Two-7B"]
    assert own.update("--rollback") == {
        "digest": first, "pinned": True, "models": 1, "added": 0, "looked_at": 0, "left_out": {},
    }  # fmt: skip
    assert own.names() == ["acme/One-7B"]
    status, _, err = own.run("catalog", "update")
    assert status == 1 and err.startswith(f"llmfit: {first} is pinned: `llmfit catalog update --pin latest`")
    assert own.update("--pin", "latest")["digest"] == second
    assert own.update("--pin", first)["pinned"] is True and own.names() == ["acme/One-7B"]
    assert own.update("--pin", "shipped")["digest"] == "" and own.names() == []
    status, out, err = own.run("catalog", "update", "--pin", "../../../etc/passwd")
    assert (status, out) == (1, "") and err.endswith(" is no digest: use one that `llmfit catalog list` shows\n"), err
    with pytest.raises(LlmfitError, match="cannot be read: No such file"):
        hub_lists.use("0" * 16)


def test_a_damaged_list_is_left_out(hub: Hub, own: Own) -> None:
    hub.add("acme/One-7B")
    digest = own.update()["digest"]
    path = Path(own.words["LLMFIT_DATA_DIR"], "catalog", f"{digest}.json")
    path.write_bytes(path.read_bytes().replace(b"7241732096", b"9241732096", 1))
    status, out, err = own.run("--json", "search", "qwen3-8b", *RIG)
    assert status == 0 and json.loads(out)["total_models"] > 1
    assert err == f"left out: {path}: damaged: it does not hold what its name says; run `llmfit catalog update`\n"
    assert own.update()["models"] == 1 and own.names() == ["acme/One-7B"]
    Path(path.parent, "current").write_text("nonsense")
    assert own.update()["models"] == 1


def test_when_the_hub_asks_to_wait(hub: Hub, own: Own) -> None:
    hub.add("acme/One-7B")
    busy = [429]

    def wrong(handler: Handler) -> bool:
        if busy and "/resolve/" in handler.path:
            handler.answer(b"slow down", busy.pop(), Retry_After="0")
            return True
        return False

    hub.wrong.append(wrong)
    begun = time.monotonic()
    assert own.update()["models"] == 1 and not busy
    assert time.monotonic() - begun > 0.9, "it was waited for"


@pytest.mark.parametrize("header", ["999999", "1" + "0" * 4000])
def test_a_wait_without_end_is_not_waited_for(hub: Hub, own: Own, header: str) -> None:
    hub.add("acme/One-7B")
    hub.wrong.append(lambda handler: "/resolve/" in handler.path and not handler.answer(b"", 429, Retry_After=header))
    begun = time.monotonic()
    status, _, err = own.run("catalog", "update")
    assert status == 1 and err.startswith("llmfit: the Hub asks to wait ") and err.count("\n") == 1, err
    assert time.monotonic() - begun < 50


def test_an_update_that_is_cut_off_goes_on(hub: Hub, own: Own) -> None:
    for at in range(6):
        hub.add(f"acme/M{at}-7B")
    dead = ["M3"]
    hub.wrong.append(lambda handler: any(name in handler.path for name in dead) and handler.cut())
    status, _, err = own.run("catalog", "update")
    assert status == 1 and err.startswith(f"llmfit: the Hub at {hub.url} cannot be asked: "), err
    assert own.names() == [], "a list comes into use whole or not at all"
    asked = hub.count("/resolve/")
    dead.clear()
    journal = Path(own.words["LLMFIT_DATA_DIR"], "catalog", "gathering.jsonl")
    with journal.open("ab") as file:
        file.write(b'{"id": "half a li')
    assert own.update()["models"] == 6
    assert hub.count("/resolve/") == asked + 3, "the first three are not asked for again"
    assert not journal.exists() and len(own.names()) == 6


def test_an_update_that_is_killed_goes_on(hub: Hub, own: Own) -> None:
    for at in range(4):
        hub.add(f"acme/M{at}-7B")
    hub.wrong.append(lambda handler: bool("M2" in handler.path and time.sleep(30)))
    one = own.start("catalog", "update")
    end = time.monotonic() + 60
    while not hub.count("M2") and time.monotonic() < end:
        time.sleep(0.02)
    status, _, err = own.run("catalog", "update")
    assert status == 1 and err.startswith("llmfit: another update is going on: ")
    one.send_signal(signal.SIGKILL)
    one.communicate()
    hub.wrong.clear()
    assert own.update()["models"] == 4
    assert hub.count("M0-7B/resolve") == 1 and hub.count("M2-7B/resolve") == 2


GARBAGE = {
    "no list": b'{"error": "x"}', "no JSON": b"<html>", "deep": b"[" * 100_000, "nothing": b"", "text": b"\xff\xfe",
}  # fmt: skip


@pytest.mark.parametrize("what", GARBAGE)
def test_lists_that_are_none(hub: Hub, own: Own, what: str) -> None:
    hub.wrong.append(lambda handler: not handler.answer(GARBAGE[what]))
    status, _, err = own.run("catalog", "update")
    assert status == 1 and err == f"llmfit: the Hub at {hub.url} answers with something else than a list\n"


def test_what_is_no_model_is_left_out_one_by_one(hub: Hub, own: Own) -> None:
    hub.lists["trendingScore"] += [7, None, {}, {"id": "../../../x/y"}, {"id": "x" * 5000}, {"id": "a/b", "tags": 5}]
    huge = {"parameters": {"BF16": 10**40}, "total": 10**40}
    hub.lists["trendingScore"].append({"id": "acme/Huge", "safetensors": huge})
    hub.add("acme/..", config=b"{}")
    hub.add("acme/Named-70B")  # and holds 7
    hub.add("acme/Layers-7B", CONFIG | {"num_hidden_layers": 10**9})
    hub.add("acme/Long-7B", CONFIG | {"max_position_embeddings": 10**30})
    hub.add("acme/Nan-7B", b'{"model_type": NaN, "hidden_size": Infinity}')
    hub.add("acme/Deep-7B", b'{"a":' * 50_000)
    hub.add("acme/Large-7B", b" " * (2 << 20))
    hub.add("acme/Other-7B", CONFIG | {"hidden_size": 1024})  # a shape of another size
    hub.add("acme/Picture", pipeline_tag="text-to-image")
    hub.add("acme/Adapter-7B", tags=["base_model:adapter:Qwen/Qwen3-8B"])
    hub.add("acme/Gated-7B", config=None)
    hub.add("acme/Copy-7B-FP8", CONFIG | {"quantization_config": {"quant_method": "fp8"}},
            tags=["base_model:quantized:nobody/none"])  # fmt: skip
    hub.add("acme/Dated-7B", createdAt="9999-99-99", cardData={"license": "<script>"}, tags=["license:ok-1.0"])
    done = own.update()
    assert own.names() == ["acme/Dated-7B"] and done["models"] == 1, done
    model = own.models()["acme/Dated-7B"]
    assert (model.license, model.release_date) == ("ok-1.0", None)
    places = [path for path in own.folder.rglob("*") if path.is_file()]
    assert {path.suffix for path in places} <= {".json", ""} and len(places) == 2


def test_an_answer_without_end(hub: Hub, own: Own) -> None:
    def endless(handler: Handler) -> bool:
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        try:
            for _ in range(4096):
                handler.wfile.write(b"[" * (1 << 16))
        except OSError:
            pass
        return True

    hub.wrong.append(endless)
    status, _, err = own.run("catalog", "update")
    assert (status, err) == (1, "llmfit: the Hub answers with more than 16 MiB\n")


@pytest.mark.parametrize("path", ["/api/models", "/elsewhere"])
def test_what_it_says_comes_from_its_own_host(hub: Hub, own: Own, path: str) -> None:
    """A redirect to another host is not followed, on the way through its own neither."""

    def elsewhere(handler: Handler) -> bool:
        there = "/elsewhere" if path != "/api/models" and handler.path.startswith("/api") else "http://localhost:9/models"
        handler.answer(b"", 302, Location=there)
        return True

    hub.wrong.append(elsewhere)
    hub.wrong.append(elsewhere)
    status, _, err = own.run("catalog", "update")
    assert status == 1 and err.endswith("sends to another host for what it says of models\n"), err


def test_the_token_goes_to_no_other_host(hub: Hub, own: Own) -> None:
    def elsewhere(handler: Handler) -> bool:
        handler.answer(b'[{"id": "acme/x"}]', Link='<http://localhost:9/api/models?cursor=1>; rel="next"')
        return True

    hub.wrong.append(elsewhere)
    status, _, err = own.run("catalog", "update")
    assert status == 1 and err.endswith("sends to another host for the next page\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"HF_ENDPOINT": "ftp://x"}, "HF_ENDPOINT is no address"),
        ({"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE is set"),
    ],
)
def test_without_a_hub(own: Own, words: dict[str, str], said: str) -> None:
    own.words |= words
    status, _, err = own.run("catalog", "update")
    assert status == 1 and err.startswith(f"llmfit: {said}") and err.count("\n") == 1, err


def test_add_from_the_hub(hub: Hub, own: Own) -> None:
    hub.add("acme/Acme-7B-Coder")
    status, out, err = own.run("catalog", "add", "acme/Acme-7B-Coder")
    path = Path(own.words["LLMFIT_MODELS_DIR"], "acme--Acme-7B-Coder.toml")
    assert (status, out) == (0, f"{path}: acme/Acme-7B-Coder, 7.24B parameters\n"), err
    model = read_model(str(path))
    assert (model.use_case, model.license, model.context_length) == ("coding", "apache-2.0", 32768)
    status, _, err = own.run("catalog", "add", "acme/none")
    assert (status, err) == (1, "llmfit: acme/none cannot be added: the Hub does not give it: status 404\n")


def test_old_lists_are_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMFIT_DATA_DIR", str(tmp_path))
    model = {"provider": "a", "kind": "original", "origin": "official", "format": "bf16", "use_case": "general",
             "role": "generator", "tuning": "unknown", "params_total": 1e9, "params_text": 1e9}  # fmt: skip
    made = [hub_lists.Gathered("", "0" * 16, [OwnModel(id=f"a/m{at}", **model)]) for at in range(hub_lists.KEPT + 3)]  # type: ignore[arg-type]
    digests = []
    for at, one in enumerate(made):
        digests.append(hub_lists.write(one))
        os.utime(hub_lists.path_of(digests[-1]), (at, at))
        hub_lists.use(digests[-1])
    assert hub_lists.kept() == digests[::-1][: hub_lists.KEPT]
    assert hub_lists.in_use() == hub_lists.InUse(digests[-1], False, digests[-2])
