"""Models of the user's own: what a file may say, what is said of a broken one, what stands over the catalog."""

from __future__ import annotations

import itertools
import json
import os
import re
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from commands import RIG, good, llmfit, refused

from llmfit._core import Estimates, Ranking
from llmfit.catalog import own_models, plausibility
from llmfit.catalog.catalog import Catalog
from llmfit.catalog.overlay import lay_over
from llmfit.errors import LlmfitError
from llmfit.files.as_own_model import own_of_file
from llmfit.hardware.host import host_of
from llmfit.machine import Machine

ACME = """# what it takes
id = "acme/Acme-7B"
params_total = 7_241_732_096
n_layers = 32
hidden_size = 4096
n_heads = 32
n_kv_heads = 8
head_dim = 128
intermediate_size = 14336
vocab_size = 32000
attention = "full"
n_full_attn_layers = 32
context_length = 32768
license = "acme-1.0"
use_case = "coding"
tuning = "instruct"
serves = ["general", "coding"]
"""
BEST = "Qwen/Qwen3.5-27B"
WRONG = [
    ('id = "acme/x"\nparams_total = 0', "2: params_total: expected a number above 0"),
    ('id = "acme/x"\n\nparams_total = 1e9\nn_layers = 99999', "4: n_layers: expected a whole number <= 8192"),
    ('id = "../../etc/passwd"\nparams_total = 1e9', "1: id: expected a text matching regex"),
    ('params_total = 1e9', "1: id: is missing; id and params_total are needed"),
    ('id = "acme/x"', "1: params_total: is missing; id and params_total are needed"),
    ('id = "acme/x"\nparams_total = 1e9\nn_layer = 3', "3: n_layer: unknown key (did you mean n_layers?); use id|"),
    ('id = "acme/x"\nparams_total = 1e9\nformat = "zip"', "3: format: use bf16|fp8|"),
    ('id = "acme/x"\nparams_total = 1e9\nserves = ["x"]', "3: serves: use general|coding|reasoning|chat|"),
    ('id = "acme/x"\nparams_total = 1e9\nparams_text = 2e9', "3: params_text: is larger than params_total"),
    ('id = "acme/x"\nparams_total = 1e9\nn_heads = 4\nn_kv_heads = 8', "4: n_kv_heads: is larger than n_heads"),
    ('id = "acme/x"\nparams_total = 1e9\nrelease_date = "2025-02-30"', "3: release_date: 2025-02-30 is not a day"),
    ('id = "acme/x"\nparams_total = 1e9\nbase_id = "acme/X"', "3: base_id: use another model's id"),
    ('id = "acme/x"\nparams_total = 1e9\n[cells]\nparam = 2', "4: cells.param: unknown key; use params|active|"),
    ('id = "acme/x"\nparams_total = 1e9\n[quant]\nname = 4', "4: quant.name: expected a text, got a whole number"),
    ('id = "acme/x"\nparams_total = 1e9\n[quant]\nname = "Q4"', "3: quant.runtime: is missing"),
    ('id = "acme/x"\nid = "acme/y"', "2: Cannot overwrite a value"),
    ("id = \n", "1: Invalid value"),
    ("a = " + "[" * 20000, "1: it is nested too deeply"),
    (f'id = "acme/x"\nparams_total = {"9" * 5000}', "2: a number or a bare word is too long"),
    (f'id = "acme/x"\nparams_total = {"9" * 40}', "2: params_total: "),
    ("id = \"\xff\"", "1: this is not UTF-8"),
    ("# " + "x" * (1 << 16), " too large: use at most 64 KiB"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), WRONG)
