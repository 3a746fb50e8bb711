# Which runtime has a server for which kind of model.
from llmfit.estimate.codes cimport *
from llmfit.estimate.model cimport Model
from llmfit.score.score cimport Row


cdef inline int serves(const Row* r, const Model* m, int runtime) noexcept nogil:
    """1 where the runtime has a server for this kind of model."""
    if m.attention == ENCODER_DECODER:
        return 0
    return runtime != MLX or not (m.attention == ENCODER or r.role == EMBEDDER or r.role == RERANKER)
