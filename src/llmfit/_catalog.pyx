"""A catalog opened once, and a machine as the kernel sees it. Both are filled at once and then only read."""

from libc.stdlib cimport calloc, free
from libc.string cimport memset

from llmfit import codes as _codes

from llmfit.rows.buffer cimport Text
from llmfit.estimate.codes cimport *
from llmfit.ranking.columns cimport WEIGHTS, Columns, Strings, load_model, load_row, piece, pooled_ability
from llmfit.estimate.estimate cimport Settings
from llmfit.estimate.gguf cimport MAX_RULES, MAX_TYPES, BlockType, Mix, MixRule
from llmfit.estimate.machine cimport MAX_DEVICES, MAX_FORMATS, MAX_KINDS, Machine, Rate, efficiency
from llmfit.ranking.match cimport contains
from llmfit.estimate.memory cimport file_bytes, milli_up, weights_bytes
from llmfit.estimate.model cimport Model
from llmfit.rows.notes cimport MAX_PIECES, N_NOTES
from llmfit.estimate.policy cimport Policy
from llmfit.estimate.quant cimport MAX_LADDER, MAX_SPEED_CLASSES, Quant, quant_loss
from llmfit.score.score cimport Quality, Row, UseCaseWeights, keep_order, quality_score
from llmfit.score.sketch cimport MOST_TENTHS, Member, RowSketch, Sketch, row_sketch_of, sketch_of
from llmfit.estimate.tensors cimport T_BODY, Tensors, tensors_of


cdef void* zeroed(Py_ssize_t n, size_t size) except NULL:
    """Room for `n` things of `size` bytes, all zero."""
    cdef void* room = calloc(n + 1, size)
    if room == NULL:
        raise MemoryError
    return room


def first_outside(const double[::1] cells, const double[::1] low, const double[::1] high):
    """The first column of a matrix (one column after the other) with a cell outside its limits; -1 if there is none."""
    cdef Py_ssize_t columns = low.shape[0], i
    cdef Py_ssize_t n = cells.shape[0] // columns
    cdef Py_ssize_t k
    cdef int inside
    for k in range(columns):
        inside = 1
        with nogil:
            for i in range(k * n, (k + 1) * n):
                inside &= (cells[i] >= low[k]) & (cells[i] <= high[k])  # NaN is neither
        if not inside:
            return k
    return -1


cdef Quality quality_of(q):
    return Quality(
        q.c0, q.size, q.date, q.size2, q.date2, q.sparsity, q.size_date, q.reasoning, q.coder, q.vision, q.distill
    )


