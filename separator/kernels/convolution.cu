// Convolution as a product of matrices, without the matrix being made: row m of the left side is the
// input at the taps of output position m, and K runs over taps and channels. Products of the
// transformer are convolutions with one tap; a transposed convolution of kernel 8 and stride 4 is one
// with two taps whose columns are the four outputs between two inputs.
//
// A block of eight warps computes BM rows by BN columns. Both sides pass through shared memory in stages
// of 64 of K, rows of 128 bytes whose chunks of 16 are exchanged by the row's number, so that reads of
// matrices meet no bank twice. sm_80 instructions; compiled for sm_90a, the product itself is Hopper's
// `wgmma`, which reads both sides from there in just this order.
#include "common.cuh"

/// Columns of a block: 96 or 48.
#ifndef BN
#define BN 96
#endif

#ifdef __CUDA_ARCH_FEAT_SM90_ALL
#define HOPPER 1
// Two groups of four warps have 64 rows each and all columns, a warp 16 of the rows.
constexpr int WARPS_M = 8, WARPS_N = 1, STAGES = 4;
#else
#define HOPPER 0
constexpr int WARPS_M = BN == 96 ? 4 : 8, WARPS_N = 8 / WARPS_M, STAGES = 3;
#endif

constexpr int BM = 128, BK = 64, THREADS = 256;
constexpr int TILES_M = BM / 16 / WARPS_M, TILES_N = BN / 8 / WARPS_N;
constexpr int A_BYTES = BM * BK * 2, B_BYTES = BN * BK * 2, STAGE_BYTES = A_BYTES + B_BYTES;
constexpr int A_LOADS = BM * 8 / THREADS, B_LOADS = (BN * 8 + THREADS - 1) / THREADS;
/// Floats between two rows of the tile of results.
constexpr int PITCH = BN + 8;

constexpr int MAX_TAPS = 9;

enum Activation { NONE = 0, GELU = 1, RELU = 2, GLU = 3 };
/// How columns become outputs.
enum Layout {
  /// Output (m, column).
  PLAIN = 0,
  /// Column (phase, channel) of row (j, p) is output (4 j + phase - 2, p, channel).
  UP_SEQUENCES = 1,
  /// Column (phase, channel) of row (s, j) is output (s, 4 j + phase - 2, channel).
  UP_POSITIONS = 2,
  /// Column (channel / 4, phase, channel % 4) of row (j, p) is output [channels / 4, positions,
  /// sequences, 4], whose sequence is 4 j + phase - 2.
  UP_SPECTRA = 3,
  /// Column (channel, phase) of row (0, j) is output (channel, 4 j + phase - 2), planar.
  UP_WAVEFORMS = 4,
};

