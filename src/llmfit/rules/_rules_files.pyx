"""Every rule by itself: the size of a model's files, tensor by tensor.

As in _rules.pyx: no logic here, arguments by name, what is not named is 0. A GGUF mix is given as the lines of src/data:
`blocks` {type: (weights, bytes, fallback or "")} of gguf_types.csv, `mix` [(tensor, type, layers, conditions)] of
gguf_mixes.csv.
"""

from libc.string cimport memset

from llmfit import codes as _codes

cimport llmfit.estimate.gguf as gguf
cimport llmfit.estimate.memory as memory
cimport llmfit.estimate.tensors as tensors
from llmfit.estimate.gguf cimport MAX_RULES, MAX_TYPES, BlockType, Mix, MixRule
from llmfit.estimate.model cimport Model
from llmfit.estimate.quant cimport Quant
from llmfit.estimate.tensors cimport T_BODY, Tensor, Tensors
from llmfit.rules.named_numbers cimport a_model, a_quant


cdef int fill_types(BlockType* types, dict blocks) except -1:
    """The blocks of ggml's types, in the order of `blocks`."""
    cdef int i
    if len(blocks) > MAX_TYPES:
        raise ValueError("more types than the kernel has room for")
    places = {name: at for at, name in enumerate(blocks)}
    for i, (block, size, fallback) in enumerate(blocks.values()):
        types[i] = BlockType(block, size, places[fallback] if fallback else -1)
    return 0


cdef int as_bits(str words):
    """Conditions of a rule, `|` between them, as the bits that gguf.pxd compares."""
    return sum([1 << _codes.MIX_CONDITIONS.index(word) for word in words.split("|") if word])


cdef int fill_mix(Mix* x, BlockType* types, dict blocks, mix) except -1:
    """Which tensor takes which of the types; the experts' own form is MXFP4 where `blocks` has it."""
    cdef int slot
    memset(x, 0, sizeof(Mix))
    fill_types(types, blocks)
    places = {name: at for at, name in enumerate(blocks)}
    x.types = types
    x.experts_type = places.get("MXFP4", 0)
    x.odd_output = places.get("Q8_0", 0)
    for tensor, name, layers, conditions in mix:
        slot = _codes.TENSORS.index(tensor)
        if slot == T_BODY:
            x.base = places[name]
        elif x.n_rules[slot] == MAX_RULES:
            raise ValueError("more rules for a tensor than the kernel has room for")
        else:
            x.rules[slot][x.n_rules[slot]] = MixRule(
                places[name], _codes.LAYER_SETS.index(layers), as_bits(conditions)
            )
            x.n_rules[slot] += 1
    return 0


# estimate/tensors.pxd

def tensors_of(**facts):
    """The weight tensors of the text decoder, grouped: [(kind, layers, elements of a row, elements a layer)], and more.

    `small`: elements kept in 32-bit floats (norms); `left`: parameters that the facts leave unexplained; `exact`: 1
    where that is within 3 %. Llama 3 8B: 8 030 261 248 parameters, of them 65 norms of 4096, and nothing left.

    >>> found = tensors_of(params=8030261248, n_layers=32, attention_layers=32, hidden=4096, vocab=128256, n_heads=32,
    ...     n_kv_heads=8, head_dim=128, intermediate=14336)
    >>> found["tensors"][2:4]
    [('attn_q', 32, 4096.0, 16777216.0), ('attn_k', 32, 4096.0, 4194304.0)]
    >>> found["small"], found["left"], found["exact"]
    (266240.0, 0.0, 1)
    """
    cdef Model m = a_model(facts)
    cdef Tensors s = tensors.tensors_of(&m)
    cdef int i
    found = [(_codes.TENSORS[s.t[i].slot], s.t[i].layers, s.t[i].row, s.t[i].elements) for i in range(s.n)]
    return {"tensors": found, "small": s.small, "left": s.left, "exact": s.exact}


# estimate/gguf.pxd

