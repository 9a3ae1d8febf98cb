// What the fused kernels of a DConv share: `dconv_row.cu` takes a sequence of the spectrogram, `dconv_line.cu` a
// stretch of the time branch. Either has both layers in one launch, with its positions in shared memory, and for
// the encoder the 1x1 convolution with GLU that follows. dconv.cuh says what is computed.
//
// A warp has TILES tiles of 16 positions, WARPS tiles apart. Weights lie in shared memory, a layer at a time: the
// next layer's are copied while this one is computed. sm_80 instructions.
#pragma once
#include "common.cuh"

constexpr int C = CHANNELS, THREADS = WARPS * 32;
constexpr int HIDDEN_CHANNELS = C / 8, HIDDEN_TILES = (HIDDEN_CHANNELS + 7) / 8, HIDDEN = HIDDEN_TILES * 8;
constexpr int DEPTH = (C + 15) / 16, BLOCKS = C / 8, MARGIN = 2;
/// Halves between two positions.
constexpr int PITCH = DEPTH * 16 + 8;
/// Second moments of the hidden channels and, in the last row, sums.
constexpr int PART = (HIDDEN + 1) * HIDDEN, MOMENT_TILES = (HIDDEN_TILES + 2) / 2;
constexpr u32 ONES = 0x3C003C00u;
/// Words of a layer's weights: conv1, conv2 and its columns.
constexpr int CONV1 = 3 * DEPTH * HIDDEN_TILES * 64, CONV2 = BLOCKS * 2 * HIDDEN_TILES * 32;
constexpr int COLUMNS = BLOCKS * 2 * 8 * 4;

/// Weights of both layers, in the forms that dconv_squeeze.cu, dconv_hidden.cu and dconv_expand.cu take.
struct Weights {
  const uint2* conv1[2];
  const float* norm1[2];  // [3 (bias, gain, shift), HIDDEN]
  const u32* conv2[2];
  const float4* columns[2];
  const float* over_rows[2];
  // [C / 16, C / 16, 4, 32], or null: 16 channels' values and gates, in the order of lanes
  const uint2* rewrite;
  const float4* rewrite_bias;  // [C / 16, 4, 2 (value, gate)]
};

/// A block's shared memory.
struct Shared {
  f16* x;          // [positions + 2 MARGIN, PITCH]
  float* scratch;  // [32]
  float* parts;    // [WARPS, PART]
  float* moments;  // [PART]
  u32* weights;

  DEVICE Shared(unsigned char* shared, int positions) {
    x = (f16*)shared;
    scratch = (float*)(x + (positions + 2 * MARGIN) * PITCH);
    parts = scratch + 32;
    moments = parts + WARPS * PART;
    weights = (u32*)(moments + (PART + 3) / 4 * 4);
  }

  DEVICE void fetch_conv1(const Weights& w, int layer) const { fetch(weights, w.conv1[layer], CONV1); }
  DEVICE void fetch_conv2(const Weights& w, int layer) const {
    fetch(weights + CONV1, w.conv2[layer], CONV2);
    fetch(weights + CONV1 + CONV2, w.columns[layer], COLUMNS);
  }

  static DEVICE void fetch(u32* to, const void* from, int words) {
    for (int i = threadIdx.x; i < words / 4; i += THREADS) {
      copy16(shared_address(to) + i * 16, (const char*)from + i * 16, true);
    }
  }
};

/// This thread's part of a block's positions.
struct Lanes {
  int lane, warp, row, q;

  DEVICE Lanes() {
    lane = threadIdx.x % 32;
    warp = threadIdx.x / 32;
    row = lane / 4;
    q = lane % 4;
  }

  /// The first position of tile `i`, and of this thread's upper or lower half of it.
  DEVICE int tile(int i) const { return (warp + i * WARPS) * 16; }
  DEVICE int position(int i, int half) const { return tile(i) + half * 8 + row; }
};

/// conv1 of layer `layer`.
DEVICE void squeeze(float (&sum)[TILES][HIDDEN_TILES][4], const Shared& s, const Weights& w, const Lanes& at,
                    int layer) {
  const float* bias = w.norm1[layer];
#pragma unroll
  for (int n = 0; n < HIDDEN_TILES; n++) {
    const float2 b = __ldg((const float2*)(bias + n * 8) + at.q);
#pragma unroll
    for (int i = 0; i < TILES; i++) {
      sum[i][n][0] = sum[i][n][2] = b.x;
      sum[i][n][1] = sum[i][n][3] = b.y;
    }
  }

  const uint2* conv1 = (const uint2*)s.weights;
  const u32 a_at = shared_address(s.x) + ((at.lane % 16 + MARGIN) * PITCH + at.lane / 16 * 8) * 2;
#pragma unroll
  for (int tap = 0; tap < 3; tap++) {
    const u32 tap_at = a_at + (tap - 1) * (1 << layer) * PITCH * 2;
#pragma unroll 3
    for (int k = 0; k < DEPTH; k++) {
      uint2 b[HIDDEN_TILES];
#pragma unroll
      for (int n = 0; n < HIDDEN_TILES; n++) b[n] = conv1[((tap * DEPTH + k) * HIDDEN_TILES + n) * 32 + at.lane];
#pragma unroll
      for (int i = 0; i < TILES; i++) {
        u32 a[4];
        load_matrices(a, tap_at + (at.tile(i) * PITCH + k * 16) * 2);
#pragma unroll
        for (int n = 0; n < HIDDEN_TILES; n++) mma16(sum[i][n], a, b[n].x, b[n].y);
      }
    }
  }
}

