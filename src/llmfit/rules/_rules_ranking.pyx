"""Every rule by itself, second half: how well a model fits, how good it is, how sure that is, and the score of a row.

As in _rules.pyx: no logic here, arguments by name, what is not named is 0. CODES (the integers that stand for words) is
_rules.CODES.
"""

from libc.string cimport memset

cimport llmfit.estimate.evidence as evidence
cimport llmfit.estimate.fit as fit
cimport llmfit.estimate.job as job
cimport llmfit.placement.remaining as lefts
cimport llmfit.score.score as score
cimport llmfit.score.sketch as sketch
cimport llmfit.score.verdict as verdicts
from llmfit.estimate.codes cimport *
from llmfit.estimate.estimate cimport Estimate, Settings, weigh
from llmfit.estimate.fit cimport Candidate
from llmfit.estimate.job cimport Job
from llmfit.rules.named_numbers cimport a_model, a_policy, a_rate, filled
from llmfit.estimate.machine cimport MAX_DEVICES, Machine, Rate
from llmfit.estimate.model cimport Model
from llmfit.estimate.policy cimport Policy
from llmfit.score.score cimport Quality, Row, UseCaseWeights


# estimate/fit.pxd

def decode_ms(
    *, dict policy, double weights_read, double bandwidth, double eta, double layer_ms=0, double flop_ms=0,
    double cache_read=0, double cache_share=1, double factor=1, double attention=0, double attention_ms=0,
    bint overlaps=False, **facts,
):
    """Milliseconds a token on one processor that reads all: weights, cache, a fixed time a layer, compute.

    W / (eta BW) + KV / (k eta BW) + k_c 2 P_active / TF + k_a A / TF + L a c + fixed, never less than W / (cap BW).
    flop_ms: ms a 10^9 parameters used; attention_ms: ms a GFLOP. Source: fitted on public decode speeds. By hand: 4 GB at 800 of 1000 GB/s 5 ms, 0.4 GB of cache at half of that 1 ms, 10 layers of 0.1 ms
    1 ms, 2 B parameters at 0.5 ms 1 ms, and 0.25 ms fixed.

    >>> p = {"cache_efficiency": 0.5, "fixed_ms": 0.25, "roofline_cap": 0.95}
    >>> decode_ms(policy=p, weights_read=4e9, bandwidth=1000, eta=0.8, layer_ms=0.1, flop_ms=0.5, cache_read=0.4e9,
    ...     n_layers=10, params=2e9)
    8.25

    On a CPU reading and computing overlap: 3 ms and 4 ms make 5.

    >>> decode_ms(policy=p, weights_read=3e9, bandwidth=1000, eta=1, flop_ms=1, overlaps=True, params=4e9) - 0.25
    5.0
    """
    cdef Model m = a_model(facts)
    cdef Rate r = a_rate(bandwidth, eta, policy.get("roofline_cap", 0.95))
    cdef Policy p = a_policy(policy)
    cdef Job j
    r.layer_ms, r.flop_ms, r.attention_ms, r.overlaps = layer_ms, flop_ms, attention_ms, overlaps
    memset(&j, 0, sizeof(Job))
    j.cache_read = cache_read
    j.factor = factor
    j.n_seq = 1
    j.attention = attention
    return job.decode_ms(&m, &j, &r, weights_read, cache_share, 0, &p)


def comfortable(*, int mode, double comfortable_utilization=0.9, double comfortable_ram=0.7):
    """The share of a pool up to which a model has headroom: less of system RAM, which other programs need too.

    >>> comfortable(mode=CODES["RunMode"]["GPU"]), comfortable(mode=CODES["RunMode"]["CPU_ONLY"])
    (0.9, 0.7)
    """
    cdef Policy p = a_policy({"comfortable_utilization": comfortable_utilization, "comfortable_ram": comfortable_ram})
    return fit.comfortable(mode, &p)


