# A quantization: how many bits each kind of tensor takes, how it reads, what it loses.
# Numbers: src/data/quants.csv (the ladders) and fixed_formats.csv (repositories of one format).
from libc.math cimport exp, fmax, fmin, log, pow, sqrt
from llmfit.estimate.gguf cimport Mix

cdef enum:
    MAX_LADDER = 16         # quantizations that an unquantized original may be converted to
    MAX_SPEED_CLASSES = 8   # distinct values of speed_logit

cdef struct Quant:
    double body_bits        # bits a weight of the dense body
    double expert_bits      # bits a weight of the routed experts
    double output_bits      # bits a weight of the output matrix (the embedding where tied)
    double embedding_bits   # bits a weight of an untied input embedding
    double nameonly_bits    # bits a weight over all, where no shape is known
    double loss             # points of right-token probability lost by an 8 B model
    const Mix* mix          # GGUF: which tensor takes which type; NULL: by bits alone
    double mix_scale        # a publisher's own mix: its size over that of `mix`
    int runtime             # codes.Runtime; -1: none that llmfit plans for
    int speed_class         # index of its speed_logit among the machine's efficiencies


cdef inline double quant_loss(double bits) noexcept nogil:
    """Points of right-token probability that an 8 B model loses at `bits` bits a weight.

    20.6 KLD^1.05 with ln KLD = 3.736 - 1.776 b + 0.0674 b^2, fitted on llama.cpp's Llama 3 8B table.
    """
    cdef double b = fmin(bits, 13.0)  # the parabola turns at 13.2
    return 20.6 * pow(exp(3.736 - 1.776 * b + 0.0674 * b * b), 1.05)


cdef inline double size_factor(double params) noexcept nogil:
    """How much more (or less) than an 8 B model one of `params` parameters loses: clip(sqrt(8e9 / P), 0.5, 3)."""
    return fmax(0.5, fmin(3.0, sqrt(8e9 / params)))
