# Named numbers as C structs: what the rules by themselves are given. Nothing at run time needs this file.
from libc.string cimport memset
from llmfit.estimate.machine cimport Rate
from llmfit.estimate.model cimport Model, complete
from llmfit.estimate.policy cimport Policy
from llmfit.estimate.quant cimport Quant


cdef inline dict filled(dict fields, dict given, str what):
    """`fields` with the given values; TypeError for a name that the struct has not."""
    unknown = given.keys() - fields.keys()
    if unknown:
        raise TypeError(f"{what} has no field {', '.join(sorted(unknown))}")
    return {**fields, **given}


cdef inline Model a_model(dict given) except *:
    """The facts given, and what model.complete derives from them; `active` is `params` where it is not given."""
    cdef Model m
    memset(&m, 0, sizeof(Model))
    m = filled(m, {"active": given.get("params", 0), **given}, "a model")
    return complete(m)


cdef inline Policy a_policy(dict given) except *:
    cdef Policy p
    memset(&p, 0, sizeof(Policy))
    p = filled(p, given, "the policy")
    return p


cdef inline Rate a_rate(double bandwidth, double eta, double roofline_cap=0.95) noexcept:
    """`eta` for dense models and mixtures alike, in speed class 0."""
    cdef Rate r
    memset(&r, 0, sizeof(Rate))
    r.bandwidth = bandwidth
    r.eta[0][0] = r.eta[0][1] = eta
    r.byte_ms[0][0] = r.byte_ms[1][0] = 1.0 / (eta * bandwidth * 1e6)
    r.floor_ms = 1.0 / (roofline_cap * bandwidth * 1e6)
    return r


cdef inline Quant a_quant(dict given) except *:
    """A quantization by bits a weight; the caller sets its mix of GGUF types where it has one."""
    cdef Quant q
    memset(&q, 0, sizeof(Quant))
    names = ("body_bits", "expert_bits", "output_bits", "embedding_bits", "nameonly_bits", "loss", "runtime", "speed_class")
    fields = filled({**dict.fromkeys(names, 0), "mix_scale": 1}, given, "a quantization")
    q.body_bits, q.expert_bits, q.output_bits = fields["body_bits"], fields["expert_bits"], fields["output_bits"]
    q.embedding_bits, q.nameonly_bits, q.loss = fields["embedding_bits"], fields["nameonly_bits"], fields["loss"]
    q.runtime, q.speed_class, q.mix_scale = fields["runtime"], fields["speed_class"], fields["mix_scale"]
    return q
