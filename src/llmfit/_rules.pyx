"""The glass case: every rule by itself, with its units, formula, source and a worked example.

No rule has any logic here: each `def` fills the C structs and calls the one function that the kernel calls too.
Nothing at run time imports this module; it is for readers, tests and notebooks. Models, quantizations, rates and
policies are given as named numbers (the fields of the C structs); what is not named is 0. Worked examples: by hand
from the formula, or a published figure where one is named.
"""

from libc.string cimport memset

cimport llmfit.fit as fit
cimport llmfit.machine as machine
cimport llmfit.memory as memory
cimport llmfit.model as model
cimport llmfit.quant as quant
cimport llmfit.score as score
cimport llmfit.speed as speed
cimport llmfit.verdict as verdicts
from llmfit.codes cimport *
from llmfit.estimate cimport Estimate
from llmfit.fit cimport Candidate, Job
from llmfit.machine cimport Rate
from llmfit.model cimport Model
from llmfit.policy cimport Policy
from llmfit.quant cimport Quant
from llmfit.score cimport Quality, Row, UseCaseWeights
from llmfit.verdict cimport Verdict

# The integers that stand for words, by enum of codes.pxd; tests/test_codes.py holds them and codes.py equal.
CODES = {
    "FitLevel": dict(TOO_TIGHT=TOO_TIGHT, MARGINAL=MARGINAL, GOOD=GOOD, PERFECT=PERFECT),
    "RunMode": dict(
        GPU=GPU, TENSOR_PARALLEL=TENSOR_PARALLEL, MOE_OFFLOAD=MOE_OFFLOAD, CPU_OFFLOAD=CPU_OFFLOAD, CPU_ONLY=CPU_ONLY
    ),
    "Runtime": dict(LLAMACPP=LLAMACPP, MLX=MLX, VLLM=VLLM),
    "UseCase": dict(
        GENERAL=GENERAL, CODING=CODING, REASONING=REASONING, CHAT=CHAT, MULTIMODAL=MULTIMODAL, EMBEDDING=EMBEDDING
    ),
    "Attention": dict(
        FULL=FULL, SLIDING=SLIDING, MLA=MLA, HYBRID_LINEAR=HYBRID_LINEAR, HYBRID_LINEAR_MLA=HYBRID_LINEAR_MLA,
        HYBRID_SSM=HYBRID_SSM, HYBRID_CONV=HYBRID_CONV, SSM=SSM, SPARSE=SPARSE, COMPRESSED_SPARSE=COMPRESSED_SPARSE,
        ENCODER=ENCODER, ENCODER_DECODER=ENCODER_DECODER, UNKNOWN_ATTENTION=UNKNOWN_ATTENTION,
    ),
    "LinearKind": dict(
        NO_STATE=NO_STATE, GATED_DELTA_NET=GATED_DELTA_NET, KDA=KDA, LIGHTNING=LIGHTNING, MAMBA1=MAMBA1,
        MAMBA2=MAMBA2, RWKV7=RWKV7, SHORT_CONV=SHORT_CONV,
    ),
    "Format": dict(
        F_BF16=F_BF16, F_FP8=F_FP8, F_MXFP8=F_MXFP8, F_NVFP4=F_NVFP4, F_MXFP4=F_MXFP4, F_AWQ=F_AWQ, F_GPTQ=F_GPTQ,
        F_AUTOROUND=F_AUTOROUND, F_INT=F_INT, F_BNB=F_BNB, F_EXL2=F_EXL2, F_EXL3=F_EXL3, F_MLX=F_MLX, F_GGUF=F_GGUF,
        F_ONNX=F_ONNX,
    ),
    "Origin": dict(OFFICIAL=OFFICIAL, QUANTIZED=QUANTIZED, COMMUNITY=COMMUNITY),
    "Role": dict(
        GENERATOR=GENERATOR, EMBEDDER=EMBEDDER, RERANKER=RERANKER, GUARD=GUARD, REWARD=REWARD, OCR=OCR,
        TRANSLATION=TRANSLATION,
    ),
    "Tuning": dict(BASE=BASE, INSTRUCT=INSTRUCT, ALWAYS_REASONING=ALWAYS_REASONING, UNKNOWN_TUNING=UNKNOWN_TUNING),
    "Confidence": dict(LOW=LOW, MEDIUM=MEDIUM, HIGH=HIGH, MEASURED=MEASURED),
    "Method": dict(
        ROOFLINE=ROOFLINE, OFFLOAD_ROOFLINE=OFFLOAD_ROOFLINE, CPU_ROOFLINE=CPU_ROOFLINE,
        BACKEND_DEFAULT=BACKEND_DEFAULT, METHOD_MEASURED=METHOD_MEASURED,
    ),
    "CacheType": dict(KV_F16=KV_F16, KV_Q8_0=KV_Q8_0, KV_Q4_0=KV_Q4_0),
    "SortKey": dict(
        BY_SCORE=BY_SCORE, BY_TPS=BY_TPS, BY_PARAMS=BY_PARAMS, BY_MEM=BY_MEM, BY_CTX=BY_CTX, BY_DATE=BY_DATE,
        BY_USE_CASE=BY_USE_CASE,
    ),
    "Blocker": dict(
        NO_REASON=NO_REASON, TOO_BIG=TOO_BIG, NEEDS_NVIDIA=NEEDS_NVIDIA, NEEDS_VLLM_GPU=NEEDS_VLLM_GPU,
        NEEDS_APPLE=NEEDS_APPLE, NEEDS_EXLLAMA=NEEDS_EXLLAMA, NEEDS_ONNX=NEEDS_ONNX, NOT_FOR_RUNTIME=NOT_FOR_RUNTIME,
        WRONG_QUANT=WRONG_QUANT,
    ),
}