cdef class Catalog:
    """Facts of all models, and every number that scoring uses.

    `packed` is a pack.Packed, `words` the JSON words of codes.py (llmfit/catalog/catalog.py makes them). ValueError where
    one of them does not fit this core.
    """

    def __cinit__(self, packed, dict words, tuple policy_names):
        self.kept = []
        self.columns.n_rows = packed.n_rows
        self.columns.n_shapes = packed.n_shapes
        self.columns.of_file = packed.of_file
        self._open_mixes(packed)
        self._open_quants(packed)
        self._open_policy(packed, policy_names)
        self._open_shapes(packed.shapes.cast("d"))
        self._open_rows(packed.rows.cast("d"), packed.quality)
        self._open_text(packed)
        self._open_words(words)

    def __dealloc__(self):
        free(self.columns.models)
        free(self.columns.weights)
        free(self.columns.rows)
        free(self.columns.sketches)
        free(self.columns.members)
        free(self.columns.group_ends)
        for u in range(N_USE_CASES + 1):
            free(self.columns.orders[u])
        free(self.columns.quality)
        free(self.columns.quants)
        free(self.columns.mixes)
        free(<void*>self.columns.ladder.own_runtime)
        free(<void*>self.columns.wire.quants)

    @property
    def n_rows(self):
        """Models in the catalog."""
        return self.columns.n_rows

    @property
    def n_shapes(self):
        """Distinct shapes among them: what an analysis computes."""
        return self.columns.n_shapes

    cdef Text _text(self, str word):
        """The word as bytes that live as long as the catalog."""
        cdef Text t
        cdef bytes held = word.encode()
        self.kept.append(held)
        t.data = held
        t.size = len(held)
        return t

    cdef int _fill(self, Text* to, words) except -1:
        cdef int i
        for i, word in enumerate(words):
            to[i] = self._text(word)
        return 0

    cdef int _open_mixes(self, packed) except -1:
        """The blocks of ggml's types, and which tensor takes which of them under each label."""
        cdef int i
        cdef Mix* x
        cdef MixRule r
        cdef dict types = {t.type: place for place, t in enumerate(packed.types)}
        self.labels = {label: place for place, label in enumerate(dict.fromkeys(rule.label for rule in packed.mixes))}
        if len(types) > MAX_TYPES:
            raise ValueError("more GGUF types than the core has room for")
        for i, t in enumerate(packed.types):
            self.columns.types[i] = BlockType(t.block, t.bytes, types[t.fallback] if t.fallback else -1)
        self.columns.mixes = <Mix*>zeroed(len(self.labels), sizeof(Mix))
        for rule in packed.mixes:
            x = &self.columns.mixes[<int>self.labels[rule.label]]
            x.types = &self.columns.types[0]
            x.experts_type = types["MXFP4"]
            x.odd_output = types["Q8_0"]
            i = _codes.TENSORS.index(rule.tensor)
            r = MixRule(
                types[rule.type], _codes.LAYER_SETS.index(rule.layers), sum([1 << _codes.MIX_CONDITIONS.index(word) for word in rule.conditions])
            )
            if i == T_BODY:
                x.base = r.type
            elif x.n_rules[i] == MAX_RULES:
                raise ValueError("more rules for a tensor than the core has room for")
            else:
                x.rules[i][x.n_rules[i]] = r
                x.n_rules[i] += 1
        return 0

    cdef int _open_quants(self, packed) except -1:
        cdef int i, k, n = len(packed.quants)
        cdef Text* names = <Text*>zeroed(n, sizeof(Text))
        cdef signed char* own = <signed char*>zeroed(n, 1)
        cdef Quant* quants = <Quant*>zeroed(n, sizeof(Quant))
        self.columns.wire.quants = names
        self.columns.ladder.own_runtime = own
        self.columns.quants = quants
        if 1 + sum(len(ladder) for ladder in packed.ladders) > WEIGHTS:
            raise ValueError("more quantizations than the core has room for")
        self.n_quants = n
        self.n_speed_classes = len(_codes.SPEED_CLASSES)
        for i, name in enumerate(_codes.SPEED_CLASSES):
            self.speed_logits[i] = packed.policy.get(f"logit_{name}", 0.0)
        for i, q in enumerate(packed.quants):
            quants[i] = Quant(
                q.body_bits, q.expert_bits, q.output_bits, q.embedding_bits, q.nameonly_bits, quant_loss(q.loss_bits),
                NULL, q.mix_scale, q.runtime, q.speed,
            )
            if q.mix:
                quants[i].mix = &self.columns.mixes[<int>self.labels[q.mix]]
            own[i] = q.runtime
            names[i] = self._text(q.name)
        for k in range(N_RUNTIMES):
            self.columns.ladder.size[k] = len(packed.ladders[k])
            for i in range(self.columns.ladder.size[k]):
                self.columns.ladder.quant[k][i] = packed.ladders[k][i]
        self.columns.ladder.mxfp4 = packed.mxfp4
        return 0

    cdef int _open_policy(self, packed, tuple names) except -1:
        cdef double* values = <double*>&self.columns.policy
        cdef int i
        if len(names) * sizeof(double) != sizeof(Policy) or set(names) != set(packed.policy):
            raise ValueError("policy.csv and estimate/policy.pxd differ")
        for i, name in enumerate(names):
            values[i] = packed.policy[name]
        for i, u in enumerate(packed.use_cases):
            self.columns.use_cases[i] = UseCaseWeights(
                u.quality, u.speed, u.fit, u.context, u.target_tps, u.wanted_context, u.reasonable_tps
            )
        return 0

    cdef int _open_shapes(self, const double[::1] facts) except -1:
        cdef int n = self.columns.n_shapes
        cdef int i, k, size = self.columns.ladder.size[LLAMACPP]
        cdef Columns* c = &self.columns
        cdef Model* m
        cdef int* w
        cdef Tensors s
        c.models = <Model*>zeroed(n, sizeof(Model))
        c.weights = <int*>zeroed(n * WEIGHTS, sizeof(int))
        c.sketches = <Sketch*>zeroed(n, sizeof(Sketch))
        if n == 0:
            return 0
        with nogil:
            for i in range(n):
                c.models[i] = load_model(&facts[0], n, i, &c.policy)
                m = &c.models[i]
                s = tensors_of(m)
                w = &c.weights[i * WEIGHTS]
                if m.own_quant >= 0:
                    w[0] = <int>milli_up(m.file_bytes if m.file_bytes > 0 else weights_bytes(m, &c.quants[m.own_quant]))
                for k in range(size):
                    w[1 + k] = <int>milli_up(file_bytes(m, &s, &c.quants[c.ladder.quant[LLAMACPP][k]], 1))
                if m.gguf == 2:
                    w[1] = <int>milli_up(weights_bytes(m, &c.quants[c.ladder.mxfp4]))
                for k in range(c.ladder.size[MLX]):
                    w[1 + size + k] = <int>milli_up(weights_bytes(m, &c.quants[c.ladder.quant[MLX][k]]))
                c.sketches[i] = sketch_of(m, w, &c.ladder)
        return 0

    cdef int _open_rows(self, const double[::1] facts, quality_table) except -1:
        cdef int n = self.columns.n_rows
        cdef int i, k, u, _
        cdef Columns* c = &self.columns
        cdef const double* f
        cdef Quality quality[N_USE_CASES]
        for u, q in enumerate(quality_table):
            quality[u] = quality_of(q)
        c.rows = <Row*>zeroed(n, sizeof(Row))
        c.quality = <double*>zeroed(n * <Py_ssize_t>N_USE_CASES, sizeof(double))
        if n == 0:
            return 0
        f = &facts[0]
        with nogil:
            for i in range(n):
                load_row(&c.rows[i], f, n, i)
                c.n_groups = max(c.n_groups, c.rows[i].group + 1)
                for u in range(N_USE_CASES):
                    c.quality[u * n + i] = quality_score(pooled_ability(&quality[u], f, n, i, u, &c.policy))
            for _ in range(4):  # generations in a row
                for i in range(n):
                    k = c.rows[i].older
                    if k >= 0:
                        for u in range(N_USE_CASES):
                            c.quality[u * n + i] = keep_order(c.quality[u * n + i], c.quality[u * n + k], &c.policy)
        self._open_groups()
        return 0

    cdef int _open_groups(self) except -1:
        cdef Columns* c = &self.columns
        cdef int i, g
        c.members = <Member*>zeroed(c.n_rows, sizeof(Member))
        c.group_ends = <int*>zeroed(c.n_groups, sizeof(int))
        with nogil:
            for i in range(c.n_rows):
                c.group_ends[c.rows[i].group + 1] += 1
            for g in range(c.n_groups):
                c.group_ends[g + 1] += c.group_ends[g]  # where the rows of g + 1 begin
            for i in range(c.n_rows):
                g = c.rows[i].group
                c.members[c.group_ends[g]] = Member(i, c.rows[i].shape)
                c.group_ends[g] += 1
        return 0

    cdef const RowSketch* order(self, int use_case) except NULL:
        """The rows by the most that they can score for a use case (-1: each for its main one), the highest first."""
        cdef Columns* c = &self.columns
        cdef RowSketch* sorted_ = c.orders[use_case + 1]
        cdef RowSketch* made
        cdef int starts[MOST_TENTHS + 2]
        cdef int i, u
        if sorted_ != NULL:
            return sorted_
        made = <RowSketch*>zeroed(c.n_rows, sizeof(RowSketch))
        sorted_ = <RowSketch*>zeroed(c.n_rows, sizeof(RowSketch))
        memset(starts, 0, sizeof(starts))
        for i in range(c.n_rows):
            u = use_case if use_case >= 0 else c.rows[i].use_case
            made[i] = row_sketch_of(
                &c.rows[i], i, c.quality[u * c.n_rows + i], &c.use_cases[u], u, c.models[c.rows[i].shape].context, &c.policy
            )
            starts[<int>MOST_TENTHS - made[i].most + 1] += 1
        for i in range(MOST_TENTHS + 1):
            starts[i + 1] += starts[i]
        for i in range(c.n_rows):
            u = <int>MOST_TENTHS - made[i].most
            sorted_[starts[u]] = made[i]
            starts[u] += 1
        free(made)
        c.orders[use_case + 1] = sorted_
        return sorted_

    cdef int _open_text(self, packed) except -1:
        self.columns.facts = self._strings(packed.row_json, packed.row_json_ends.cast("I"))
        self.columns.search = self._strings(packed.search, packed.search_ends.cast("I"))
        self.columns.ids = self._strings(packed.ids, packed.id_ends.cast("I"))
        self.columns.gguf = self._strings(packed.gguf, packed.gguf_ends.cast("I"))
        self.columns.mlx = self._strings(packed.mlx, packed.mlx_ends.cast("I"))
        self.columns.notes = self._strings(packed.notes, packed.note_ends.cast("I"))
        return 0

    cdef Strings _strings(self, const unsigned char[::1] text, const unsigned int[::1] ends) except *:
        cdef Strings s
        cdef int i, n = self.columns.n_rows
        if ends.shape[0] != n or (n and ends[n - 1] != text.shape[0]):
            raise ValueError("the text of the rows is cut short")
        for i in range(1, n):
            if ends[i] < ends[i - 1]:
                raise ValueError("the text of a row ends before it begins")
        self.kept.append((text, ends))
        s.data = NULL
        s.ends = NULL
        if text.shape[0]:
            s.data = <const char*>&text[0]
        if n:
            s.ends = &ends[0]
        return s

    cdef int _open_words(self, dict words) except -1:
        cdef int i, at = 0
        cdef list labels = sorted(words["categories"])
        self._fill(self.columns.wire.levels, words["levels"])
        self._fill(self.columns.wire.level_labels, words["level_labels"])
        self._fill(self.columns.wire.modes, words["modes"])
        self._fill(self.columns.wire.mode_labels, words["mode_labels"])
        self._fill(self.columns.wire.runtimes, words["runtimes"])
        self._fill(self.columns.wire.runtime_labels, words["runtime_labels"])
        self._fill(self.columns.wire.categories, words["categories"])
        self._fill(self.columns.wire.confidences, words["confidences"])
        self._fill(self.columns.wire.confidence_labels, words["confidence_labels"])
        self._fill(self.columns.wire.methods, words["methods"])
        self._fill(self.columns.wire.bandwidth_sources, words["bandwidth_sources"])
        self._fill(self.columns.wire.cache_types, words["cache_types"])
        self._fill(self.columns.wire.vllm_cache_types, words["vllm_cache_types"])
        self._fill(self.columns.wire.visible, words["visible"])
        for i in range(N_USE_CASES):
            self.columns.label_order[i] = labels.index(words["categories"][i])
        if len(words["notes"]) != N_NOTES or sum(len(note) for note in words["notes"]) > MAX_PIECES:
            raise ValueError("codes.NOTES and rows/notes.pxd differ")
        for i, note in enumerate(words["notes"]):
            self.columns.wire.note_start[i] = at
            for literal, field in note:
                self.columns.wire.pieces[at].text = self._text(literal)
                self.columns.wire.pieces[at].field = field
                at += 1
        self.columns.wire.note_start[<int>N_NOTES] = at
        return 0

    def found(self, tuple needles):
        """By row: how many of the needles (lower case) its search text contains; one byte a row."""
        cdef bytearray counts = bytearray(self.columns.n_rows)
        cdef unsigned char[::1] out = counts
        cdef const Columns* c = &self.columns
        cdef int i
        cdef Text needle, text
        cdef bytes held
        for word in needles:
            held = word.encode()
            needle.data, needle.size = held, len(held)
            if needle.size == 0:
                continue
            with nogil:
                for i in range(c.n_rows):
                    text = piece(&c.search, i)
                    out[i] += contains(text.data, text.size, needle.data, needle.size)
        return bytes(counts)

    def mark_installed(self, list indices):
        """Say in these rows that the model lies in a local store; in no other."""
        cdef int i
        for i in range(self.columns.n_rows):
            self.columns.rows[i].installed = 0
        for index in indices:
            if not 0 <= index < self.columns.n_rows:
                raise IndexError(index)
            self.columns.rows[<int>index].installed = 1

    def name_of(self, int index):
        """The id of a row."""
        if not 0 <= index < self.columns.n_rows:
            raise IndexError(index)
        cdef Text text = piece(&self.columns.ids, index)
        return text.data[:text.size].decode("utf-8", "replace")

    def index_of(self, str name):
        """The row whose id is `name`, ignoring case; -1 if there is none."""
        cdef const Columns* c = &self.columns
        cdef int i
        cdef Text text
        cdef bytes held = name.lower().encode() + b"\0"
        cdef const char* wanted = held
        cdef Py_ssize_t size = len(held)
        with nogil:
            for i in range(c.n_rows):
                text = piece(&c.search, i)
                if text.size >= size and contains(text.data, size, wanted, size):
                    with gil:
                        return i
        return -1


