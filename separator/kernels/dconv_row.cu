// A whole DConv of the frequency branch in one launch: a block takes a sequence of 336 frames into shared
// memory, where it stays through both layers, and for the encoder through the 1x1 convolution with GLU that
// follows. dconv.cuh says what is computed; the statistics are those of one block.
//
// A warp has three tiles of 16 frames. Weights lie in shared memory, a layer at a time: the next layer's are
// copied while this one is computed. sm_80 instructions.
#include "common.cuh"

#ifndef CHANNELS
#define CHANNELS 48
#endif

constexpr int C = CHANNELS, FRAMES = 336, WARPS = 7, THREADS = WARPS * 32, TILES = FRAMES / 16 / WARPS;
constexpr int HIDDEN_CHANNELS = C / 8, HIDDEN_TILES = (HIDDEN_CHANNELS + 7) / 8, HIDDEN = HIDDEN_TILES * 8;
constexpr int DEPTH = (C + 15) / 16, BLOCKS = C / 8, MARGIN = 2;
/// Halves between two frames.
constexpr int PITCH = DEPTH * 16 + 8;
/// Second moments of the hidden channels and, in the last row, sums.
constexpr int PART = (HIDDEN + 1) * HIDDEN, MOMENT_TILES = (HIDDEN_TILES + 2) / 2;
constexpr u32 ONES = 0x3C003C00u;
/// Words of a layer's weights: conv1, conv2 and its columns.
constexpr int CONV1 = 3 * DEPTH * HIDDEN_TILES * 64, CONV2 = BLOCKS * 2 * HIDDEN_TILES * 32,
              COLUMNS = BLOCKS * 2 * 8 * 4;

/// Blocks of a multiprocessor. Only on Hopper do 72 registers suffice for the narrow ones.
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
constexpr int MIN_BLOCKS = C <= 48 ? 4 : C <= 96 ? 2 : 1;
#else
constexpr int MIN_BLOCKS = C <= 48 ? 3 : C <= 96 ? 2 : 1;
#endif

struct Parameters {
  const f16* x;  // [batch, sequences, 336, C]
  f16* output;   // of the same shape
  // For each of both layers, in the forms that dconv_squeeze.cu, dconv_hidden.cu and dconv_expand.cu take.
  const uint2* conv1[2];
  const float* norm1[2];  // [3 (bias, gain, shift), HIDDEN]
  const u32* conv2[2];
  const float4* columns[2];
  const float* over_rows[2];
  // [C / 16, C / 16, 4, 32], or null: 16 channels' values and gates, in the order of lanes
  const uint2* rewrite;
  const float4* rewrite_bias;  // [C / 16, 4, 2 (value, gate)]
  const f16* table;            // [sequences, C] that is added at the end, or null
  int sequences;
};

