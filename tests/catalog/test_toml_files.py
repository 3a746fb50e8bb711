"""What a TOML file may hold is counted before it is parsed."""

from __future__ import annotations

import tomllib
import tracemalloc
from pathlib import Path

import pytest

from llmfit.catalog.own_models import read_folder
from llmfit.catalog.toml_files import MOST_DEPTH, MOST_DIGITS, MOST_KEYS, beyond, parsed
from llmfit.errors import LlmfitError

DEEP = MOST_DEPTH + 1
REFUSED = [
    (".".join("a" * DEEP) + " = 1", "1: a key of too many parts"),
    ("b = 1\n" + " . ".join("a" * DEEP) + " = 1", "2: a key of too many parts"),
    ("[" + ".".join('"a"' for _ in range(DEEP)) + "]", "1: a key of too many parts"),
    ("a = {" + ".".join("a" * DEEP) + " = 1}", "1: a key of too many parts"),
    ("a = " + "[" * DEEP + "]" * DEEP, "1: it is nested too deeply"),
    ("a = " + "{a=" * DEEP + "1" + "}" * DEEP, "1: it is nested too deeply"),
    ("\n".join(f"k{n} = 1" for n in range(MOST_KEYS + 1)), f"{MOST_KEYS + 1}: too many keys"),
    ("a = " + "9" * (MOST_DIGITS + 1), "1: a number or a bare word is too long"),
]
FINE = [
    'a = """\n' + "x.y." * DEEP + '\n[[[[[[[[[[\n"""\nb = 1\n',
    "a = '" + "x.y." * DEEP + "'  # " + "z." * DEEP,
    'a = "\\"' + "[" * DEEP + '"',
    "'quoted.key.of.so.many.dots.that.it.would.not.do' = 1",
    "[a.b]\nc.d = 1979-05-27T07:32:00.999999+00:00\ne = [1.5, 2.5, [3.5]]\nf = {g.h = 1, i = {j = 2}}",
    'a = """x""""\nb = "" # "\nc = 1',
    "a = [" + "1, " * 8000 + "]",
]


@pytest.mark.parametrize(("text", "said"), REFUSED, ids=lambda part: part[:20])
def test_refused(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(LlmfitError) as error:
        parsed(text.encode(), "file")
    assert str(error.value).startswith(f"file:{said}")
    (tmp_path / "a.toml").write_text(text)
    folder = read_folder(str(tmp_path))
    assert not folder.models and folder.problems[0].startswith(f"{tmp_path}/a.toml:{said}")


@pytest.mark.parametrize("text", FINE, ids=lambda text: text[:20])
def test_taken(text: str) -> None:
    assert beyond(text) is None
    assert parsed(text.encode(), "file") == tomllib.loads(text)


def test_what_passes_is_cheap() -> None:
    """The worst of what may be held, by the parser's own cost."""
    path = ".".join("abcdefgh"[:MOST_DEPTH - 1])
    keys, tables = (f"{path}.k{n} = 1" for n in range(MOST_KEYS)), (f"[a.b{n}.{path[4:]}]" for n in range(2000))
    worst = ["\n".join(keys), "\n".join(tables), "a = [" + "[1]," * (MOST_KEYS - 2) + "]"]
    for text in worst:
        tracemalloc.start()
        parsed(text.encode(), "file")
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
        tracemalloc.stop()