cdef Settings settings_of(Catalog catalog, double context, double n_seq, tuple cache_types, int runtime, bytes quants) except *:
    """What an analysis is made for; it points into `quants`, which must live as long."""
    cdef Settings s
    cdef int i
    s.context = context
    s.n_seq = n_seq
    s.k_type, s.v_type = cache_types or (KV_F16, KV_F16)
    s.k_bytes, s.v_bytes = _codes.CACHE_BYTES[s.k_type], _codes.CACHE_BYTES[s.v_type]
    s.runtime = runtime
    s.runtimes = 0
    for i in range(N_RUNTIMES):
        if runtime in (-1, i) and _codes.has_cache(_codes.RUNTIMES[i], s.k_type, s.v_type):
            s.runtimes |= 1 << i
    s.quants = NULL
    s.extra_quant = -1
    if quants is not None:
        if len(quants) != catalog.n_quants:
            raise ValueError("one byte a quantization")
        s.quants = <const unsigned char*><const char*>quants
        for i in range(catalog.n_quants):
            if quants[i] and catalog.columns.quants[i].mix != NULL:
                s.extra_quant = i
    return s


cdef class Host:
    """A machine as the kernel sees it. `kinds`, `devices` and `cpu` are what llmfit/hardware/host.py makes of a Machine."""

    def __cinit__(self, Catalog catalog, list kinds, list devices, cpu, double ram_bytes, bint unified, bytes runtimes, bytes blockers, list of_backend):
        cdef int i, k, runtime
        cdef Machine* h = &self.machine
        memset(h, 0, sizeof(Machine))
        if len(devices) > MAX_DEVICES or len(kinds) > MAX_KINDS:
            raise ValueError(f"at most {MAX_DEVICES} GPUs of {MAX_KINDS} kinds")
        h.n_devices = len(devices)
        h.n_kinds = len(kinds)
        h.unified = unified
        h.ram = float(int(ram_bytes / 1073741.824))
        for k in range(h.n_kinds):
            for runtime in range(N_RUNTIMES):
                if kinds[k][runtime] is not None:
                    fill_rate(&h.gpu[runtime][k], catalog, kinds[k][runtime], catalog.columns.policy.gpu_flop)
        fill_rate(&h.cpu, catalog, cpu, catalog.columns.policy.cpu_flop)
        h.cpu.overlaps = 1
        for i in range(h.n_devices):
            h.kind[i], free_bytes, h.free_share[i], h.backend[i], h.number[i] = devices[i]
            k = h.kind[i]
            h.capacity[i] = float(int(free_bytes / 1073741.824))
            if h.count[k] == 0:
                h.first[k] = i
            h.count[k] += 1
            h.gpu_total += h.capacity[i]
            if h.capacity[i] > h.largest:
                h.largest = h.capacity[i]
                h.largest_kind = k
        for i in range(N_BACKENDS):
            h.of_backend[i] = of_backend[i]
        for i in range(min(len(runtimes), <int>MAX_FORMATS)):
            h.runtimes[i] = runtimes[i]
            h.blocker[i] = blockers[i]


