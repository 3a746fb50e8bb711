# The command that measures what a row estimates.
from llmfit.estimate.codes cimport *
from llmfit.estimate.estimate cimport Estimate, Settings
from llmfit.estimate.machine cimport Machine
from llmfit.estimate.model cimport Model
from llmfit.rows.buffer cimport Buffer, put, put_int, put_text
from llmfit.rows.commands cimport ALL_LAYERS, put_own_name, put_shell
from llmfit.rows.notes cimport RowText, Wire, repository


cdef inline void put_verify(Buffer* b, const Wire* w, const RowText* t, const Model* m, const Estimate* e, const Machine* h, const Settings* s) noexcept nogil:
    """One command that measures what the row estimates; null where several memories or devices share the work.

    A model that must be converted first is named as the converter names its copy.
    """
    cdef int half = e.context // 2
    if not e.best.fits or (e.best.mode != GPU and e.best.mode != CPU_ONLY):
        put(b, b"null", 4)
        return
    put(b, b'"', 1)
    if e.best.runtime == LLAMACPP:
        if t.of_file and m.format == F_GGUF:
            put(b, b'llama-bench -m ', 15)
            put_shell(b, t.gguf)
        elif t.gguf.size:
            put(b, b'llama-bench -hf ', 16)
            put_text(b, t.gguf)
            put(b, b":", 1)
            put_text(b, w.quants[e.best.quant])
        else:
            put(b, b'llama-bench -m ', 15)
            put_own_name(b, t)
            put(b, b"-", 1)
            put_text(b, w.quants[e.best.quant])
            put(b, b".gguf", 5)
        put(b, b" -ngl ", 6)
        put_int(b, ALL_LAYERS if e.best.mode == GPU else 0)
        if e.best.mode == GPU and e.best.devices == 1 and h.n_devices > 1:     # it would divide the model otherwise
            put(b, b" -sm none -mg ", 14)
            put_int(b, h.number[h.first[e.best.kind]])
        if s.k_type != KV_F16 or s.v_type != KV_F16:
            put(b, b" -ctk ", 6)
            put_text(b, w.cache_types[s.k_type])
            put(b, b" -ctv ", 6)
            put_text(b, w.cache_types[s.v_type])
        put(b, b" -fa 1 -p 512 -n 128 -d ", 24)
        put_int(b, half)
    elif e.best.runtime == VLLM:
        put(b, b'vllm bench latency --model ', 27)
        put_shell(b, t.id)
        put(b, b" --max-model-len ", 17)
        put_int(b, max(e.context, half + 128))
        put(b, b" --batch-size 1 --output-len 128 --input-len ", 45)
        put_int(b, half)
    else:
        put(b, b'mlx_lm.benchmark --model ', 25)
        if repository(t, m, e).size:
            put_shell(b, repository(t, m, e))
        else:
            put_own_name(b, t)
            put(b, b"-", 1)
            put_text(b, w.quants[e.best.quant])
        put(b, b' -p 512 -g 128', 14)
    put(b, b'"', 1)