/// Norm and GELU of conv1's output.
DEVICE void activate(u32 (&h)[TILES][HIDDEN_TILES][2], const float (&sum)[TILES][HIDDEN_TILES][4],
                     const Weights& w, const Lanes& at, int layer, float mean, float scale) {
  const float *gain = w.norm1[layer] + HIDDEN, *shift = gain + HIDDEN;
#pragma unroll
  for (int n = 0; n < HIDDEN_TILES; n++) {
    const float2 s = __ldg((const float2*)(shift + n * 8) + at.q);
    float2 g = __ldg((const float2*)(gain + n * 8) + at.q);
    g = make_float2(g.x * scale, g.y * scale);
#pragma unroll
    for (int i = 0; i < TILES; i++)
#pragma unroll
      for (int half = 0; half < 2; half++) {
        const float x = fmaf(sum[i][n][2 * half] - mean, g.x, s.x);
        const float y = fmaf(sum[i][n][2 * half + 1] - mean, g.y, s.y);
        h[i][n][half] = pack(gelu(x), gelu(y));
      }
  }
}

/// Writes this warp's second moments and sums of h to its part. `counts(i, half)` says whether a position counts.
template <typename Counts>
DEVICE void take_moments(const u32 (&h)[TILES][HIDDEN_TILES][2], const Shared& s, const Lanes& at, Counts counts) {
  float moment[MOMENT_TILES][HIDDEN_TILES][4] = {};
#pragma unroll
  for (int i = 0; i < TILES; i++) {
    u32 turned[2 * MOMENT_TILES][2];
#pragma unroll
    for (int k = 0; k < 2 * MOMENT_TILES; k++)
#pragma unroll
      for (int half = 0; half < 2; half++) {
        const u32 value = counts(i, half) ? h[i][k < HIDDEN_TILES ? k : 0][half] : 0u;
        turned[k][half] = k < HIDDEN_TILES ? transpose8(value) : ONES;
      }
#pragma unroll
    for (int m = 0; m < MOMENT_TILES; m++) {
      const u32 a[4] = {turned[2 * m][0], turned[2 * m + 1][0], turned[2 * m][1], turned[2 * m + 1][1]};
#pragma unroll
      for (int n = 0; n < HIDDEN_TILES; n++) mma16(moment[m][n], a, turned[n][0], turned[n][1]);
    }
  }

#pragma unroll
  for (int m = 0; m < MOMENT_TILES; m++)
#pragma unroll
    for (int n = 0; n < HIDDEN_TILES; n++)
#pragma unroll
      for (int half = 0; half < 2; half++) {
        const int k = 2 * m + half;
        if (k < HIDDEN_TILES || (k == HIDDEN_TILES && at.row == 0)) {
          const int row = k * 8 + (k < HIDDEN_TILES ? at.row : 0);
          float* to = s.parts + at.warp * PART + row * HIDDEN + n * 8 + 2 * at.q;
          *(float2*)to = make_float2(moment[m][n][2 * half], moment[m][n][2 * half + 1]);
        }
      }
}

/// Sum of the warps' parts of moment `e`.
DEVICE float part_sum(const Shared& s, int e) {
  float all = 0.0f;
#pragma unroll
  for (int w = 0; w < WARPS; w++) all += s.parts[w * PART + e];
  return all;
}

/// Mean and 1 / deviation of conv2's output, from the moments of its input. All threads call it.
DEVICE float2 statistics_of_conv2(const Shared& s, const Weights& w, int layer) {
  const float *mean_weight = w.over_rows[layer], *cross = mean_weight + HIDDEN, *products = cross + HIDDEN,
              *spread = products + HIDDEN * HIDDEN, *rest = spread + HIDDEN * HIDDEN;
  const float* mu = s.moments + HIDDEN * HIDDEN;
  float mean = 0.0f, variance = 0.0f;
  for (int e = threadIdx.x; e < HIDDEN * HIDDEN; e += THREADS) {
    const float square = mu[e / HIDDEN] * mu[e % HIDDEN];
    variance += __ldg(products + e) * (s.moments[e] - square) + __ldg(spread + e) * square;
  }
  if (threadIdx.x < HIDDEN) {
    mean = __ldg(mean_weight + threadIdx.x) * mu[threadIdx.x];
    variance += __ldg(cross + threadIdx.x) * mu[threadIdx.x];
  }
  mean = block_sum<WARPS>(mean, s.scratch) + __ldg(rest);
  variance = block_sum<WARPS>(variance, s.scratch + 16) + __ldg(rest + 1);
  return make_float2(mean, rsqrtf(fmaxf(variance, 0.0f) + EPSILON));
}

