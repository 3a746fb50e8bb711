# A machine as the rules see it: pools of memory, how fast each reads, what runs there.
# Filled once per machine by _core.Machine; everything that does not depend on the model is hoisted to here.
from libc.math cimport exp, fmax, log, pow
from llmfit.estimate.codes cimport N_BACKENDS, N_RUNTIMES
from llmfit.estimate.policy cimport Policy
from llmfit.estimate.quant cimport MAX_SPEED_CLASSES

cdef enum:
    MAX_DEVICES = 64
    MAX_KINDS = 8
    MAX_FORMATS = 16

cdef struct Rate:
    # One kind of processor under one runtime.
    int runs                # 0: this runtime does not run here
    int bandwidth_known
    int bandwidth_source    # index of codes.BANDWIDTH_SOURCES; 0: not known
    int overlaps            # it computes while it reads (a CPU): the two times add as squares
    double bandwidth        # GB/s
    double eta[MAX_SPEED_CLASSES][2]    # share of the bandwidth reached, by speed class and [dense, MoE]
    double byte_ms[2][MAX_SPEED_CLASSES]    # ms a byte of weights read, by [dense, MoE] and speed class: 1 / (eta BW)
    double floor_ms         # the least, ms a byte: 1 / (cap BW)
    double layer_ms         # fixed time a layer, at a_layer = 1
    double flop_ms          # time a parameter used: k_c x 2 / TFLOPS, ms per 1e9 parameters
    double attention_ms     # time of a GFLOP of attention: k_a / TFLOPS
    double spread           # 80 % of measurements lie within a factor 1 + spread
    double context          # memory of the runtime itself, thousandths of a GiB
    double max_utilization  # share of a device that the runtime may fill
    double tp_layer_ms      # two all-reduces a layer
    double prompt_ms        # time a prompt token takes for 1e9 parameters: 2 / (share x TFLOPS); 0: not known

cdef struct Machine:
    int n_devices, n_kinds, unified
    double capacity[MAX_DEVICES]    # free memory of each GPU, thousandths of a GiB, in the order of `gpus`
    int kind[MAX_DEVICES]
    int first[MAX_KINDS], count[MAX_KINDS]
    Rate gpu[N_RUNTIMES][MAX_KINDS]
    Rate cpu
    double ram              # available, thousandths of a GiB
    double gpu_total        # sum of capacity
    double largest          # capacity of the freest device
    int largest_kind        # its kind
    unsigned char runtimes[MAX_FORMATS] # by format: bit r set: runtime r can execute it here
    unsigned char blocker[MAX_FORMATS]  # by format: codes.Blocker where none can
    # For commands: which devices a row lies on, as drivers number them.
    unsigned char backend[MAX_DEVICES]  # of codes.BACKENDS
    short number[MAX_DEVICES]           # among the devices of its backend
    double free_share[MAX_DEVICES]      # of all of its memory, what is free
    int of_backend[N_BACKENDS]          # how many devices there are, those that the environment hides too


cdef inline double efficiency(double eta, double bandwidth, int is_moe, double speed_logit, const Policy* p) noexcept nogil:
    """Share of the specified bandwidth that decode reaches: logistic(logit(eta_g) + b ln(BW/500) + [MoE] c + q)."""
    cdef double x = log(eta / (1.0 - eta)) + p.bandwidth_logit * log(bandwidth / 500.0) + speed_logit
    if is_moe:
        x = x + p.moe_logit
    return 1.0 / (1.0 + exp(-x))
