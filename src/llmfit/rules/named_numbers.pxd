# Named numbers as C structs: what the rules by themselves are given. Nothing at run time needs this file.
from libc.string cimport memset
from llmfit.estimate.machine cimport Rate
from llmfit.estimate.model cimport Model, complete
from llmfit.estimate.policy cimport Policy


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