/// conv2 with its norm, GLU, scale and sum, eight channels at a time. `counts` as above, for what is written.
template <typename Counts>
DEVICE void expand(const u32 (&h)[TILES][HIDDEN_TILES][2], const Shared& s, const Lanes& at, float2 norm,
                   Counts counts) {
  const u32* conv2 = s.weights + CONV1;
  const float4* columns = (const float4*)(s.weights + CONV1 + CONV2);
#pragma unroll 1
  for (int block = 0; block < BLOCKS; block++) {
    u32 b[2][HIDDEN_TILES];
    float factor[2][2], offset[2][2];
#pragma unroll
    for (int kind = 0; kind < 2; kind++) {
#pragma unroll
      for (int k = 0; k < HIDDEN_TILES; k++) b[kind][k] = conv2[((block * 2 + kind) * HIDDEN_TILES + k) * 32 + at.lane];
#pragma unroll
      for (int e = 0; e < 2; e++) {
        const float4 c = columns[(block * 2 + kind) * 8 + 2 * at.q + e];
        // A half of either is for the logistic function as a hyperbolic tangent.
        const float more = kind == 0 ? 0.5f * c.w : 0.5f;
        factor[kind][e] = norm.y * more;
        offset[kind][e] = fmaf(norm.y, fmaf(-norm.x, c.y, c.x), c.z) * more;
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
        constexpr int LAST = HIDDEN_TILES - 1;
        if (HIDDEN_TILES % 2) mma8(y[kind], h[i][LAST][0], h[i][LAST][1], b[kind][LAST]);
      }
#pragma unroll
      for (int half = 0; half < 2; half++) {
        u32* place = (u32*)(s.x + (at.position(i, half) + MARGIN) * PITCH + block * 8) + at.q;
        const float2 old = unpack(*place);
        float out[2];
#pragma unroll
        for (int e = 0; e < 2; e++) {
          const float value = fmaf(y[0][2 * half + e], factor[0][e], offset[0][e]);
          const float gate = tanh_fast(fmaf(y[1][2 * half + e], factor[1][e], offset[1][e]));
          out[e] = fmaf(value, gate, value + (e ? old.y : old.x));
        }
        if (counts(i, half)) *place = pack(out[0], out[1]);
      }
    }
  }
}

/// The 1x1 convolution with GLU: 16 channels at a time, of which a lane gets four that lie together.
/// `target(i, half)` is where a position's channels go, or null; `table` is added, if it is not null.
template <typename Target>
DEVICE void rewrite(const Shared& s, const Weights& w, const Lanes& at, const f16* table, Target target) {
  const u32 a_at = shared_address(s.x) + ((at.lane % 16 + MARGIN) * PITCH + at.lane / 16 * 8) * 2;
#pragma unroll 1
  for (int group = 0; group < C / 16; group++) {
    float sum[TILES][4][4];
    const float4* bias = w.rewrite_bias + (group * 4 + at.q) * 2;
    const float4 value = __ldg(bias), gate = __ldg(bias + 1);
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
      for (int n = 0; n < 4; n++) b[n] = __ldg(w.rewrite + ((group * DEPTH + k) * 4 + n) * 32 + at.lane);
#pragma unroll
      for (int i = 0; i < TILES; i++) {
        u32 a[4];
        load_matrices(a, a_at + (at.tile(i) * PITCH + k * 16) * 2);
#pragma unroll
        for (int n = 0; n < 4; n++) mma16(sum[i][n], a, b[n].x, b[n].y);
      }
    }

    float2 low = make_float2(0.0f, 0.0f), high = low;
    if (table) {
      const uint2 more = __ldg((const uint2*)(table + group * 16) + at.q);
      low = unpack(more.x), high = unpack(more.y);
    }
#pragma unroll
    for (int i = 0; i < TILES; i++)
#pragma unroll
      for (int half = 0; half < 2; half++) {
        float y[4];
#pragma unroll
        for (int e = 0; e < 4; e++) {
          y[e] = sum[i][e / 2][2 * half + e % 2] * sigmoid(sum[i][2 + e / 2][2 * half + e % 2]);
        }
        f16* to = target(i, half);
        const uint2 out = make_uint2(pack(y[0] + low.x, y[1] + low.y), pack(y[2] + high.x, y[3] + high.y));
        if (to) *((uint2*)(to + group * 16) + at.q) = out;
      }
  }
}
