# Many models on many machines: what is asked, what is known of it, and the plan at the moment.
from llmfit.placement.goal cimport Goal
from llmfit.estimate.machine cimport Machine
from llmfit.placement.ways cimport Asked, Way

cdef enum:
    POINTS = 1 << 11        # scores are tenths below this
    FEW = 8                 # models on a machine up to which both orders and every way are tried
    CLOSER = 4              # full machines that a move is tried on where they must make room

cdef struct Item:
    # One model that is to run, of a case; `apart`: on another machine than those of its demand.
    int case, demand, apart
    double weight

cdef struct Key:
    # By what items are sorted.
    double weight, size
    int item, smallest

cdef struct Packing:
    # What is asked.
    int n_cases, n_nodes, n_items, n_classes, n_kinds
    int pack                # 1: few machines are wanted
    int stride              # of `start` and `left`: numbers of a machine
    Goal goal
    Asked* asked            # by case
    Item* items
    Machine* machines       # by kind, with what is free at the moment
    int* kind               # by node
    int* start              # by node and device: free at first
    # What is known of it.
    int* klass              # by node: those of equal kind and free memory are one class
    int* class_start        # in `member`
    short* tops             # by case and class: the best score that there can be; -1: none
    double* needs           # by case: what it takes at least
    # The work: estimates, as many as there may be, and how a plan is made.
    long long spent, most
    unsigned long long random
    int shake, deep
    # The plan, in one block, so that it can be kept and taken back.
    char* block
    char* kept
    char* before
    size_t block_size
    Way* way                # by item
    int* node_of            # by item; -1: nowhere
    int* next_              # by item: the one behind it on its machine
    int* head               # by node: its first item; -1: none
    int* count
    int* score              # by node: the sum
    int* at                 # by node: where in `member`
    int* member             # nodes by class, those in use first
    int* left               # by node and device
    int* touched            # by class: how many are in use
    # Room to work in.
    Key* keys               # items in the order in which they are placed
    int* ranked             # classes by the top of one case, which is ranked_case - 1
    int ranked_case
    int* points             # for counting them
    unsigned char* full     # by case: no machine has room for it
    unsigned char* still    # by item: looked at in vain since its machine changed
    int* waiting            # items to be looked at again
    int n_waiting
    int* place              # of the machine looked at: see shrink()
    int* who                # items of a machine under trial, and how they lie
    int* other              # and of a second one
    Way* placed
    Way* laid_too
    Way* trial
    Way* room
    Way** found


cdef inline int top(const Packing* p, int item, int node) noexcept nogil:
    """What the item can score at most on the machine; -1: it cannot run there."""
    return p.tops[p.items[item].case * p.n_classes + p.klass[node]]
