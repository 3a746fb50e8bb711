"""The words behind every small integer, in the order of ``src/llmfit/estimate/codes.pxd``. Imports nothing.

Each table is a tuple of wire ids; where a label differs from the id it stands beside it in ``LABELS``.
"""

FIT_LEVELS = ("too_tight", "marginal", "good", "perfect")
RUN_MODES = ("gpu", "tensor_parallel", "moe_offload", "cpu_offload", "cpu_only")
RUNTIMES = ("llamacpp", "mlx", "vllm")
USE_CASES = ("general", "coding", "reasoning", "chat", "multimodal", "embedding")
ATTENTIONS = (
    "full", "sliding", "mla", "hybrid_linear", "hybrid_linear_mla", "hybrid_ssm", "hybrid_conv", "ssm", "sparse",
    "compressed_sparse", "encoder", "encoder_decoder", "",
)  # fmt: skip
LINEAR_KINDS = ("", "gated_delta_net", "kda", "lightning", "mamba1", "mamba2", "rwkv7", "short_conv")
FORMATS = (
    "bf16", "fp8", "mxfp8", "nvfp4", "mxfp4", "awq", "gptq", "autoround", "int", "bnb", "exl2", "exl3", "mlx",
    "gguf", "onnx",
)  # fmt: skip
# Kinds of tensors that a GGUF mix tells apart, the layers a rule of it covers, when it holds (tensors.pxd and gguf.pxd
# in src/llmfit/estimate).
TENSORS = (
    "body", "embedding", "output", "attn_q", "attn_k", "attn_v", "attn_qkv", "attn_out", "ffn_gate", "ffn_up",
    "ffn_down", "experts_gate", "experts_up", "experts_down", "heads",
)  # fmt: skip
SPEED_CLASSES = ("f16", "q8", "q56", "q4", "q4_0", "q23")  # how a quantization reads: the logits of policy.csv
LAYER_SETS = ("all", "more_bits", "first_2", "first_4", "first_eighth", "first_sixteenth", "middle", "counted_eighth")
MIX_CONDITIONS = (
    "gqa4", "experts4", "experts8", "imatrix", "no_imatrix", "layers80", "falcon", "not_falcon", "since_2026_03",
    "before_2026_03",
)  # fmt: skip
ORIGINS = ("official", "quantized", "community")
ROLES = ("generator", "embedding", "reranker", "guard", "reward", "ocr", "translation")
TUNINGS = ("base", "instruct", "reasoning", "unknown")
CONFIDENCES = ("low", "medium", "high", "measured")
METHODS = ("roofline", "offload_roofline", "cpu_roofline", "backend_default", "measured")
# Where a bandwidth is from; "" where it is not known.
BANDWIDTH_SOURCES = ("", "table", "driver", "smbios", "measured", "request")
# Types of a KV cache, bytes of an element, and which a runtime has; only llama.cpp takes keys and values in two types.
CACHE_TYPES = ("f16", "q8_0", "q4_0", "bf16", "f32", "q5_1", "q5_0", "q4_1", "iq4_nl", "fp8")
CACHE_BYTES = (2.0, 34 / 32, 18 / 32, 2.0, 4.0, 24 / 32, 22 / 32, 20 / 32, 18 / 32, 1.0)
CACHE_TYPES_OF = {"llamacpp": CACHE_TYPES[:-1], "mlx": ("f16", "bf16"), "vllm": ("f16", "bf16", "fp8")}
VLLM_CACHE_TYPES = {"f16": "float16", "bf16": "bfloat16"}  # where vLLM calls one otherwise
SORT_KEYS = ("score", "tps", "params", "mem", "ctx", "date", "use_case")
BLOCKERS = (
    "", "too_big", "needs_nvidia", "needs_vllm_gpu", "needs_apple", "needs_exllama", "needs_onnx", "not_for_runtime",
    "wrong_quant", "wrong_cache",
)  # fmt: skip
BACKENDS = ("cuda", "rocm", "metal", "vulkan", "sycl", "cpu", "ascend")
# What tells a runtime which devices to use; a list of numbers follows. CUDA counts by speed unless told otherwise.
VISIBLE_DEVICES = {
    "cuda": {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": ""}, "rocm": {"HIP_VISIBLE_DEVICES": ""},
    "vulkan": {"GGML_VK_VISIBLE_DEVICES": ""}, "sycl": {"ONEAPI_DEVICE_SELECTOR": "level_zero:"},
    "ascend": {"ASCEND_RT_VISIBLE_DEVICES": ""},
}  # fmt: skip
# The values of a row that can be written in brief, by their keys there.
BRIEF = (
    "name", "fit_level", "run_mode", "runtime", "best_quant", "total_memory_gb", "memory_required_gb",
    "memory_available_gb", "utilization_pct", "estimated_tps", "score", "effective_context_length", "usable_context",
)  # fmt: skip
CAPABILITIES = ("tool_use", "vision", "audio", "reasoning", "embedding")

LABELS = {
    "fit_level": ("Too Tight", "Marginal", "Good", "Perfect"),
    "run_mode": ("GPU", "TP", "MoE", "CPU+GPU", "CPU"),
    "runtime": ("llama.cpp", "MLX", "vLLM"),
    "use_case": ("General", "Coding", "Reasoning", "Chat", "Multimodal", "Embedding"),
    "confidence": ("Low", "Medium", "High", "Measured"),
}

# The `use_case` phrase of a row, by main use case.
USE_CASE_PHRASES = (
    "General purpose text generation",
    "Code generation and completion",
    "Reasoning, mathematics and step-by-step problem solving",
    "Conversation and instruction following",
    "Multimodal: images and text",
    "Text embedding and retrieval",
)

# What a note says; {names} are filled in by the row writer (src/llmfit/rows/rows.pxd), which knows only these names.
NOTES = {
    "context_capped": "estimated at {context} tokens of context; the model takes {window} (max_context raises it)",
    "window_unknown": "the model's context window is not known; {context} tokens are assumed",
    "shape_unknown": "the model's shape is not known: memory is a safe upper bound",
    "cache_bound": "this kind of attention is not modelled exactly: the cache is an upper bound",
    "split_layers": "layers are split over {devices} GPUs",
    "tensor_parallel": "tensor parallel over {devices} GPUs",
    "experts_in_ram": "{offloaded} GiB of experts lie in system RAM",
    "layers_in_ram": "{offloaded} GiB of layers lie in system RAM",
    "cpu_only": "runs from system RAM on the CPU alone",
    "bandwidth_unknown": "memory bandwidth is not known: the speed is a default of the backend",
    "heavy_quant": "fits only with heavy quantization: answers get visibly worse",
    "tight_memory": "leaves too little memory free",
    "slow": "slower than a comfortable reading speed",
    "convert": "no GGUF repository is known: the weights must be converted first",
    "convert_mlx": "no MLX copy of this quantization is known: the weights must be converted first",
    "no_server": "this runtime has no server for this kind of model: there is no command that starts it",
    "embedding": "an embedding model reads text: prefill_tps is the speed that counts",
    "encoder_decoder": "an encoder-decoder model: its generation cache is not modelled",
    "community": "a community fine-tune or re-upload; quality is not measured",
    "base_checkpoint": "a base checkpoint: not tuned to follow instructions",
    "narrow": "made for one narrow task or field",
    "off_task": "not made for this use case: ranked below what is",
    "unproven": "no published scores for this use case: the quality is predicted",
    "superseded": "superseded by a newer model of equal size: {newer}",
    "too_big": "needs {missing} GiB more memory than is free",
    "needs_nvidia": "this format runs on NVIDIA GPUs under vLLM only",
    "needs_vllm_gpu": "this format needs a GPU that vLLM supports",
    "needs_apple": "MLX runs on Apple silicon only",
    "needs_exllama": "this format runs in ExLlama only, which llmfit does not plan for",
    "needs_onnx": "ONNX files do not run in an LLM runtime that llmfit plans for",
    "not_for_runtime": "the requested runtime cannot run this model on this machine",
    "wrong_quant": "this repository does not hold the requested quantization",
    "wrong_cache": "no runtime that runs this model here has a KV cache of the requested type",
}


def has_cache(runtime: str, keys: int, values: int) -> bool:
    """Whether a runtime has a cache of these types, indices of CACHE_TYPES."""
    known = CACHE_TYPES_OF[runtime]
    return CACHE_TYPES[keys] in known and (keys == values or (runtime == "llamacpp" and CACHE_TYPES[values] in known))