def first_layers(*, int k, int n, str layers):
    """How many of the layers 0 .. k-1 of `n` a rule covers; `layers`: a word of codes.LAYER_SETS.

    more_bits: the first eighth, the last eighth, and every third layer between. Of 32 layers 4 + 8 + 4; of the first
    12 (a third of the way) 4 + 2. Source: llama.cpp's use_more_bits.

    >>> first_layers(k=32, n=32, layers="more_bits"), first_layers(k=12, n=32, layers="more_bits")
    (16.0, 6.0)
    >>> first_layers(k=32, n=32, layers="first_eighth"), first_layers(k=32, n=32, layers="middle")
    (4.0, 24.0)
    """
    return gguf.first_layers(k, n, _codes.LAYER_SETS.index(layers))


def covered(*, int layers, int out_of, str rule, int first=0, int every=0, int place=0, int step=1):
    """On how many of a tensor's layers a rule holds; `rule`: a word of codes.LAYER_SETS.

    `every` 4: on the last of each 4 layers; -4: on all others. counted_eighth: llama.cpp's 1- and 2-bit labels count the
    down projections of experts and of what they share as one: of 8 layers whose two are counted in turn the first
    eighth of 16 layers (2) is the first of each kind.

    >>> covered(layers=12, out_of=48, rule="first_eighth", every=4)
    1.0
    >>> covered(layers=36, out_of=48, rule="first_eighth", every=-4)
    5.0
    >>> [covered(layers=8, out_of=16, rule="counted_eighth", place=place, step=2) for place in (0, 1)]
    [1.0, 1.0]
    """
    cdef Tensor t
    memset(&t, 0, sizeof(Tensor))
    t.first, t.layers, t.out_of, t.every, t.place, t.step = first, layers, out_of, every, place, step
    return gguf.covered(&t, _codes.LAYER_SETS.index(rule))


def conditions_of(*, bint imatrix=True, bint before=False, **facts):
    """The conditions (words of codes.MIX_CONDITIONS) that are true of the model, and of how the file was made.

    gqa4: 4 query heads or more for each of keys and values, as in Llama 3 8B (32 for 8) and not in Phi-3 mini (32 for
    32); the quantizer looks at the first layer, so a hybrid whose first layer keeps a state is not (Jamba).
    `before`: made before llama.cpp's rules of March 2026 (between b8179 and b8390).

    >>> conditions_of(n_heads=32, n_kv_heads=8)
    ('gqa4', 'imatrix', 'not_falcon', 'since_2026_03')
    >>> conditions_of(n_heads=32, n_kv_heads=32, n_experts=8, imatrix=False, before=True)
    ('experts4', 'experts8', 'no_imatrix', 'not_falcon', 'before_2026_03')
    """
    cdef Model m = a_model(facts)
    found = gguf.conditions_of(&m, imatrix | before << 1)
    return tuple(word for bit, word in enumerate(_codes.MIX_CONDITIONS) if found >> bit & 1)


def block_bytes(*, str type, double row, dict blocks):
    """Bytes of one element in a row of `row` elements; where blocks do not divide it, of the type that takes over.

    Q4_K: 144 bytes for 256 weights. 2880 (gpt-oss) is not a multiple of 256, and Q5_0 has 22 bytes for 32. Source: ggml.

    >>> blocks = {"Q4_K": (256, 144, "Q5_0"), "Q5_0": (32, 22, "")}
    >>> block_bytes(type="Q4_K", row=4096, blocks=blocks), block_bytes(type="Q4_K", row=2880, blocks=blocks)
    (0.5625, 0.6875)
    """
    cdef BlockType types[MAX_TYPES]
    fill_types(types, blocks)
    return gguf.block_bytes(types, list(blocks).index(type), row)


def tensor_bytes(
    *, str tensor, int layers, double row, double elements, dict blocks, list mix, int first=0, bint imatrix=True, **facts,
):
    """Bytes of one tensor over `layers` layers from `first` on: for each type, layers x elements x bytes an element.

    16 layers of 1024 x 1024 where the first eighth takes 8.5 bits and the rest 4.5: 2^20 x (2 x 8.5 + 14 x 4.5) / 8.

    >>> blocks = {"Q4_K": (256, 144, ""), "Q8_0": (32, 34, "")}
    >>> mix = [("body", "Q4_K", "all", ""), ("ffn_down", "Q8_0", "first_eighth", "")]
    >>> tensor_bytes(tensor="ffn_down", layers=16, row=1024, elements=2**20, blocks=blocks, mix=mix) / 2**20
    10.0
    """
    cdef Model m = a_model(facts)
    cdef BlockType types[MAX_TYPES]
    cdef Mix x
    cdef Tensor t
    fill_mix(&x, types, blocks, mix)
    t.slot, t.first, t.layers, t.out_of = _codes.TENSORS.index(tensor), first, layers, first + layers
    t.row, t.elements = row, elements
    t.every, t.place, t.step = 0, first, 1
    return gguf.tensor_bytes(&t, &x, &m, imatrix, gguf.conditions_of(&m, imatrix))


