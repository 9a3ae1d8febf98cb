// softmax(query key') value for one head, a block of queries at a time, without the scores ever lying
// in memory (Dao 2023). A block has 128 queries, a warp 32 of them; keys and values pass through
// shared memory 32 at a time, or 64 where heads are so wide that no third block fits on a
// multiprocessor. sm_80 instructions.
#include "common.cuh"

/// Channels of a head, a multiple of 8.
#ifndef WIDTH
#define WIDTH 48
#endif

constexpr int DEPTH = (WIDTH + 15) / 16 * 16, PITCH = DEPTH + 8, CHUNKS = WIDTH / 8;
constexpr bool WIDE = WIDTH > 48;
constexpr int BM = 128, BN = WIDE ? 64 : 32, STAGES = WIDE ? 3 : 4, THREADS = 128, TILES = BN / 8;
constexpr int TILE_BYTES = BN * PITCH * 2;
constexpr float LOG2E = 1.4426950408889634f;
/// How far scores may lie above the maximum that is subtracted, in powers of 2, before it is raised:
/// halves reach to 2^16.
constexpr float SLACK = 6.0f;
constexpr float LOWEST = -1e30f;

struct Parameters {
  const f16* query;  // [batch, queries, query_stride], the heads side by side
  const f16* key;    // [batch, keys, key_stride]
  const f16* value;
  f16* output;  // [batch, queries, heads WIDTH]
  int queries, keys, query_stride, key_stride, heads;
};

