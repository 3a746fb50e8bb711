# A row in brief: some of its values between literal text, for answers with millions of rows. In which form, JSON or
# CSV, is in the text alone; the values are those that rows/rows.pxd writes.
from llmfit.rows.buffer cimport Buffer, Text, put, put_fixed, put_int, put_text
from llmfit.estimate.codes cimport *
from llmfit.estimate.estimate cimport Estimate
from llmfit.rows.notes cimport Wire, tps_hundredths, utilization_tenths
from llmfit.score.verdict cimport Verdict

cdef struct Part:
    Text before             # literal text
    int what                # the value behind it, of codes.BRIEF


cdef inline void put_word(Buffer* b, Text quoted) noexcept nogil:
    """A word of the wire without its quotes."""
    put(b, quoted.data + 1, quoted.size - 2)


cdef inline size_t brief_room(Text id, int n) noexcept nogil:
    """More bytes than the values of `n` parts can take."""
    return n * (32 + <size_t>id.size)


cdef inline void put_brief(
    Buffer* b, const Wire* w, Text id, const Estimate* e, const Verdict* v, const Part* parts, int n
) noexcept nogil:
    """The parts of one row, into a buffer with room for them."""
    cdef int k, what
    for k in range(n):
        put_text(b, parts[k].before)
        what = parts[k].what
        if what == BRIEF_NAME:
            put_text(b, id)
        elif what == BRIEF_FIT_LEVEL:
            put_word(b, w.levels[v.level])
        elif what == BRIEF_RUN_MODE:
            put_word(b, w.modes[e.best.mode])
        elif what == BRIEF_RUNTIME:
            put_word(b, w.runtimes[e.best.runtime])
        elif what == BRIEF_BEST_QUANT:
            put_text(b, w.quants[e.best.quant])
        elif what == BRIEF_TOTAL_MEMORY_GB:
            put_fixed(b, <long long>e.best.total, 3)
        elif what == BRIEF_MEMORY_REQUIRED_GB:
            put_fixed(b, <long long>e.best.required, 3)
        elif what == BRIEF_MEMORY_AVAILABLE_GB:
            put_fixed(b, <long long>e.best.available, 3)
        elif what == BRIEF_UTILIZATION_PCT:
            put_fixed(b, utilization_tenths(e), 1)
        elif what == BRIEF_ESTIMATED_TPS:
            put_fixed(b, tps_hundredths(e), 2)
        elif what == BRIEF_SCORE:
            put_fixed(b, v.score, 1)
        elif what == BRIEF_EFFECTIVE_CONTEXT_LENGTH:
            put_int(b, e.context)
        elif what == BRIEF_USABLE_CONTEXT:
            put_int(b, <long long>e.usable)