QUANT_FIELDS = (
    "body_bits", "expert_bits", "output_bits", "embedding_bits", "nameonly_bits", "loss", "runtime", "speed_class",
)


cdef dict filled(dict fields, dict given, str what):
    """`fields` with the given values; TypeError for a name that the struct has not."""
    unknown = given.keys() - fields.keys()
    if unknown:
        raise TypeError(f"{what} has no field {', '.join(sorted(unknown))}")
    return {**fields, **given}


cdef Model a_model(dict given) except *:
    """The facts given, and what model.complete derives from them; `active` is `params` where it is not given."""
    cdef Model m
    memset(&m, 0, sizeof(Model))
    m = filled(m, {"active": given.get("params", 0), **given}, "a model")
    return model.complete(m)


cdef Quant a_quant(dict given) except *:
    cdef Quant q
    cdef dict f = filled(dict.fromkeys(QUANT_FIELDS, 0), given, "a quantization")
    memset(&q, 0, sizeof(Quant))  # by bits a weight: no mix of GGUF types
    q.body_bits, q.expert_bits, q.output_bits = f["body_bits"], f["expert_bits"], f["output_bits"]
    q.embedding_bits, q.nameonly_bits = f["embedding_bits"], f["nameonly_bits"]
    q.loss, q.runtime, q.speed_class = f["loss"], f["runtime"], f["speed_class"]
    return q


cdef Policy a_policy(dict given) except *:
    cdef Policy p
    memset(&p, 0, sizeof(Policy))
    p = filled(p, given, "the policy")
    return p


cdef Rate a_rate(double bandwidth, double eta=0.5, double layer_ms=0, double flop_ms=0, double prompt_ms=0):
    """`eta` for dense models and mixtures alike, in speed class 0."""
    cdef Rate r
    memset(&r, 0, sizeof(Rate))
    r.bandwidth = bandwidth
    r.eta[0][0] = r.eta[0][1] = eta
    r.layer_ms = layer_ms
    r.flop_ms = flop_ms
    r.prompt_ms = prompt_ms
    return r


MODEL_FIELDS = tuple(a_model({}))
POLICY_FIELDS = tuple(a_policy({}))


# quant.pxd

def quant_loss(*, double bits):
    """Points of right-token probability that an 8 B model loses at `bits` bits a weight.

    20.6 KLD^1.05 with ln KLD = 3.736 - 1.776 b + 0.0674 b^2. Source: fitted on llama.cpp's Llama 3 8B table.
    At 4 bits by hand: ln KLD = -2.2896, KLD = 0.1013.

    >>> round(quant_loss(bits=4.0), 2)
    1.86
    """
    return quant.quant_loss(bits)


def size_factor(*, double params):
    """How much more than an 8 B model one of `params` parameters loses: clip(sqrt(8e9 / P), 0.5, 3).

    Source: larger models lose less to the same quantization; the exponent is assumed.

    >>> size_factor(params=2e9), size_factor(params=8e9), size_factor(params=405e9)
    (2.0, 1.0, 0.5)
    """
    return quant.size_factor(params)


# model.pxd

def cache_elements(*, int heads, int key_dim, int value_dim=0):
    """Cache elements a token of one attention layer: n_kv x (d_k + d_v). Source: the definition of grouped-query attention.

    Llama 3 8B keeps 8 heads of 128 keys and 128 values:

    >>> cache_elements(heads=8, key_dim=128)
    2048.0
    """
    return model.cache_elements(heads, key_dim, value_dim)


def cache_bound(*, double params):
    """A safe upper bound on cache elements a token where no shape is known: 2^19 x (P / 7e9)^(2/3).

    Source: twice a 7 B model with full multi-head attention, 2 x 32 x 2 x 4096, scaled as width x depth.

    >>> cache_bound(params=7e9) == 2 * 32 * 2 * 4096, round(cache_bound(params=56e9) / cache_bound(params=7e9), 9)
    (True, 4.0)
    """
    return model.cache_bound(params)


