// The neuron on a GPU. lifroles/backends/cpu.py gives the equations, lifroles/backends/cuda.py launches these kernels.
//
// Two macros choose one variant of this source, and no shape does: REAL, float or double, and RESET, one of the names
// below. Compile with --fmad=false: additions and multiplications are then the reference's own, one by one, and fused
// only where fma() is written. Arrays [T, B, N] and [B, N] are dense, except those that come with their strides.

#ifndef KERNEL
#define KERNEL extern "C" __global__
#endif

#define NONE 0
#define HARD 1
#define SOFT 2
#define SILENT 3 // units that never fire

typedef REAL real;
typedef long long i64;

constexpr bool FIRES = RESET != SILENT;
// How many values each thread has under way from memory at a time: a forward, a backward step's, a column of weights.
constexpr int AHEAD = 8, BACK = 4, COLUMN = 8;
// Of the recurrent kernels: the most threads in a block, and the most neurons, whose state is in shared memory.
constexpr int THREADS = 512, MOST = 1024;
// Samples that share each weight read by backward_recurrent: 16 bytes of g, one access to shared memory.
constexpr int SAMPLES = 16 / sizeof(real);

// What the reset leaves of the potential.
__device__ inline real keep(real u, real o, real u_th) {
    if (RESET == HARD) return u * (1 - o);
    if (RESET == SOFT) return u - u_th * o;
    return u;
}

__device__ inline real fired(real u, real u_th) {
    return FIRES && u - u_th >= 0 ? 1 : 0;
}

// dL/du(t) without what comes to u(t) from outside. d is k g(t+1), d_spike what comes to o(t) other than through the
// reset, through_reset whether anything does.
__device__ inline real gradient(real u, real d, real d_spike, real u_th, real alpha, real half, bool through_reset) {
    if (!FIRES) return d;
    const real x = u - u_th;
    const real height = fabs(x) < half ? alpha : 0;
    if (RESET == HARD) {
        if (through_reset) d_spike = d_spike - d * u;
        d = d * (1 - fired(u, u_th));
    }
    if (RESET == SOFT && through_reset) d_spike = d_spike - d * u_th;
    return height * d_spike + d;
}

// dL/du(-1) and, as far as it goes through the reset, dL/do(-1); d is k g(0). Where nobody asks, the array is null.
__device__ inline void first_gradients(real u, real o, real d, real u_th, bool through_reset, i64 at, real* g_u,
                                       real* g_o) {
    if (g_u) g_u[at] = RESET == HARD ? d * (1 - o) : d;
    if (g_o) g_o[at] = !through_reset ? 0 : RESET == HARD ? -(d * u) : RESET == SOFT ? -(d * u_th) : 0;
}

// One thread a lane, that is, one neuron of one sample, through all its steps.
//
// x [T, B, N] with strides; u_first, o_first [B, N], null: 0; k [N], null: k_all everywhere. Out: u_last [B, N]; u, o
// [T, B, N] and o_last [B, N], each null if not wanted.
KERNEL void forward(const real* __restrict__ x, i64 x_t, i64 x_b, i64 x_n, const real* __restrict__ u_first,
                    const real* __restrict__ o_first, const real* __restrict__ k, real k_all, real u_th, i64 steps,
                    i64 batch, i64 neurons, real* __restrict__ u, real* __restrict__ o, real* __restrict__ u_last,
                    real* __restrict__ o_last) {
    const i64 lanes = batch * neurons;
    const i64 lane = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (lane >= lanes) return;
    const i64 n = lane % neurons;
    const real* x_lane = x + lane / neurons * x_b + n * x_n;
    const real coefficient = k ? k[n] : k_all;
    real v = u_first ? u_first[lane] : 0;
    real spike = o_first ? o_first[lane] : 0;
    for (i64 start = 0; start < steps; start += AHEAD) {
        real x_ahead[AHEAD];
#pragma unroll
        for (int i = 0; i < AHEAD; ++i) x_ahead[i] = start + i < steps ? x_lane[(start + i) * x_t] : 0;
#pragma unroll
        for (int i = 0; i < AHEAD; ++i) {
            if (start + i >= steps) break;
            v = coefficient * keep(v, spike, u_th) + x_ahead[i];
            spike = fired(v, u_th);
            if (u) u[(start + i) * lanes + lane] = v;
            if (o) o[(start + i) * lanes + lane] = spike;
        }
    }
    u_last[lane] = v;
    if (o_last) o_last[lane] = spike;
}

