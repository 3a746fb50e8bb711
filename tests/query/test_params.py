"""The parameter table: every name, alias, value and error text; held against the reference, not against itself."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from llmfit.codes import CAPABILITIES
from llmfit.errors import BadParam
from llmfit.query import params
from llmfit.query.params import BY_NAME, ENDPOINTS, LISTS, PARAMS, Param, echo, parse
from llmfit.wire.rows import Row

WHATIF = ("profile", "gpu", "gpu_count", "vram_gb", "gpu_bandwidth_gbps", "ram_gb", "cpu", "cpu_cores",
          "ram_bandwidth_gbps", "unified_memory", "backend")  # fmt: skip
FITS = "perfect|good|marginal|too_tight"
INTEGERS = ("-1", "1.5", "ten", "1e3", "0x10", "+1", "1 000", "1234567890123", "\u0663")  # the last is an Arabic 3
NUMBERS = ("-1", "ten", "1e", "e3", "1e400", "1e3.5", "nan", "inf", "1,5", ".", "+1", "1000001")
BOOLEANS = ("maybe", "2", "truee", "y", "-1")
# name: (good value texts and what they mean, bad value texts, the error behind "invalid NAME value: ")
TABLE: dict[str, tuple[dict[str, Any], tuple[str, ...], str]] = {
    "limit": ({"0": 0, "7": 7, " 7 ": 7, "007": 7}, INTEGERS, "use a non-negative integer"),
    "perfect": ({"true": True, "1": True, "YES": True, "On": True, "false": False, "0": False, "no": False,
                 " off ": False}, BOOLEANS, "use true|false"),
    "min_fit": ({"perfect": "perfect", " GOOD ": "good", "marginal": "marginal", "too_tight": "too_tight",
                 "tight": "too_tight", "TooTight": "too_tight"}, ("best", "too tight", "good,marginal"), f"use {FITS}"),
    "include_too_tight": ({"true": True, "false": False}, BOOLEANS, "use true|false"),
    "runtime": ({"any": "any", "mlx": "mlx", "llamacpp": "llamacpp", "llama.cpp": "llamacpp", "LLAMA_CPP": "llamacpp",
                 "vllm": "vllm"}, ("ollama", "llama-cpp", "mlx,llamacpp"), "use any|mlx|llamacpp"),
    "force_runtime": ({"mlx": "mlx", "llamacpp": "llamacpp", "llama.cpp": "llamacpp", "llama_cpp": "llamacpp",
                       "vllm": "vllm"}, ("any", "ollama"),
                      "use mlx|llamacpp|vllm"),
    "use_case": ({"general": "general", "coding": "coding", "code": "coding", "reason": "reasoning",
                  "Reasoning": "reasoning", "chat": "chat", "vision": "multimodal", "multimodal": "multimodal",
                  "embed": "embedding", "embedding": "embedding"}, ("coder", "math"),
                 "use general|coding|reasoning|chat|multimodal|embedding"),
    "models": ({"Qwen/A,b": ("Qwen/A", "b"), "a , b": ("a", "b")}, (",", "a,,b", "a,", "x" * 1001),
               "use a comma-separated list of at most 1000 characters"),
    "provider": ({"Meta": "Meta", "  q wen ": "q wen", "x" * 200: "x" * 200}, ("x" * 201,),
                 "use a non-empty text of at most 200 characters"),
    "search": ({"8B": "8B", "%_*": "%_*", "\u00e9": "\u00e9"}, ("x" * 201,),
               "use a non-empty text of at most 200 characters"),
    "license": ({"MIT": ("mit",), "mit, Apache-2.0": ("mit", "apache-2.0")}, (",", "mit,,x", "mit,", "x" * 201),
                "use a comma-separated list of at most 200 characters"),
    "capability": ({**{name: (name,) for name in CAPABILITIES}, " Vision ,tool_use,vision": ("tool_use", "vision")},
                   (",", "vision,"), f"use a comma-separated list of {'|'.join(CAPABILITIES)}"),
    "distinct": ({"true": True, "0": False}, BOOLEANS, "use true|false"),
    "exact": ({"true": True, "0": False}, BOOLEANS, "use true|false"),
    "min_tps": ({"0": 0.0, "8.5": 8.5}, NUMBERS[:-1], "use a non-negative number"),
    "max_mem_gb": ({"0": 0.0, "12": 12.0}, NUMBERS[:-1], "use a non-negative number"),
    "min_params_b": ({"0": 0.0, "7": 7.0}, NUMBERS[:-1], "use a non-negative number"),
    "max_params_b": ({"70": 70.0, "0.5": 0.5}, NUMBERS[:-1], "use a non-negative number"),
    "released_after": ({"2026-01-31": "2026-01-31", "2026-01": "2026-01", " 2025 ": "2025"},
                       ("26", "2026-13", "2026-00-01", "2026-1-1", "2026-01-32", "yesterday", "2026-01-01T00:00"),
                       "use a date: YYYY-MM-DD, YYYY-MM or YYYY"),
    "sort": ({"score": "score", "tps": "tps", "tokens": "tps", "throughput": "tps", "params": "params",
              "parameters": "params", "mem": "mem", "memory": "mem", "mem_pct": "mem", "utilization": "mem",
              "ctx": "ctx", "context": "ctx", "date": "date", "release": "date", "released": "date",
              "use_case": "use_case", "use": "use_case", "usecase": "use_case", "TPS": "tps"},
             ("name", "-score", "score,tps"), "use score|tps|params|mem|ctx|date|use_case"),
    "order": ({"asc": "asc", "DESC": "desc"}, ("up", "ascending"), "use asc|desc"),
    "offset": ({"0": 0, "10": 10}, INTEGERS, "use a non-negative integer"),
    "fields": ({**{key: (key,) for key in Row.__struct_fields__}, "score, NAME,score": ("name", "score")},
               (",", "name,,score"), "use a comma-separated list of keys of a row"),
    "basis": ({"free": "free", "Total": "total"}, ("used", "all"), "use free|total"),
    "explain": ({"true": True, "no": False}, BOOLEANS, "use true|false"),
    "strict": ({"true": True, "no": False}, BOOLEANS, "use true|false"),
    "max_context": ({"1": 1, "32768": 32768}, ("0", *INTEGERS), "use a positive integer"),
    "context": ({"1": 1, "32768": 32768}, ("0", *INTEGERS), "use a positive integer"),
    "quant": ({"Q4_K_M": "Q4_K_M", " q8_0 ": "q8_0"}, ("x" * 201,), "use a non-empty text of at most 200 characters"),
    "kv_quant": ({"f16": "f16", "FP16": "f16", "Q8_0": "q8_0", "q4_0": "q4_0", "q8_0, Q4_0": "q8_0,q4_0",
                  "q8_0,q8_0": "q8_0", "fp8": "fp8", "q4_1": "q4_1", "q5_1": "q5_1",
                  "bf16": "bf16", "q5_0": "q5_0", "iq4_nl": "iq4_nl", "f32": "f32", "iq4_nl,f32": "iq4_nl,f32"},
                 ("q5", ",", "q8_0,", "f16,q8_0,q4_0"),
                 "use f16|q8_0|q4_0|bf16|f32|q5_1|q5_0|q4_1|iq4_nl|fp8, or two: K,V"),
    "target_tps": ({"10": 10.0, "0.5": 0.5}, ("0", *NUMBERS), "use a positive number up to 1000000"),
    "concurrency": ({"1": 1, "1024": 1024}, ("0", "1025", *INTEGERS), "use a positive integer up to 1024"),
    "profile": ({"dgx-h100": "dgx-h100"}, ("x" * 201,), "use a non-empty text of at most 200 characters"),
    "gpu": ({"RTX 4090": "RTX 4090"}, ("x" * 201,), "use a non-empty text of at most 200 characters"),
    "gpu_count": ({"0": 0, "64": 64}, ("65", *INTEGERS), "use a non-negative integer up to 64"),
    "vram_gb": ({"0": 0.0, "24": 24.0, "23.5": 23.5, ".5": 0.5, "24.": 24.0}, NUMBERS,
                "use a non-negative number up to 1000000"),
    "gpu_bandwidth_gbps": ({"1008": 1008.0}, ("0", *NUMBERS), "use a positive number up to 1000000"),
    "ram_gb": ({"64": 64.0, "0.5": 0.5}, ("0", *NUMBERS), "use a positive number up to 1000000"),
    "cpu": ({"Ryzen 9 7950X": "Ryzen 9 7950X"}, ("x" * 201,), "use a non-empty text of at most 200 characters"),
    "cpu_cores": ({"8": 8, "4096": 4096}, ("0", "4097", *INTEGERS), "use a positive integer up to 4096"),
    "ram_bandwidth_gbps": ({"83.2": 83.2}, ("0", *NUMBERS), "use a positive number up to 1000000"),
    "unified_memory": ({"true": True, "off": False}, BOOLEANS, "use true|false"),
    "backend": ({"CUDA": "cuda", "rocm": "rocm", "metal": "metal", "vulkan": "vulkan", "sycl": "sycl", "cpu": "cpu"},
                ("opencl", "ascend"), "use cuda|rocm|metal|vulkan|sycl|cpu"),
}  # fmt: skip
ALIASES = {"n": "limit", "top": "limit", "memory": "vram_gb", "ram": "ram_gb"}
DEFAULTS = {
    "models": {"limit": None, "min_fit": "marginal", "include_too_tight": True, "distinct": False},
    "top": {"limit": 5, "min_fit": "marginal", "include_too_tight": False, "distinct": True},
    "name": {"limit": None, "min_fit": "marginal", "include_too_tight": True, "distinct": False, "exact": False},
    "fit": {"limit": 20, "min_fit": "marginal", "include_too_tight": True, "distinct": False},
}


def value(name: str, text: str) -> Any:
    return getattr(parse([(name, text)], home(name)).query, BY_NAME[name].name)


def home(name: str) -> str:
    """An endpoint that takes the parameter."""
    taken = BY_NAME[name].endpoints if name in BY_NAME else ("name",)
    return "name" if "name" in taken else taken[0]


def message(*pairs: tuple[str, str], endpoint: str | None = None) -> str:
    with pytest.raises(BadParam) as caught:
        parse(pairs, endpoint or home(pairs[0][0]))
    return str(caught.value)


def test_the_table_is_complete() -> None:
    assert [param.name for param in PARAMS] == list(TABLE)
    assert {alias: param.name for param in PARAMS for alias in param.aliases} == ALIASES
    assert params.WHATIF_NAMES == WHATIF
    assert {param.stage for param in PARAMS} == {
        "basis", "machine", "analyse", "score", "filter", "order", "page", "write", "explain", "parse"
    }  # fmt: skip
    assert all(param.help.endswith((".", "?")) for param in PARAMS)


@pytest.mark.parametrize(("name", "text", "wanted"), [(n, t, w) for n, row in TABLE.items() for t, w in row[0].items()])
def test_good_value(name: str, text: str, wanted: Any) -> None:
    got = value(name, text)
    assert got == wanted and type(got) is type(wanted)


@pytest.mark.parametrize("name", TABLE)
def test_bad_value(name: str) -> None:
    _, bad, text = TABLE[name]
    for each in (*bad, "", "  "):
        assert message((name, each)) == f"invalid {name} value: {text}", each


def test_an_unknown_word_of_a_list_is_named_with_the_nearest() -> None:
    keys, listed = "use a comma-separated list of keys of a row", "use a comma-separated list of "
    assert message(("fields", "name,scroe")) == f"invalid fields value: unknown 'scroe' (did you mean 'score'?); {keys}"
    assert message(("fields", "models[0]" * 9)) == f"invalid fields value: unknown '{('models[0]' * 9)[:40]}'; {keys}"
    assert message(("capability", "vision,tool")) == (
        f"invalid capability value: unknown 'tool' (did you mean 'tool_use'?); {listed}{'|'.join(CAPABILITIES)}"
    )


def test_every_documented_value_and_value_alias_is_in_the_table() -> None:
    for param in PARAMS:
        texts = {text.strip().lower() for text in TABLE[param.name][0]}
        assert texts >= {*param.choices, *param.value_aliases}, param.name


@pytest.mark.parametrize(("alias", "name"), ALIASES.items())
def test_alias(alias: str, name: str) -> None:
    assert value(alias, "3") == value(name, "3")
    assert message((alias, "x")) == message((name, "x"))
    for pair in itertools.permutations((alias, name)):
        assert message(*((key, "3") for key in pair)) == f"invalid {name} value: given more than once"


@pytest.mark.parametrize("name", TABLE)
def test_given_twice(name: str) -> None:
    text = next(iter(TABLE[name][0]))
    assert message((name, text), (name, text)) == f"invalid {name} value: given more than once"


@pytest.mark.parametrize("endpoint", DEFAULTS)
def test_defaults(endpoint: str) -> None:
    query = parse([], endpoint).query
    others = {"perfect": False, "sort": "score", "runtime": "any", "offset": 0, "basis": "free", "strict": False,
              "explain": False, "kv_quant": "f16", "concurrency": 1}
    for param in params.at(endpoint):
        wanted = {**others, **DEFAULTS[endpoint]}.get(param.name)
        assert getattr(query, param.name) == wanted, param.name
    assert query.levels_given is False and query.endpoint == endpoint


# The table of the contract: (endpoint, min_fit, include_too_tight, perfect) -> the lowest level returned.
LEVELS = [
    (endpoint, asked, include, perfect, wanted)
    for endpoint in LISTS
    for asked, include, perfect, wanted in (
        (None, None, None, "marginal"), (None, "true", None, "too_tight"), (None, "false", None, "marginal"),
        ("too_tight", "false", None, "marginal"), ("marginal", "false", None, "marginal"),
        ("good", "false", None, "good"),
        ("perfect", "false", None, "perfect"), ("too_tight", "true", None, "too_tight"),
        ("good", "true", None, "good"),
        ("too_tight", None, None, "marginal" if endpoint == "top" else "too_tight"), ("good", None, None, "good"),
        ("too_tight", None, "true", "perfect"), (None, None, "true", "perfect"), (None, "true", "true", "perfect"),
        (None, "false", "true", "perfect"), ("good", None, "false", "good"), (None, "true", "false", "too_tight"),
    )
]  # fmt: skip


@pytest.mark.parametrize(("endpoint", "asked", "include", "perfect", "wanted"), LEVELS)
def test_lowest_level(endpoint: str, asked: str | None, include: str | None, perfect: str | None, wanted: str) -> None:
    given = {"min_fit": asked, "include_too_tight": include, "perfect": perfect}
    pairs = [(name, text) for name, text in given.items() if text is not None]
    for order in itertools.permutations(pairs):
        query = parse(order, endpoint).query
        assert query.min_fit == wanted
        assert query.levels_given is bool(pairs)


def test_a_bad_min_fit_is_an_error_even_if_overridden() -> None:
    assert message(("perfect", "true"), ("min_fit", "x")) == f"invalid min_fit value: use {FITS}"


def test_the_first_bad_value_is_named() -> None:
    assert message(("sort", "x"), ("limit", "x")).startswith("invalid sort value")


@pytest.mark.parametrize(
    ("key", "hint"),
    [("limt", "limit"), ("minfit", "min_fit"), ("usecase", "use_case"), ("Limit", "limit"), ("zzzz", "")],
)
def test_unknown_name_is_a_warning(key: str, hint: str) -> None:
    query, warnings = parse([(key, "1"), (key, "2")], "models").query, parse([(key, "1")], "models").warnings
    assert query == parse([], "models").query
    said = f"unknown parameter '{key}'" + (f" (did you mean '{hint}'?)" if hint else "")
    assert warnings == (f"{said}: ignored",)
    assert message((key, "1"), ("strict", "true")) == said


def test_a_name_of_another_endpoint_is_unknown() -> None:
    for param in PARAMS:
        for endpoint in ENDPOINTS:
            warned = bool(parse([(param.name, next(iter(TABLE[param.name][0])))], endpoint).warnings)
            assert warned is (endpoint not in param.endpoints), (param.name, endpoint)


def test_long_unknown_names_are_cut() -> None:
    (warning,) = parse([("x" * 5000, "1")], "models").warnings
    assert len(warning) < 200


def test_queries_are_keys() -> None:
    one = parse([("n", "3"), ("license", "mit")], "models").query
    other = parse([("license", "MIT"), ("limit", "03")], "models").query
    assert one == other and hash(one) == hash(other)
    with pytest.raises(AttributeError):
        one.limit = 4


@pytest.mark.parametrize("endpoint", LISTS)
def test_echo_names_every_parameter(endpoint: str) -> None:
    shown = echo(parse([("n", "3"), ("sort", "tokens")], endpoint).query)
    assert set(shown) - {"top_only"} == {param.name for param in PARAMS if endpoint in param.endpoints}
    assert (shown["limit"], shown["sort"], shown["top_only"]) == (3, "tps", endpoint == "top")


def test_echo_adds_the_name_to_the_search() -> None:
    shown = echo(parse([("search", "q4")], "name", "llama").query)
    assert (shown["name"], shown["search"]) == ("llama", "llama q4")
    assert echo(parse([], "name", "llama").query)["search"] == "llama"


def test_parameters_are_immutable() -> None:
    with pytest.raises(AttributeError):
        PARAMS[0].name = "x"  # type: ignore[misc]
    assert all(isinstance(param, Param) for param in PARAMS)


@pytest.mark.parametrize(
    ("date", "day"), [("2026", 20269999), ("2026-05", 20260599), ("2026-05-07", 20260507), ("2024-02-30", 20240230)]
)
def test_a_month_or_year_is_over_with_its_last_day(date: str, day: int) -> None:
    assert params.last_day(date) == day


@pytest.mark.parametrize("text", ["0.30000000000000004", "24.", ".5", "2.4e+1", "1e-05", "1E2"])
def test_numbers_as_programs_write_them(text: str) -> None:
    assert params.parse([("min_params_b", text)], "models").query.min_params_b == float(text)
