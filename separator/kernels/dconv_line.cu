// A whole DConv of the time branch in one launch. A block takes a stretch of the only sequence into shared memory,
// where it stays through both layers, with a halo of eight positions on either side that it computes too.
//
// The statistics go over the whole sequence, so the blocks of a segment meet at four barriers. Blocks take their
// places by ticket: those of a segment are running before any of the next begins, so that none waits for one that
// cannot start, as long as the blocks of one segment fit on the GPU, which the host checks. Moments are added as
// whole numbers, whose sum does not depend on the order.
#ifndef CHANNELS
#define CHANNELS 48
#endif

/// Positions of a block, and of its halo on either side.
constexpr int WARPS = CHANNELS <= 96 ? 8 : 11, TILES = CHANNELS <= 48 ? 6 : CHANNELS <= 96 ? 3 : 2;
constexpr int COMPUTED = WARPS * TILES * 16, HALO = 8, LENGTH = COMPUTED - 2 * HALO;
#include "dconv_fused.cuh"

/// Blocks of a multiprocessor, which the host counts on.
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
constexpr int MIN_BLOCKS = C <= 96 ? 2 : 1;
#else
constexpr int MIN_BLOCKS = 1;
#endif
/// Moments of h are of the order of the positions, so that 24 bits behind the point do not overflow.
constexpr float FIXED = 16777216.0f;

struct Parameters {
  const f16* x;  // [batch, positions, C]
  f16* output;   // of the same shape
  Weights weights;
  Moments* moments;  // [batch, 2 layers, blocks]
  u64* sums;         // [batch, 2 layers, PART], 0 before and after
  u32*
      counters;  // [2 + 4 batch]: tickets, blocks that are done, arrivals at the barriers; 0 before and after
  int positions, blocks, batch;  // blocks of a segment
};

extern "C" __global__ void __launch_bounds__(THREADS, MIN_BLOCKS)
    dconv_line(const __grid_constant__ Parameters p) {
  extern __shared__ __align__(16) unsigned char shared[];
  const Shared s(shared, COMPUTED);
  const Lanes at;
  __shared__ u32 ticket;
  __shared__ float2 norm;
  if (threadIdx.x == 0) ticket = atomicAdd(p.counters, 1u);
  __syncthreads();
  const int segment = ticket / p.blocks, block = ticket % p.blocks, first = block * LENGTH - HALO;
  const f16* x = p.x + (size_t)segment * p.positions * C;
  f16* output = p.output + (size_t)segment * p.positions * C;

  // Positions of the sequence, and of those the ones that no other block has.
  auto inside = [&](int i, int half) {
    const int position = first + at.position(i, half);
    return position >= 0 && position < p.positions;
  };
  auto own = [&](int i, int half) {
    const int place = at.position(i, half);
    return inside(i, half) && place >= HALO && place < HALO + LENGTH;
  };
  auto meet = [&](int barrier) {
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) {
      u32* arrived = p.counters + 2 + segment * 4 + barrier;
      atomicAdd(arrived, 1u);
      while (*(volatile u32*)arrived < (u32)p.blocks) {
      }
      __threadfence();
    }
    __syncthreads();
  };

  for (int i = threadIdx.x; i < (COMPUTED + 2 * MARGIN) * DEPTH * 2; i += THREADS) {
    const int r = i / (DEPTH * 2), c = i % (DEPTH * 2) * 8, position = first - MARGIN + r;
    const bool there = position >= 0 && position < p.positions && c < C;
    copy16(shared_address(s.x + r * PITCH + c), x + (there ? (size_t)position * C + c : 0), there);
  }
  s.fetch_conv1(p.weights, 0);
  s.fetch_conv2(p.weights, 0);
  copies_commit();
  copies_wait<0>();
  __syncthreads();

