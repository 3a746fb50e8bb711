"""One model at one quantization, estimated with the very rules and numbers that rank the catalog.

llmfit/query/estimator.py is the Python face of this; here is no rule of its own.
"""

from llmfit._catalog cimport Catalog, Host
from llmfit.estimate.codes cimport *
from llmfit.ranking.columns cimport load_model
from llmfit.estimate.compute cimport device_compute_bytes, host_compute_bytes
from llmfit.estimate.evidence cimport bandwidth_is_known, confidence_by_spread, spread_of
from llmfit.estimate.fit cimport Candidate
from llmfit.estimate.job cimport Job, decode_ms
from llmfit.estimate.machine cimport Rate
from llmfit.estimate.gguf cimport metadata_bytes
from llmfit.estimate.memory cimport cache_read_bytes, compute_bytes, file_bytes, kv_bytes, plain_compute_bytes, table_bytes
from llmfit.estimate.model cimport SINGLE_BLOCKS, Model, known_shape
from llmfit.estimate.quant cimport Quant
from llmfit.estimate.speed cimport attention_gflop, prefill_tps, read_share, roofline_ms
from llmfit.estimate.tensors cimport Tensors, tensors_of


def gguf_metadata_bytes(double vocab):
    """Bytes of tokenizer and header of a GGUF file with `vocab` tokens."""
    return metadata_bytes(vocab)