extern "C" __global__ void __launch_bounds__(THREADS, MIN_BLOCKS)
    dconv_row(const __grid_constant__ Parameters p) {
  extern __shared__ __align__(16) unsigned char shared[];
  f16* x = (f16*)shared;                                         // [FRAMES + 2 MARGIN, PITCH]
  float* scratch = (float*)(x + (FRAMES + 2 * MARGIN) * PITCH);  // [16]
  float* parts = scratch + 16;                                   // [WARPS, PART]
  float* moments = parts + WARPS * PART;                         // [PART]
  u32* weights = (u32*)(moments + (PART + 3) / 4 * 4);
  const uint2* conv1 = (const uint2*)weights;
  const u32* conv2 = weights + CONV1;
  const float4* columns = (const float4*)(weights + CONV1 + CONV2);

  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, row = lane / 4, q = lane % 4;
  const size_t sequence = blockIdx.x;
  const u32 x_at = shared_address(x);
  auto fetch = [&](u32* to, const void* from, int words) {
    for (int i = threadIdx.x; i < words / 4; i += THREADS)
      copy16(shared_address(to) + i * 16, (const char*)from + i * 16, true);
  };

  // The sequence, zeros around it, and the first layer's weights.
  for (int i = threadIdx.x; i < (FRAMES + 2 * MARGIN) * DEPTH * 2; i += THREADS) {
    const int r = i / (DEPTH * 2), c = i % (DEPTH * 2) * 8, frame = r - MARGIN;
    const bool there = frame >= 0 && frame < FRAMES && c < C;
    copy16(x_at + (r * PITCH + c) * 2, p.x + (there ? (sequence * FRAMES + frame) * C + c : 0), there);
  }
  fetch(weights, p.conv1[0], CONV1);
  fetch(weights + CONV1, p.conv2[0], CONV2);
  fetch(weights + CONV1 + CONV2, p.columns[0], COLUMNS);
  copies_commit();
  copies_wait<0>();
  __syncthreads();

  const u32 a_at = x_at + ((lane % 16 + MARGIN) * PITCH + lane / 16 * 8) * 2;
#pragma unroll 1
  for (int layer = 0; layer < 2; layer++) {
    const float *bias = p.norm1[layer], *gain = bias + HIDDEN, *shift = gain + HIDDEN;

    // conv1.
    float sum[TILES][HIDDEN_TILES][4];
#pragma unroll
    for (int n = 0; n < HIDDEN_TILES; n++) {
      const float2 b = __ldg((const float2*)(bias + n * 8) + q);
#pragma unroll
      for (int i = 0; i < TILES; i++) {
        sum[i][n][0] = sum[i][n][2] = b.x;
        sum[i][n][1] = sum[i][n][3] = b.y;
      }
    }
#pragma unroll
    for (int tap = 0; tap < 3; tap++) {
      const u32 at = a_at + (tap - 1) * (1 << layer) * PITCH * 2;
#pragma unroll 3
      for (int k = 0; k < DEPTH; k++) {
        uint2 b[HIDDEN_TILES];
#pragma unroll
        for (int n = 0; n < HIDDEN_TILES; n++)
          b[n] = conv1[((tap * DEPTH + k) * HIDDEN_TILES + n) * 32 + lane];
#pragma unroll
        for (int i = 0; i < TILES; i++) {
          u32 a[4];
          load_matrices(a, at + ((warp + i * WARPS) * 16 * PITCH + k * 16) * 2);
#pragma unroll
          for (int n = 0; n < HIDDEN_TILES; n++) mma16(sum[i][n], a, b[n].x, b[n].y);
        }
      }
    }

    // Its mean and deviation, in two passes. Padding of the hidden channels is 0 and does not count.
    float total = 0.0f;
#pragma unroll
    for (int i = 0; i < TILES; i++)
#pragma unroll
      for (int n = 0; n < HIDDEN_TILES; n++)
        total += (sum[i][n][0] + sum[i][n][1]) + (sum[i][n][2] + sum[i][n][3]);
    const float mean = block_sum<WARPS>(total, scratch) * (1.0f / (FRAMES * HIDDEN_CHANNELS));
    float squares = 0.0f;
#pragma unroll
    for (int i = 0; i < TILES; i++)
#pragma unroll
      for (int n = 0; n < HIDDEN_TILES; n++)
#pragma unroll
        for (int e = 0; e < 4; e++) {
          const float apart = sum[i][n][e] - mean;
          if (HIDDEN_CHANNELS % 8 == 0 || n * 8 + 2 * q + e % 2 < HIDDEN_CHANNELS)
            squares = fmaf(apart, apart, squares);
        }
    const float scale =
        rsqrtf(block_sum<WARPS>(squares, scratch + 8) * (1.0f / (FRAMES * HIDDEN_CHANNELS)) + EPSILON);
    if (layer == 0) {
      fetch(weights, p.conv1[1], CONV1);  // every warp is through with conv1
      copies_commit();
    }

    // Norm, GELU, and the second moments of the result.
    u32 h[TILES][HIDDEN_TILES][2];
#pragma unroll
    for (int n = 0; n < HIDDEN_TILES; n++) {
      float2 g = __ldg((const float2*)(gain + n * 8) + q), s = __ldg((const float2*)(shift + n * 8) + q);
      g = make_float2(g.x * scale, g.y * scale);
#pragma unroll
      for (int i = 0; i < TILES; i++)
#pragma unroll
        for (int half = 0; half < 2; half++) {
          h[i][n][half] = pack(gelu(fmaf(sum[i][n][2 * half] - mean, g.x, s.x)),
                               gelu(fmaf(sum[i][n][2 * half + 1] - mean, g.y, s.y)));
        }
    }
    float moment[MOMENT_TILES][HIDDEN_TILES][4] = {};
#pragma unroll
    for (int i = 0; i < TILES; i++) {
      u32 turned[2 * MOMENT_TILES][2];
#pragma unroll
      for (int k = 0; k < 2 * MOMENT_TILES; k++)
#pragma unroll
        for (int half = 0; half < 2; half++)
          turned[k][half] = k < HIDDEN_TILES ? transpose8(h[i][k < HIDDEN_TILES ? k : 0][half]) : ONES;
#pragma unroll
      for (int m = 0; m < MOMENT_TILES; m++) {
        const u32 a[4] = {turned[2 * m][0], turned[2 * m + 1][0], turned[2 * m][1], turned[2 * m + 1][1]};
#pragma unroll
        for (int n = 0; n < HIDDEN_TILES; n++) mma16(moment[m][n], a, turned[n][0], turned[n][1]);
      }
    }
    if (layer == 1) copies_wait<0>();  // conv2 of the second layer
#pragma unroll
    for (int m = 0; m < MOMENT_TILES; m++)
#pragma unroll
      for (int n = 0; n < HIDDEN_TILES; n++)
#pragma unroll
        for (int half = 0; half < 2; half++) {
          const int k = 2 * m + half;
          if (k < HIDDEN_TILES || (k == HIDDEN_TILES && row == 0)) {
            float* to = parts + warp * PART + (k * 8 + (k < HIDDEN_TILES ? row : 0)) * HIDDEN + n * 8 + 2 * q;
            *(float2*)to = make_float2(moment[m][n][2 * half], moment[m][n][2 * half + 1]);
          }
        }
    __syncthreads();
    for (int e = threadIdx.x; e < PART; e += THREADS) {
      float all = 0.0f;
#pragma unroll
      for (int w = 0; w < WARPS; w++) all += parts[w * PART + e];
      moments[e] = all * (1.0f / FRAMES);
    }
    __syncthreads();

    // Mean and deviation of conv2's output.
    const float *mean_weight = p.over_rows[layer], *cross = mean_weight + HIDDEN, *products = cross + HIDDEN,
                *spread = products + HIDDEN * HIDDEN, *rest = spread + HIDDEN * HIDDEN,
                *mu = moments + HIDDEN * HIDDEN;
    float mean2 = 0.0f, variance = 0.0f;
    for (int e = threadIdx.x; e < HIDDEN * HIDDEN; e += THREADS) {
      const float square = mu[e / HIDDEN] * mu[e % HIDDEN];
      variance += __ldg(products + e) * (moments[e] - square) + __ldg(spread + e) * square;
    }
    if (threadIdx.x < HIDDEN) {
      mean2 = __ldg(mean_weight + threadIdx.x) * mu[threadIdx.x];
      variance += __ldg(cross + threadIdx.x) * mu[threadIdx.x];
    }
    mean2 = block_sum<WARPS>(mean2, scratch) + __ldg(rest);
    const float scale2 =
        rsqrtf(fmaxf(block_sum<WARPS>(variance, scratch + 8) + __ldg(rest + 1), 0.0f) + EPSILON);

    // conv2 with its norm, GLU, scale and sum, eight channels at a time.
#pragma unroll 1
    for (int block = 0; block < BLOCKS; block++) {
      u32 b[2][HIDDEN_TILES];
      float factor[2][2], offset[2][2];
#pragma unroll
      for (int kind = 0; kind < 2; kind++) {
#pragma unroll
        for (int k = 0; k < HIDDEN_TILES; k++)
          b[kind][k] = conv2[((block * 2 + kind) * HIDDEN_TILES + k) * 32 + lane];
#pragma unroll
        for (int e = 0; e < 2; e++) {
          const float4 c = columns[(block * 2 + kind) * 8 + 2 * q + e];
          // The gate's half is for the logistic function as a hyperbolic tangent.
          const float more = kind == 0 ? 0.5f * c.w : 0.5f;
          factor[kind][e] = scale2 * more;
          offset[kind][e] = fmaf(scale2, fmaf(-mean2, c.y, c.x), c.z) * more;
        }
      }
#pragma unroll
      for (int i = 0; i < TILES; i++) {
        float y[2][4] = {};
#pragma unroll
        for (int kind = 0; kind < 2; kind++) {
#pragma unroll
          for (int k = 0; k + 1 < HIDDEN_TILES; k += 2) {
            const u32 a[4] = {h[i][k][0], h[i][k][1], h[i][k + 1][0], h[i][k + 1][1]};
            mma16(y[kind], a, b[kind][k], b[kind][k + 1]);
          }
          if (HIDDEN_TILES % 2)
            mma8(y[kind], h[i][HIDDEN_TILES - 1][0], h[i][HIDDEN_TILES - 1][1], b[kind][HIDDEN_TILES - 1]);
        }
        u32* at = (u32*)(x + ((warp + i * WARPS) * 16 + row + MARGIN) * PITCH + block * 8) + q;
#pragma unroll
        for (int half = 0; half < 2; half++) {
          const float2 old = unpack(at[half * 4 * PITCH]);
          float out[2];
#pragma unroll
          for (int e = 0; e < 2; e++) {
            const float value = fmaf(y[0][2 * half + e], factor[0][e], offset[0][e]);
            const float gate = tanh_fast(fmaf(y[1][2 * half + e], factor[1][e], offset[1][e]));
            out[e] = fmaf(value, gate, value + (e ? old.y : old.x));
          }
          at[half * 4 * PITCH] = pack(out[0], out[1]);
        }
      }
    }
    copies_wait<0>();
    __syncthreads();
    if (layer == 0) {
      fetch(weights + CONV1, p.conv2[1], CONV2);
      fetch(weights + CONV1 + CONV2, p.columns[1], COLUMNS);
      copies_commit();
    }
  }

  if (C % 16 == 0 && p.rewrite) {
    // The 1x1 convolution with GLU: 16 channels at a time, of which a lane gets four that lie together.
#pragma unroll 1
    for (int group = 0; group < C / 16; group++) {
      float sum[TILES][4][4];
      const float4 value = __ldg(p.rewrite_bias + (group * 4 + q) * 2),
                   gate = __ldg(p.rewrite_bias + (group * 4 + q) * 2 + 1);
#pragma unroll
      for (int i = 0; i < TILES; i++)
#pragma unroll
        for (int half = 0; half < 4; half += 2) {
          sum[i][0][half] = value.x, sum[i][0][half + 1] = value.y;
          sum[i][1][half] = value.z, sum[i][1][half + 1] = value.w;
          sum[i][2][half] = gate.x, sum[i][2][half + 1] = gate.y;
          sum[i][3][half] = gate.z, sum[i][3][half + 1] = gate.w;
        }
#pragma unroll 3
      for (int k = 0; k < DEPTH; k++) {
        uint2 b[4];
#pragma unroll
        for (int n = 0; n < 4; n++) b[n] = __ldg(p.rewrite + ((group * DEPTH + k) * 4 + n) * 32 + lane);
#pragma unroll
        for (int i = 0; i < TILES; i++) {
          u32 a[4];
          load_matrices(a, a_at + ((warp + i * WARPS) * 16 * PITCH + k * 16) * 2);
#pragma unroll
          for (int n = 0; n < 4; n++) mma16(sum[i][n], a, b[n].x, b[n].y);
        }
      }
      float2 low = make_float2(0.0f, 0.0f), high = low;
      if (p.table) {
        const uint2 more = __ldg((const uint2*)(p.table + sequence % p.sequences * C + group * 16) + q);
        low = unpack(more.x), high = unpack(more.y);
      }
#pragma unroll
      for (int i = 0; i < TILES; i++)
#pragma unroll
        for (int half = 0; half < 2; half++) {
          float y[4];
#pragma unroll
          for (int e = 0; e < 4; e++)
            y[e] = sum[i][e / 2][2 * half + e % 2] * sigmoid(sum[i][2 + e / 2][2 * half + e % 2]);
          const size_t frame = sequence * FRAMES + (warp + i * WARPS) * 16 + half * 8 + row;
          *((uint2*)(p.output + frame * C + group * 16) + q) =
              make_uint2(pack(y[0] + low.x, y[1] + low.y), pack(y[2] + high.x, y[3] + high.y));
        }
    }
    return;
  }

  for (int i = threadIdx.x; i < FRAMES * (C / 8); i += THREADS) {
    const int r = i / (C / 8), c = i % (C / 8) * 8;
    *(uint4*)(p.output + (sequence * FRAMES + r) * C + c) = *(const uint4*)(x + (r + MARGIN) * PITCH + c);
  }
}