def test_a_broken_file_is_named_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "bad.toml").write_bytes(text.encode("latin-1"))
    (tmp_path / "good.toml").write_text(ACME)
    found = own_models.read_folder(str(tmp_path))
    assert [model.id for _, model in found.models] == ["acme/Acme-7B"], "the others stand"
    (problem,) = found.problems
    assert problem.startswith(f"{tmp_path}/bad.toml:{said}"), problem
    assert len(problem) < 1000 and "\n" not in problem


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "loop.toml").symlink_to("loop.toml")
    (tmp_path / "gone.toml").symlink_to("nowhere")
    (tmp_path / ".hidden.toml").write_text("nonsense")
    (tmp_path / "notes.txt").write_text("nonsense")
    begun = time.monotonic()
    found = own_models.read_folder(str(tmp_path))
    assert not found.models and len(found.problems) == 4 and time.monotonic() - begun < 30
    assert own_models.read_folder(str(tmp_path / "nowhere")) == own_models.Folder([], [])


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for name, what in (("nowhere", "No such file or directory"), ("file", "Not a directory")):
        done = llmfit("--json", "search", "qwen3-8b", *RIG, LLMFIT_MODELS_DIR=str(tmp_path / name))
        assert (done.returncode, done.stderr) == (0, f"left out: {tmp_path}/{name}: cannot be read: {what}\n")
        assert json.loads(done.stdout)["total_models"] > 1


def test_ids_twice_and_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.toml").write_text(ACME)
    (tmp_path / "b.toml").write_text(ACME.replace("acme/Acme-7B", "ACME/acme-7b"))
    found = own_models.read_folder(str(tmp_path))
    assert len(found.models) == 1
    assert found.problems == [f"{tmp_path}/b.toml:1: id: ACME/acme-7b stands in a.toml too; use another id"]
    monkeypatch.setattr(own_models, "MOST_FILES", 1)
    assert own_models.read_folder(str(tmp_path)).problems == [f"{tmp_path}: it holds 2 files; use at most 1"]


def laid(catalog: Catalog, *texts: str) -> Catalog:
    models = [(f"{at}.toml", own_models.model_of(text.encode(), f"{at}.toml")) for at, text in enumerate(texts)]
    packed, problems = lay_over(catalog.packed, [], models)
    assert not problems
    return Catalog.of(packed)


def rows(catalog: Catalog, machine: Machine, *names: str) -> list[dict[str, Any]]:
    ranking = Ranking(Estimates(catalog.core, host_of(machine, catalog)))
    found: list[dict[str, Any]] = json.loads(ranking.encode([catalog.core.index_of(name) for name in names]))
    return found


@pytest.fixture
def rig(machine_of: Any) -> Machine:
    machine: Machine = machine_of("rtx-4090-24gb")
    return machine


def test_all_other_rows_stay_as_they_are(catalog: Catalog, rig: Machine) -> None:
    changed = ACME.replace("acme/Acme-7B", "Qwen/Qwen3-8B").replace("7_241_732_096", "8190735360")
    other = laid(catalog, ACME, changed)
    assert other.size == catalog.size + 1
    before = Ranking(Estimates(catalog.core, host_of(rig, catalog))).encode(list(range(catalog.size)))
    after = Ranking(Estimates(other.core, host_of(rig, other))).encode(list(range(catalog.size)))
    own_row = catalog.core.index_of("Qwen/Qwen3-8B")
    pairs = zip(msgspec.json.decode(before), msgspec.json.decode(after), strict=True)
    assert [at for at, (a, b) in enumerate(pairs) if a != b] == [own_row]


def test_own_facts_stand_above_the_shipped_ones(catalog: Catalog, rig: Machine) -> None:
    text = 'id = "qwen/qwen3-8b"\nparams_total = 8190735360\ncontext_length = 999424\nn_layers = 36\n'
    mine, shipped = rows(laid(catalog, text), rig, "Qwen/Qwen3-8B")[0], rows(catalog, rig, "Qwen/Qwen3-8B")[0]
    assert (mine["name"], mine["context_length"]) == ("qwen/qwen3-8b", 999424)
    assert mine["gguf_sources"] == shipped["gguf_sources"] and mine["copies"] == shipped["copies"]
    assert mine["score_components"]["quality"] == pytest.approx(shipped["score_components"]["quality"], abs=1.5)


