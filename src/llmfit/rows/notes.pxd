# The words of an answer as JSON, and the notes of a row: why it is as it is. All words come from codes.py.
from llmfit.estimate.arith cimport down, high, low, up
from llmfit.rows.buffer cimport Buffer, Text, put, put_fixed, put_int, put_text
from llmfit.estimate.codes cimport *
from llmfit.estimate.estimate cimport Estimate
from llmfit.estimate.evidence cimport rate_of
from llmfit.estimate.fit cimport crowded
from llmfit.estimate.machine cimport Machine
from llmfit.estimate.model cimport Model, known_shape
from llmfit.estimate.policy cimport Policy
from llmfit.rows.servers cimport serves
from llmfit.score.score cimport Row, on_task

cdef enum:
    MAX_PIECES = 128

cdef enum:  # NoteId
    NOTE_CONTEXT_CAPPED, NOTE_WINDOW_UNKNOWN, NOTE_SHAPE_UNKNOWN, NOTE_CACHE_BOUND, NOTE_SPLIT_LAYERS
    NOTE_TENSOR_PARALLEL, NOTE_EXPERTS_IN_RAM, NOTE_LAYERS_IN_RAM, NOTE_CPU_ONLY, NOTE_BANDWIDTH_UNKNOWN
    NOTE_HEAVY_QUANT, NOTE_TIGHT_MEMORY, NOTE_SLOW, NOTE_CONVERT, NOTE_CONVERT_MLX, NOTE_NO_SERVER, NOTE_EMBEDDING
    NOTE_ENCODER_DECODER, NOTE_COMMUNITY, NOTE_BASE_CHECKPOINT, NOTE_NARROW, NOTE_OFF_TASK, NOTE_UNPROVEN, NOTE_SUPERSEDED
    NOTE_TOO_BIG, NOTE_NEEDS_NVIDIA, NOTE_NEEDS_VLLM_GPU, NOTE_NEEDS_APPLE, NOTE_NEEDS_EXLLAMA, NOTE_NEEDS_ONNX
    NOTE_NOT_FOR_RUNTIME, NOTE_WRONG_QUANT, NOTE_WRONG_CACHE, N_NOTES

cdef enum:  # NoteField
    FIELD_NONE, FIELD_CONTEXT, FIELD_WINDOW, FIELD_DEVICES, FIELD_OFFLOADED, FIELD_MISSING, FIELD_NEWER

cdef struct Piece:
    Text text               # literal text, then the value of `field`
    int field

cdef struct Wire:
    # Words as JSON: ids and labels with their quotes.
    Text levels[4]
    Text level_labels[4]
    Text modes[5]
    Text mode_labels[5]
    Text runtimes[N_RUNTIMES]
    Text runtime_labels[N_RUNTIMES]
    Text categories[N_USE_CASES]
    Text confidences[4]
    Text confidence_labels[4]
    Text methods[5]
    Text bandwidth_sources[6]
    Text cache_types[N_CACHE_TYPES]     # without quotes, as llama.cpp calls them; as vLLM does
    Text vllm_cache_types[N_CACHE_TYPES]
    Text visible[N_BACKENDS]            # variables that choose devices, as members of an object
    const Text* quants      # without quotes
    Piece pieces[MAX_PIECES]
    int note_start[N_NOTES + 1]

cdef struct RowText:
    # What the catalog holds of a row as text.
    Text facts              # its constant part, from the opening brace on
    Text id
    Text gguf               # preferred GGUF repository; empty: none known. Of a GGUF file: its name
    Text mlx                # known MLX copy at the chosen quantization; empty: none
    Text newer              # id of the newest generation of equal size; empty: none is newer
    Text notes              # notes of its own as JSON strings, a comma between
    int of_file             # 1: the row is that of a file, which no repository holds
    int installed


cdef enum:
    MOST = 1000000000       # what a figure of a row may be: the slowest memory that a request may name takes days a token


cdef inline long long hundredths(double x) noexcept nogil:
    return <long long>down(low(x, MOST) * 100.0 + 0.5)


cdef inline long long thousandths(double x) noexcept nogil:
    return <long long>down(low(x, MOST) * 1000.0 + 0.5)


cdef inline long long tps_hundredths(const Estimate* e) noexcept nogil:
    return hundredths(e.tps)


cdef inline long long utilization_tenths(const Estimate* e) noexcept nogil:
    return <long long>down(low(e.best.utilization, 1e6) * 1000.0 + 0.5)


cdef inline Text repository(const RowText* t, const Model* m, const Estimate* e) noexcept nogil:
    """Where the files of the chosen runtime and quantization are; empty: no repository is known to hold them."""
    if e.best.runtime == LLAMACPP:
        return t.gguf
    return t.mlx if e.best.runtime == MLX and m.format != F_MLX else t.id


