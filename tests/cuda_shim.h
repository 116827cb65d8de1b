// What CUDA source needs of CUDA, on the processor: one block after the other, each of its threads a fiber.
//
// A fiber runs until it ends or waits at __syncthreads() or __ballot_sync(), which therefore mean what they mean on a
// GPU. The order in which the fibers of a block take turns is drawn from a seed: numbers that change with it come from
// threads that do not wait for each other where they should. A barrier that some threads pass by, or wait at elsewhere,
// is an error.

// Few headers, because most of the time to compile is theirs.
#include <math.h>
#include <stdlib.h>
#include <ucontext.h>

#include <utility>

#define __global__
#define __device__
#define __shared__ static
#define __launch_bounds__(threads)
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __syncthreads() shim::wait(shim::BARRIER, __LINE__)
#define __ballot_sync(mask, predicate) shim::ballot(predicate, __LINE__)
#define __popc(word) __builtin_popcount(word)
#define KERNEL static


static struct {
    unsigned x;
} threadIdx, blockIdx, blockDim;

namespace shim {

enum State { READY, BARRIER, BALLOT, DONE };
enum Outcome { FINE, WRONG_ARGUMENTS, WRONG_SIZES, STUCK };

constexpr unsigned WARP = 32, MOST = 1024;
constexpr size_t STACK = 64 * 1024;

static struct Fiber {
    ucontext_t context;
    char* stack;
    State state;
    int line;
    bool predicate;
} fibers[MOST];
static unsigned votes[MOST / WARP], order[MOST];
static ucontext_t scheduler;
static void (*body)(); // calls `kernel` with `values`
static void (*kernel)();
static void** values;

static void wait(State state, int line) {
    Fiber& fiber = fibers[threadIdx.x];
    fiber.state = state;
    fiber.line = line;
    swapcontext(&fiber.context, &scheduler);
}

static unsigned ballot(bool predicate, int line) {
    fibers[threadIdx.x].predicate = predicate;
    wait(BALLOT, line);
    return votes[threadIdx.x / WARP];
}

static void enter() {
    body();
    fibers[threadIdx.x].state = DONE;
}

static void start(Fiber& fiber) {
    if (!fiber.stack) fiber.stack = (char*)malloc(STACK);
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack;
    fiber.context.uc_stack.ss_size = STACK;
    fiber.context.uc_link = &scheduler;
    makecontext(&fiber.context, enter, 0);
    fiber.state = READY;
    fiber.predicate = false;
}

// Lets the threads from `first` to `end` go on if all of them wait at one place; returns whether they do.
static bool release(unsigned first, unsigned end, State state) {
    unsigned vote = 0;
    for (unsigned i = first; i < end; ++i) {
        if (fibers[i].state != state || fibers[i].line != fibers[first].line) return false;
        vote |= unsigned(fibers[i].predicate) << (i % WARP);
    }
    for (unsigned i = first; i < end; ++i) fibers[i].state = READY;
    if (state == BALLOT) votes[first / WARP] = vote;
    return true;
}

static Outcome run_block(unsigned threads, unsigned& random) {
    for (unsigned i = 0; i < threads; ++i) {
        start(fibers[i]);
        order[i] = i;
    }
    for (;;) {
        unsigned done = 0;
        for (unsigned i = 0; i < threads; ++i) {
            if (random) {
                random = (random * 1664525u + 1013904223u) | 1u;
                std::swap(order[i], order[i + (random >> 8) % (threads - i)]);
            }
            Fiber& fiber = fibers[order[i]];
            if (fiber.state == READY) {
                threadIdx.x = order[i];
                swapcontext(&scheduler, &fiber.context);
            }
            done += fiber.state == DONE;
        }
        if (done == threads) return FINE;
        bool moves = release(0, threads, BARRIER);
        for (unsigned first = 0; first < threads; first += WARP) {
            moves |= release(first, first + WARP < threads ? first + WARP : threads, BALLOT);
        }
        if (!moves) return STUCK;
    }
}

template <typename... Parameters, size_t... i> static void call(std::index_sequence<i...>) {
    reinterpret_cast<void (*)(Parameters...)>(kernel)(*static_cast<Parameters*>(values[i])...);
}

// Runs a kernel whose arguments lie where `arguments` points to, as cuLaunchKernel takes them. A seed of 0 keeps the
// threads in order.
template <typename... Parameters>
int launch(void (*function)(Parameters...), unsigned blocks, unsigned threads, void** arguments, const int* sizes,
           unsigned count, unsigned seed) {
    if (count != sizeof...(Parameters) || threads > MOST) return WRONG_ARGUMENTS;
    constexpr int wanted[] = {sizeof(Parameters)...};
    for (unsigned i = 0; i < count; ++i)
        if (sizes[i] != wanted[i]) return WRONG_SIZES;
    kernel = reinterpret_cast<void (*)()>(function);
    values = arguments;
    body = [] { call<Parameters...>(std::index_sequence_for<Parameters...>{}); };
    blockDim.x = threads;
    for (blockIdx.x = 0; blockIdx.x < blocks; ++blockIdx.x) {
        const Outcome outcome = run_block(threads, seed);
        if (outcome != FINE) return outcome;
    }
    return FINE;
}

}  // namespace shim