def known_shape(**facts):
    """1 where the cache follows from the model's own shape, 0 where only a bound is known.

    >>> known_shape(attention=CODES["Attention"]["FULL"]), known_shape(kv_unknown=1)
    (1, 0)
    """
    cdef Model m = a_model(facts)
    return model.known_shape(&m)


def linear_state_bytes(**facts):
    """Recurrent state of one sequence, bytes: 4 x layers x (state x inner + (conv - 1) x (inner + 2 x groups x state)).

    In 32-bit floats. Source: llama.cpp's allocation. Qwen3-Next 80B: 36 gated delta nets of 32 value heads of 128,
    16 key heads; llama.cpp prints S 72.00 MiB and R 3.38 MiB, and by hand 72 + 3.375:

    >>> linear_state_bytes(linear_kind=CODES["LinearKind"]["GATED_DELTA_NET"], n_linear=36, ssm_inner=32 * 128,
    ...     ssm_state=128, ssm_groups=16, ssm_conv=4) / 2**20
    75.375

    A short convolution (LFM2 1.2B: 10 layers, 2048 wide, over 3 tokens) keeps its last two tokens alone:

    >>> linear_state_bytes(linear_kind=CODES["LinearKind"]["SHORT_CONV"], n_linear=10, ssm_inner=2048, ssm_conv=3)
    163840.0
    """
    cdef Model m = a_model(facts)
    return model.linear_state_bytes(&m)


def complete(**facts):
    """All facts of a model as the kernel keeps them, with what follows from them: cache, state, embedding, experts.

    Latent attention keeps kv_lora_rank + rope_head_dim elements a layer and token. DeepSeek-V3's published 70.272 KB a
    token in 16 bits (Insights into DeepSeek-V3, 2025, table 1):

    >>> 2 * complete(attention=CODES["Attention"]["MLA"], n_full=61, kv_lora_rank=512, rope_head_dim=64)["cache_full"]
    70272.0

    Experts of gpt-oss-20b: 3 x 24 layers x 32 experts x 2880 x 2880, of which 4 in 32 are read for a token:

    >>> m = complete(params=20.915e9, active=3.6e9, n_layers=24, hidden=2880, moe_intermediate=2880, n_experts=32,
    ...     n_experts_active=4, is_moe=1)
    >>> m["expert_params"], m["active_expert_params"]
    (19110297600.0, 2388787200.0)
    """
    return a_model(facts)


# memory.pxd

def milli_up(*, double bytes):
    """Bytes as thousandths of a GiB, rounded up: what a row says and what is compared with a machine's memory.

    >>> milli_up(bytes=2**30), milli_up(bytes=2**30 + 1)
    (1000.0, 1001.0)
    """
    return memory.milli_up(bytes)


def bytes_of(*, double milli):
    """Thousandths of a GiB as bytes.

    >>> bytes_of(milli=500) == 2**29
    True
    """
    return memory.bytes_of(milli)


def expert_bytes(*, double expert_bits, **facts):
    """Bytes of the routed experts: parameters x bits / 8. gpt-oss-20b at MXFP4's 4.25 bits: 19 110 297 600 x 4.25 / 8.

    >>> expert_bytes(expert_bits=4.25, params=20.915e9, active=3.6e9, n_layers=24, hidden=2880, moe_intermediate=2880,
    ...     n_experts=32, n_experts_active=4, is_moe=1)
    10152345600.0
    """
    cdef Model m = a_model(facts)
    cdef Quant q = a_quant({"expert_bits": expert_bits})
    return memory.expert_bytes(&m, &q)


def weights_bytes(*, dict quant, **facts):
    """Bytes of the text weights by bits a weight: body, experts, output and embedding at their own.

    GGUF files of a known shape are summed tensor by tensor instead (gguf.pxd; llmfit.estimator shows that rule).

    body_bits x (P - V h (1 if tied else 2) - experts) / 8 + expert_bits x experts / 8 + V h (output + embedding) / 8.
    Llama 3 8B in 16 bits: its model.safetensors.index.json says 16 060 522 496.

    >>> sixteen = dict.fromkeys(("body_bits", "expert_bits", "output_bits", "embedding_bits", "nameonly_bits"), 16)
    >>> weights_bytes(quant={**sixteen, "runtime": CODES["Runtime"]["VLLM"]}, params=8030261248, vocab=128256, hidden=4096)
    16060522496.0
    """
    cdef Model m = a_model(facts)
    cdef Quant q = a_quant(quant)
    return memory.weights_bytes(&m, &q)


def pad256(*, double cells):
    """Cache cells padded to llama.cpp's 256.

    >>> pad256(cells=1), pad256(cells=256), pad256(cells=257)
    (256.0, 256.0, 512.0)
    """
    return memory.pad256(cells)


