// Convolution as a product of matrices, without the matrix being made: row m of the left side is the
// input at the taps of output position m, and K runs over taps and channels. Products of the
// transformer are convolutions with one tap; a transposed convolution of kernel 8 and stride 4 is one
// with two taps whose columns are the four outputs between two inputs.
//
// A block of eight warps computes BM rows by BN columns. Both sides pass through shared memory in stages
// of 64 of K, rows of 128 bytes whose chunks of 16 are exchanged by the row's number, so that reads of
// matrices meet no bank twice. sm_80 instructions; Hopper has product.cu.
#include "results.cuh"

/// Columns of a block: 96 or 48.
#ifndef BN
#define BN 96
#endif

constexpr int WARPS_M = BN == 96 ? 4 : 8, WARPS_N = 8 / WARPS_M, STAGES = 3;
constexpr int BM = 128, BK = 64, THREADS = 256;
constexpr int TILES_M = BM / 16 / WARPS_M, TILES_N = BN / 8 / WARPS_N;
constexpr int A_BYTES = BM * BK * 2, B_BYTES = BN * BK * 2, STAGE_BYTES = A_BYTES + B_BYTES;
constexpr int A_LOADS = BM * 8 / THREADS, B_LOADS = (BN * 8 + THREADS - 1) / THREADS;

constexpr int MAX_TAPS = 9;

struct Parameters {
  const f16* input;   // [batch, sequences, positions, channels]
  const f16* weight;  // [columns, depth]
  Output output;
  const float* bias;                   // [columns]
  int sequences, positions, channels;  // of the input
  int stride_s, stride_p;
  int taps, columns, depth;  // columns and depth with their padding
  int activation;
  short tap_s[MAX_TAPS], tap_p[MAX_TAPS];
};

/// The place of chunk `chunk` of row `row` in a tile of rows of 128 bytes.
DEVICE u32 swizzled(int row, int chunk) { return row * 128 + ((chunk ^ (row & 7)) * 16); }

struct Loader {
  int base[A_LOADS];
  u32 valid[A_LOADS];
  int tap, chunk;

  DEVICE Loader(const Parameters& p, int first_row) : tap(0), chunk(threadIdx.x % 8) {
#pragma unroll
    for (int i = 0; i < A_LOADS; i++) {
      const int m = first_row + threadIdx.x / 8 + i * (THREADS / 8);
      const int s = m / p.output.rows_p * p.stride_s, at = m % p.output.rows_p * p.stride_p;
      base[i] = (s * p.positions + at) * p.channels;
      valid[i] = 0;
      if (m < p.output.rows_s * p.output.rows_p) {
        for (int t = 0; t < p.taps; t++) {
          const int ts = s + p.tap_s[t], tp = at + p.tap_p[t];
          const bool inside = ts >= 0 && ts < p.sequences && tp >= 0 && tp < p.positions;
          valid[i] |= (u32)inside << t;
        }
      }
    }
    wrap(p);
  }

  DEVICE void wrap(const Parameters& p) {
    const int chunks = p.channels / 8;
    while (chunk >= chunks) {
      chunk -= chunks;
      tap++;
    }
  }

  /// Copies stage `k` of both sides. Stages are copied one after another.
  DEVICE void load(const Parameters& p, const f16* input, const f16* weight, u32 stage, int k) {
    const int row = threadIdx.x / 8, column = threadIdx.x % 8;
    const bool inside = tap < p.taps;
    const int t = inside ? tap : 0;
    const int offset = (p.tap_s[t] * p.positions + p.tap_p[t]) * p.channels + chunk * 8;
#pragma unroll
    for (int i = 0; i < A_LOADS; i++) {
      const bool ok = inside && (valid[i] >> t & 1);
      copy16(stage + swizzled(row + i * (THREADS / 8), column), input + (ok ? base[i] + offset : 0), ok);
    }
#pragma unroll
    for (int i = 0; i < B_LOADS; i++) {
      const int n = row + i * (THREADS / 8);
      if (n < BN)
        copy16(stage + A_BYTES + swizzled(n, column), weight + (size_t)n * p.depth + k * BK + column * 8,
               true);
    }
    chunk += 8;
    wrap(p);
  }
};

/// The first row of this warp's tile `m`.
DEVICE int tile_row(int warp_m, int m) { return (warp_m * TILES_M + m) * 16; }

