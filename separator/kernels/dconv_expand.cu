// conv2 of a DConv layer with its norm, GLU, scale and the sum with the layer's input, in place.
#include "dconv.cuh"

struct Parameters {
  f16* x;              // [batch, sequences, positions, channels]
  const f16* hidden;   // [batch, sequences, positions, HIDDEN]
  const float2* norm;  // [batch, sequences]: mean and 1 / deviation of conv2's output
  // conv2 times gain, 8 x 8 in the order of lanes: [channels / 8, 2 (value, gate), HIDDEN_TILES, 32]
  const u32* weight;
  const float4* columns;  // [channels / 8, 2 (value, gate), 8]: bias times gain, gain, shift, scale
  int sequences, positions, channels;
};

// Grid: tiles, sequences, batch.
extern "C" __global__ void __launch_bounds__(THREADS) dconv_expand(const __grid_constant__ Parameters p) {
  extern __shared__ __align__(16) f16 x[];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, row = lane / 4, column = lane % 4 * 2;
  const int sequence = blockIdx.z * p.sequences + blockIdx.y, first = blockIdx.x * TILE;
  const int rows = min(TILE, p.positions - first), chunks = p.channels / 8,
            pitch = (p.channels + 15) / 16 * 16 + 8;
  f16* tile = p.x + ((size_t)sequence * p.positions + first) * p.channels;

  for (int i = threadIdx.x; i < rows * chunks; i += THREADS) {
    copy16(shared_address(x + i / chunks * pitch + i % chunks * 8), tile + (size_t)i * 8, true);
  }
  copies_commit();

  const float2 norm = p.norm[sequence];
  u32 h[HIDDEN_TILES][2];
#pragma unroll
  for (int k = 0; k < HIDDEN_TILES; k++)
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int at = min(first + warp * 16 + row + half * 8, p.positions - 1);
      h[k][half] = *(const u32*)(p.hidden + ((size_t)sequence * p.positions + at) * HIDDEN + k * 8 + column);
    }
  copies_wait<0>();
  __syncthreads();

  // Each block's weights are fetched while the block before is computed.
  u32 next[2][HIDDEN_TILES];
  float4 next_columns[2][2];
  auto fetch = [&](int block) {
#pragma unroll
    for (int kind = 0; kind < 2; kind++) {
#pragma unroll
      for (int k = 0; k < HIDDEN_TILES; k++)
        next[kind][k] = __ldg(p.weight + ((block * 2 + kind) * HIDDEN_TILES + k) * 32 + lane);
#pragma unroll
      for (int e = 0; e < 2; e++)
        next_columns[kind][e] = __ldg(p.columns + (block * 2 + kind) * 8 + column + e);
    }
  };
  fetch(0);

#pragma unroll 2
  for (int block = 0; block < chunks; block++) {
    u32 weight[2][HIDDEN_TILES];
    float4 columns[2][2];
#pragma unroll
    for (int kind = 0; kind < 2; kind++) {
#pragma unroll
      for (int k = 0; k < HIDDEN_TILES; k++) weight[kind][k] = next[kind][k];
      columns[kind][0] = next_columns[kind][0];
      columns[kind][1] = next_columns[kind][1];
    }
    fetch(min(block + 1, chunks - 1));

    float y[2][4];
#pragma unroll
    for (int kind = 0; kind < 2; kind++) {
      float sum[4] = {0.0f, 0.0f, 0.0f, 0.0f};
#pragma unroll
      for (int k = 0; k + 1 < HIDDEN_TILES; k += 2) {
        const u32 a[4] = {h[k][0], h[k][1], h[k + 1][0], h[k + 1][1]};
        mma16(sum, a, weight[kind][k], weight[kind][k + 1]);
      }
      if (HIDDEN_TILES % 2)
        mma8(sum, h[HIDDEN_TILES - 1][0], h[HIDDEN_TILES - 1][1], weight[kind][HIDDEN_TILES - 1]);
#pragma unroll
      for (int e = 0; e < 2; e++) {
        const float4 c = columns[kind][e];
        const float offset = fmaf(norm.y, fmaf(-norm.x, c.y, c.x), c.z);
        y[kind][e] = fmaf(sum[e], norm.y, offset) * c.w;
        y[kind][2 + e] = fmaf(sum[2 + e], norm.y, offset) * c.w;
      }
    }
#pragma unroll
    for (int half = 0; half < 2; half++) {
      u32* at = (u32*)(x + (warp * 16 + row + half * 8) * pitch + block * 8 + column);
      const float2 old = unpack(*at);
      *at = pack(fmaf(y[0][2 * half], sigmoid(y[1][2 * half]), old.x),
                 fmaf(y[0][2 * half + 1], sigmoid(y[1][2 * half + 1]), old.y));
    }
  }
  __syncthreads();

  for (int i = threadIdx.x; i < rows * chunks; i += THREADS) {
    *(uint4*)(tile + (size_t)i * 8) = *(const uint4*)(x + i / chunks * pitch + i % chunks * 8);
  }
}
