# Case for the packing.
from llmfit._catalog cimport Catalog
from llmfit.estimate.job cimport Job
from llmfit.estimate.machine cimport Machine
from llmfit.placement.ways cimport Asked

cdef class Case:
    cdef readonly Catalog catalog
    cdef Asked asked
    cdef bytes quants
    cdef int* rows
    cdef Job* jobs
    cdef double* contexts

    cdef list some(self, const Machine* h)