cdef void fill_rate(Rate* r, Catalog catalog, rate, double flop_factor):
    cdef int s, moe
    cdef double tflops = rate.tflops
    # The efficiency of a specified bandwidth falls with it; a measured one has that behind it: its efficiency is eta.
    cdef double specified = rate.bandwidth_gbps if rate.bandwidth_source != "measured" else 500.0
    r.runs = 1
    r.bandwidth_source = _codes.BANDWIDTH_SOURCES.index(rate.bandwidth_source)
    r.bandwidth_known = r.bandwidth_source > 0
    r.bandwidth = rate.bandwidth_gbps
    for s in range(catalog.n_speed_classes):
        for moe in range(2):
            r.eta[s][moe] = efficiency(rate.eta, specified, moe, catalog.speed_logits[s], &catalog.columns.policy)
            r.byte_ms[moe][s] = 1.0 / (r.eta[s][moe] * rate.bandwidth_gbps * 1e6)
    r.floor_ms = 1.0 / (catalog.columns.policy.roofline_cap * rate.bandwidth_gbps * 1e6)
    r.layer_ms = rate.per_layer_us * 1e-3 * (tflops / 20.0) ** catalog.columns.policy.tflops_exponent
    r.flop_ms = flop_factor * 2.0 / tflops
    r.attention_ms = catalog.columns.policy.attention_flop / tflops
    r.spread = rate.spread
    r.context = milli_up(rate.context_mib * 1048576.0)
    r.max_utilization = rate.max_utilization
    r.tp_layer_ms = rate.tp_layer_us * 1e-3
    r.prompt_ms = 2.0 / rate.prefill_tflops if rate.prefill_tflops > 0 else 0.0


