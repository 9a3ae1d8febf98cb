// Norms of the transformer. A warp takes a token; its channels, at most 512, stay in registers.
//
// | mode | output | normalised |
// |---|---|---|
// | LAYER | - | layer norm of the input, without gain and shift |
// | EMBED | layer norm of the input with gain and shift, plus the position's embedding | layer norm of the output |
// | GROUP | norm over the whole segment with gain and shift, plus another tensor | layer norm of the output |
#include "common.cuh"

constexpr int THREADS = 256, WARPS = THREADS / 32;

enum Mode { LAYER = 0, EMBED = 1, GROUP = 2 };

struct Parameters {
  const f16* input;        // [batch, tokens, channels]
  const float* gain;       // [channels], or null for no norm before an embedding
  const float* shift;      // [channels]
  const float* positions;  // [tokens, channels], or null
  const f16* add;          // [batch, tokens, channels], or null; not with `positions`
  const Moments* moments;  // [batch, blocks] of the input
  f16* output;
  f16* normalised;  // or null
  int tokens, channels, blocks, mode;
};

DEVICE void load8(float (&to)[8], const float* from) {
  const float4 low = __ldg((const float4*)from), high = __ldg((const float4*)from + 1);
  to[0] = low.x, to[1] = low.y, to[2] = low.z, to[3] = low.w;
  to[4] = high.x, to[5] = high.y, to[6] = high.z, to[7] = high.w;
}

/// Sixteen channels of a lane, in two groups of eight.
struct Token {
  float value[2][8];
  bool there[2];

  DEVICE float sum() const {
    float sum = 0.0f;
#pragma unroll
    for (int j = 0; j < 2; j++)
#pragma unroll
      for (int e = 0; e < 8; e++) sum += there[j] ? value[j][e] : 0.0f;
    return warp_sum(sum);
  }

  /// Takes the mean off and divides by the deviation.
  DEVICE void normalise(int channels) {
    const float mean = sum() / channels;
    float squares = 0.0f;
#pragma unroll
    for (int j = 0; j < 2; j++)
#pragma unroll
      for (int e = 0; e < 8; e++) {
        value[j][e] -= mean;
        squares += there[j] ? value[j][e] * value[j][e] : 0.0f;
      }
    const float scale = rsqrtf(warp_sum(squares) / channels + EPSILON);
#pragma unroll
    for (int j = 0; j < 2; j++)
#pragma unroll
      for (int e = 0; e < 8; e++) value[j][e] *= scale;
  }

  DEVICE void store(f16* to, int lane) const {
#pragma unroll
    for (int j = 0; j < 2; j++)
      if (there[j]) *(uint4*)(to + (lane + 32 * j) * 8) = pack8(value[j]);
  }
};

extern "C" __global__ void __launch_bounds__(THREADS) token_norm(const __grid_constant__ Parameters p) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, batch = blockIdx.y;
  const int token = blockIdx.x * WARPS + warp;

  __shared__ float2 whole;
  if (p.mode == GROUP) {
    if (warp == 0) {
      const Moments m = join_all(p.moments + (size_t)batch * p.blocks, p.blocks);
      if (lane == 0) whole = make_float2(m.mean, rsqrtf(m.squares / m.count + EPSILON));
    }
    __syncthreads();
  }
  if (token >= p.tokens) return;

  const size_t place = ((size_t)batch * p.tokens + token) * p.channels;
  Token x;
#pragma unroll
  for (int j = 0; j < 2; j++) {
    x.there[j] = (lane + 32 * j) * 8 < p.channels;
    if (x.there[j]) unpack8(x.value[j], *(const uint4*)(p.input + place + (lane + 32 * j) * 8));
  }

  if (p.mode == EMBED && p.gain) x.normalise(p.channels);
  if (p.mode != LAYER) {
#pragma unroll
    for (int j = 0; j < 2; j++) {
      if (!x.there[j]) continue;
      const int c = (lane + 32 * j) * 8;
      float gain[8], shift[8], more[8] = {};
#pragma unroll
      for (int e = 0; e < 8; e++) gain[e] = 1.0f, shift[e] = 0.0f;
      if (p.gain) load8(gain, p.gain + c), load8(shift, p.shift + c);
      if (p.positions) load8(more, p.positions + (size_t)token * p.channels + c);
      if (p.add) unpack8(more, *(const uint4*)(p.add + place + c));
#pragma unroll
      for (int e = 0; e < 8; e++) {
        float y = x.value[j][e];
        if (p.mode == GROUP) y = (y - whole.x) * whole.y;
        x.value[j][e] = fmaf(y, gain[e], shift[e]) + more[e];
      }
    }
    x.store(p.output + place, lane);
  }

  if (p.normalised) {
    x.normalise(p.channels);
    x.store(p.normalised + place, lane);
  }
}
