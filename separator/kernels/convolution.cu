// Convolution as a product of matrices, without the matrix being made: row m of the left side is the
// input at the taps of output position m, and K runs over taps and channels. Products of the
// transformer are convolutions with one tap; a transposed convolution of kernel 8 and stride 4 is one
// with two taps whose columns are the four outputs between two inputs.
//
// A block of four warps computes BM rows by BN columns. Both sides pass through shared memory in stages of
// 32 of K, rows of 64 bytes whose chunks of 16 are exchanged by the row's number, so that reads of
// matrices meet no bank twice. sm_80 instructions; Hopper has product.cu.
#include "results.cuh"

/// Columns of a block: 96 or 48.
#ifndef BN
#define BN 96
#endif

constexpr int WARPS_M = BN == 96 ? 2 : 4, WARPS_N = 4 / WARPS_M, STAGES = 3;
constexpr int BM = 128, BK = 32, THREADS = 128;
constexpr int TILES_M = BM / 16 / WARPS_M, TILES_N = BN / 8 / WARPS_N;
constexpr int A_BYTES = BM * BK * 2, B_BYTES = BN * BK * 2, STAGE_BYTES = A_BYTES + B_BYTES;
constexpr int CHUNKS = BK / 8, AT_ONCE = THREADS / CHUNKS;
constexpr int A_LOADS = BM / AT_ONCE, B_LOADS = (BN + AT_ONCE - 1) / AT_ONCE;

constexpr int MAX_TAPS = 9;

struct Parameters {
  const f16* input;   // [batch, sequences, positions, channels]
  const f16* weight;  // [columns / BN, depth / BK, BN, BK]
  Output output;
  const float* bias;                   // [columns]
  int sequences, positions, channels;  // of the input
  int stride_s, stride_p;
  int taps, columns, depth;  // columns and depth with their padding
  int activation;
  short tap_s[MAX_TAPS], tap_p[MAX_TAPS];
};

/// The place of chunk `chunk` of row `row` in a tile of rows of 64 bytes.
DEVICE u32 swizzled(int row, int chunk) { return row * 64 + ((chunk ^ (row / 2 & 3)) * 16); }

/// The value itself, which is then kept in a register instead of being computed where it is needed.
DEVICE u32 kept(u32 value) {
  asm volatile("" : "+r"(value));
  return value;
}

DEVICE const f16* kept(const f16* value) {
  asm volatile("" : "+l"(value));
  return value;
}

/// Copies stages one after another. A thread has the same chunk of every AT_ONCE-th row of both sides: at
/// the input it is chunk `chunk` of tap `tap`.
struct Loader {
  const f16* input;
  const f16* weight;
  int base[A_LOADS];    // of a row's own position in the input
  u32 inside[A_LOADS];  // bit t: tap t of the row lies in the input
  int tap, chunk, chunks;
  int at;     // what the tap and the chunk add to a row's base
  u32 place;  // of the thread's first chunk in either side of a stage

  DEVICE Loader(const Parameters& p, u32 stages, int first_row) : tap(0), chunk(threadIdx.x % CHUNKS) {
    const int row = threadIdx.x / CHUNKS;
    input = kept(p.input + (size_t)blockIdx.z * p.sequences * p.positions * p.channels);
    weight = p.weight + (size_t)blockIdx.x * BN * p.depth + threadIdx.x * 8;
    place = kept(stages + swizzled(row, chunk));
    chunks = p.channels / 8;
    at = offset_of_tap(p) + chunk * 8;
#pragma unroll
    for (int i = 0; i < A_LOADS; i++) {
      const int m = first_row + row + i * AT_ONCE;
      const int s = m / p.output.rows_p * p.stride_s, position = m % p.output.rows_p * p.stride_p;
      base[i] = (s * p.positions + position) * p.channels;
      inside[i] = 0;
      if (m < p.output.rows_s * p.output.rows_p) {
        for (int t = 0; t < p.taps; t++) {
          const int ts = s + p.tap_s[t], tp = position + p.tap_p[t];
          const bool there = ts >= 0 && ts < p.sequences && tp >= 0 && tp < p.positions;
          inside[i] |= (u32)there << t;
        }
      }
    }
    wrap(p);
  }

  DEVICE int offset_of_tap(const Parameters& p) const {
    return (p.tap_s[tap] * p.positions + p.tap_p[tap]) * p.channels;
  }

