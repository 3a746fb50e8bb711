"""KV cache and recurrent state, derived by hand from how llama.cpp allocates them.

Every case states the arithmetic: layers x cells x heads x (key + value dimension) x bytes of an element. Cells are the
context padded to 256; a window layer keeps pad256(min(context, window + n_ubatch)); f16 takes 2 bytes, q8_0 34 bytes a
block of 32, q4_0 18. Recurrent state is 32-bit and does not grow.
"""

from __future__ import annotations

import pytest

from llmfit.query.estimator import CACHE_TYPES, Estimator

CONTEXT = 32768
BYTES = {"f16": 2.0, "q8_0": 34 / 32, "q4_0": 18 / 32}
MHA = {"n_layers": 32, "n_heads": 32, "n_kv_heads": 32, "head_dim": 128}

# name: (facts, elements of the cache at 32768 tokens, bytes of state)
CASES = {
    "mha": (MHA, 32 * 32768 * 32 * (128 + 128), 0),
    "gqa": (MHA | {"n_kv_heads": 8}, 32 * 32768 * 8 * 256, 0),
    "mqa": ({"n_layers": 18, "n_heads": 8, "n_kv_heads": 1, "head_dim": 256}, 18 * 32768 * 1 * 512, 0),
    "value dimension of its own": (
        {"n_layers": 48, "n_heads": 64, "n_kv_heads": 4, "head_dim": 192, "v_head_dim": 128},
        48 * 32768 * 4 * (192 + 128), 0,
    ),
    # one layer in six sees everything; the window of 1024 and a batch of 512 make 1536 cells
    "sliding, 1 full in 6": (
        {"n_layers": 62, "n_heads": 32, "n_kv_heads": 16, "head_dim": 128, "attention": "sliding",
         "sliding_window": 1024, "n_full_attn_layers": 10},
        10 * 32768 * 16 * 256 + 52 * 1536 * 16 * 256, 0,
    ),
    # 128 + 512 = 640 pads to 768
    "sliding, every second": (
        {"n_layers": 36, "n_heads": 64, "n_kv_heads": 8, "head_dim": 64, "attention": "sliding",
         "sliding_window": 128, "n_full_attn_layers": 18},
        18 * 32768 * 8 * 128 + 18 * 768 * 8 * 128, 0,
    ),
    "sliding, full layers of another shape": (
        {"n_layers": 60, "n_heads": 32, "n_kv_heads": 16, "head_dim": 256, "full_kv_heads": 4, "full_head_dim": 512,
         "attention": "sliding", "sliding_window": 1024, "n_full_attn_layers": 10},
        10 * 32768 * 4 * 1024 + 50 * 1536 * 16 * 512, 0,
    ),
    # 35 layers of which the last 20 reuse a cache: of layers 4, 9, 14, ... three full ones are their own
    "shared layers": (
        {"n_layers": 35, "n_heads": 8, "n_kv_heads": 1, "head_dim": 256, "full_head_dim": 512, "attention": "sliding",
         "sliding_window": 512, "n_full_attn_layers": 7, "kv_shared_layers": 20,
         "full_attention_layers": (4, 9, 14, 19, 24, 29, 34)},
        3 * 32768 * 1 * 1024 + 12 * 1024 * 1 * 512, 0,
    ),
    # one latent of 512 + 64 for keys and values together
    "mla": (
        {"n_layers": 61, "n_heads": 128, "n_kv_heads": 128, "head_dim": 192, "v_head_dim": 128, "attention": "mla",
         "kv_lora_rank": 512, "rope_head_dim": 64},
        61 * 32768 * (512 + 64), 0,
    ),
    # 16 of 64 layers keep a cache; 48 a state of 128 x 6144 and 3 x (6144 + 2 x 16 x 128) for the convolution
    "hybrid, gated delta net": (
        {"n_layers": 64, "n_heads": 24, "n_kv_heads": 4, "head_dim": 256, "attention": "hybrid_linear",
         "n_full_attn_layers": 16, "linear_kind": "gated_delta_net", "n_linear_layers": 48, "ssm_inner": 6144,
         "ssm_state": 128, "ssm_groups": 16, "ssm_heads": 48, "ssm_conv": 4},
        16 * 32768 * 4 * 512, 48 * 4 * (128 * 6144 + 3 * (6144 + 2 * 16 * 128)),
    ),
    "hybrid, delta attention with latent layers": (
        {"n_layers": 27, "n_heads": 32, "n_kv_heads": 32, "head_dim": 192, "attention": "hybrid_linear_mla",
         "n_full_attn_layers": 7, "kv_lora_rank": 512, "rope_head_dim": 64, "linear_kind": "kda",
         "n_linear_layers": 20, "ssm_inner": 4096, "ssm_state": 128, "ssm_groups": 32, "ssm_heads": 32, "ssm_conv": 4},
        7 * 32768 * 576, 20 * 4 * (128 * 4096 + 3 * (4096 + 2 * 32 * 128)),
    ),
    "hybrid, mamba 2": (
        {"n_layers": 52, "n_heads": 32, "n_kv_heads": 2, "head_dim": 128, "attention": "hybrid_ssm",
         "n_full_attn_layers": 6, "linear_kind": "mamba2", "n_linear_layers": 23, "ssm_inner": 4096, "ssm_state": 128,
         "ssm_groups": 8, "ssm_heads": 64, "ssm_conv": 4},
        6 * 32768 * 2 * 256, 23 * 4 * (128 * 4096 + 3 * (4096 + 2 * 8 * 128)),
    ),
    "ssm, mamba 1": (
        {"n_layers": 64, "n_heads": 0, "n_kv_heads": 0, "head_dim": 0, "attention": "ssm", "linear_kind": "mamba1",
         "n_linear_layers": 64, "ssm_inner": 5120, "ssm_state": 16, "ssm_conv": 4},
        0, 64 * 4 * (16 * 5120 + 3 * 5120),
    ),
    "hybrid, short convolution": (
        {"n_layers": 16, "n_heads": 32, "n_kv_heads": 8, "head_dim": 64, "attention": "hybrid_conv",
         "n_full_attn_layers": 6, "linear_kind": "short_conv", "n_linear_layers": 10, "ssm_inner": 2048, "ssm_conv": 3},
        6 * 32768 * 8 * 128, 10 * 4 * 2 * 2048,
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def estimator() -> Estimator:
    return Estimator()


def shape_of(estimator: Estimator, facts: dict[str, object]):
    common = {"params_text": 8e9, "hidden_size": 4096, "vocab_size": 128256, "attention": "full", "model_type": "llama"}
    return estimator.shape(**(common | facts))


@pytest.mark.parametrize("kind", BYTES)
@pytest.mark.parametrize("name", CASES)
def test_cache(estimator: Estimator, name: str, kind: str) -> None:
    facts, elements, state = CASES[name]
    shape = shape_of(estimator, facts)
    assert CACHE_TYPES[kind] == BYTES[kind]
    assert shape.cache(CONTEXT, k_bytes=BYTES[kind], v_bytes=BYTES[kind]) == pytest.approx(
        elements * BYTES[kind], rel=1e-9
    )
    assert shape.state() == state
    assert shape.known


def test_keys_and_values_of_two_types(estimator: Estimator) -> None:
    shape = shape_of(estimator, MHA)
    assert shape.cache(CONTEXT, k_bytes=34 / 32, v_bytes=18 / 32) == 32 * 32768 * 32 * 128 * (34 + 18) / 32


def test_context_is_padded_and_windows_never_exceed_it(estimator: Estimator) -> None:
    full, window = shape_of(estimator, MHA), shape_of(estimator, CASES["sliding, 1 full in 6"][0])
    assert full.cache(1000) == full.cache(1024)
    assert window.cache(512) == 62 * 512 * 16 * 256 * 2


def test_sessions_have_a_cache_and_a_state_each(estimator: Estimator) -> None:
    shape = shape_of(estimator, CASES["hybrid, gated delta net"][0])
    assert shape.cache(8192, n_seq=4) == 4 * shape.cache(8192)
    assert shape.state(4) == 4 * shape.state()


def test_what_the_facts_cannot_describe_is_a_bound(estimator: Estimator) -> None:
    unknown = estimator.shape(params_text=7e9, attention="")
    assert not unknown.known
    assert unknown.cache(8192) >= shape_of(estimator, MHA).cache(8192)