def metadata_bytes(*, double vocab):
    """Bytes of tokenizer and header: 39.2 a token above 60 k tokens, 23.3 below. Source: published files.

    >>> round(metadata_bytes(vocab=100000)), round(metadata_bytes(vocab=50000))
    (3920000, 1165000)
    """
    return gguf.metadata_bytes(vocab)


def gguf_bytes(*, dict blocks, list mix, bint imatrix=True, **facts):
    """Bytes of a GGUF file: all tensors by their types, 4 bytes for each element of the small ones, metadata.

    Llama 3.1 8B at Q4_K_M, in 10^6 bytes: embedding 295.5, output 430.9, queries and attention output 302.0 each, keys
    75.5, values 92.8 (half of the layers Q6_K), gate and up 1057.0 each, down 1299.2, norms 1.1, metadata 5.0: 4917.9.
    The published file has 4920.7 (bartowski/Meta-Llama-3.1-8B-Instruct-GGUF).

    >>> blocks = {"Q4_K": (256, 144, "Q5_0"), "Q6_K": (256, 210, "Q8_0"), "Q5_0": (32, 22, ""), "Q8_0": (32, 34, "")}
    >>> mix = [("body", "Q4_K", "all", ""), ("output", "Q6_K", "all", ""), ("attn_v", "Q6_K", "more_bits", ""),
    ...     ("ffn_down", "Q6_K", "more_bits", "")]
    >>> round(gguf_bytes(blocks=blocks, mix=mix, params=8030261248, n_layers=32, attention_layers=32, hidden=4096,
    ...     vocab=128256, n_heads=32, n_kv_heads=8, head_dim=128, intermediate=14336) / 1e6, 1)
    4917.9
    """
    cdef Model m = a_model(facts)
    cdef Tensors s = tensors.tensors_of(&m)
    cdef BlockType types[MAX_TYPES]
    cdef Mix x
    fill_mix(&x, types, blocks, mix)
    return gguf.gguf_bytes(&m, &s, &x, imatrix)


# estimate/memory.pxd

def file_bytes(*, dict quant, dict blocks={}, list mix=[], bint imatrix=True, **facts):
    """Bytes of the text weights: gguf_bytes() x mix_scale where a mix and the shape are known, else by_bits().

    mix_scale: a publisher's own mix against the standard one. Without a shape a GGUF file is by_bits() and its metadata.
    A model of 2 layers whose only matrices are 2 x 3 of 1024 x 1024 and the tied embedding of 1024 x 1024, all at 4.5
    bits, 5 norms of 1024 x 4 bytes and 1024 x 23.3 of metadata: 4 128 768 + 20 480 + 23 859.2.

    >>> facts = dict(params=7 * 2**20 + 5 * 1024, n_layers=2, hidden=1024, vocab=1024, intermediate=1024, tied=1)
    >>> blocks, mix = {"Q4_K": (256, 144, "")}, [("body", "Q4_K", "all", "")]
    >>> file_bytes(quant={}, blocks=blocks, mix=mix, **facts)
    4173107.2
    >>> file_bytes(quant={"mix_scale": 2}, blocks=blocks, mix=mix, **facts)
    8346214.4
    >>> file_bytes(quant={"nameonly_bits": 5}, blocks=blocks, mix=mix, params=8e9)
    5000000000.0
    """
    cdef Model m = a_model(facts)
    cdef Quant q = a_quant(quant)
    cdef BlockType types[MAX_TYPES]
    cdef Mix x
    cdef Tensors s = tensors.tensors_of(&m)
    if mix:
        fill_mix(&x, types, blocks, mix)
        q.mix = &x
    return memory.file_bytes(&m, &s, &q, imatrix)