extern "C" __global__ void __launch_bounds__(THREADS, WIDE ? 2 : 3)
    attention(const __grid_constant__ Parameters p) {
  extern __shared__ __align__(128) unsigned char shared[];
  const u32 stages = shared_address(shared);
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, row = lane / 4, column = lane % 4;
  const int head = blockIdx.y, batch = blockIdx.z, first = blockIdx.x * BM;
  const f16* query = p.query + (size_t)batch * p.queries * p.query_stride + head * WIDTH;
  const f16* key = p.key + (size_t)batch * p.keys * p.key_stride + head * WIDTH;
  const f16* value = p.value + (size_t)batch * p.keys * p.key_stride + head * WIDTH;
  const int tiles = (p.keys + BN - 1) / BN;

  auto stage = [&](int tile) { return stages + tile % STAGES * 2 * TILE_BYTES; };
  auto load = [&](int tile) {
    for (int i = threadIdx.x; i < 2 * BN * (DEPTH / 8); i += THREADS) {
      const int which = i / (BN * (DEPTH / 8)), r = i / (DEPTH / 8) % BN, c = i % (DEPTH / 8),
                k = tile * BN + r;
      const bool there = k < p.keys && c < CHUNKS;
      copy16(stage(tile) + which * TILE_BYTES + (r * PITCH + c * 8) * 2,
             (which ? value : key) + (there ? (size_t)k * p.key_stride + c * 8 : 0), there);
    }
  };

  // Queries pass through the place of the last stage, which may have to be larger for them.
  const u32 query_at = stage(STAGES - 1);
  for (int i = threadIdx.x; i < BM * (DEPTH / 8); i += THREADS) {
    const int r = i / (DEPTH / 8), c = i % (DEPTH / 8);
    const bool there = first + r < p.queries && c < CHUNKS;
    copy16(query_at + (r * PITCH + c * 8) * 2,
           query + (there ? (size_t)(first + r) * p.query_stride + c * 8 : 0), there);
  }
  copies_commit();
#pragma unroll
  for (int tile = 0; tile < STAGES - 1; tile++) {
    if (tile < tiles) load(tile);
    copies_commit();
  }
  copies_wait<STAGES - 1>();
  __syncthreads();
  u32 q[2][DEPTH / 16][4];
#pragma unroll
  for (int m = 0; m < 2; m++)
#pragma unroll
    for (int k = 0; k < DEPTH / 16; k++) {
      load_matrices(q[m][k],
                    query_at + ((warp * 32 + m * 16 + lane % 16) * PITCH + k * 16 + lane / 16 * 8) * 2);
    }

  float sum[2][CHUNKS][4], total[2][4], top[2][2];
#pragma unroll
  for (int m = 0; m < 2; m++) {
#pragma unroll
    for (int e = 0; e < 4; e++) {
#pragma unroll
      for (int n = 0; n < CHUNKS; n++) sum[m][n][e] = 0.0f;
      total[m][e] = 0.0f;
    }
    top[m][0] = top[m][1] = LOWEST;
  }

#pragma unroll 1
  for (int tile = 0; tile < tiles; tile++) {
    copies_wait<STAGES - 2>();
    __syncthreads();
    if (tile + STAGES - 1 < tiles) load(tile + STAGES - 1);
    copies_commit();

    // Scores, in powers of 2.
    const u32 key_at = stage(tile), value_at = key_at + TILE_BYTES;
    float score[2][TILES][4];
#pragma unroll
    for (int m = 0; m < 2; m++)
#pragma unroll
      for (int n = 0; n < TILES; n++)
#pragma unroll
        for (int e = 0; e < 4; e++) score[m][n][e] = 0.0f;
#pragma unroll
    for (int n = 0; n < TILES; n += 2)
#pragma unroll
      for (int k = 0; k < DEPTH / 16; k++) {
        u32 b[4];
        load_matrices(b,
                      key_at + ((n * 8 + lane % 8 + lane / 16 * 8) * PITCH + k * 16 + lane / 8 % 2 * 8) * 2);
#pragma unroll
        for (int m = 0; m < 2; m++) {
          mma16(score[m][n], q[m][k], b[0], b[1]);
          mma16(score[m][n + 1], q[m][k], b[2], b[3]);
        }
      }
    if (tile == tiles - 1 && p.keys % BN) {
#pragma unroll
      for (int n = 0; n < TILES; n++)
#pragma unroll
        for (int e = 0; e < 4; e++)
          if (tile * BN + n * 8 + 2 * column + e % 2 >= p.keys) score[0][n][e] = score[1][n][e] = LOWEST;
    }

    // The maximum of every row, raised where scores have grown by more than the slack.
    float highest[2][2];
    bool grown = false;
#pragma unroll
    for (int m = 0; m < 2; m++)
#pragma unroll
      for (int r = 0; r < 2; r++) {
        float x = fmaxf(score[m][0][2 * r], score[m][0][2 * r + 1]);
#pragma unroll
        for (int n = 1; n < TILES; n++) x = fmaxf(x, fmaxf(score[m][n][2 * r], score[m][n][2 * r + 1]));
        x = fmaxf(x, __shfl_xor_sync(~0u, x, 1));
        x = fmaxf(x, __shfl_xor_sync(~0u, x, 2)) * LOG2E;
        highest[m][r] = x;
        grown |= x > top[m][r] + SLACK;
      }
    if (__any_sync(~0u, grown)) {
#pragma unroll
      for (int m = 0; m < 2; m++)
#pragma unroll
        for (int r = 0; r < 2; r++) {
          const float next = fmaxf(top[m][r], highest[m][r]), factor = exp2_fast(top[m][r] - next);
          top[m][r] = next;
          total[m][2 * r] *= factor;
          total[m][2 * r + 1] *= factor;
#pragma unroll
          for (int n = 0; n < CHUNKS; n++) {
            sum[m][n][2 * r] *= factor;
            sum[m][n][2 * r + 1] *= factor;
          }
        }
    }

    // Weights times values; a column of ones gives the weights' sum.
#pragma unroll
    for (int j = 0; j < TILES / 2; j++) {
      u32 weight[2][4];
#pragma unroll
      for (int m = 0; m < 2; m++) {
#pragma unroll
        for (int i = 0; i < 4; i++) {
          const int n = 2 * j + i / 2, r = i % 2;
          weight[m][i] = pack(exp2_fast(fmaf(score[m][n][2 * r], LOG2E, -top[m][r])),
                              exp2_fast(fmaf(score[m][n][2 * r + 1], LOG2E, -top[m][r])));
        }
        mma16(total[m], weight[m], 0x3C003C00u, 0x3C003C00u);
      }
#pragma unroll
      for (int n = 0; n < CHUNKS; n += 2) {
        u32 b[4];
        load_matrices_transposed(
            b, value_at + ((j * 16 + lane % 8 + lane / 8 % 2 * 8) * PITCH + n * 8 + lane / 16 * 8) * 2);
#pragma unroll
        for (int m = 0; m < 2; m++) {
          mma16(sum[m][n], weight[m], b[0], b[1]);
          if (n + 1 < CHUNKS) mma16(sum[m][n + 1 < CHUNKS ? n + 1 : n], weight[m], b[2], b[3]);
        }
      }
    }
  }

#pragma unroll
  for (int m = 0; m < 2; m++)
#pragma unroll
    for (int r = 0; r < 2; r++) {
      const int at = first + warp * 32 + m * 16 + r * 8 + row;
      if (at >= p.queries) continue;
      const float inverse = 1.0f / total[m][2 * r];
      u32* to = (u32*)(p.output + ((size_t)batch * p.queries + at) * p.heads * WIDTH + head * WIDTH) + column;
#pragma unroll
      for (int n = 0; n < CHUNKS; n++)
        to[n * 4] = pack(sum[m][n][2 * r] * inverse, sum[m][n][2 * r + 1] * inverse);
    }
}