def crowded(*, int mode, double good_utilization=0.96, double good_ram=0.78):
    """The share of a pool above which a model barely fits: less of system RAM, which other programs need too.

    >>> crowded(mode=CODES["RunMode"]["GPU"]), crowded(mode=CODES["RunMode"]["CPU_ONLY"])
    (0.96, 0.78)
    """
    cdef Policy p = a_policy({"good_utilization": good_utilization, "good_ram": good_ram})
    return fit.crowded(mode, &p)


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
    memset(&candidate, 0, sizeof(Candidate))
    candidate.mode = mode
    candidate.utilization = utilization
    candidate.token_ms = token_ms
    candidate.loss = loss
    return fit.utility(&candidate, &p)

# estimate/evidence.pxd

cdef Machine a_machine(double spread, double cpu_spread, bint bandwidth_known, bint cpu_bandwidth_known) noexcept:
    cdef Machine h
    memset(&h, 0, sizeof(Machine))
    h.gpu[LLAMACPP][0].spread, h.gpu[LLAMACPP][0].bandwidth_known = spread, bandwidth_known
    h.cpu.spread, h.cpu.bandwidth_known = cpu_spread, cpu_bandwidth_known
    return h


cdef Candidate a_candidate(int mode, int devices) noexcept:
    cdef Candidate c
    memset(&c, 0, sizeof(Candidate))
    c.mode, c.devices = mode, devices
    return c


def bandwidth_is_known(*, int mode, int devices=1, bint bandwidth_known=True, bint cpu_bandwidth_known=True):
    """1 where the bandwidth of every memory that is read is known, not assumed. Without `devices` the CPU alone reads.

    >>> gpu, offload = CODES["RunMode"]["GPU"], CODES["RunMode"]["MOE_OFFLOAD"]
    >>> bandwidth_is_known(mode=gpu, cpu_bandwidth_known=False), bandwidth_is_known(mode=offload, cpu_bandwidth_known=False)
    (1, 0)
    """
    cdef Machine h = a_machine(0, 0, bandwidth_known, cpu_bandwidth_known)
    cdef Candidate c = a_candidate(mode, devices)
    return evidence.bandwidth_is_known(&h, &c)


def spread_of(
    *, int mode, double spread, dict policy, int devices=1, double cpu_spread=0, bint is_moe=False,
    bint bandwidth_known=True, bint cpu_bandwidth_known=True,
):
    """Half-width, as a factor less 1, of the range that holds 80 % of measured speeds; `spread`: of the GPUs' engine.

    The wider of the engines that work, x moe_spread for a mixture, x split_spread where devices or memories share the
    work; at least unknown_spread where a bandwidth is assumed. Source: errors on measurements left out of the fit.

    >>> p = dict(moe_spread=1.5, split_spread=2, unknown_spread=0.6)
    >>> gpu, offload = CODES["RunMode"]["GPU"], CODES["RunMode"]["MOE_OFFLOAD"]
    >>> spread_of(mode=gpu, spread=0.25, policy=p), spread_of(mode=gpu, spread=0.25, policy=p, bandwidth_known=False)
    (0.25, 0.6)

    A mixture with its experts in RAM, where the CPU's engine spreads by 0.5: 0.5 x 1.5 x 2.

    >>> spread_of(mode=offload, spread=0.25, cpu_spread=0.5, is_moe=True, policy=p)
    1.5
    """
    cdef Model m = a_model({"is_moe": is_moe})
    cdef Policy p = a_policy(policy)
    cdef Machine h = a_machine(spread, cpu_spread, bandwidth_known, cpu_bandwidth_known)
    cdef Candidate c = a_candidate(mode, devices)
    return evidence.spread_of(&h, &m, &c, &p)


def confidence_by_spread(*, double spread, double high_spread, bint known=True):
    """An integer of Confidence: high up to `high_spread`, else medium; low where the shape or a bandwidth is not known.

    >>> names = list(CODES["Confidence"])
    >>> names[confidence_by_spread(spread=0.3, high_spread=0.3)], names[confidence_by_spread(spread=0.31, high_spread=0.3)]
    ('HIGH', 'MEDIUM')
    >>> names[confidence_by_spread(spread=0.1, high_spread=0.3, known=False)]
    'LOW'
    """
    cdef Policy p = a_policy({"high_spread": high_spread})
    return evidence.confidence_by_spread(spread, known, &p)