def weights_bytes(*, dict quant, dict blocks={}, list mix=[], **facts):
    """Bytes of the text weights as a packager makes them today: file_bytes() with an importance matrix.

    The importance matrix matters for Q4_0: with one, the first eighth of the down projections takes Q4_1, 5 bits for
    4.5. Llama 3 8B: 4 layers x 4096 x 14336 x 0.5 / 8 bytes more.

    >>> facts = dict(params=8030261248, n_layers=32, attention_layers=32, hidden=4096, vocab=128256, n_heads=32,
    ...     n_kv_heads=8, head_dim=128, intermediate=14336)
    >>> blocks = {"Q4_0": (32, 18, ""), "Q4_1": (32, 20, "")}
    >>> mix = [("body", "Q4_0", "all", ""), ("ffn_down", "Q4_1", "first_eighth", "imatrix")]
    >>> today = weights_bytes(quant={}, blocks=blocks, mix=mix, **facts)
    >>> round(today - file_bytes(quant={}, blocks=blocks, mix=mix, imatrix=False, **facts))
    14680064

    vLLM and MLX load by bits: 8 B parameters in 16 bits.

    >>> weights_bytes(quant={"nameonly_bits": 16, "runtime": CODES["Runtime"]["VLLM"]}, params=8e9)
    16000000000.0
    """
    cdef Model m = a_model(facts)
    cdef Quant q = a_quant(quant)
    cdef BlockType types[MAX_TYPES]
    cdef Mix x
    if mix:
        fill_mix(&x, types, blocks, mix)
        q.mix = &x
    return memory.weights_bytes(&m, &q)


def table_bytes(*, dict quant, dict blocks, list mix, bint shared=False, bint imatrix=True, **facts):
    """Bytes of the embedding tables of a GGUF file that lie in RAM beside a GPU which holds all layers.

    `shared` False: those that are on no GPU (an untied embedding, tables by layer); True: a tied one, which is in both.
    llama.cpp loads the input layer to the CPU. A vocabulary of 1024 x 1024 at 4.5 bits:

    >>> facts = dict(params=2**22, n_layers=2, hidden=1024, vocab=1024, intermediate=256)
    >>> blocks = {"Q4_K": (256, 144, ""), "Q6_K": (256, 210, "")}
    >>> mix = [("body", "Q4_K", "all", ""), ("output", "Q6_K", "all", "")]
    >>> table_bytes(quant={}, blocks=blocks, mix=mix, **facts), 2**20 * 4.5 / 8
    (589824.0, 589824.0)
    >>> table_bytes(quant={}, blocks=blocks, mix=mix, shared=True, **facts, tied=1), 2**20 * 6.5625 / 8
    (860160.0, 860160.0)
    """
    cdef Model m = a_model(facts)
    cdef Quant q = a_quant(quant)
    cdef BlockType types[MAX_TYPES]
    cdef Mix x
    cdef Tensors s = tensors.tensors_of(&m)
    fill_mix(&x, types, blocks, mix)
    q.mix = &x
    return memory.table_bytes(&m, &s, &q, imatrix, shared)


def most_vectors(**facts):
    """Elements that biases and further norms hold at most: a vector for each matrix of a layer, and six of the width.

    What the facts of a shape leave over is put down as vectors, in 32-bit floats, up to here, and else as a matrix.
    By hand: 2 layers x (2 x 100 + 6 x 10 + 2 x 2 x 5).

    >>> most_vectors(params=1e6, n_layers=2, intermediate=100, hidden=10, n_heads=2, head_dim=5)
    560.0
    """
    cdef Model m = a_model(facts)
    return tensors.most_vectors(&m)


def step_rank(*, int hidden):
    """Mamba-1's rank of the step size: a sixteenth of the hidden width, rounded up. Source: transformers' MambaConfig.

    >>> step_rank(hidden=2560), step_rank(hidden=2561)
    (160.0, 161.0)
    """
    cdef Model m = a_model({"hidden": hidden})
    return tensors.step_rank(&m)
