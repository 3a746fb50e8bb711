# Small integers that stand for the words of llmfit/codes.py. The order is the order there;
# tests/test_codes.py holds the two equal.

cdef enum:  # FitLevel
    TOO_TIGHT, MARGINAL, GOOD, PERFECT

cdef enum:  # RunMode
    GPU, TENSOR_PARALLEL, MOE_OFFLOAD, CPU_OFFLOAD, CPU_ONLY

cdef enum:  # Runtime
    LLAMACPP, MLX, VLLM, N_RUNTIMES

cdef enum:  # UseCase
    GENERAL, CODING, REASONING, CHAT, MULTIMODAL, EMBEDDING, N_USE_CASES

cdef enum:  # Attention
    FULL, SLIDING, MLA, HYBRID_LINEAR, HYBRID_LINEAR_MLA, HYBRID_SSM, HYBRID_CONV, SSM, SPARSE
    COMPRESSED_SPARSE, ENCODER, ENCODER_DECODER, UNKNOWN_ATTENTION

cdef enum:  # LinearKind
    NO_STATE, GATED_DELTA_NET, KDA, LIGHTNING, MAMBA1, MAMBA2, RWKV7, SHORT_CONV

cdef enum:  # Format
    F_BF16, F_FP8, F_MXFP8, F_NVFP4, F_MXFP4, F_AWQ, F_GPTQ, F_AUTOROUND, F_INT, F_BNB, F_EXL2, F_EXL3
    F_MLX, F_GGUF, F_ONNX

cdef enum:  # Origin
    OFFICIAL, QUANTIZED, COMMUNITY

cdef enum:  # Role
    GENERATOR, EMBEDDER, RERANKER, GUARD, REWARD, OCR, TRANSLATION

cdef enum:  # Tuning
    BASE, INSTRUCT, ALWAYS_REASONING, UNKNOWN_TUNING

cdef enum:  # Confidence
    LOW, MEDIUM, HIGH, MEASURED

cdef enum:  # Method
    ROOFLINE, OFFLOAD_ROOFLINE, CPU_ROOFLINE, BACKEND_DEFAULT, METHOD_MEASURED

cdef enum:  # CacheType
    KV_F16, KV_Q8_0, KV_Q4_0

cdef enum:  # SortKey
    BY_SCORE, BY_TPS, BY_PARAMS, BY_MEM, BY_CTX, BY_DATE, BY_USE_CASE

# What makes a row impossible on this machine; NO_REASON where it runs.
cdef enum:  # Blocker
    NO_REASON, TOO_BIG, NEEDS_NVIDIA, NEEDS_VLLM_GPU, NEEDS_APPLE, NEEDS_EXLLAMA, NEEDS_ONNX, NOT_FOR_RUNTIME
    WRONG_QUANT