def test_a_fine_tune_is_judged_by_its_base(catalog: Catalog, rig: Machine) -> None:
    facts = ACME.replace("acme/Acme-7B", "acme/Tuned")
    tuned, alone, base = rows(
        laid(catalog, facts + 'base_id = "Qwen/Qwen3-8B"\n', ACME), rig, "acme/Tuned", "acme/Acme-7B", "Qwen/Qwen3-8B"
    )
    assert (tuned["origin"], tuned["base_model"], alone["origin"]) == ("community", "Qwen/Qwen3-8B", "official")
    quality = [row["score_components"]["quality"] for row in (alone, tuned, base)]
    assert quality[0] != quality[1] < quality[2]


def test_a_newer_generation_is_named_by_the_older_one(catalog: Catalog, rig: Machine) -> None:
    shape = rows(catalog, rig, "Qwen/Qwen3.5-9B")[0]
    text = f'id = "Qwen/Qwen9-9B"\nparams_total = {shape["params_b"] * 1e9:.0f}\nrelease_date = "2026-11-01"\n'
    old = rows(laid(catalog, text), rig, "Qwen/Qwen3.5-9B")[0]
    assert "superseded by a newer model of equal size: Qwen/Qwen9-9B" in old["notes"]


def test_the_first_few_are_those_of_the_whole_list(catalog: Catalog, machine_of: Any) -> None:
    """Own rows lie behind the shipped ones, whatever their size, group and score; what finds the best few sees them."""
    sizes = (100_000_000, 1_000_000_000, 4_000_000_000, 8_000_000_000, 30_000_000_000, 100_000_000_000)
    copy = 'base_id = "{}"\norigin = "quantized"\n'
    texts = [
        ACME.replace("acme/Acme-7B", f"{owner}-{at}").replace("7_241_732_096", str(size)) + base
        for at, (size, owner, base) in enumerate(
            itertools.product(sizes, ("Qwen/Qwen9", "acme/A"), ("", copy.format("Qwen/Qwen3.5-9B"), copy.format(BEST)))
        )
    ]
    other = laid(catalog, *texts, ACME.replace("acme/Acme-7B", "Qwen/Qwen3-8B"))
    seen = 0
    for name in ("rtx-4090-24gb", "cpu-laptop-16gb", "h100-x8"):
        host = host_of(machine_of(name), other)
        for use_case, distinct in itertools.product(range(6), (False, True)):
            few, whole = (
                Ranking(Estimates(other.core, host), use_case).select(limit=limit, distinct=distinct)
                for limit in (20, 1 << 20)
            )
            assert few == (whole[0], whole[1][:20]), (name, use_case, distinct)
            seen += sum(at >= catalog.size for at in few[1])
    assert seen > 5


def test_facts_beyond_the_kernel_are_left_out(catalog: Catalog) -> None:
    good_one, bad_one = (own_models.model_of(ACME.replace("Acme-7B", name).encode(), name) for name in ("Good", "Bad"))
    bad_one = msgspec.structs.replace(bad_one, cells={"n_layers": 1e9})
    packed, problems = lay_over(catalog.packed, [], [("bad.toml", bad_one), ("good.toml", good_one)])
    assert problems == ["bad.toml: n_layers: 1e+09 is not from 0 to 16384"]
    assert Catalog.of(packed).core.index_of("acme/Good") == catalog.size


def test_a_thousand_of_them_cost_little(catalog: Catalog) -> None:
    models = [("x", own_models.model_of(ACME.replace("Acme-7B", f"A{at}").encode(), "x")) for at in range(200)]
    begun = time.process_time()
    packed, _ = lay_over(catalog.packed, [], models)
    assert packed.n_rows == catalog.size + 200 and time.process_time() - begun < 1