// One thread a lane, from the last step to the first.
//
// In: u [T, B, N]; the state before, as above; gradients go, gu [T, B, N] with strides and go_last, gu_last [B, N],
// each null if nothing comes. Out: g [T, B, N] = dL/dx, g_u, g_o [B, N] to the state before and g_k [B, N], to be
// summed over the batch, each null if not wanted.
KERNEL void backward(const real* __restrict__ u, const real* __restrict__ u_first, const real* __restrict__ o_first,
                     const real* __restrict__ go, i64 go_t, i64 go_b, i64 go_n, const real* __restrict__ gu, i64 gu_t,
                     i64 gu_b, i64 gu_n, const real* __restrict__ go_last, const real* __restrict__ gu_last,
                     const real* __restrict__ k, real k_all, real u_th, real alpha, real half, i64 through_reset,
                     i64 steps, i64 batch, i64 neurons, real* __restrict__ g, real* __restrict__ g_u,
                     real* __restrict__ g_o, double* __restrict__ g_k) {
    const i64 lanes = batch * neurons;
    const i64 lane = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (lane >= lanes) return;
    const i64 n = lane % neurons, b = lane / neurons;
    const real* go_lane = go ? go + b * go_b + n * go_n : 0;
    const real* gu_lane = gu ? gu + b * gu_b + n * gu_n : 0;
    const real coefficient = k ? k[n] : k_all;
    real after = 0;
    double learned = 0;
    for (i64 end = steps; end > 0; end -= BACK) {
        real u_ahead[BACK], go_ahead[BACK], gu_ahead[BACK];
#pragma unroll
        for (int i = 0; i < BACK; ++i) {
            const i64 t = end - 1 - i;
            u_ahead[i] = t >= 0 ? u[t * lanes + lane] : 0;
            go_ahead[i] = t >= 0 && go ? go_lane[t * go_t] : 0;
            gu_ahead[i] = t >= 0 && gu ? gu_lane[t * gu_t] : 0;
        }
#pragma unroll
        for (int i = 0; i < BACK; ++i) {
            const i64 t = end - 1 - i;
            if (t < 0) break;
            // Nothing follows the last step: not 0 times its potential, which may be infinite.
            const bool follows = t < steps - 1;
            const real v = u_ahead[i];
            real d_spike = go_ahead[i];
            if (!follows && go_last) d_spike = d_spike + go_last[lane];
            if (follows) learned += after * keep(v, fired(v, u_th), u_th);
            after = gradient(v, coefficient * after, d_spike, u_th, alpha, half, through_reset && follows);
            if (gu) after = after + gu_ahead[i];
            if (!follows && gu_last) after = after + gu_last[lane];
            if (g) g[t * lanes + lane] = after;
        }
    }
    const real v = u_first ? u_first[lane] : 0, spike = o_first ? o_first[lane] : 0;
    first_gradients(v, spike, coefficient * after, u_th, through_reset, lane, g_u, g_o);
    if (g_k) g_k[lane] = learned + after * keep(v, spike, u_th);
}

#if RESET != SILENT

// One block a sample. A step's spikes become a list in shared memory, in ascending order, and a neuron's current from
// them is the sum of the rows of Vᵀ that the list names: read side by side by neighbouring threads, always added in
// the same order.
//
// As above, but no array may be null except k and u; and across [N, N] = Vᵀ; tainted [N], not 0 where a weight into a
// neuron is not finite: such a weight counts without a spike too, since 0 times it is not 0.
KERNEL void __launch_bounds__(THREADS)
    forward_recurrent(const real* __restrict__ x, i64 x_t, i64 x_b, i64 x_n, const real* __restrict__ u_first,
                      const real* __restrict__ o_first, const real* __restrict__ k, real k_all, real u_th, i64 steps,
                      i64 batch, i64 neurons, real* u, real* o, real* u_last, real* o_last,
                      const real* __restrict__ across, const real* __restrict__ tainted) {
    __shared__ real state[MOST];          // u(t-1)
    __shared__ unsigned words[MOST / 32]; // a bit for each spike
    __shared__ unsigned short list[MOST]; // the neurons that fired
    const int self = threadIdx.x, warps = blockDim.x / 32, warp = self / 32, bit = self % 32;
    const i64 sample = blockIdx.x * neurons, lanes = batch * neurons;
    for (int n = self; n < neurons; n += blockDim.x) state[n] = u_first[sample + n];
    for (i64 t = 0; t < steps; ++t) {
        const real* x_t_b = x + t * x_t + blockIdx.x * x_b;
        const real* before = t ? o + (t - 1) * lanes + sample : o_first + sample;
        // Under way while the spikes are listed.
        const real x_self = self < neurons ? x_t_b[self * x_n] : 0;
        for (int start = 0; start < neurons; start += blockDim.x) {
            const int n = start + self;
            const bool spike = n < neurons && (t ? fired(state[n], u_th) : before[n]) != 0;
            const unsigned word = __ballot_sync(0xffffffffu, spike);
            if (bit == 0) words[n / 32] = word;
        }
        __syncthreads();
        int count = 0;
        for (int w = 0; w * 32 < neurons; ++w) {
            const unsigned word = words[w];
            const bool ours = w % warps == warp;
            if (ours && word >> bit & 1) list[count + __popc(word & ((1u << bit) - 1))] = w * 32 + bit;
            count += __popc(word);
        }
        __syncthreads();
        for (int n = self; n < neurons; n += blockDim.x) {
            const real* column = across + n;
            real current = 0;
            if (tainted[n] != 0) {
                for (int i = 0; i < neurons; ++i) current = fma(column[i * neurons], before[i], current);
            } else {
                for (int s = 0; s < count; s += COLUMN) {
                    real weights[COLUMN];
#pragma unroll
                    for (int i = 0; i < COLUMN; ++i) weights[i] = s + i < count ? column[list[s + i] * neurons] : 0;
                    // Only the state before the first step may hold anything but 0 and 1.
                    if (t == 0)
                        for (int i = 0; i < COLUMN && s + i < count; ++i) weights[i] *= before[list[s + i]];
#pragma unroll
                    for (int i = 0; i < COLUMN; ++i) current = current + weights[i];
                }
            }
            const real spike = t ? fired(state[n], u_th) : before[n];
            real v = (k ? k[n] : k_all) * keep(state[n], spike, u_th) + (n == self ? x_self : x_t_b[n * x_n]);
            v = v + current;
            state[n] = v;
            if (u) u[t * lanes + sample + n] = v;
            o[t * lanes + sample + n] = fired(v, u_th);
        }
    }
    for (int n = self; n < neurons; n += blockDim.x) {
        u_last[sample + n] = state[n];
        o_last[sample + n] = fired(state[n], u_th);
    }
}

