"""The derivation of one row: every way that was considered, the parts of its quality, score, memory and speed.

Computed by the rules that rank the catalog, asked once more for one model; here is no rule of its own. A part of a sum
is what the sum loses without it. llmfit/query/explain.py is the Python face of this.
"""

from libc.string cimport memset

from llmfit._catalog cimport Catalog, Host, quality_of, settings_of
from llmfit.estimate.choose cimport Ladder, forms_of, keep_allowed, place
from llmfit.estimate.codes cimport *
from llmfit.ranking.columns cimport WEIGHTS, Columns, pooled_ability
from llmfit.estimate.detail cimport Detail, detail_of
from llmfit.estimate.estimate cimport Estimate, Settings, describe, effective_context, element_bytes, estimate, job_of
from llmfit.estimate.fit cimport Candidate, better, comfortable, crowded
from llmfit.estimate.job cimport Forms, Job
from llmfit.estimate.machine cimport MAX_KINDS, Machine, Rate
from llmfit.estimate.memory cimport bytes_of, milli_up, weights_bytes
from llmfit.estimate.model cimport Model, known_shape
from llmfit.estimate.policy cimport Policy
from llmfit.estimate.quant cimport MAX_SPEED_CLASSES, Quant
from llmfit.score.score cimport Quality, Row, UseCaseWeights, ability, class_factor, deductions, pooled, quality_score, soft_floor
from llmfit.score.verdict cimport Components, Verdict, components, speed_deduction, tenths, verdict

TERMS = ("c0", "size", "date", "size2", "date2", "sparsity", "size_date", "reasoning", "coder", "vision", "distill")


cdef void free_reading(Rate* r) noexcept:
    """A processor that reads weights and cache in no time."""
    memset(r.byte_ms, 0, sizeof(r.byte_ms))
    r.floor_ms = 0


cdef void free_computing(Rate* r) noexcept:
    r.flop_ms = 0
    r.attention_ms = 0


cdef void free_layers(Rate* r) noexcept:
    r.layer_ms = 0


ctypedef void (*Change)(Rate*) noexcept


cdef void on_gpus(Machine* h, Change change) noexcept:
    cdef int runtime, kind
    for runtime in range(N_RUNTIMES):
        for kind in range(h.n_kinds):
            change(&h.gpu[runtime][kind])