def window_cells(*, double context, double n_seq=1, double ubatch=512, **facts):
    """Cells that a sliding-window layer keeps: pad256(min(context x n_seq, window x n_seq + n_ubatch)).

    gpt-oss (window 128): llama.cpp prints 768 cells for its sliding layers, = 128 + 512 padded.

    >>> window_cells(context=8192, window=128)
    768.0
    """
    cdef Model m = a_model(facts)
    return memory.window_cells(&m, context, n_seq, ubatch)


def kv_bytes(*, double context, double n_seq=1, double k_bytes=2, double v_bytes=2, double ubatch=512, **facts):
    """Bytes of the KV cache alone, keys and values in types of their own. Llama 3 8B, keys in q8_0, values in q4_0:

    32 layers x 8192 cells x 8 heads x 128 x (34/32 + 18/32):

    >>> kv_bytes(context=8192, k_bytes=34 / 32, v_bytes=18 / 32, n_layers=32, n_full=32, n_kv_heads=8, head_dim=128)
    436207616.0
    """
    cdef Model m = a_model(facts)
    return memory.kv_bytes(&m, context, n_seq, k_bytes, v_bytes, ubatch)


def cache_bytes(*, double context, double n_seq=1, double element_bytes=2, double ubatch=512, **facts):
    """Bytes of KV cache and recurrent state for `n_seq` sequences of `context` tokens each.

    Growing layers keep pad256(context x n_seq) cells, window layers window_cells(); the state is per sequence.
    Llama 3 8B at 8192 tokens: 32 layers x 8192 x 8 x 128 x 2 x 2 bytes = 1 GiB, as llama.cpp prints.

    >>> cache_bytes(context=8192, n_layers=32, n_full=32, n_kv_heads=8, head_dim=128) == 2**30
    True

    gpt-oss-20b at 8192: 12 growing layers of 8 x 64 keys and values, 192 MiB, and 18 MiB of windows (llama.cpp's log).

    >>> cache_bytes(context=8192, n_full=12, n_window=12, n_kv_heads=8, head_dim=64, window=128) / 2**20
    210.0
    """
    cdef Model m = a_model(facts)
    return memory.cache_bytes(&m, context, n_seq, element_bytes, ubatch)


def cache_read_bytes(*, double tokens, double element_bytes=2, **facts):
    """Bytes of cache and state that one token reads with `tokens` in the cache; window layers read their window at most.

    gpt-oss-20b with 4096 tokens: 12 x 1024 elements x (4096 + 128) x 2 bytes.

    >>> cache_read_bytes(tokens=4096, n_full=12, n_window=12, n_kv_heads=8, head_dim=64, window=128)
    103809024.0
    """
    cdef Model m = a_model(facts)
    return memory.cache_read_bytes(&m, tokens, element_bytes)


def compute_bytes(*, double ubatch=512, **facts):
    """Bytes of the compute buffer with flash attention: n_ubatch x 4 x (V + 2 h); a 256 k x 8 k model where unknown.

    Source: llama.cpp's logits and activations of one micro-batch. Llama 3 8B: 512 x 4 x (128256 + 8192).

    >>> compute_bytes(vocab=128256, hidden=4096)
    279445504.0
    """
    cdef Model m = a_model(facts)
    return memory.compute_bytes(&m, ubatch)


def plain_compute_bytes(*, double context, double ubatch=512, **facts):
    """Bytes of the compute buffer without flash attention: n_ubatch x 4 x (n_ctx (heads + 1) + 2 heads d + 2 h) at least.

    512 x 4 x (4096 x 33 + 2 x 32 x 96 + 2 x 3072):

    >>> plain_compute_bytes(context=4096, n_heads=32, head_dim=96, hidden=3072, vocab=32064)
    301989888.0
    """
    cdef Model m = a_model(facts)
    return memory.plain_compute_bytes(&m, ubatch, context)


def resident_compute_bytes(*, double ubatch=512, **facts):
    """What of the compute buffer a CPU really touches: n_ubatch x 4 x (2 h + 2 ff) and one row of logits.

    512 x 4 x (2 x 2048 + 2 x 8192) + 4 x 128256:

    >>> resident_compute_bytes(hidden=2048, intermediate=8192, vocab=128256)
    42456064.0
    """
    cdef Model m = a_model(facts)
    return memory.resident_compute_bytes(&m, ubatch)


def usable_tokens(*, double free_bytes, double n_seq=1, double element_bytes=2, double ubatch=512, **facts):
    """Tokens of context whose cache fits into `free_bytes` (state not included), whatever the native window.

    Llama 3 8B takes 128 KiB a token: 1 GiB holds 8192 cells, less the 255 that padding may cost.

    >>> usable_tokens(free_bytes=2**30, n_full=32, n_kv_heads=8, head_dim=128)
    7937.0
    """
    cdef Model m = a_model(facts)
    return memory.usable_tokens(&m, free_bytes, n_seq, element_bytes, ubatch)


