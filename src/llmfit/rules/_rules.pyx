"""Every rule by itself, with its units, formula, source and a worked example.

Here the memory that a model takes and how fast it runs; _rules_files.pyx has the size of its files, _rules_ranking.pyx
how well it fits and how good it is.
No rule has any logic here: each `def` fills the C structs and calls the one function that the kernel calls too.
Nothing at run time imports these modules; they are for readers, tests and notebooks. Models, quantizations, rates and
policies are given as named numbers (the fields of the C structs); what is not named is 0. Worked examples: by hand
from the formula, or a published figure where one is named.
"""

from llmfit import codes as _codes

cimport llmfit.rows.buffer as buffer
cimport llmfit.estimate.compute as compute
cimport llmfit.estimate.machine as machine
cimport llmfit.estimate.memory as memory
cimport llmfit.estimate.model as model
cimport llmfit.estimate.quant as quant
cimport llmfit.estimate.speed as speed
from llmfit.estimate.codes cimport *
from llmfit.rules.named_numbers cimport a_model, a_policy, a_quant, a_rate, filled
from llmfit.estimate.machine cimport Rate
from llmfit.estimate.model cimport Model
from llmfit.estimate.policy cimport Policy
from llmfit.estimate.quant cimport Quant

# The integers that stand for words, by enum of estimate/codes.pxd; tests/catalog/test_codes.py holds them and codes.py equal.
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
    "CacheType": dict(
        KV_F16=KV_F16, KV_Q8_0=KV_Q8_0, KV_Q4_0=KV_Q4_0, KV_BF16=KV_BF16, KV_F32=KV_F32, KV_Q5_1=KV_Q5_1, KV_Q5_0=KV_Q5_0,
        KV_Q4_1=KV_Q4_1, KV_IQ4_NL=KV_IQ4_NL, KV_FP8=KV_FP8,
    ),
    "Backend": dict(CUDA=CUDA, ROCM=ROCM, METAL=METAL, VULKAN=VULKAN, SYCL=SYCL, BACKEND_CPU=BACKEND_CPU, ASCEND=ASCEND),
    "SortKey": dict(
        BY_SCORE=BY_SCORE, BY_TPS=BY_TPS, BY_PARAMS=BY_PARAMS, BY_MEM=BY_MEM, BY_CTX=BY_CTX, BY_DATE=BY_DATE,
        BY_USE_CASE=BY_USE_CASE,
    ),
    "Blocker": dict(
        NO_REASON=NO_REASON, TOO_BIG=TOO_BIG, NEEDS_NVIDIA=NEEDS_NVIDIA, NEEDS_VLLM_GPU=NEEDS_VLLM_GPU,
        NEEDS_APPLE=NEEDS_APPLE, NEEDS_EXLLAMA=NEEDS_EXLLAMA, NEEDS_ONNX=NEEDS_ONNX, NOT_FOR_RUNTIME=NOT_FOR_RUNTIME, WRONG_QUANT=WRONG_QUANT, WRONG_CACHE=WRONG_CACHE,
    ),
    "Brief": dict(
        BRIEF_NAME=BRIEF_NAME, BRIEF_FIT_LEVEL=BRIEF_FIT_LEVEL, BRIEF_RUN_MODE=BRIEF_RUN_MODE,
        BRIEF_RUNTIME=BRIEF_RUNTIME, BRIEF_BEST_QUANT=BRIEF_BEST_QUANT, BRIEF_TOTAL_MEMORY_GB=BRIEF_TOTAL_MEMORY_GB,
        BRIEF_MEMORY_REQUIRED_GB=BRIEF_MEMORY_REQUIRED_GB, BRIEF_MEMORY_AVAILABLE_GB=BRIEF_MEMORY_AVAILABLE_GB,
        BRIEF_UTILIZATION_PCT=BRIEF_UTILIZATION_PCT, BRIEF_ESTIMATED_TPS=BRIEF_ESTIMATED_TPS, BRIEF_SCORE=BRIEF_SCORE,
        BRIEF_EFFECTIVE_CONTEXT_LENGTH=BRIEF_EFFECTIVE_CONTEXT_LENGTH, BRIEF_USABLE_CONTEXT=BRIEF_USABLE_CONTEXT,
    ),
}