struct Parameters {
  const f16* input;   // [batch, sequences, positions, channels]
  const f16* weight;  // [columns, depth]
  const float* bias;  // [columns]
  const f16* add;     // of the output's shape, or null
  const f16* table;   // [sequences, outputs], or null; not with `add`
  f16* output;
  Moments* moments;                    // [batch, blocks of a segment] of the output, or null
  int sequences, positions, channels;  // of the input
  int rows_s, rows_p;                  // rows are (s, p)
  int stride_s, stride_p;
  int taps, columns, depth;  // columns and depth with their padding
  int outputs;               // channels of the output
  int activation, layout;
  int output_s, output_p;  // of the output, where columns become positions
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
      const int s = m / p.rows_p * p.stride_s, at = m % p.rows_p * p.stride_p;
      base[i] = (s * p.positions + at) * p.channels;
      valid[i] = 0;
      if (m < p.rows_s * p.rows_p) {
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

#if HOPPER
/// Describes a tile of rows of 128 bytes to `wgmma`: its place, 1024 bytes from eight rows to the next,
/// and the exchange of chunks.
DEVICE u64 describe(u32 address) { return (u64)(address & 0x3FFFF) >> 4 | 64ull << 32 | 1ull << 62; }

/// sum += a b for 64 rows and BN columns, by four warps together.
DEVICE void multiply(float (&sum)[TILES_N][4], u64 a, u64 b) {
#define FOUR(n) "+f"(sum[n][0]), "+f"(sum[n][1]), "+f"(sum[n][2]), "+f"(sum[n][3])
#if BN == 96
  asm volatile(
      "wgmma.mma_async.sync.aligned.m64n96k16.f32.f16.f16 {"
      "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,"
      "%24,%25,%26,%27,%28,%29,%30,%31,%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47}, "
      "%48, %49, 1, 1, 1, 0, 0;"
      : FOUR(0), FOUR(1), FOUR(2), FOUR(3), FOUR(4), FOUR(5), FOUR(6), FOUR(7), FOUR(8), FOUR(9), FOUR(10),
        FOUR(11)
      : "l"(a), "l"(b));
#else
  asm volatile(
      "wgmma.mma_async.sync.aligned.m64n48k16.f32.f16.f16 {"
      "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23}, "
      "%24, %25, 1, 1, 1, 0, 0;"
      : FOUR(0), FOUR(1), FOUR(2), FOUR(3), FOUR(4), FOUR(5)
      : "l"(a), "l"(b));
#endif
#undef FOUR
}
#endif

/// Applies the activation to this warp's sums and writes them to the tile of results.
template <int ACTIVATION>
DEVICE void stage(float* tile, const float (&sum)[TILES_M][TILES_N][4], int warp_m, int warp_n, int lane) {
#pragma unroll
  for (int m = 0; m < TILES_M; m++)
#pragma unroll
    for (int half = 0; half < 2; half++) {
      float* to = tile + (tile_row(warp_m, m) + half * 8 + lane / 4) * PITCH + lane % 4 * 2;
      if constexpr (ACTIVATION == GLU) {
      // Columns come in turns of eight values and their eight gates.
#pragma unroll
        for (int n = 0; n < TILES_N; n += 2) {
          const float x = sum[m][n][2 * half] * sigmoid(sum[m][n + 1][2 * half]);
          const float y = sum[m][n][2 * half + 1] * sigmoid(sum[m][n + 1][2 * half + 1]);
          *(float2*)(to + (warp_n * TILES_N + n) * 4) = make_float2(x, y);
        }
      } else {
#pragma unroll
        for (int n = 0; n < TILES_N; n++) {
          float x = sum[m][n][2 * half], y = sum[m][n][2 * half + 1];
          if (ACTIVATION == GELU) x = gelu(x), y = gelu(y);
          if (ACTIVATION == RELU) x = fmaxf(x, 0.0f), y = fmaxf(y, 0.0f);
          *(float2*)(to + (warp_n * TILES_N + n) * 8) = make_float2(x, y);
        }
      }
    }
}

/// Where four columns or a row go in the output of an upsampling: the sum of both is the place, and the
/// sum of their steps has to be a position along the axis.
struct Target {
  int place, step;
};

/// The target of row `m`, whose step is 4 j.
DEVICE Target target_of_row(const Parameters& p, int m) {
  const int s = m / p.rows_p, at = m % p.rows_p;
  switch (p.layout) {
    case UP_SEQUENCES: return {(4 * s * p.output_p + at) * p.outputs, 4 * s};
    case UP_POSITIONS: return {(s * p.output_p + 4 * at) * p.outputs, 4 * at};
    case UP_SPECTRA: return {(at * p.output_s + 4 * s) * 4, 4 * s};
    default: return {4 * at, 4 * at};
  }
}

/// The target of columns `column` to `column` + 3, whose step is the phase less 2. Columns that are
/// padding are far outside.
DEVICE Target target_of_columns(const Parameters& p, int column) {
  constexpr int NOWHERE = -0x40000000;
  const int in_turn = p.layout == UP_SPECTRA || p.layout == UP_WAVEFORMS;
  const int phase = p.layout == UP_SPECTRA ? column / 4 % 4 : column / p.outputs;
  const int channel = p.layout == UP_SPECTRA ? column / 16 * 4 : column % p.outputs;
  if (p.layout == UP_WAVEFORMS) {
    return {column / 4 * p.output_p - 2, column / 4 < p.outputs ? -2 : NOWHERE};
  }
  if (in_turn ? channel >= p.outputs : phase > 3) return {0, NOWHERE};

  const int step = phase - 2;
  switch (p.layout) {
    case UP_SEQUENCES: return {step * p.output_p * p.outputs + channel, step};
    case UP_POSITIONS: return {step * p.outputs + channel, step};
    default: return {(channel / 4 * p.output_p * p.output_s + step) * 4, step};
  }
}

/// Writes the tile of an upsampling. Rows and columns have their targets computed once.
DEVICE void write_upsampled(const Parameters& p, float* tile, int first_row, int first_column, int rows) {
  Target* of_row = (Target*)(tile + BM * PITCH);
  Target* of_columns = of_row + BM;
  for (int i = threadIdx.x; i < BM; i += THREADS) of_row[i] = target_of_row(p, first_row + i);
  if (threadIdx.x < BN / 4) of_columns[threadIdx.x] = target_of_columns(p, first_column + threadIdx.x * 4);
  __syncthreads();

  const size_t segment = (size_t)blockIdx.z * p.output_s * p.output_p * p.outputs;
  const int length = p.layout == UP_SEQUENCES || p.layout == UP_SPECTRA ? p.output_s : p.output_p;
  const int there = min(BM, rows - first_row);
  f16* output = p.output + segment;
  const f16* add = p.add ? p.add + segment : nullptr;

  if (p.layout == UP_WAVEFORMS) {
    // Rows are neighbours in memory. The length may be odd, so that not even pairs are aligned.
    for (int i = threadIdx.x; i < BM * BN / 4; i += THREADS) {
      const int r = i % BM, c = i / BM;
      const int place = of_row[r].place + of_columns[c].place, step = of_row[r].step + of_columns[c].step;
      if (r >= there) continue;
      const float4 y = *(const float4*)(tile + r * PITCH + c * 4);
      const float sample[4] = {y.x, y.y, y.z, y.w};
#pragma unroll
      for (int e = 0; e < 4; e++) {
        if (step + e >= 0 && step + e < length) output[place + e] = (f16)pack(sample[e], 0.0f);
      }
    }
    return;
  }

  // Several at a time, so that their loads are on the way together.
  constexpr int TOGETHER = 6;
  static_assert(BM * BN / 4 % (TOGETHER * THREADS) == 0, "no rest");
  for (int i = threadIdx.x; i < BM * BN / 4; i += TOGETHER * THREADS) {
    int place[TOGETHER];
    uint2 more[TOGETHER];
#pragma unroll
    for (int j = 0; j < TOGETHER; j++) {
      const int r = (i + j * THREADS) / (BN / 4), c = (i + j * THREADS) % (BN / 4);
      const Target row = of_row[r], columns = of_columns[c];
      const int step = row.step + columns.step;
      place[j] = r < there && step >= 0 && step < length ? row.place + columns.place : -1;
      more[j] = add && place[j] >= 0 ? __ldg((const uint2*)(add + place[j])) : make_uint2(0, 0);
    }
#pragma unroll
    for (int j = 0; j < TOGETHER; j++) {
      const int r = (i + j * THREADS) / (BN / 4), c = (i + j * THREADS) % (BN / 4);
      const float4 y = *(const float4*)(tile + r * PITCH + c * 4);
      const float2 low = unpack(more[j].x), high = unpack(more[j].y);
      const uint2 out = make_uint2(pack(y.x + low.x, y.y + low.y), pack(y.z + high.x, y.w + high.y));
      if (place[j] >= 0) *(uint2*)(output + place[j]) = out;
    }
  }
}

/// Writes the tile of a plain convolution, `WIDTH` outputs wide, and its moments.
template <int WIDTH>
DEVICE void write_plain(const Parameters& p, float* tile, int first_row, int rows) {
  constexpr int CHUNKS = WIDTH / 8;
  const int there = min(BM, rows - first_row), first_output = blockIdx.x * WIDTH;
  const size_t start = ((size_t)blockIdx.z * rows + first_row) * p.outputs + first_output;
  f16* output = p.output + start;
  const f16* add = p.add ? p.add + start : nullptr;
  float total = 0.0f, counted = 0.0f;

  constexpr int TOTAL = BM * CHUNKS, TOGETHER = TOTAL % (3 * THREADS) == 0 ? 3 : 1;
#pragma unroll 1
  for (int i = threadIdx.x; i < TOTAL; i += TOGETHER * THREADS) {
    uint4 more[TOGETHER];
#pragma unroll
    for (int j = 0; j < TOGETHER; j++) {
      const int r = (i + j * THREADS) / CHUNKS, c = (i + j * THREADS) % CHUNKS * 8;
      more[j] = make_uint4(0, 0, 0, 0);
      if (r < there && first_output + c < p.outputs) {
        if (add) more[j] = __ldg((const uint4*)(add + r * p.outputs + c));
        if (p.table)
          more[j] = __ldg(
              (const uint4*)(p.table + (size_t)((first_row + r) / p.rows_p) * p.outputs + first_output + c));
      }
    }
#pragma unroll
    for (int j = 0; j < TOGETHER; j++) {
      const int r = (i + j * THREADS) / CHUNKS, c = (i + j * THREADS) % CHUNKS * 8;
      float* from = tile + r * PITCH + c;
      const float4 low = *(const float4*)from, high = *(const float4*)(from + 4);
      float y[8] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w}, extra[8];
      unpack8(extra, more[j]);
#pragma unroll
      for (int e = 0; e < 8; e++) y[e] += extra[e];
      if (r >= there || first_output + c >= p.outputs) continue;
      *(uint4*)(output + r * p.outputs + c) = pack8(y);

      if (p.moments) {
#pragma unroll
        for (int e = 0; e < 8; e++) {
          total += y[e];
          from[e] = y[e];
        }
        counted += 8.0f;
      }
    }
  }
  if (!p.moments) return;

  // In two passes over this block's own.
  float* scratch = tile + BM * PITCH;
  const float count = block_sum<THREADS / 32>(counted, scratch);
  const float mean = block_sum<THREADS / 32>(total, scratch) / fmaxf(count, 1.0f);
  float squares = 0.0f;
  for (int i = threadIdx.x; i < BM * CHUNKS; i += THREADS) {
    const int r = i / CHUNKS, c = i % CHUNKS * 8;
    if (r >= there || first_output + c >= p.outputs) continue;
#pragma unroll
    for (int e = 0; e < 8; e++) {
      const float apart = tile[r * PITCH + c + e] - mean;
      squares = fmaf(apart, apart, squares);
    }
  }
  squares = block_sum<THREADS / 32>(squares, scratch);
  if (threadIdx.x == 0) {
    p.moments[(blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x] = {count, mean, squares};
  }
}

/// Blocks of a multiprocessor. Blackwell's code needs a few more than 128 registers.
#if __CUDA_ARCH__ >= 1000
constexpr int MIN_BLOCKS = 1;
#else
constexpr int MIN_BLOCKS = 2;
#endif

extern "C" __global__ void __launch_bounds__(THREADS, MIN_BLOCKS) convolution(const __grid_constant__ Parameters p) {
  extern __shared__ __align__(1024) unsigned char shared[];
  const u32 stages = shared_address(shared);
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warp_m = warp % WARPS_M,
            warp_n = warp / WARPS_M;
  const int first_row = blockIdx.y * BM, first_column = blockIdx.x * BN;
  const f16* input = p.input + (size_t)blockIdx.z * p.sequences * p.positions * p.channels;
  const f16* weight = p.weight + (size_t)first_column * p.depth;

  float sum[TILES_M][TILES_N][4];
#pragma unroll
  for (int n = 0; n < TILES_N; n++) {
    const int column = first_column + (warp_n * TILES_N + n) * 8 + lane % 4 * 2;
    const float2 bias = *(const float2*)(p.bias + column);
#pragma unroll
    for (int m = 0; m < TILES_M; m++) {
      sum[m][n][0] = sum[m][n][2] = bias.x;
      sum[m][n][1] = sum[m][n][3] = bias.y;
    }
  }

  // The product.
  const int steps = p.depth / BK;
  Loader loader(p, first_row);
#if HOPPER
  // Two stages are on their way, one is being multiplied, and one may still be read by other warps.
  constexpr int AHEAD = STAGES - 2;
#else
  constexpr int AHEAD = STAGES - 1;
#endif
#pragma unroll
  for (int k = 0; k < AHEAD; k++) {
    if (k < steps) loader.load(p, input, weight, stages + k * STAGE_BYTES, k);
    copies_commit();
  }

#pragma unroll 1
  for (int k = 0; k < steps; k++) {
    copies_wait<AHEAD - 1>();
#if HOPPER
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
#endif
    __syncthreads();
    const u32 a_at = stages + k % STAGES * STAGE_BYTES, b_at = a_at + A_BYTES;
#if HOPPER
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#pragma unroll
    for (int step = 0; step < BK / 16; step++) {
      multiply(sum[0], describe(a_at + warp / 4 * 64 * 128 + step * 32), describe(b_at + step * 32));
    }
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
#endif
    if (k + AHEAD < steps) {
      loader.load(p, input, weight, stages + (k + AHEAD) % STAGES * STAGE_BYTES, k + AHEAD);
    }
    copies_commit();
#if HOPPER
    asm volatile("wgmma.wait_group.sync.aligned 1;" ::: "memory");
#else
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
          mma16(sum[m][n], a[m], b[0], b[1]);
          mma16(sum[m][n + 1], a[m], b[2], b[3]);
        }
      }
    }
#endif
  }
#if HOPPER
  asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
#endif
  copies_wait<0>();
  __syncthreads();

  // Activation, into shared memory.
  float* tile = (float*)shared;
  const bool glu = p.activation == GLU;
  switch (p.activation) {
    case GELU: stage<GELU>(tile, sum, warp_m, warp_n, lane); break;
    case RELU: stage<RELU>(tile, sum, warp_m, warp_n, lane); break;
    case GLU: stage<GLU>(tile, sum, warp_m, warp_n, lane); break;
    default: stage<NONE>(tile, sum, warp_m, warp_n, lane);
  }
  __syncthreads();

  // Outputs.
  const int rows = p.rows_s * p.rows_p;
  if (p.layout != PLAIN) {
    write_upsampled(p, tile, first_row, first_column, rows);
  } else if (glu) {
    write_plain<BN / 2>(p, tile, first_row, rows);
  } else {
    write_plain<BN>(p, tile, first_row, rows);
  }
}