  /// Goes on to the tap that the chunk lies in. Behind the last one no row has anything.
  DEVICE void wrap(const Parameters& p) {
    while (chunk >= chunks && tap < p.taps) {
      chunk -= chunks;
      tap++;
      if (tap < p.taps) at = offset_of_tap(p) + chunk * 8;
    }
  }

  DEVICE void load(const Parameters& p, u32 stage) {
    const u32 to = place + stage, bit = 1u << tap;
#pragma unroll
    for (int i = 0; i < A_LOADS; i++) copy16(to + i * AT_ONCE * 64, input + (at + base[i]), inside[i] & bit);
#pragma unroll
    for (int i = 0; i < B_LOADS; i++) {
      if (BN % AT_ONCE == 0 || threadIdx.x / CHUNKS + i * AT_ONCE < BN) {
        copy16(to + A_BYTES + i * AT_ONCE * 64, weight + i * AT_ONCE * BK, true);
      }
    }
    weight += BN * BK;
    chunk += CHUNKS;
    at += BK;
    wrap(p);
  }
};

struct Block {
  static constexpr int THREADS = ::THREADS;
  int thread;

  DEVICE void sync() const { __syncthreads(); }
};

/// Blocks of a multiprocessor. Blackwell's code needs more than 168 registers.
#if __CUDA_ARCH__ >= 1000
constexpr int MIN_BLOCKS = 2;
#else
constexpr int MIN_BLOCKS = 3;
#endif

extern "C" __global__ void __launch_bounds__(THREADS, MIN_BLOCKS)
    convolution(const __grid_constant__ Parameters p) {
  extern __shared__ __align__(1024) unsigned char shared[];
  const u32 stages = shared_address(shared);
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warp_m = warp % WARPS_M,
            warp_n = warp / WARPS_M;
  const int first_row = blockIdx.y * BM, first_column = blockIdx.x * BN;

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

  // The product. What lanes read of a stage lies at the same places in each.
  const int steps = p.depth / BK, tile_rows = warp_m * TILES_M * 16, tile_columns = warp_n * TILES_N * 8;
  const u32 a_place = kept(stages + swizzled(tile_rows + lane % 16, lane / 16));
  const u32 b_place =
      kept(stages + A_BYTES + swizzled(tile_columns + lane % 8 + lane / 16 * 8, lane / 8 % 2));
  Loader loader(p, stages, first_row);
  constexpr int AHEAD = STAGES - 1;
  constexpr u32 END = STAGES * STAGE_BYTES;
#pragma unroll
  for (int k = 0; k < AHEAD; k++) {
    if (k < steps) loader.load(p, k * STAGE_BYTES);
    copies_commit();
  }

  u32 reading = 0, writing = AHEAD * STAGE_BYTES;
#pragma unroll 1
  for (int k = 0; k < steps; k++) {
    copies_wait<AHEAD - 1>();
    __syncthreads();
    if (k + AHEAD < steps) loader.load(p, writing);
    copies_commit();
#pragma unroll
    for (int step = 0; step < BK / 16; step++) {
      // A step is two chunks, of which the second bit of a chunk's place is exchanged.
      const u32 a_at = reading + (a_place ^ step * 32), b_at = reading + (b_place ^ step * 32);
      u32 a[TILES_M][4];
#pragma unroll
      for (int m = 0; m < TILES_M; m++) load_matrices(a[m], a_at + m * 16 * 64);
#pragma unroll
      for (int n = 0; n < TILES_N; n += 2) {
        u32 b[4];
        load_matrices(b, b_at + n * 8 * 64);
#pragma unroll
        for (int m = 0; m < TILES_M; m++) {
          mma16(sum[m], 4 * n, a[m], b[0], b[1]);
          mma16(sum[m], 4 * n + 4, a[m], b[2], b[3]);
        }
      }
    }
    reading = reading + STAGE_BYTES == END ? 0 : reading + STAGE_BYTES;
    writing = writing + STAGE_BYTES == END ? 0 : writing + STAGE_BYTES;
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
  for (int m = 0; m < TILES_M; m++) first_rows[m] = tile_rows + m * 16;
  Moments* moments = p.output.moments;
  if (moments) moments += (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  write_results(p.output, p.activation, blockIdx.z, sum, first_rows, first_column, warp_n * TILES_N, tile,
                targets, moments, scratch, Block{(int)threadIdx.x});
}