// One block for every SAMPLES samples, which share the rows of V that are read.
//
// As above, but u_first, o_first and g may not be null; and weight [N, N] = V. g_k is [blocks, N]; g_o is without
// Vᵀ g(0).
KERNEL void __launch_bounds__(THREADS)
    backward_recurrent(const real* __restrict__ u, const real* __restrict__ u_first, const real* __restrict__ o_first,
                       const real* __restrict__ go, i64 go_t, i64 go_b, i64 go_n, const real* __restrict__ gu, i64 gu_t,
                       i64 gu_b, i64 gu_n, const real* __restrict__ go_last, const real* __restrict__ gu_last,
                       const real* __restrict__ k, real k_all, real u_th, real alpha, real half, i64 through_reset,
                       i64 steps, i64 batch, i64 neurons, real* __restrict__ g, real* __restrict__ g_u,
                       real* __restrict__ g_o, double* __restrict__ g_k, const real* __restrict__ weight) {
    __shared__ __align__(16) real state[2][MOST][SAMPLES]; // g(t+1) and g(t), by turns
    __shared__ double learned[MOST];
    const i64 first = (i64)blockIdx.x * SAMPLES, lanes = batch * neurons;
    for (int n = threadIdx.x; n < neurons; n += blockDim.x) learned[n] = 0;
    for (i64 t = steps - 1; t >= -1; --t) {
        const bool follows = t < steps - 1;
        const real(*after)[SAMPLES] = state[(t + 1) & 1];
        __syncthreads();
        for (int n = threadIdx.x; n < neurons; n += blockDim.x) {
            const real coefficient = k ? k[n] : k_all;
            real across[SAMPLES] = {};
            if (follows && t >= 0) {
#pragma unroll 4
                for (int m = 0; m < neurons; ++m) {
                    const real w = weight[(i64)m * neurons + n];
#pragma unroll
                    for (int s = 0; s < SAMPLES; ++s) across[s] = fma(w, after[m][s], across[s]);
                }
            }
            for (int s = 0; s < SAMPLES; ++s) {
                const i64 b = first + s, lane = b * neurons + n;
                real d = 0;
                if (b < batch && t >= 0) {
                    const real v = u[t * lanes + lane];
                    real d_spike = go ? go[t * go_t + b * go_b + n * go_n] : 0;
                    if (follows) {
                        d_spike = d_spike + across[s];
                        learned[n] += after[n][s] * keep(v, fired(v, u_th), u_th);
                        d = coefficient * after[n][s];
                    } else if (go_last) {
                        d_spike = d_spike + go_last[lane];
                    }
                    d = gradient(v, d, d_spike, u_th, alpha, half, through_reset && follows);
                    if (gu) d = d + gu[t * gu_t + b * gu_b + n * gu_n];
                    if (!follows && gu_last) d = d + gu_last[lane];
                    g[t * lanes + lane] = d;
                } else if (b < batch) {
                    const real v = u_first[lane], spike = o_first[lane];
                    learned[n] += after[n][s] * keep(v, spike, u_th);
                    first_gradients(v, spike, coefficient * after[n][s], u_th, through_reset, lane, g_u, g_o);
                }
                state[t & 1][n][s] = d;
            }
        }
    }
    if (!g_k) return;
    for (int n = threadIdx.x; n < neurons; n += blockDim.x) g_k[blockIdx.x * neurons + n] = learned[n];
}

#endif