# score/score.pxd

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
    return score.keep_order(newer, older, &p)


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
    """Below 20 the score bends towards 0 instead of being cut there, so that the order is kept: 400 / (40 - s).

    >>> soft_floor(points=30), soft_floor(points=20), soft_floor(points=0)
    (30.0, 20.0, 10.0)
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


def deductions(*, dict policy, int runtime=LLAMACPP, int origin=OFFICIAL, bint gguf=True):
    """Points taken off for the trouble of getting the files: a conversion, a copy where the original would do.

    >>> points = {"copy_penalty": 3, "no_gguf_penalty": 5}
    >>> deductions(policy=points, gguf=False), deductions(policy=points, origin=CODES["Origin"]["QUANTIZED"])
    (5.0, 3.0)
    >>> deductions(policy=points, runtime=CODES["Runtime"]["VLLM"], gguf=False)
    0.0
    """
    cdef Policy p = a_policy(policy)
    cdef Row r
    memset(&r, 0, sizeof(Row))
    r.origin, r.gguf = origin, gguf
    return score.deductions(&r, runtime, &p)


# score/verdict.pxd

def speed_deduction(*, double tps, dict weights, dict policy):
    """Points taken off beyond slowness() where a use case needs more tokens/s than reading does.

    At 10 tokens/s where 20 are reasonable: 36 x (1 - 10 / 20), nothing of it taken off already.

    >>> speed_deduction(tps=10, weights=dict(reasonable_tps=20), policy=dict(reasonable_tps=8, slow_penalty=36))
    18.0
    >>> speed_deduction(tps=10, weights=dict(reasonable_tps=8), policy=dict(reasonable_tps=8, slow_penalty=36))
    0.0
    """
    cdef Policy p = a_policy(policy)
    cdef UseCaseWeights w
    memset(&w, 0, sizeof(UseCaseWeights))
    w = filled(w, weights, "a use case")
    return verdicts.speed_deduction(&w, tps, &p)


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
    weigh(&e, &p)
    cdef verdicts.Components c = verdicts.components(quality, &e, &w, &p)
    cdef int points = verdicts.verdict(&r, quality, &e, &w, 0, &p).score
    return {**{name: verdicts.tenths(value) for name, value in c.items()}, "score": points}


# score/sketch.pxd

def fits_somewhere(*, double ram, double size, double gpu=0, double context=8192, double cache_full=0, double smallest=0, **policy):
    """1: a form fits wholly on one GPU or in RAM; 0: none, however it is divided; -1: an estimate must tell.

    A llama.cpp model whose last form takes `size` (`smallest`: another runtime's) on a machine with `ram` and one GPU of
    `gpu`, thousandths of a GiB; `cache_full` elements a token of the `context`, in 16 bits. By hand: 8192 tokens of 65536
    elements are 1 GiB.

    >>> fits_somewhere(ram=8000, size=7000), fits_somewhere(ram=8000, size=7990, cache_full=65536)
    (1, 0)
    >>> fits_somewhere(ram=8000, gpu=8000, size=12000), fits_somewhere(ram=8000, gpu=8000, size=16100)
    (-1, 0)
    >>> fits_somewhere(ram=8000, size=7999)
    -1
    """
    cdef Machine h
    cdef sketch.Sketch s
    cdef Settings asked
    cdef Policy p = a_policy(policy)
    memset(&h, 0, sizeof(Machine))
    memset(&s, 0, sizeof(sketch.Sketch))
    memset(&asked, 0, sizeof(Settings))
    h.ram, h.gpu_total, h.runtimes[0] = ram, gpu, 1 << LLAMACPP
    if gpu:
        h.n_devices, h.n_kinds, h.count[0], h.capacity[0] = 1, 1, 1, gpu
        h.gpu[<int>LLAMACPP][0].runs, h.gpu[<int>LLAMACPP][0].max_utilization = 1, 1
    s.last[<int>LLAMACPP], s.smallest, s.cache_full = size, smallest or size, cache_full
    asked.context, asked.n_seq, asked.k_bytes, asked.v_bytes, asked.runtimes = context, 1, 2, 2, -1
    return sketch.fits_somewhere(&h, &s, &asked, &p)


def most_tps(*, double read_gb, double bandwidth, double layers=0, double layer_ms=0, double active=0, double flop_ms=0, double fixed_ms=0):
    """No session gets more tokens/s: 1000 / (max(W / BW, 2 P_active / TF) + L c a + t0), each at the machine's fastest.

    read_gb: GB read for a token of the smallest form; bandwidth in GB/s with its efficiency; active: billions of
    parameters, flop_ms each. By hand: 4 GB at 800 GB/s take 5 ms, 30 layers of 0.1 ms 3 ms; computing 6 ms is more than 5.

    >>> most_tps(read_gb=4, bandwidth=800, layers=30, layer_ms=0.1)
    125.0
    >>> most_tps(read_gb=4, bandwidth=800, layers=30, layer_ms=0.1, active=3, flop_ms=2, fixed_ms=1)
    100.0
    """
    cdef sketch.Fastest f = sketch.Fastest((1000 / bandwidth, 1000 / bandwidth), flop_ms, layer_ms)
    cdef sketch.Sketch s
    cdef Policy p = a_policy({"fixed_ms": fixed_ms})
    memset(&s, 0, sizeof(sketch.Sketch))
    s.read, s.active, s.layers = read_gb, active, layers
    return sketch.most_tps(&f, &s, 1, &p)


def base_points(*, double quality, dict weights, int context=0, int origin=OFFICIAL, dict policy={}):
    """What a row has of quality and context (its model's window, 0: not known) at most, and a full score for its fit.

    By hand: quality 60 x 0.5, fit 100 x 0.1, context 80 x 0.15 where all that is wanted fits, 100 x 0.15 where that is not known.

    >>> weights = dict(quality=0.5, fit=0.1, context=0.15, wanted_context=8192)
    >>> base_points(quality=60, weights=weights, context=8192), base_points(quality=60, weights=weights)
    (52.0, 55.0)
    """
    cdef Policy p = a_policy({"comfortable_utilization": 0.9, **policy})
    cdef UseCaseWeights w
    cdef Row r
    memset(&r, 0, sizeof(Row))
    memset(&w, 0, sizeof(UseCaseWeights))
    r.origin = origin
    w = filled(w, weights, "a use case")
    return sketch.base_points(&r, quality, &w, context, &p)


def most_points(*, double base, double tps, dict weights, dict policy, double factor=1):
    """No row scores more: its base points and speed, less what is too slow, times what is not made for this.

    By hand: 20 tokens/s against 20 are 50 x 0.2 points more; 4 of 8 tokens/s take half of 20 points off 44 + 17 x 0.2.

    >>> weights, policy = dict(speed=0.2, target_tps=20), dict(reasonable_tps=8, slow_penalty=20, slow_tps=3, slow_factor=0.4)
    >>> most_points(base=44, tps=20, weights=weights, policy=policy)
    54.0
    >>> round(most_points(base=44, tps=4, weights=weights, policy=policy), 1)
    37.3
    >>> round(most_points(base=44, tps=2, weights=weights, policy=policy, factor=0.5), 1)
    6.2
    """
    cdef Policy p = a_policy(policy)
    cdef UseCaseWeights w
    memset(&w, 0, sizeof(UseCaseWeights))
    w = filled(w, weights, "a use case")
    return sketch.most_points(base, factor, tps, &w, &p)


# placement/remaining.pxd

def behind(*, tuple left, tuple used, bint unified=False):
    """What a model leaves of a machine's memory, one number for each device and RAM last, thousandths of a GiB.

    left - used, never below 0; where devices share RAM (`unified`), what they take is taken from it too, and no device has
    more than is left of it. By hand: 8000 of one memory less 3000 on the device.

    >>> behind(left=(8000, 16000), used=(3000, 500)), behind(left=(8000, 8000), used=(3000, 0), unified=True)
    ((5000, 15500), (5000, 5000))
    """
    cdef int have[MAX_DEVICES + 1]
    cdef int takes[MAX_DEVICES + 1]
    cdef int k, n = len(left)
    if not 0 < n <= MAX_DEVICES + 1 or len(used) != n:
        raise ValueError("one number for each device, and one for RAM")
    for k in range(n):
        have[k], takes[k] = left[k], used[k]
    lefts.behind(unified, n - 1, have, takes)
    return tuple([have[k] for k in range(n)])