# machine.pxd

def efficiency(*, double eta, double bandwidth, bint is_moe=False, double speed_logit=0, **policy):
    """Share of the specified bandwidth (GB/s) that decode reaches: logistic(logit(eta) + b ln(BW / 500) + [MoE] c + q).

    Source: fitted on public decode speeds. At 500 GB/s a dense model has `eta`; by hand at 1000 GB/s and b = -1:
    odds 4 / 2 = 2, share 2 / 3.

    >>> round(efficiency(eta=0.8, bandwidth=500), 12), round(efficiency(eta=0.8, bandwidth=1000, bandwidth_logit=-1), 12)
    (0.8, 0.666666666667)
    """
    cdef Policy p = a_policy(policy)
    return machine.efficiency(eta, bandwidth, is_moe, speed_logit, &p)


# speed.pxd

def layer_factor(*, dict policy, **facts):
    """How much longer than a plain dense layer one takes: the factors of MoE, hybrids and Gemma multiplied.

    >>> factors = {"moe_layer": 1.5, "hybrid_layer": 2, "gemma_layer": 3}
    >>> layer_factor(policy=factors, is_moe=1, attention=CODES["Attention"]["HYBRID_LINEAR"]), layer_factor(policy=factors)
    (3.0, 1.0)
    """
    cdef Model m = a_model(facts)
    cdef Policy p = a_policy(policy)
    return speed.layer_factor(&m, &p)


def read_ms(*, double bytes, double bandwidth, double eta):
    """Milliseconds to read `bytes` of weights at `bandwidth` GB/s: bytes / (eta BW). 5 GB at half of 1000 GB/s: 10 ms.

    >>> read_ms(bytes=5e9, bandwidth=1000, eta=0.5)
    10.0
    """
    cdef Rate r = a_rate(bandwidth, eta)
    return speed.read_ms(bytes, &r, 0, 0)


def roofline_ms(*, double bytes, double bandwidth, double roofline_cap):
    """The least that a token can take, ms: bytes / (cap x BW).

    >>> roofline_ms(bytes=9e9, bandwidth=1000, roofline_cap=0.9)
    10.0
    """
    cdef Rate r = a_rate(bandwidth)
    cdef Policy p = a_policy({"roofline_cap": roofline_cap})
    return speed.roofline_ms(bytes, &r, &p)


def attention_gflop(*, double tokens, **facts):
    """Attention of one token with `tokens` in the cache, GFLOP: 2 heads (d_k + d_v) a cached token and layer.

    32 layers x 1000 tokens x 2 x 32 x 256:

    >>> round(attention_gflop(tokens=1000, attention_layers=32, n_heads=32, head_dim=128), 9)
    0.524288
    """
    cdef Model m = a_model(facts)
    return speed.attention_gflop(&m, tokens)


def expert_share(*, double n_seq, **facts):
    """Share of the routed experts that a step for `n_seq` sequences reads: 1 - (1 - k / E)^n.

    >>> expert_share(n_seq=1, n_experts=4, n_experts_active=1), expert_share(n_seq=2, n_experts=4, n_experts_active=1)
    (0.25, 0.4375)
    """
    cdef Model m = a_model(facts)
    return speed.expert_share(&m, n_seq)


def read_share(*, double n_seq=1, double untied_from=4e9, **facts):
    """Share of all weights read for one step of `n_seq` sequences: the active share, more of the experts for several.

    >>> read_share(params=10e9, active=1e9, is_moe=1), read_share(n_seq=8, params=10e9)
    (0.1, 1.0)
    """
    cdef Model m = a_model(facts)
    cdef Policy p = a_policy({"untied_from": untied_from})
    return speed.read_share(&m, n_seq, &p)


def token_bytes(*, double weights, double untied_from=4e9, **facts):
    """Bytes of `weights` (all, as loaded) that are read for one token: the active share.

    Larger dense models do not read their untied input embedding. A 10 B model with V h = 1 B reads nine tenths:

    >>> token_bytes(weights=20e9, params=10e9, vocab=250000, hidden=4000)
    18000000000.0
    >>> token_bytes(weights=20e9, params=10e9, active=1e9, is_moe=1)
    2000000000.0
    """
    cdef Model m = a_model(facts)
    cdef Policy p = a_policy({"untied_from": untied_from})
    return speed.token_bytes(&m, weights, &p)