#pragma unroll 1
  for (int layer = 0; layer < 2; layer++) {
    float sum[TILES][HIDDEN_TILES][4];
    squeeze(sum, s, p.weights, at, layer);

    // Moments of this block's own positions, and of all.
    auto counts = [&](int i, int n, int e) {
      return own(i, e / 2) && (HIDDEN_CHANNELS % 8 == 0 || n * 8 + 2 * at.q + e % 2 < HIDDEN_CHANNELS);
    };
    const int owned = min(LENGTH, p.positions - block * LENGTH);
    float total = 0.0f;
#pragma unroll
    for (int i = 0; i < TILES; i++)
#pragma unroll
      for (int n = 0; n < HIDDEN_TILES; n++)
#pragma unroll
        for (int e = 0; e < 4; e++) total += counts(i, n, e) ? sum[i][n][e] : 0.0f;
    const float count = (float)owned * HIDDEN_CHANNELS, own_mean = block_sum<WARPS>(total, s.scratch) / count;
    float squares = 0.0f;
#pragma unroll
    for (int i = 0; i < TILES; i++)
#pragma unroll
      for (int n = 0; n < HIDDEN_TILES; n++)
#pragma unroll
        for (int e = 0; e < 4; e++) {
          const float apart = sum[i][n][e] - own_mean;
          squares += counts(i, n, e) ? apart * apart : 0.0f;
        }
    squares = block_sum<WARPS>(squares, s.scratch + 16);
    Moments* moments = p.moments + (segment * 2 + layer) * p.blocks;
    if (threadIdx.x == 0) moments[block] = {count, own_mean, squares};
    meet(2 * layer);
    if (at.warp == 0) {
      const Moments m = join_all(moments, p.blocks);
      if (at.lane == 0) norm = make_float2(m.mean, rsqrtf(m.squares / m.count + EPSILON));
    }
    if (layer == 0) {
      s.fetch_conv1(p.weights, 1);  // every warp is through with the first
      copies_commit();
    }
    __syncthreads();

    u32 h[TILES][HIDDEN_TILES][2];
    activate(h, sum, p.weights, at, layer, norm.x, norm.y);
    if (layer == 1) copies_wait<0>();  // conv2 of the second layer
    take_moments(h, s, at, own);
    __syncthreads();
    u64* sums = p.sums + (segment * 2 + layer) * PART;
    for (int e = threadIdx.x; e < PART; e += THREADS) {
      atomicAdd(sums + e, (u64)__float2ll_rn(part_sum(s, e) * FIXED));
    }
    meet(2 * layer + 1);
    for (int e = threadIdx.x; e < PART; e += THREADS) {
      s.moments[e] = (float)((double)(long long)__ldcg(sums + e) / FIXED / p.positions);
    }
    __syncthreads();
    expand(h, s, at, statistics_of_conv2(s, p.weights, layer), inside);

    copies_wait<0>();
    __syncthreads();
    if (layer == 0) {
      s.fetch_conv2(p.weights, 1);
      copies_commit();
    }
  }

  if (C % 16 == 0 && p.weights.rewrite) {
    rewrite(s, p.weights, at, nullptr, [&](int i, int half) {
      return own(i, half) ? output + (size_t)(first + at.position(i, half)) * C : nullptr;
    });
  } else {
    for (int i = threadIdx.x; i < LENGTH * (C / 8); i += THREADS) {
      const int r = i / (C / 8), c = i % (C / 8) * 8, position = first + HALO + r;
      if (position < p.positions) {
        *(uint4*)(output + (size_t)position * C + c) = *(const uint4*)(s.x + (r + HALO + MARGIN) * PITCH + c);
      }
    }
  }

  // The last block of all leaves zeros for the next launch.
  __shared__ bool last;
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) last = atomicAdd(p.counters + 1, 1u) == (u32)(p.blocks * p.batch - 1);
  __syncthreads();
  if (last) {
    for (int i = threadIdx.x; i < 2 + 4 * p.batch; i += THREADS) p.counters[i] = 0;
    for (int i = threadIdx.x; i < p.batch * 2 * PART; i += THREADS) p.sums[i] = 0;
  }
}