MODEL_FIELDS = tuple(a_model({}))
POLICY_FIELDS = tuple(a_policy({}))
QUANT_FIELDS = (
    "body_bits", "expert_bits", "output_bits", "embedding_bits", "nameonly_bits", "loss", "runtime", "speed_class",
    "mix_scale",
)  # fmt: skip
# estimate/quant.pxd

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


# estimate/model.pxd

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


def attention_work(*, int dim, **facts):
    """Attention of one token in one layer, FLOP for each token in the cache: 2 n_heads (d_k + d_v), `dim` the key's width.

    A multiplication and an addition for each element of a key, and of a value. Llama 3 8B: 2 x 32 x (128 + 128). Latent
    attention works on the joint latent, 2 n_heads (2 kv_lora_rank + rope): DeepSeek-V3 2 x 128 x (2 x 512 + 64).

    >>> attention_work(dim=128, n_heads=32)
    16384.0
    >>> attention_work(dim=0, attention=CODES["Attention"]["MLA"], n_heads=128, kv_lora_rank=512, rope_head_dim=64)
    278528.0
    """
    cdef Model m = a_model(facts)
    return model.attention_work(&m, dim)


def expert_matrices(*, int layout=0):
    """Weight matrices of one expert: gate, up and down; two where `layout` has the bit for no gate (2).

    >>> expert_matrices(), expert_matrices(layout=2)
    (3.0, 2.0)
    """
    return model.expert_matrices(layout)


def moe_layers(**facts):
    """Layers that hold experts: all but the first dense ones; without attention and state where each block is a layer.

    DeepSeek-V3: 61 layers, the first 3 dense. Nemotron 3 Nano (bit 8 of `layout`: single blocks): 52 blocks, of them
    6 attention and 23 Mamba-2.

    >>> moe_layers(n_layers=61, n_dense_layers=3)
    58.0
    >>> moe_layers(n_layers=52, attention_layers=6, n_linear=23, layout=8)
    23.0
    """
    cdef Model m = a_model(facts)
    return model.moe_layers(&m)


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


# estimate/memory.pxd

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


def by_bits(*, dict quant, **facts):
    """Bytes of the text weights by bits a weight: for formats other than GGUF, and where a shape is not known.

    body_bits x (P - V h (1 if tied else 2) - experts) / 8 + expert_bits x experts / 8 + V h (output + embedding) / 8;
    without a vocabulary nameonly_bits x P / 8. Llama 3 8B in 16 bits: its model.safetensors.index.json says
    16 060 522 496. And 8 B parameters of which nothing else is known, at 5 bits:

    >>> sixteen = dict.fromkeys(("body_bits", "expert_bits", "output_bits", "embedding_bits", "nameonly_bits"), 16)
    >>> by_bits(quant=sixteen, params=8030261248, vocab=128256, hidden=4096)
    16060522496.0
    >>> by_bits(quant={"nameonly_bits": 5}, params=8e9)
    5000000000.0
    """
    cdef Model m = a_model(facts)
    cdef Quant q = a_quant(quant)
    return memory.by_bits(&m, &q)


def pad256(*, double cells):
    """Cache cells padded to llama.cpp's 256.

    >>> pad256(cells=1), pad256(cells=256), pad256(cells=257)
    (256.0, 256.0, 512.0)
    """
    return memory.pad256(cells)


def window_cells(*, double context, double n_seq=1, double ubatch=512, **facts):
    """Cells that a sliding-window layer keeps in one cache of all sequences: pad256(min(context x n_seq, window x n_seq + n_ubatch)).

    gpt-oss (window 128): llama.cpp prints 768 cells for its sliding layers, = 128 + 512 padded.

    >>> window_cells(context=8192, window=128)
    768.0
    """
    cdef Model m = a_model(facts)
    return memory.window_cells(&m, context, n_seq, ubatch)


def compressed_elements(*, double context, **facts):
    """Cache elements of one sequence in compressed layers: pad256(context / 4) and pad256(context / 128) cells.

    DeepSeek-V4-Flash at 32768: 21 layers x 8192 cells of 512 + 128 elements and 20 x 256 of 512; in 16 bits llama.cpp
    b11739 prints 168 + 42 + 5 MiB.

    >>> v4 = dict(attention=CODES["Attention"]["COMPRESSED_SPARSE"], n_window=43, window=128, n_kv_heads=1, head_dim=512)
    >>> v4 |= dict(csa_layers=21, hca_layers=20, indexer_width=128)
    >>> compressed_elements(context=32768, **v4) * 2 / 2**20
    215.0

    With 32.25 MiB of windows and 11.64 MiB of the compressors' state:

    >>> round(cache_bytes(context=32768, **v4) / 2**20, 2)
    258.89
    """
    cdef Model m = a_model(facts)
    return memory.compressed_elements(&m, context)