def test_commands(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(ACME)
    where = ("--models-dir", str(tmp_path))
    row = json.loads(good(*where, "--json", "info", "acme/Acme-7B", *RIG))["models"][0]
    assert (row["provider"], row["license"], row["category"]) == ("acme", "acme-1.0", "Coding")
    assert good(*where, "catalog", "list").startswith(f"own models in {tmp_path}: 1\n  acme/Acme-7B  7.24B  a.toml\n")
    assert "own models: 1\ngathered models: 0\n" in good(*where, "catalog", "info")
    (tmp_path / "b.toml").write_text("nonsense")
    done = llmfit(*where, "--json", "search", "acme-7b", *RIG)
    assert json.loads(done.stdout)["total_models"] == 1
    assert done.stderr.startswith(f"left out: {tmp_path}/b.toml:1: ") and done.stderr.count("\n") == 1
    checked = llmfit("catalog", "check", LLMFIT_MODELS_DIR=str(tmp_path))
    assert checked.returncode == 1 and f"{tmp_path}/b.toml:1: " in checked.stdout, checked
    (tmp_path / "b.toml").write_text(ACME.replace("Acme-7B", "Acme-70B"))
    checked = llmfit("catalog", "check", str(tmp_path))
    assert f"{tmp_path}/b.toml:2: acme/Acme-70B: named 70 B and has 7.2 B parameters\n" in checked.stdout, checked
    assert good(*where, "catalog", "remove", "ACME/acme-70b") == f"removed {tmp_path}/b.toml\n"
    said = refused(*where, "catalog", "remove", "acme/none", status=1)
    assert said == f"no own model has the id 'acme/none' in {tmp_path}; own models: acme/Acme-7B"
    assert refused("--models-dir", "/nowhere", "fit") == "invalid models_dir value: /nowhere is no folder"


def test_add(tmp_path: Path, catalog: Catalog) -> None:
    config = tmp_path / "config.json"
    shape = {"model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
             "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 32000}  # fmt: skip
    config.write_text(json.dumps(shape))
    folder = str(tmp_path / "models.d")
    added = llmfit("catalog", "add", str(config), "--id", "mine/M", LLMFIT_MODELS_DIR=folder)
    assert added.stdout == f"{folder}/mine--M.toml: mine/M, 7.24B parameters\n", added
    assert re.match("# not recognised|# taken as", Path(folder, "mine--M.toml").read_text())
    assert json.loads(good("--json", "info", "mine/M", *RIG, LLMFIT_MODELS_DIR=folder))["models"][0]["name"] == "mine/M"
    again = llmfit("catalog", "add", str(config), "--id", "mine/M", LLMFIT_MODELS_DIR=folder)
    assert again.returncode == 1 and "is there already: use --force" in again.stderr
    assert llmfit("catalog", "add", str(config), "--id", "mine/M", "--force", LLMFIT_MODELS_DIR=folder).returncode == 0
    done = llmfit("catalog", "add", str(config), "--id", "../../x", LLMFIT_MODELS_DIR=folder)
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done
    for id in ("a/b/c", "", "x" * 300, "..", ".hidden", "a/.."):
        with pytest.raises(LlmfitError, match=r"cannot read config\.json: "):
            own_of_file(str(config), catalog, id)
    assert os.listdir(folder) == ["mine--M.toml"]
    assert refused("catalog", "add", "no such thing").startswith("invalid model value: use a file, a folder or OWNER/")


def test_a_wrong_fact_of_ones_own_is_a_finding(catalog: Catalog, tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(ACME.replace("7_241_732_096", "1000"))
    report = plausibility.check_own(str(tmp_path), catalog)
    assert str(report.findings[0]) == f"{path}:3: acme/Acme-7B: 1000 parameters"


def test_the_text_of_a_model_is_read_again() -> None:
    with pytest.raises(LlmfitError, match=re.escape("x.toml:1: id: is missing")):
        own_models.model_of(b"", "x.toml")