def prefill_tps(*, double tflops, double weights=0, double prompt=512, double bandwidth=1, dict policy, **facts):
    """Prompt tokens a second where `tflops` (share x shader rate) are reached; 0 where the rate is not known.

    2 P / (s TF) + W / (k BW u) + k_a A / (s TF) + L t / u ms a token, u = min(prompt, ubatch) tokens a batch. By hand: 9 B
    parameters at 18 TFLOPS 1 ms; 5 GB read for 500 tokens at half of 20 GB/s 1 ms.

    >>> p = {"ubatch": 500, "prompt_read": 0.5}
    >>> prefill_tps(policy=p, tflops=18, weights=5e9, bandwidth=20, params=9e9, tied=1), prefill_tps(policy=p, tflops=0)
    (500.0, 0.0)
    """
    cdef Model m = a_model(facts)
    cdef Rate r = a_rate(bandwidth, 0.5, 0, 0, 2.0 / tflops if tflops > 0 else 0)
    cdef Policy p = a_policy(policy)
    return speed.prefill_tps(&m, weights, prompt, 0, &r, &p)


# fit.pxd

def decode_ms(
    *, dict policy, double weights_read, double bandwidth, double eta, double layer_ms=0, double flop_ms=0,
    double cache_read=0, double cache_share=1, double factor=1, **facts,
):
    """Milliseconds a token on one processor that reads all: weights, cache, a fixed time a layer, compute.

    W / (eta BW) + KV / (e eta BW) + L a c + fixed + k P_active, never less than W / (cap BW). Source: fitted on public
    decode speeds. By hand: 4 GB at 800 of 1000 GB/s 5 ms, 0.4 GB of cache at half of that 1 ms, 10 layers of 0.1 ms
    1 ms, 2 B parameters at 0.5 ms 1 ms, and 0.25 ms fixed.

    >>> p = {"cache_efficiency": 0.5, "fixed_ms": 0.25, "roofline_cap": 0.95}
    >>> decode_ms(policy=p, weights_read=4e9, bandwidth=1000, eta=0.8, layer_ms=0.1, flop_ms=0.5, cache_read=0.4e9,
    ...     n_layers=10, params=2e9)
    8.25
    """
    cdef Model m = a_model(facts)
    cdef Rate r = a_rate(bandwidth, eta, layer_ms, flop_ms)
    cdef Policy p = a_policy(policy)
    cdef Job j
    memset(&j, 0, sizeof(Job))
    j.cache_read = cache_read
    j.factor = factor
    j.n_seq = 1
    return fit.decode_ms(&m, &j, &r, weights_read, cache_share, 0, &p)


def comfortable(*, int mode, double comfortable_utilization=0.9, double comfortable_ram=0.7):
    """The share of a pool up to which a model has headroom: less of system RAM, which other programs need too.

    >>> comfortable(mode=CODES["RunMode"]["GPU"]), comfortable(mode=CODES["RunMode"]["CPU_ONLY"])
    (0.9, 0.7)
    """
    cdef Policy p = a_policy({"comfortable_utilization": comfortable_utilization, "comfortable_ram": comfortable_ram})
    return fit.comfortable(mode, &p)


def strained(*, int mode, double utilization, double loss=0, **policy):
    """1 where a model barely fits, or only with heavy quantization; system RAM is shared with other programs.

    >>> policy = dict(good_utilization=0.96, good_ram=0.78, heavy_loss=1.8)
    >>> gpu, cpu = CODES["RunMode"]["GPU"], CODES["RunMode"]["CPU_ONLY"]
    >>> strained(mode=gpu, utilization=0.9, **policy), strained(mode=cpu, utilization=0.9, **policy)
    (0, 1)
    >>> strained(mode=gpu, utilization=0.5, loss=2, **policy)
    1
    """
    cdef Policy p = a_policy(policy)
    return fit.strained(mode, utilization, loss, &p)


def fit_level(*, int mode, double utilization, double tps, double loss=0, bint known=True, **policy):
    """The level of a model that fits (an integer of FitLevel); constants and reasons: src/data/policy.csv.

    perfect: wholly on GPUs with headroom, no visible loss, at a reasonable speed, shape known; good: comfortable and
    at a reasonable speed in any mode; marginal: barely, with heavy quantization, or slowly.

    >>> policy = dict(comfortable_utilization=0.9, good_utilization=0.96, good_ram=0.78, reasonable_tps=8,
    ...     visible_loss=1, heavy_loss=3.5)
    >>> gpu, cpu = CODES["RunMode"]["GPU"], CODES["RunMode"]["CPU_ONLY"]
    >>> names = list(CODES["FitLevel"])
    >>> names[fit_level(mode=gpu, utilization=0.9, tps=8, loss=1, **policy)]
    'PERFECT'
    >>> names[fit_level(mode=cpu, utilization=0.5, tps=50, **policy)], names[fit_level(mode=gpu, utilization=0.95, tps=50, **policy)]
    ('GOOD', 'GOOD')
    >>> names[fit_level(mode=gpu, utilization=0.5, tps=7.9, **policy)]
    'MARGINAL'
    """
    cdef Policy p = a_policy(policy)
    return fit.fit_level(mode, utilization, tps, loss, known, &p)