def compressor_bytes(**facts):
    """State of the compressors of one sequence, bytes, in 32-bit floats: 2 x 4 x (csa x 8 x 2 (d + indexer) + hca x 128 d).

    DeepSeek-V4-Flash: 1.31 + 0.33 + 10 MiB (llama.cpp b11739's log).

    >>> round(compressor_bytes(head_dim=512, csa_layers=21, hca_layers=20, indexer_width=128) / 2**20, 2)
    11.64
    """
    cdef Model m = a_model(facts)
    return model.compressor_bytes(&m)


def kv_bytes(*, double context, double n_seq=1, double k_bytes=2, double v_bytes=2, double ubatch=512, bint unified=False, **facts):
    """Bytes of the KV cache alone, its keys and values in types of their own (bytes an element).

    Growing layers keep pad256(context) cells of each sequence, window layers window_cells(), compressed ones
    compressed_elements(); `unified`: one cache for all sequences. Llama 3 8B at 8192 tokens: 512 MiB of keys and as much of values in 16 bits; the keys in Q8_0 (34 bytes for 32 elements) take 272.

    >>> llama = dict(n_full=32, n_kv_heads=8, head_dim=128)
    >>> kv_bytes(context=8192, **llama) / 2**20, kv_bytes(context=8192, k_bytes=34 / 32, **llama) / 2**20
    (1024.0, 784.0)

    Four sequences of 8192 tokens in a model of windows alone (1024): each keeps 1536 cells, or all together 4608.

    >>> gemma = dict(context=8192, n_seq=4, n_window=1, n_kv_heads=1, head_dim=1, window=1024)
    >>> kv_bytes(**gemma) / 4, kv_bytes(unified=True, **gemma) / 4
    (6144.0, 4608.0)
    """
    cdef Model m = a_model(facts)
    return memory.kv_bytes(&m, context, n_seq, k_bytes, v_bytes, ubatch, unified)


