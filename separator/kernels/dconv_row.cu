// A whole DConv of the frequency branch in one launch: a block takes a sequence of 336 frames into shared memory,
// where it stays through both layers. The statistics are those of one block.
#ifndef CHANNELS
#define CHANNELS 48
#endif

constexpr int FRAMES = 336, WARPS = 7, TILES = FRAMES / 16 / WARPS;
#include "dconv_fused.cuh"

/// Blocks of a multiprocessor. Blackwell's code needs more registers.
#if __CUDA_ARCH__ >= 1000
constexpr int MIN_BLOCKS = C <= 96 ? 2 : 1;
#else
constexpr int MIN_BLOCKS = C <= 48 ? 3 : C <= 96 ? 2 : 1;
#endif

struct Parameters {
  const f16* x;  // [batch, sequences, 336, C]
  f16* output;   // of the same shape
  Weights weights;
  const f16* table;  // [sequences, C] that is added at the end, or null
  int sequences;
};

extern "C" __global__ void __launch_bounds__(THREADS, MIN_BLOCKS)
    dconv_row(const __grid_constant__ Parameters p) {
  extern __shared__ __align__(16) unsigned char shared[];
  const Shared s(shared, FRAMES);
  const Lanes at;
  const size_t sequence = blockIdx.x;
  auto all = [](int, int) { return true; };

  // The sequence, zeros around it, and the first layer's weights.
  for (int i = threadIdx.x; i < (FRAMES + 2 * MARGIN) * DEPTH * 2; i += THREADS) {
    const int r = i / (DEPTH * 2), c = i % (DEPTH * 2) * 8, frame = r - MARGIN;
    const bool there = frame >= 0 && frame < FRAMES && c < C;
    copy16(shared_address(s.x + r * PITCH + c), p.x + (there ? (sequence * FRAMES + frame) * C + c : 0),
           there);
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

    // Its mean and deviation, in two passes. Padding of the hidden channels is 0 and does not count.
    constexpr float SHARE = 1.0f / (FRAMES * HIDDEN_CHANNELS);
    float total = 0.0f;
#pragma unroll
    for (int i = 0; i < TILES; i++)
#pragma unroll
      for (int n = 0; n < HIDDEN_TILES; n++) {
        total += (sum[i][n][0] + sum[i][n][1]) + (sum[i][n][2] + sum[i][n][3]);
      }
    const float mean = block_sum<WARPS>(total, s.scratch) * SHARE;
    float squares = 0.0f;
#pragma unroll
    for (int i = 0; i < TILES; i++)
#pragma unroll
      for (int n = 0; n < HIDDEN_TILES; n++)
#pragma unroll
        for (int e = 0; e < 4; e++) {
          const float apart = sum[i][n][e] - mean;
          const bool counts = HIDDEN_CHANNELS % 8 == 0 || n * 8 + 2 * at.q + e % 2 < HIDDEN_CHANNELS;
          if (counts) squares = fmaf(apart, apart, squares);
        }
    const float scale = rsqrtf(block_sum<WARPS>(squares, s.scratch + 16) * SHARE + EPSILON);
    if (layer == 0) {
      s.fetch_conv1(p.weights, 1);  // every warp is through with the first
      copies_commit();
    }

    u32 h[TILES][HIDDEN_TILES][2];
    activate(h, sum, p.weights, at, layer, mean, scale);
    if (layer == 1) copies_wait<0>();  // conv2 of the second layer
    take_moments(h, s, at, all);
    __syncthreads();
    for (int e = threadIdx.x; e < PART; e += THREADS) s.moments[e] = part_sum(s, e) * (1.0f / FRAMES);
    __syncthreads();
    expand(h, s, at, statistics_of_conv2(s, p.weights, layer), all);

    copies_wait<0>();
    __syncthreads();
    if (layer == 0) {
      s.fetch_conv2(p.weights, 1);
      copies_commit();
    }
  }

  if (C % 16 == 0 && p.weights.rewrite) {
    const f16* table = p.table ? p.table + sequence % p.sequences * C : nullptr;
    rewrite(s, p.weights, at, table,
            [&](int i, int half) { return p.output + (sequence * FRAMES + at.position(i, half)) * C; });
    return;
  }

  for (int i = threadIdx.x; i < FRAMES * (C / 8); i += THREADS) {
    const int r = i / (C / 8), c = i % (C / 8) * 8;
    *(uint4*)(p.output + (sequence * FRAMES + r) * C + c) = *(const uint4*)(s.x + (r + MARGIN) * PITCH + c);
  }
}