def speed_score(*, double tps, double target):
    """0..100 without a cap: 100 tps / (tps + target); half the points at the target speed (tokens/s).

    >>> speed_score(tps=18, target=18), speed_score(tps=54, target=18)
    (50.0, 75.0)
    """
    return fit.speed_score(tps, target)


def slowness(*, double tps, double slow_penalty, double reasonable_tps):
    """Points taken off below a reasonable speed: slow_penalty x (1 - tps / reasonable_tps).

    >>> slowness(tps=2, slow_penalty=40, reasonable_tps=8), slowness(tps=9, slow_penalty=40, reasonable_tps=8)
    (30.0, 0.0)
    """
    cdef Policy p = a_policy({"slow_penalty": slow_penalty, "reasonable_tps": reasonable_tps})
    return fit.slowness(tps, &p)


def fit_score(
    *, int mode, double utilization, double loss=0, double comfortable_utilization=0.9, double comfortable_ram=0.7,
    double visible_loss=1,
):
    """0..100: 100 with headroom on GPUs; less where memory is nearly full, or another pool must help.

    3 points for each percent above the comfortable utilization, 4 for each point of visible loss:

    >>> gpu = CODES["RunMode"]["GPU"]
    >>> fit_score(mode=gpu, utilization=0.9), fit_score(mode=gpu, utilization=0.5, loss=3)
    (100.0, 92.0)
    >>> round(fit_score(mode=CODES["RunMode"]["CPU_ONLY"], utilization=0.8), 9)
    50.0
    """
    cdef Policy p = a_policy({
        "comfortable_utilization": comfortable_utilization, "comfortable_ram": comfortable_ram,
        "visible_loss": visible_loss,
    })
    return fit.fit_score(mode, utilization, loss, &p)


def utility(*, int mode, double utilization, double token_ms, double loss, **policy):
    """What two candidates of one level are compared by: 0.2 speed + 0.1 fit - loss_weight x loss - slowness.

    By hand: 20 tokens/s against a target of 20 is 50 points of speed; no loss on a half-full GPU is 100 of fit.

    >>> utility(mode=CODES["RunMode"]["GPU"], utilization=0.5, token_ms=50, loss=0, fast_enough_tps=20, reasonable_tps=8,
    ...     comfortable_utilization=0.9)
    20.0
    """
    cdef Policy p = a_policy(policy)
    cdef Candidate candidate
    cdef Job j
    memset(&candidate, 0, sizeof(Candidate))
    memset(&j, 0, sizeof(Job))
    j.loss_factor = 1
    candidate.mode = mode
    candidate.utilization = utilization
    candidate.token_ms = token_ms
    return fit.judged(candidate, &j, loss, &p).utility


# score.pxd

def ability(
    *, dict coefficients, double params, double year, double sparsity=1, bint thinks=False, bint coder=False,
    bint vision=False, bint distill=False,
):
    """theta, mean 0 and deviation 1 over the models of a use case. Source: fitted on published benchmark scores.

    c0 + c1 L + c2 T + c3 L^2/10 + c4 T^2/2 + c5 S + c6 T L/5 + flags; L = log2(billions), S = log2(total / active),
    T = year - 2024.5, held at 2.2. An 8 B model of mid-2025: L = 3, T = 1: -1 + 1.5 + 0.25 + 0.9 + 0.25 + 0.6.

    >>> ability(coefficients=dict(c0=-1, size=0.5, date=0.25, size2=1, date2=0.5, size_date=1), params=8e9, year=2025.5)
    2.5
    >>> ability(coefficients=dict(sparsity=0.5, reasoning=0.25), params=1e9, year=2024.5, sparsity=4, thinks=True)
    1.25
    """
    cdef Quality q
    memset(&q, 0, sizeof(Quality))
    q = filled(q, coefficients, "the quality of a use case")
    return score.ability(&q, params, year, sparsity, thinks, coder, vision, distill)


def pooled(*, double predicted, double own, double weight, double prediction_weight=1):
    """theta of the prediction and of a model's own scores, by their weights: (n own + k predicted) / (n + k).

    >>> pooled(predicted=1, own=2, weight=3), pooled(predicted=1, own=0, weight=0)
    (1.75, 1.0)
    """
    return score.pooled(predicted, own, weight, prediction_weight)


def keep_order(*, double newer, double older, double generation_step=1):
    """Quality of a newer generation: at least `generation_step` points above the older one of equal size and kind.

    >>> keep_order(newer=70, older=72), keep_order(newer=80, older=72)
    (73.0, 80.0)
    """
    cdef Policy p = a_policy({"generation_step": generation_step})
    cdef Row new, old
    memset(&new, 0, sizeof(Row))
    memset(&old, 0, sizeof(Row))
    new.quality[0], old.quality[0] = newer, older
    score.keep_order(&new, &old, &p)
    return new.quality[0]