cdef class Case:
    """One row of the catalog under one set of inputs; see Estimates for them."""

    cdef readonly Catalog catalog
    cdef Settings settings
    cdef bytes quants
    cdef int row, use_case
    cdef const Row* r
    cdef const Model* m
    cdef const int* weights

    def __cinit__(
        self, Catalog catalog, int row, int use_case=-1, double context=0, double n_seq=1, tuple cache_types=(),
        int runtime=-1, bytes quants=None,
    ):
        cdef const Columns* c = &catalog.columns
        if not 0 <= row < c.n_rows:
            raise IndexError(row)
        self.catalog = catalog
        self.quants = quants
        self.settings = settings_of(catalog, context, n_seq, cache_types, runtime, quants)
        self.row = row
        self.r = &c.rows[row]
        self.m = &c.models[self.r.shape]
        self.weights = &c.weights[self.r.shape * WEIGHTS]
        self.use_case = use_case if use_case >= 0 else self.r.use_case

    @property
    def window(self):
        """The model's native window, tokens; 0: not known."""
        return self.m.context

    cdef Estimate _estimate(self, const Machine* h, const Settings* s) noexcept:
        cdef Estimate e
        cdef const Columns* c = &self.catalog.columns
        memset(&e, 0, sizeof(Estimate))
        estimate(h, self.m, self.weights, c.quants, &c.ladder, s, &c.policy, &e)
        return e

    def level(self, Host host, double context=0, bytes quants=None):
        """Its fit level (of FitLevel) on another machine, at another context, or in other quantizations."""
        cdef Settings s = self.settings
        if context > 0:
            s.context = context
        if quants is not None:
            s = settings_of(self.catalog, s.context, s.n_seq, (s.k_type, s.v_type), s.runtime, quants)
        return self._estimate(&host.machine, &s).best.level

    def candidates(self, Host host):
        """Every way considered: (runtime, mode, quantization, devices, fits, level, tokens/s, memory, share of the
        pool, loss, score, outcome). Memory in thousandths of a GiB; 0: not worked out, too big at a glance."""
        cdef const Columns* c = &self.catalog.columns
        cdef const Machine* h = &host.machine
        cdef Estimate best = self._estimate(h, &self.settings)
        cdef double context = effective_context(self.m, &self.settings, &c.policy)
        cdef Job j = job_of(h, self.m, c.quants, &self.settings, context, &c.policy)
        cdef int runtime, kind, n, devices
        found = []
        for runtime in range(N_RUNTIMES):
            if not (h.runtimes[self.m.format] & self.settings.runtimes) >> runtime & 1:
                continue
            for kind in range(h.n_kinds):
                if not h.gpu[runtime][kind].runs:
                    continue
                self._over(found, h, &j, context, &best, runtime, GPU, kind, 1)
                devices = 2
                while runtime == VLLM and devices <= h.count[kind]:
                    self._over(found, h, &j, context, &best, runtime, TENSOR_PARALLEL, kind, devices)
                    devices *= 2
            if runtime != LLAMACPP:
                continue
            if h.n_devices > 1:
                self._over(found, h, &j, context, &best, runtime, GPU, 0, h.n_devices)
            if h.n_devices and not h.unified and h.gpu[LLAMACPP][h.largest_kind].runs:
                if self.m.is_moe:
                    self._over(found, h, &j, context, &best, runtime, MOE_OFFLOAD, 0, 1)
                self._over(found, h, &j, context, &best, runtime, CPU_OFFLOAD, 0, 1)
            self._over(found, h, &j, context, &best, runtime, CPU_ONLY, 0, 0)
        return found

    cdef _over(
        self, list found, const Machine* h, const Job* j, double context, const Estimate* best, int runtime, int mode,
        int kind, int devices
    ):
        """One mode over the quantizations that the runtime has of the model."""
        cdef const Columns* c = &self.catalog.columns
        cdef const Settings* settings = &self.settings
        cdef Forms f = forms_of(self.m, self.weights, runtime, &c.ladder)
        cdef int i
        if settings.quants != NULL:
            keep_allowed(&f, self.m, runtime, c.quants, settings.quants, &settings.extra_quant)
        for i in range(f.n):
            self._add(found, h, j, context, best, runtime, mode, kind, devices, &f, i)

    cdef _add(
        self, list found, const Machine* h, const Job* j, double context, const Estimate* best, int runtime, int mode,
        int kind, int devices, const Forms* f, int i
    ):
        cdef const Columns* c = &self.catalog.columns
        cdef Estimate e
        cdef Verdict v
        cdef int quant = f.quant[i]
        memset(&e, 0, sizeof(Estimate))
        e.best = place(j, f, i, runtime, mode, kind, devices)
        outcome = "does_not_fit"
        score = None
        if e.best.fits:
            describe(h, self.m, j, &c.quants[quant], context, &self.settings, &c.policy, &e)
            v = verdict(self.r, self._own_ability(), &e, c.use_cases, self.use_case, &c.policy)
            score = v.score / 10.0
            if (runtime, mode, quant, e.best.devices, kind) == (
                best.best.runtime, best.best.mode, best.best.quant, best.best.devices,
                best.best.kind if mode in (GPU, TENSOR_PARALLEL) and devices == 1 else kind
            ):
                outcome = "chosen"
            elif better(&e.best, &best.best):
                outcome = "not_needed"
            elif e.best.level < best.best.level:
                outcome = "lower_fit_level"
            else:
                outcome = "worse_trade_off"
        found.append((
            runtime, mode, quant, devices, bool(e.best.fits), e.best.level if e.best.fits else TOO_TIGHT,
            e.tps, e.best.total, e.best.utilization, e.best.loss, score, outcome,
        ))

    def speed(self, Host host):
        """(milliseconds of a step, [(part, milliseconds)]): each part is what the time loses without it, one after the
        other; what is left is fixed. Empty where the model cannot run."""
        cdef const Columns* c = &self.catalog.columns
        cdef Estimate best = self._estimate(&host.machine, &self.settings)
        cdef double context = effective_context(self.m, &self.settings, &c.policy)
        cdef Machine h = host.machine
        cdef Job j = job_of(&h, self.m, c.quants, &self.settings, context, &c.policy)
        cdef double before
        parts = []
        if not best.best.fits:
            return 0.0, parts
        before = best.best.token_ms
        for part in ("cache", "weights_on_gpu", "weights_in_ram", "compute", "layers"):
            if part == "cache":
                j.cache_read = 0
            elif part == "weights_on_gpu":
                on_gpus(&h, free_reading)
            elif part == "weights_in_ram":
                free_reading(&h.cpu)
            elif part == "compute":
                on_gpus(&h, free_computing)
                free_computing(&h.cpu)
            else:
                on_gpus(&h, free_layers)
                free_layers(&h.cpu)
            left = self._again(&j, &best.best)
            parts.append((part, before - left))
            before = left
        parts.append(("fixed", before))
        return best.best.token_ms, parts

    cdef double _again(self, const Job* j, const Candidate* chosen) noexcept:
        """The time of a step of the chosen way on a changed machine."""
        cdef const Columns* c = &self.catalog.columns
        cdef int quant = chosen.quant, weights = <int>chosen.weights, devices = chosen.devices
        cdef Forms one
        if chosen.mode == TENSOR_PARALLEL:  # it is kept rounded by device
            weights = <int>milli_up(weights_bytes(self.m, &c.quants[quant]))
        if chosen.mode == GPU and devices > 1:
            devices = j.h.n_devices
        one.n, one.quant, one.sizes, one.step = 1, &quant, &weights, 0
        return place(j, &one, 0, chosen.runtime, chosen.mode, chosen.kind, devices).token_ms

    def memory(self, Host host):
        """What the sum of memory is made of: thousandths of a GiB, tokens, bytes, parameters."""
        cdef Estimate e = self._estimate(&host.machine, &self.settings)
        cdef const Columns* c = &self.catalog.columns
        cdef Detail d = detail_of(&host.machine, self.m, &e, &c.quants[e.best.quant], &c.policy)
        return {
            "weights": e.best.weights, "kv_cache": d.cache, "compute_buffer": d.compute, "overhead": d.overhead,
            "total": e.best.total, "required": e.best.required, "available": e.best.available,
            "params": self.m.params, "bits_per_weight": 8.0 * bytes_of(e.best.weights) / self.m.params,
            "context": e.context, "sessions": self.settings.n_seq, "micro_batch": self.catalog.columns.policy.ubatch,
            "cache_bytes_per_token": self.m.cache_full * element_bytes(self.m, &self.settings),
            "window_cache_bytes_per_token": self.m.cache_window * element_bytes(self.m, &self.settings),
            "window": self.m.window, "state_bytes": self.m.state_bytes * self.settings.n_seq,
            "shape_known": bool(known_shape(self.m)),
        }

    def limits(self, Host host):
        """[(rule, needed for this level, value, limit, does it hold)]: what decides the level of a model that fits."""
        cdef const Policy* p = &self.catalog.columns.policy
        cdef const Machine* h = &host.machine
        cdef Estimate e = self._estimate(h, &self.settings)
        cdef const Candidate* c = &e.best
        if not c.fits:
            return []
        on_gpus = c.mode <= TENSOR_PARALLEL
        found = [
            ("tokens_per_second", GOOD, e.tps, p.reasonable_tps, e.tps >= p.reasonable_tps),
            ("quantization_loss", GOOD, c.loss, p.heavy_loss, c.loss <= p.heavy_loss),
            ("utilization", GOOD, c.utilization, crowded(c.mode, p), c.utilization <= crowded(c.mode, p)),
            ("wholly_on_gpus", PERFECT, c.on_gpu, 1.0, on_gpus),
            (
                "headroom", PERFECT, c.utilization, p.comfortable_utilization,
                c.utilization <= p.comfortable_utilization
            ),
            ("visible_loss", PERFECT, c.loss, p.visible_loss, c.loss <= p.visible_loss),
            ("known_shape", PERFECT, float(known_shape(self.m)), 1.0, bool(known_shape(self.m))),
        ]
        if h.unified and c.mode == CPU_ONLY:  # beyond the GPU's share of one memory
            found.append(("within_gpu_share", GOOD, 0.0, 1.0, False))
        return found

    def score(self, Host host):
        """The score: weighted components, what is taken off, what it is multiplied by."""
        cdef const Columns* c = &self.catalog.columns
        cdef const Policy* p = &c.policy
        cdef Estimate e = self._estimate(&host.machine, &self.settings)
        cdef Verdict v = verdict(self.r, self._own_ability(), &e, c.use_cases, self.use_case, p)
        cdef UseCaseWeights w = c.use_cases[self.use_case]
        cdef Components points = components(self._own_ability(), &e, &w, p)
        parts = [
            ("quality", tenths(points.quality) / 10.0, w.quality, {"ability": self._own_ability(), "quantization_loss": e.best.loss, "loss_weight": p.loss_weight}),
            ("speed", tenths(points.speed) / 10.0, w.speed, {"tokens_per_second": e.tps, "target_tokens_per_second": w.target_tps}),
            ("fit", tenths(points.fit) / 10.0, w.fit, {"utilization": e.best.utilization, "comfortable_utilization": comfortable(e.best.mode, p), "quantization_loss": e.best.loss}),
            ("context", tenths(points.context) / 10.0, w.context, {"usable_context": e.usable, "wanted_context": w.wanted_context}),
        ]
        return {
            "components": parts,
            "off_slow_or_strained": e.minus + (speed_deduction(&w, e.tps, p) if e.best.fits else 0.0),
            "off_files": deductions(self.r, e.best.runtime, p) if e.best.fits else 0.0,
            "factor": class_factor(self.r, self.use_case, e.tps, p) if e.best.fits else 1.0,
            "score": v.score / 10.0, "use_case": v.use_case, "level": v.level, "fits": bool(e.best.fits),
        }

    def quality(self, const double[::1] facts, table):
        """How good the model is for the use case: the prediction term by term, its own scores, what is taken off.

        `facts` is the packed matrix of rows, `table` the coefficients by use case.
        """
        cdef const Policy* p = &self.catalog.columns.policy
        cdef const double* f = &facts[0]
        cdef int n = self.catalog.columns.n_rows, i = self.row, u = self.use_case, k
        cdef Quality c = quality_of(table[u])
        cdef Quality one
        cdef double* wanted = <double*>&c
        cdef double* single = <double*>&one
        cdef double own = f[(30 + u) * n + i], weight = f[(36 + u) * n + i]
        terms = []
        for k in range(<int>(sizeof(Quality) / sizeof(double))):
            memset(&one, 0, sizeof(Quality))
            single[k] = wanted[k]
            part = self._ability(&one, f)
            if part:
                terms.append((TERMS[k], wanted[k], part))
        predicted = self._ability(&c, f) + f[(24 + u) * n + i]
        theta = pooled_ability(&c, f, n, i, u, p)
        return {
            "params": f[6 * n + i], "year": f[8 * n + i], "sparsity": f[9 * n + i], "terms": terms,
            "vendor_and_line": f[(24 + u) * n + i], "predicted": predicted, "own": own if weight > 0 else None,
            "own_weight": weight, "prediction_weight": p.prediction_weight,
            "pooled": pooled(predicted, own, weight, p.prediction_weight), "proof": f[22 * n + i],
            "personal": p.finetune_theta * f[14 * n + i], "unproven": -p.unproven_theta * (1.0 - f[22 * n + i]),
            "narrow": -p.special_theta * f[21 * n + i], "theta": theta, "of_theta": quality_score(theta),
            "ability": self._own_ability(),
        }

    cdef double _own_ability(self) noexcept:
        """0..100 at the use case, before any quantization."""
        return self.catalog.columns.quality[self.use_case * self.catalog.columns.n_rows + self.row]

    cdef double _ability(self, const Quality* c, const double* f) noexcept:
        cdef int n = self.catalog.columns.n_rows, i = self.row
        return ability(
            c, f[6 * n + i], f[8 * n + i], f[9 * n + i], <int>f[10 * n + i], <int>f[11 * n + i], <int>f[12 * n + i],
            <int>f[13 * n + i]
        )