cdef inline void put_note(
    Buffer* b, const Wire* w, int note, int* first, const RowText* t, const Estimate* e, const Model* m, double missing
) noexcept nogil:
    """One note with its values filled in."""
    cdef int i, field
    if not first[0]:
        put(b, b",", 1)
    put(b, b'"', 1)
    first[0] = 0
    for i in range(w.note_start[note], w.note_start[note + 1]):
        put_text(b, w.pieces[i].text)
        field = w.pieces[i].field
        if field == FIELD_CONTEXT:
            put_int(b, e.context)
        elif field == FIELD_WINDOW:
            put_int(b, m.context)
        elif field == FIELD_DEVICES:
            put_int(b, e.best.devices)
        elif field == FIELD_OFFLOADED:
            put_fixed(b, <long long>up((e.best.total - e.best.required) / 100.0), 1)
        elif field == FIELD_MISSING:
            put_fixed(b, <long long>up(missing / 100.0), 1)
        elif field == FIELD_NEWER:
            put_text(b, t.newer)
    put(b, b'"', 1)


cdef inline void put_notes(
    Buffer* b, const Wire* w, const RowText* t, const Row* r, int use_case, const Model* m, const Estimate* e, const Machine* h,
    const Policy* p
) noexcept nogil:
    """Why the row is as it is, in the order in which a reader asks: can it run, where, on what assumptions."""
    cdef int first = 1
    cdef double missing = high(e.best.total - h.gpu_total - (0 if h.unified else h.ram), e.best.total - high(h.gpu_total, h.ram) if h.unified else 1)
    if e.blocker != NO_REASON:
        put_note(b, w, NOTE_TOO_BIG + e.blocker - 1, &first, t, e, m, high(missing, 1))
    elif e.best.mode == GPU and e.best.devices > 1:
        put_note(b, w, NOTE_SPLIT_LAYERS, &first, t, e, m, 0)
    elif e.best.mode > GPU:
        put_note(b, w, NOTE_TENSOR_PARALLEL + e.best.mode - 1, &first, t, e, m, 0)
    if m.context == 0:
        put_note(b, w, NOTE_WINDOW_UNKNOWN, &first, t, e, m, 0)
    elif e.context < m.context:
        put_note(b, w, NOTE_CONTEXT_CAPPED, &first, t, e, m, 0)
    if not known_shape(m):
        put_note(b, w, NOTE_SHAPE_UNKNOWN if m.kv_unknown == 1 else NOTE_CACHE_BOUND, &first, t, e, m, 0)
    if e.best.fits:
        if not rate_of(h, &e.best).bandwidth_known:
            put_note(b, w, NOTE_BANDWIDTH_UNKNOWN, &first, t, e, m, 0)
        if e.best.loss > p.heavy_loss:
            put_note(b, w, NOTE_HEAVY_QUANT, &first, t, e, m, 0)
        if e.best.utilization > crowded(e.best.mode, p):
            put_note(b, w, NOTE_TIGHT_MEMORY, &first, t, e, m, 0)
        if e.tps < p.reasonable_tps:
            put_note(b, w, NOTE_SLOW, &first, t, e, m, 0)
        if repository(t, m, e).size == 0:
            put_note(b, w, NOTE_CONVERT_MLX if e.best.runtime == MLX else NOTE_CONVERT, &first, t, e, m, 0)
        elif not serves(r, m, e.best.runtime):
            put_note(b, w, NOTE_NO_SERVER, &first, t, e, m, 0)
    if r.role == EMBEDDER:
        put_note(b, w, NOTE_EMBEDDING, &first, t, e, m, 0)
    if m.attention == ENCODER_DECODER:
        put_note(b, w, NOTE_ENCODER_DECODER, &first, t, e, m, 0)
    if r.origin == COMMUNITY:
        put_note(b, w, NOTE_COMMUNITY, &first, t, e, m, 0)
    elif not r.scored >> use_case & 1:
        put_note(b, w, NOTE_UNPROVEN, &first, t, e, m, 0)
    if r.special:
        put_note(b, w, NOTE_NARROW, &first, t, e, m, 0)
    elif r.tuning == BASE and r.role == GENERATOR:
        put_note(b, w, NOTE_BASE_CHECKPOINT, &first, t, e, m, 0)
    elif not on_task(r, use_case):
        put_note(b, w, NOTE_OFF_TASK, &first, t, e, m, 0)
    if r.newer >= 0:
        put_note(b, w, NOTE_SUPERSEDED, &first, t, e, m, 0)
    if t.notes.size:
        if not first:
            put(b, b",", 1)
        put_text(b, t.notes)