def quality_score(*, double theta):
    """Ability on 0..100: 100 / (1 + exp(-0.85 theta)). exp(-0.85 x 2.58492) = 1 / 9.

    >>> quality_score(theta=0), round(quality_score(theta=2.58492), 3)
    (50.0, 90.0)
    """
    return score.quality_score(theta)


def context_score(*, double usable, double wanted):
    """0..100 without a cap: 100 usable / (usable + wanted / 4) tokens; 80 where all that is wanted fits.

    >>> context_score(usable=8192, wanted=8192), context_score(usable=2048, wanted=8192)
    (80.0, 50.0)
    """
    return score.context_score(usable, wanted)


def soft_floor(*, double points):
    """Below 20 the score bends towards 0 instead of being cut there, so that the order is kept: 20 exp((s - 20) / 20).

    >>> soft_floor(points=30), soft_floor(points=20), round(soft_floor(points=0), 4)
    (30.0, 20.0, 7.3576)
    """
    return score.soft_floor(points)


def on_task(*, int use_case=GENERAL, int role=GENERATOR, int tuning=INSTRUCT, bint special=False):
    """1 where an expert would name the model for this use case at all: no base checkpoint, guard, reranker, narrow tool.

    >>> on_task(), on_task(tuning=CODES["Tuning"]["BASE"]), on_task(special=True)
    (1, 0, 0)
    >>> on_task(role=CODES["Role"]["EMBEDDER"]), on_task(role=CODES["Role"]["EMBEDDER"], use_case=CODES["UseCase"]["EMBEDDING"])
    (0, 1)
    """
    cdef Row r
    memset(&r, 0, sizeof(Row))
    r.role, r.tuning, r.special = role, tuning, special
    return score.on_task(&r, use_case)


def class_factor(
    *, dict policy, double tps, int use_case=GENERAL, int origin=OFFICIAL, int role=GENERATOR, int tuning=INSTRUCT,
    bint special=False,
):
    """What a score is multiplied by: the rules that come before any weighting. tps: tokens/s.

    >>> factors = dict(community_factor=0.5, off_task_factor=0.25, slow_factor=0.5, slow_tps=3)
    >>> class_factor(policy=factors, tps=10), class_factor(policy=factors, tps=2.9)
    (1.0, 0.5)
    >>> class_factor(policy=factors, tps=10, origin=CODES["Origin"]["COMMUNITY"], special=True)
    0.125
    """
    cdef Policy p = a_policy(policy)
    cdef Row r
    memset(&r, 0, sizeof(Row))
    r.origin, r.role, r.tuning, r.special = origin, role, tuning, special
    return score.class_factor(&r, use_case, tps, &p)


def demerits(*, dict policy, int runtime=LLAMACPP, int origin=OFFICIAL, bint gguf=True):
    """Points taken off for the trouble of getting the files: a conversion, a copy where the original would do.

    >>> points = {"copy_penalty": 3, "no_gguf_penalty": 5}
    >>> demerits(policy=points, gguf=False), demerits(policy=points, origin=CODES["Origin"]["QUANTIZED"])
    (5.0, 3.0)
    >>> demerits(policy=points, runtime=CODES["Runtime"]["VLLM"], gguf=False)
    0.0
    """
    cdef Policy p = a_policy(policy)
    cdef Row r
    memset(&r, 0, sizeof(Row))
    r.origin, r.gguf = origin, gguf
    return score.demerits(&r, runtime, &p)


# verdict.pxd

def verdict(
    *, double quality, int mode, double utilization, double token_ms, double usable, dict weights, dict policy,
    double loss=0, bint fits=True,
):
    """The score of an official instruct model, and its components, in tenths of a point: weighted, less slowness.

    By hand: quality 60 x 0.5, speed 50 x 0.25 (20 tokens/s against 20), fit 100 x 0.1, context 80 x 0.15.

    >>> found = verdict(quality=60, mode=CODES["RunMode"]["GPU"], utilization=0.5, token_ms=50, usable=8192,
    ...     weights=dict(quality=0.5, speed=0.25, fit=0.1, context=0.15, target_tps=20, wanted_context=8192),
    ...     policy=dict(comfortable_utilization=0.9, reasonable_tps=8))
    >>> found["quality"], found["speed"], found["fit"], found["context"], found["score"]
    (600, 500, 1000, 800, 645)
    """
    cdef Policy p = a_policy(policy)
    cdef UseCaseWeights w
    cdef Row r
    cdef Estimate e
    memset(&r, 0, sizeof(Row))
    r.quality[0] = quality
    r.tuning, r.gguf = INSTRUCT, 1
    memset(&w, 0, sizeof(UseCaseWeights))
    memset(&e, 0, sizeof(Estimate))
    w = filled(w, weights, "a use case")
    e.usable = usable
    e.best.fits = fits
    e.best.mode = mode
    e.best.utilization = utilization
    e.best.token_ms = token_ms
    e.best.loss = loss
    return verdicts.verdict(&r, &e, &w, 0, &p)
