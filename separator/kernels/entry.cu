// The first convolution of either branch, with GELU: kernel 8 and stride 4 over frequencies of four
// numbers or over samples of two channels, which are standardised as they are read.
//
// K is short (32 or 16), so a block of 128 positions holds all of both sides. sm_80 instructions.
#include "common.cuh"

/// Channels of the input: 4 for the spectrum, which has them innermost, 2 for the planar waveform.
#ifndef CHANNELS
#define CHANNELS 4
#endif

constexpr int TAPS = 8, STRIDE = 4, PAD = 2, DEPTH = TAPS * CHANNELS, BM = 128, THREADS = 128;
constexpr int A_PITCH = DEPTH + 8, MAX_OUTPUTS = 64, PITCH = MAX_OUTPUTS + 8;

struct Parameters {
  const float* input;        // [batch, sequences, positions, 4] or [batch, 2, positions]
  const float2* statistics;  // [batch]: mean and deviation
  const f16* weight;         // [outputs, DEPTH], taps outermost
  const float* bias;         // [outputs]
  f16* output;               // [batch, rows_s, rows_p, outputs]
  int sequences, positions;  // of the input
  int rows_s, rows_p;
  int outputs;  // a multiple of 8, at most 64
};

extern "C" __global__ void __launch_bounds__(THREADS) entry(const __grid_constant__ Parameters p) {
  __shared__ __align__(16) f16 left[BM * A_PITCH];
  __shared__ __align__(16) f16 right[MAX_OUTPUTS * A_PITCH];
  __shared__ __align__(16) f16 tile[BM * PITCH];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, batch = blockIdx.y, rows = p.rows_s * p.rows_p;
  const int m = blockIdx.x * BM + threadIdx.x;
  const float2 statistics = p.statistics[batch];
  const float scale = 1.0f / (statistics.y + EPSILON);

  // The eight taps of this thread's position.
  const int at = m % p.rows_p;
#pragma unroll
  for (int tap = 0; tap < TAPS; tap++) {
    u32* to = (u32*)(left + threadIdx.x * A_PITCH + tap * CHANNELS);
#if CHANNELS == 4
    const int from = m / p.rows_p * STRIDE + tap - PAD;
    float4 x = make_float4(statistics.x, statistics.x, statistics.x, statistics.x);
    if (m < rows && from >= 0 && from < p.sequences) {
      x = __ldg((const float4*)p.input + ((size_t)batch * p.sequences + from) * p.positions + at);
    }
    to[0] = pack((x.x - statistics.x) * scale, (x.y - statistics.x) * scale);
    to[1] = pack((x.z - statistics.x) * scale, (x.w - statistics.x) * scale);
#else
    const int from = at * STRIDE + tap - PAD;
    float2 x = make_float2(statistics.x, statistics.x);
    if (m < rows && from >= 0 && from < p.positions) {
      const float* planes = p.input + (size_t)batch * 2 * p.positions + from;
      x = make_float2(__ldg(planes), __ldg(planes + p.positions));
    }
    to[0] = pack((x.x - statistics.x) * scale, (x.y - statistics.x) * scale);
#endif
  }
  for (int i = threadIdx.x; i < p.outputs * DEPTH / 8; i += THREADS) {
    const int n = i / (DEPTH / 8), k = i % (DEPTH / 8) * 8;
    *(uint4*)(right + n * A_PITCH + k) = __ldg((const uint4*)p.weight + i);
  }
  __syncthreads();

  // Each warp: 32 rows by all outputs.
  u32 a[2][DEPTH / 16][4];
#pragma unroll
  for (int i = 0; i < 2; i++)
#pragma unroll
    for (int k = 0; k < DEPTH / 16; k++) {
      load_matrices(a[i][k], shared_address(left + (warp * 32 + i * 16 + lane % 16) * A_PITCH + k * 16 +
                                            lane / 16 * 8));
    }
  for (int n = 0; n < p.outputs; n += 8) {
    const float2 bias = *(const float2*)(p.bias + n + lane % 4 * 2);
#pragma unroll
    for (int i = 0; i < 2; i++) {
      float sum[4] = {bias.x, bias.y, bias.x, bias.y};
#pragma unroll
      for (int k = 0; k < DEPTH / 16; k++) {
        const u32* b = (const u32*)(right + (n + lane / 4) * A_PITCH + k * 16) + lane % 4;
        mma16(sum, a[i][k], b[0], b[4]);
      }
      u32* to = (u32*)(tile + (warp * 32 + i * 16 + lane / 4) * PITCH + n) + lane % 4;
      to[0] = pack(gelu(sum[0]), gelu(sum[1]));
      to[4 * PITCH] = pack(gelu(sum[2]), gelu(sum[3]));
    }
  }
  __syncthreads();

  const int chunks = p.outputs / 8;
  for (int i = threadIdx.x; i < BM * chunks; i += THREADS) {
    const int r = i / chunks, c = i % chunks * 8;
    if (blockIdx.x * BM + r < rows) {
      *(uint4*)(p.output + ((size_t)batch * rows + blockIdx.x * BM + r) * p.outputs + c) =
          *(const uint4*)(tile + r * PITCH + c);
    }
  }
}