cdef class Shape:
    """A model's shape: one row of pack.shape_row."""

    cdef readonly Catalog catalog
    cdef Model model
    cdef Tensors tensors

    def __cinit__(self, Catalog catalog, const double[::1] facts):
        self.catalog = catalog
        self.model = load_model(&facts[0], 1, 0, &catalog.columns.policy)
        self.tensors = tensors_of(&self.model)

    @property
    def known(self):
        """Whether the cache follows from the model's own shape."""
        return bool(known_shape(&self.model))

    @property
    def unexplained(self):
        """Share of the parameters that the shape does not account for; below 0 where it accounts for too many."""
        return self.tensors.left / self.model.params

    @property
    def tensor_list(self):
        """(kind, layers, row length, elements a layer) of every group of tensors."""
        return [
            (self.tensors.t[i].slot, self.tensors.t[i].layers, self.tensors.t[i].row, self.tensors.t[i].elements)
            for i in range(self.tensors.n)
        ]

    @property
    def layer_facts(self):
        """What the per-layer time depends on: is it a MoE, of how many experts, a hybrid, a Gemma, of single blocks."""
        cdef const Model* m = &self.model
        hybrid = m.attention in (HYBRID_LINEAR, HYBRID_LINEAR_MLA, HYBRID_SSM, SSM)
        return m.is_moe, max(m.n_experts, 1), hybrid, m.gemma, bool(m.layout & SINGLE_BLOCKS)

    @property
    def body_params(self):
        """Parameters outside embedding and output."""
        return self.model.params - self.model.embedding_params * (1 if self.model.tied else 2)

    def weights(self, int quant, bint imatrix=True, bint before=False, bint experts_kept=False):
        """Bytes of the text weights (of the file, for GGUF); `before`: by the rules before March 2026."""
        return file_bytes(&self.model, &self.tensors, self._quant(quant), imatrix | before << 1 | experts_kept << 2)

    def tables(self, int quant, bint imatrix=True):
        """Bytes of embedding tables of a GGUF file that lie in RAM beside a GPU: (there alone, on the GPU too)."""
        cdef const Quant* q = self._quant(quant)
        return (
            table_bytes(&self.model, &self.tensors, q, imatrix, 0), table_bytes(&self.model, &self.tensors, q, imatrix, 1)
        )

    def cache(self, double context, double n_seq=1, double k_bytes=2, double v_bytes=2, double ubatch=512, bint unified=True):
        """Bytes of the KV cache of `n_seq` sequences of `context` tokens each; `unified`: one cache for all, else a share each."""
        return kv_bytes(&self.model, context, n_seq, k_bytes, v_bytes, ubatch, unified)

    def state(self, double n_seq=1):
        """Bytes of recurrent state."""
        return self.model.state_bytes * n_seq

    def compute(self, double ubatch=512, double context=0, bint flash=True):
        """Bytes of the compute buffer; without flash attention `context` (of all sequences) matters."""
        return compute_bytes(&self.model, ubatch) if flash else plain_compute_bytes(&self.model, ubatch, context)

    def reserved(self, double context, double ubatch=512, double outputs=1):
        """(device, host): bytes of llama.cpp's compute buffers with flash attention, every layer on the device.

        `context`: of one sequence; `outputs`: tokens of a batch whose logits are wanted: a server's slots, a library's all.
        """
        return (
            device_compute_bytes(&self.model, context, ubatch, outputs), host_compute_bytes(&self.model, context, ubatch)
        )

    def decode(self, Host host, int runtime, int quant, double tokens, double element_bytes=2, double weights=0, bint on_cpu=False, double n_seq=1):
        """One token of each of `n_seq` sessions with `tokens` in the cache, the whole model on one device (the first; or the CPU): its parts, in ms.

        Speed = 1000 / token_ms. `weights`: bytes of the weights where they are known, else by rule.
        """
        cdef const Model* m = &self.model
        cdef const Quant* q = self._quant(quant)
        cdef const Rate* r = &host.machine.cpu if on_cpu else &host.machine.gpu[runtime][0]
        cdef Job j
        if not r.runs:
            raise ValueError("this runtime does not run there")
        if weights <= 0:
            weights = self.weights(quant)
        j.cache_read = n_seq * cache_read_bytes(m, tokens, element_bytes)
        j.n_seq = n_seq
        j.factor = m.layer_factor
        j.attention = n_seq * attention_gflop(m, tokens)
        cdef Candidate c
        c.mode = CPU_ONLY if on_cpu else GPU
        c.runtime, c.kind, c.devices = runtime, 0, 0 if on_cpu else 1
        cdef double spread = spread_of(&host.machine, m, &c, &self.catalog.columns.policy)
        cdef double read = weights * read_share(m, n_seq, &self.catalog.columns.policy)
        return {
            "token_ms": decode_ms(m, &j, r, read, 1.0, q.speed_class, &self.catalog.columns.policy),
            "weights_read": read,
            "cache_read": j.cache_read,
            "efficiency": r.eta[q.speed_class][m.is_moe],
            "bandwidth_gbps": r.bandwidth,
            "overlaps": r.overlaps,
            "layer_ms": r.layer_ms * j.factor,
            "n_layers": m.n_layers,
            "active": m.active,
            "prompt_params": m.prompt_params,
            "compute_ms": n_seq * m.active * 1e-9 * r.flop_ms,
            "fixed_ms": self.catalog.columns.policy.fixed_ms,
            "attention_gflop": j.attention,
            "attention_ms": j.attention * r.attention_ms,
            "spread": spread,
            "confidence": confidence_by_spread(
                spread, known_shape(m) and bandwidth_is_known(&host.machine, &c), &self.catalog.columns.policy
            ),
            "least_ms": roofline_ms(read, r),
        }

    def prefill(self, Host host, int runtime, int quant, double prompt=512, double depth=0, bint on_cpu=False):
        """Prompt tokens a second on the first device (or the CPU); 0 where its shader rate is not known."""
        cdef const Rate* r = &host.machine.cpu if on_cpu else &host.machine.gpu[runtime][0]
        if not r.runs:
            raise ValueError("this runtime does not run there")
        return prefill_tps(&self.model, self.weights(quant), prompt, depth, r, &self.catalog.columns.policy)

    cdef const Quant* _quant(self, int quant) except NULL:
        if not 0 <= quant < self.catalog.n_quants:
            raise IndexError(quant)
        return &self.catalog.columns.quants[quant]