def cache_bytes(*, double context, double n_seq=1, double element_bytes=2, double ubatch=512, **facts):
    """Bytes of KV cache and recurrent state for `n_seq` sequences of `context` tokens each: kv_bytes() + n_seq x state.

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


def resident_compute_bytes(*, double ubatch=512, **facts):
    """What of the compute buffer becomes resident on a CPU: n_ubatch x 4 x (2 h + 2 ff) and one row of logits, 4 V.

    llama.cpp reserves logits for every token of a batch, but only pages that are written count; never more than
    compute_bytes(). ff: 4 h where unknown. Llama 3 8B: 512 x 4 x (2 x 4096 + 2 x 14336) + 4 x 128256.

    >>> resident_compute_bytes(vocab=128256, hidden=4096, intermediate=14336)
    76010496.0
    """
    cdef Model m = a_model(facts)
    return memory.resident_compute_bytes(&m, ubatch)


def plain_compute_bytes(*, double context, double ubatch=512, **facts):
    """Bytes of the compute buffer without flash attention: at least n_ubatch x 4 x (n_ctx (n_heads + masks) + 2 n_heads d + 2 h).

    `context`: tokens of all sequences; two masks where there is a window, else one; never less than compute_bytes().
    Llama 3 8B at 8192: 512 x 4 x (8192 x 33 + 2 x 4096 + 2 x 4096) bytes = 560 MiB.

    >>> plain_compute_bytes(context=8192, vocab=128256, hidden=4096, n_heads=32, head_dim=128) / 2**20
    560.0
    """
    cdef Model m = a_model(facts)
    return memory.plain_compute_bytes(&m, ubatch, context)


def usable_tokens(*, double free_bytes, double n_seq=1, double element_bytes=2, double ubatch=512, **facts):
    """Tokens of context whose cache fits into `free_bytes` (state not included), whatever the native window.

    Llama 3 8B takes 128 KiB a token: 1 GiB holds 8192 cells, less the 255 that padding may cost.

    >>> usable_tokens(free_bytes=2**30, n_full=32, n_kv_heads=8, head_dim=128)
    7937.0
    """
    cdef Model m = a_model(facts)
    return memory.usable_tokens(&m, free_bytes, n_seq, element_bytes, ubatch)


# estimate/compute.pxd

def batch_floats(**facts):
    """32-bit floats that llama.cpp holds at once for a token of a batch, logits aside: 4 h and the widest of its steps.

    Llama 3 8B: 4 x 4096 + 3 x 14336. Qwen3-30B-A3B: 8 experts of 768 at a width of 2048: 4 h + 3 x 6144 + 8 h, since 8 h
    does not fit into 2 x 6144. Read off b11739's logs (165 models of 48 architectures): at the median 0.01 % off,
    p90 13 %; recurrent, sparse and some Gemma 4 graphs take more than this says.

    >>> batch_floats(hidden=4096, intermediate=14336)
    59392.0
    >>> batch_floats(hidden=2048, is_moe=1, n_experts_active=8, moe_intermediate=768)
    43008.0
    """
    cdef Model m = a_model(facts)
    return compute.batch_floats(&m)


def mask_bytes(*, double context, double ubatch=512, **facts):
    """Attention masks of a batch in 16 bits: n_ubatch x 2 for each cell, of growing and of window layers.

    131072 tokens: 128 MiB. Gemma 3 27B (window 1024) at 8192: 8 and, for its 1536 cells, 1.5.

    >>> mask_bytes(context=131072) / 2**20, mask_bytes(context=8192, n_window=52, window=1024) / 2**20
    (128.0, 9.5)
    """
    cdef Model m = a_model(facts)
    return compute.mask_bytes(&m, context, ubatch)


def device_compute_bytes(*, double context, double ubatch=512, double outputs=1, **facts):
    """Compute buffer on a device as llama.cpp reserves it (flash attention, logits for `outputs` tokens of a batch).

    Llama 3.2 1B at 8192: b11739 prints 72.01 MiB for a server of one slot, 274.51 where all tokens have logits.

    >>> llama = dict(context=8192, hidden=2048, intermediate=8192, vocab=128256)
    >>> device_compute_bytes(**llama) / 2**20, device_compute_bytes(outputs=512, **llama) / 2**20
    (72.0, 274.5)
    """
    cdef Model m = a_model(facts)
    return compute.device_compute_bytes(&m, context, ubatch, outputs)


def host_compute_bytes(*, double context, double ubatch=512, **facts):
    """The same on the host beside a device: masks, and 4 h and the per-layer embeddings for each token of a batch.

    Llama 3.2 1B at 8192: 8 + 16 MiB (b11739 prints 24.02).

    >>> host_compute_bytes(context=8192, hidden=2048) / 2**20
    24.0
    """
    cdef Model m = a_model(facts)
    return compute.host_compute_bytes(&m, context, ubatch)


# estimate/machine.pxd

def efficiency(*, double eta, double bandwidth, bint is_moe=False, double speed_logit=0, **policy):
    """Share of the specified bandwidth (GB/s) that decode reaches: logistic(logit(eta) + b ln(BW / 500) + [MoE] c + q).

    Source: fitted on public decode speeds. At 500 GB/s a dense model has `eta`; by hand at 1000 GB/s and b = -1:
    odds 4 / 2 = 2, share 2 / 3.

    >>> round(efficiency(eta=0.8, bandwidth=500), 12), round(efficiency(eta=0.8, bandwidth=1000, bandwidth_logit=-1), 12)
    (0.8, 0.666666666667)
    """
    cdef Policy p = a_policy(policy)
    return machine.efficiency(eta, bandwidth, is_moe, speed_logit, &p)


# estimate/speed.pxd

def layer_factor(*, dict policy, **facts):
    """How much longer than a plain dense layer one takes: the factors of all that is true of the model multiplied.

    MoE moe_layer x (E / 128)^e, hybrids hybrid_layer, Gemma gemma_layer, models whose every block is a layer block_layer.
    Source: fitted on public decode speeds. By hand, e = 1 / 2 and 32 experts: 1.5 x (1 / 4)^(1 / 2).

    >>> layer_factor(policy={"moe_layer": 1.5, "expert_exponent": 0.5}, is_moe=1, n_experts=32)
    0.75
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
    cdef Rate r = a_rate(bandwidth, 0.5, roofline_cap)
    return speed.roofline_ms(bytes, &r)


