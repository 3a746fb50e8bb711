# The compiled classes that others build on.
from llmfit.rows.buffer cimport Text
from llmfit.ranking.columns cimport Columns, Strings
from llmfit.estimate.estimate cimport Settings
from llmfit.estimate.machine cimport Machine
from llmfit.estimate.quant cimport MAX_SPEED_CLASSES
from llmfit.score.score cimport Quality
from llmfit.score.sketch cimport RowSketch

cdef class Catalog:
    cdef Columns columns
    cdef double speed_logits[MAX_SPEED_CLASSES]
    cdef int n_speed_classes, n_quants
    cdef readonly dict labels   # GGUF label: place among the mixes
    cdef list kept              # whatever the pointers in `columns` point into

    cdef Text _text(self, str word)
    cdef int _fill(self, Text* to, words) except -1
    cdef int _open_mixes(self, packed) except -1
    cdef int _open_quants(self, packed) except -1
    cdef int _open_policy(self, packed, tuple names) except -1
    cdef int _open_shapes(self, const double[::1] facts) except -1
    cdef int _open_rows(self, const double[::1] facts, quality_table) except -1
    cdef int _open_groups(self) except -1
    cdef const RowSketch* order(self, int use_case) except NULL
    cdef int _open_text(self, packed) except -1
    cdef Strings _strings(self, const unsigned char[::1] text, const unsigned int[::1] ends) except *
    cdef int _open_words(self, dict words) except -1

cdef class Host:
    cdef Machine machine


cdef Quality quality_of(q)
cdef Settings settings_of(Catalog catalog, double context, double n_seq, tuple cache_types, int runtime, bytes quants) except *