struct Block {
  static constexpr int THREADS = ::THREADS;
  int thread;

  DEVICE void sync() const { __syncthreads(); }
};

/// Blocks of a multiprocessor. Blackwell's code needs a few more than 128 registers.
#if __CUDA_ARCH__ >= 1000
constexpr int MIN_BLOCKS = 1;
#else
constexpr int MIN_BLOCKS = 2;
#endif

extern "C" __global__ void __launch_bounds__(THREADS, MIN_BLOCKS)
    convolution(const __grid_constant__ Parameters p) {
  extern __shared__ __align__(1024) unsigned char shared[];
  const u32 stages = shared_address(shared);
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warp_m = warp % WARPS_M,
            warp_n = warp / WARPS_M;
  const int first_row = blockIdx.y * BM, first_column = blockIdx.x * BN;
  const f16* input = p.input + (size_t)blockIdx.z * p.sequences * p.positions * p.channels;
  const f16* weight = p.weight + (size_t)first_column * p.depth;

  float sum[TILES_M][TILES_N * 4];
#pragma unroll
  for (int n = 0; n < TILES_N; n++) {
    const int column = first_column + (warp_n * TILES_N + n) * 8 + lane % 4 * 2;
    const float2 bias = *(const float2*)(p.bias + column);
#pragma unroll
    for (int m = 0; m < TILES_M; m++) {
      sum[m][4 * n] = sum[m][4 * n + 2] = bias.x;
      sum[m][4 * n + 1] = sum[m][4 * n + 3] = bias.y;
    }
  }

  // The product.
  const int steps = p.depth / BK;
  Loader loader(p, first_row);
  constexpr int AHEAD = STAGES - 1;
#pragma unroll
  for (int k = 0; k < AHEAD; k++) {
    if (k < steps) loader.load(p, input, weight, stages + k * STAGE_BYTES, k);
    copies_commit();
  }

#pragma unroll 1
  for (int k = 0; k < steps; k++) {
    copies_wait<AHEAD - 1>();
    __syncthreads();
    const u32 a_at = stages + k % STAGES * STAGE_BYTES, b_at = a_at + A_BYTES;
    if (k + AHEAD < steps) {
      loader.load(p, input, weight, stages + (k + AHEAD) % STAGES * STAGE_BYTES, k + AHEAD);
    }
    copies_commit();
#pragma unroll
    for (int step = 0; step < BK / 16; step++) {
      u32 a[TILES_M][4];
#pragma unroll
      for (int m = 0; m < TILES_M; m++) {
        load_matrices(a[m], a_at + swizzled(tile_row(warp_m, m) + lane % 16, step * 2 + lane / 16));
      }
#pragma unroll
      for (int n = 0; n < TILES_N; n += 2) {
        u32 b[4];
        const int row = (warp_n * TILES_N + n) * 8 + lane % 8 + lane / 16 * 8;
        load_matrices(b, b_at + swizzled(row, step * 2 + lane / 8 % 2));
#pragma unroll
        for (int m = 0; m < TILES_M; m++) {
          mma16(sum[m], 4 * n, a[m], b[0], b[1]);
          mma16(sum[m], 4 * n + 4, a[m], b[2], b[3]);
        }
      }
    }
  }
  copies_wait<0>();
  __syncthreads();

  // The outputs, through the same shared memory.
  f16* tile = (f16*)shared;
  Targets<BM, BN>& targets = *(Targets<BM, BN>*)(tile + BM * (BN + 8));
  float* scratch = (float*)(&targets + 1);
  const int rows = p.output.rows_s * p.output.rows_p, row = first_row + threadIdx.x;
  if (threadIdx.x < BM) {
    targets.of_row[threadIdx.x] = row < rows
                                      ? target_of_row(p.output, row / p.output.rows_p, row % p.output.rows_p)
                                      : Target{0, NOWHERE};
  }
  int first_rows[TILES_M];
#pragma unroll
  for (int m = 0; m < TILES_M; m++) first_rows[m] = tile_row(warp_m, m);
  Moments* moments = p.output.moments;
  if (moments) moments += (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  write_results(p.output, p.activation, blockIdx.z, sum, first_rows, first_column, warp_n * TILES_N, tile,
                targets, moments, scratch, Block{(int)threadIdx.x});
}