def read_share(*, double n_seq=1, double untied_from=4e9, **facts):
    """Share of all weights that a step for `n_seq` sequences reads: the active ones, without an untied input embedding.

    Source: what a forward pass touches. A dense model of 10 B whose input embedding has 1 B reads nine tenths. A mixture
    of 10 B, 6 B of them in 8 experts of which a token takes 4, reads the other 4 B and half of the experts, 7 B; two
    sequences read all experts but the quarter that neither takes, 4 + 4.5 = 8.5 B:

    >>> read_share(params=10e9, vocab=250000, hidden=4000)
    0.9
    >>> mixture = dict(params=10e9, active=7e9, is_moe=1, n_experts=8, n_experts_active=4, n_layers=25, hidden=2000,
    ...     moe_intermediate=5000)
    >>> read_share(**mixture), round(read_share(n_seq=2, **mixture), 9)
    (0.7, 0.85)
    """
    cdef Model m = a_model(facts)
    cdef Policy p = a_policy({"untied_from": untied_from})
    return speed.read_share(&m, n_seq, &p)


def expert_share(*, double n_seq=1, **facts):
    """Share of the routed experts that a step for `n_seq` sequences reads: 1 - (1 - k / E)^n. Source: random routing.

    >>> expert_share(n_experts=8, n_experts_active=2), expert_share(n_experts=8, n_experts_active=2, n_seq=2)
    (0.25, 0.4375)
    """
    cdef Model m = a_model(facts)
    return speed.expert_share(&m, n_seq)


def attention_gflop(*, double tokens, **facts):
    """Attention work of one token with `tokens` in the cache, GFLOP: attention_work() x tokens, over all layers.

    Window layers see their window at most. Llama 3 8B: 32 layers x 2 x 32 heads x (128 + 128) = 524 288 FLOP a cached
    token, so with 1000 cached 0.524288 GFLOP; the same layers with a window of 500, half of it.

    >>> llama = dict(n_heads=32, head_dim=128)
    >>> round(attention_gflop(tokens=1000, attention_layers=32, **llama), 9)
    0.524288
    >>> round(attention_gflop(tokens=1000, window_layers=32, window=500, **llama), 9)
    0.262144
    """
    cdef Model m = a_model(facts)
    return speed.attention_gflop(&m, tokens)


def prefill_tps(*, dict policy, double weights, double prompt, double bandwidth, double prompt_ms, double depth=0, **facts):
    """Prompt tokens a second for `prompt` tokens behind `depth` cached ones; 0 where the compute rate is not known.

    ms a token: 2 P / (s TF) + W / (k BW u) + attention + L t / u. By hand: 1 B parameters at 0.5 ms, 5 GB of weights
    read once for 500 tokens at 1000 GB/s 0.01 ms, and 10 layers of 25 ms a batch 0.5 ms: 1.01 ms.

    >>> p = dict(ubatch=512, prompt_moe=1, prompt_read=1, prompt_layer_ms=25)
    >>> round(prefill_tps(policy=p, weights=5e9, prompt=500, bandwidth=1000, prompt_ms=0.5, params=1e9, n_layers=10), 3)
    990.099
    >>> prefill_tps(policy=p, weights=5e9, prompt=500, bandwidth=1000, prompt_ms=0, params=1e9)
    0.0
    """
    cdef Model m = a_model(facts)
    cdef Rate r = a_rate(bandwidth, 0.5)
    cdef Policy p = a_policy(policy)
    r.prompt_ms = prompt_ms
    return speed.prefill_tps(&m, weights, prompt, depth, &r, &p)


def written(*, long long value, int decimals=0):
    """`value` / 10^decimals as JSON: an integer, or the shortest number with at least one and at most three decimals.

    >>> written(value=-12345), written(value=1500, decimals=3), written(value=7, decimals=2), written(value=40, decimals=1)
    (b'-12345', b'1.5', b'0.07', b'4.0')
    """
    cdef char text[32]
    cdef buffer.Buffer b
    if not 0 <= decimals <= 3 or decimals and value < 0:
        raise ValueError(f"invalid decimals or value: {decimals}, {value}: use 0 to 3, and no negative value with decimals")
    b.data, b.size, b.room, b.failed = text, 0, 32, 0
    if decimals:
        buffer.put_fixed(&b, value, decimals)
    else:
        buffer.put_int(&b, value)
    return text[:b.size]
