# How sure a speed is: the range that holds 80 % of measurements, and the confidence that follows from it.
# Numbers: the spreads of src/data/engines.csv, fitted on measurements that the coefficients had not seen.
from llmfit.estimate.arith cimport high
from llmfit.estimate.codes cimport *
from llmfit.estimate.fit cimport Candidate
from llmfit.estimate.machine cimport Machine, Rate
from llmfit.estimate.model cimport Model
from llmfit.estimate.policy cimport Policy


cdef inline const Rate* rate_of(const Machine* h, const Candidate* c) noexcept nogil:
    """The processor that does the work: the GPUs' where there are any."""
    if c.devices:
        return &h.gpu[c.runtime][c.kind]
    return &h.cpu


cdef inline int bandwidth_is_known(const Machine* h, const Candidate* c) noexcept nogil:
    """1 where the bandwidth of every memory that is read is known, not assumed."""
    return rate_of(h, c).bandwidth_known and (c.mode < MOE_OFFLOAD or h.cpu.bandwidth_known)


cdef inline double spread_of(const Machine* h, const Model* m, const Candidate* c, const Policy* p) noexcept nogil:
    """Half-width, as a factor less 1, of the range that holds 80 % of measurements: by engine, wider for a MoE,
    for work that is split over devices or memories, and where a bandwidth is assumed."""
    cdef double spread = rate_of(h, c).spread
    if c.mode >= MOE_OFFLOAD:
        spread = high(spread, h.cpu.spread)
    if m.is_moe:
        spread = spread * p.moe_spread
    if c.mode >= MOE_OFFLOAD and c.mode != CPU_ONLY or c.devices > 1:
        spread = spread * p.split_spread
    return spread if bandwidth_is_known(h, c) else high(spread, p.unknown_spread)


cdef inline int confidence_by_spread(double spread, int known, const Policy* p) noexcept nogil:
    """high or medium: how narrow the range is; low where the shape or a bandwidth is not known."""
    if not known:
        return LOW
    return HIGH if spread <= p.high_spread else MEDIUM
