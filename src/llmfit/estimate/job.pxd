# One model on one machine, before form and place are chosen; how long a step of it takes. Memory in thousandths of a GiB.
from libc.math cimport sqrt
from llmfit.estimate.arith cimport high
from llmfit.estimate.machine cimport Machine, Rate
from llmfit.estimate.model cimport Model
from llmfit.estimate.policy cimport Policy
from llmfit.estimate.quant cimport Quant
from llmfit.estimate.speed cimport roofline_ms

cdef struct Job:
    # What all forms and places of one model have in common, at one context on one machine.
    const Machine* h
    const Model* m
    const Quant* quants
    const Policy* p
    double cache, compute   # parts that do not depend on the quantization
    double cpu_compute      # the compute buffer as resident in RAM, where the CPU does all
    double n_seq            # sessions that a step serves
    double cache_read       # bytes of cache read for one step, the contexts half full
    double read_share       # share of all weights read for one step
    double expert_share     # share of the routed experts among them
    double factor           # a_layer
    double attention        # GFLOP of attention for one step, the contexts half full
    double loss_factor      # size_factor(params)
    int known               # the cache follows from the model's own shape

cdef struct Forms:
    # The forms of a model that one runtime can take, best first.
    int n
    const int* quant        # which quantizations
    const int* sizes        # their weights, thousandths of a GiB
    int step                # place of the first in the runtime's ladder
    int extra               # room for the weights of a form that is not kept with the model

cdef struct StepParts:
    # What a step costs on one processor beside reading weights: the same for all forms of a model.
    const double* byte_ms   # ms a byte of weights read, by speed class
    double cache            # bytes of cache, as if they were weights
    double work, layers     # ms of computing; of fixed time a layer


cdef inline StepParts step_parts_of(const Model* m, const Job* j, const Rate* r, double cache_share, const Policy* p) noexcept nogil:
    """The part of decode_ms() that does not depend on the weights; `cache_share`: of the cache that lies there."""
    return StepParts(
        &r.byte_ms[m.is_moe][0],
        j.cache_read * cache_share / p.cache_efficiency,
        j.n_seq * m.active * 1e-9 * r.flop_ms + j.attention * cache_share * r.attention_ms,
        m.n_layers * r.layer_ms * j.factor,
    )


cdef inline double step_ms(const Rate* r, const StepParts* parts, double weights_read, int speed_class, const Policy* p) noexcept nogil:
    """Milliseconds a step on one processor that reads all; see decode_ms()."""
    cdef double t = (weights_read + parts.cache) * parts.byte_ms[speed_class]
    t = sqrt(t * t + parts.work * parts.work) if r.overlaps else t + parts.work
    return high(t + parts.layers + p.fixed_ms, roofline_ms(weights_read, r))


cdef inline double decode_ms(const Model* m, const Job* j, const Rate* r, double weights_read, double cache_share, int speed_class, const Policy* p) noexcept nogil:
    """Milliseconds a step (a token of every session) on one processor that reads all: weights, cache, a fixed time a layer, compute.

    W / (eta BW) + KV / (k eta BW) + k_c 2 P_active / TF + k_a A / TF + L c a (TF/20)^x + t0, and never less than
    W / (0.95 BW); on a CPU reading and computing overlap: sqrt(reading^2 + computing^2). The constants: policy.csv and
    engines.csv; docs/accuracy.md works three examples.
    """
    cdef StepParts parts = step_parts_of(m, j, r, cache_share, p)
    return step_ms(r, &parts, weights_read, speed_class, p)
