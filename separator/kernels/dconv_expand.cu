// conv2 of a DConv layer with its norm, GLU, scale and the sum with the layer's input, in place. The
// weights pass through shared memory.
#include "dconv.cuh"

/// Two warps for the same positions take blocks of eight channels in turn.
constexpr int WARPS = 2 * ROW_WARPS, THREADS = WARPS * 32;
/// Blocks that a stage has, its bytes of weights, and all of its bytes.
constexpr int BLOCKS = STAGE_STEPS, WEIGHT_BYTES = BLOCKS * 2 * HIDDEN_TILES * 32 * 4;
constexpr int STAGE_BYTES = WEIGHT_BYTES + BLOCKS * 2 * 8 * 16;

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
extern "C" __global__ void __launch_bounds__(THREADS, 1) dconv_expand(const __grid_constant__ Parameters p) {
  extern __shared__ __align__(16) f16 x[];  // [TILE, pitch], then the stages of the weights
  const int lane = threadIdx.x % 32, row = lane / 4, column = lane % 4 * 2;
  const int warp = threadIdx.x / 32 % ROW_WARPS, turn = threadIdx.x / 32 / ROW_WARPS;
  const int sequence = blockIdx.z * p.sequences + blockIdx.y, first = blockIdx.x * TILE;
  const int rows = min(TILE, p.positions - first), chunks = p.channels / 8,
            pitch = (p.channels + 15) / 16 * 16 + 8;
  f16* tile = p.x + ((size_t)sequence * p.positions + first) * p.channels;

  for (int r = threadIdx.x / 32; r < rows; r += WARPS) {
    for (int c = lane * 8; c < p.channels; c += 256) {
      copy16(shared_address(x + r * pitch + c), tile + (size_t)r * p.channels + c, true);
    }
  }
  const u32 stages = shared_address(x + TILE * pitch);
  auto load = [&](int stage) {
    const int first_block = stage * BLOCKS, there = min(BLOCKS, chunks - first_block);
    const u32 to = stages + stage % STAGES * STAGE_BYTES;
    copy_all<WEIGHT_BYTES / 16, THREADS>(to, p.weight + first_block * 2 * HIDDEN_TILES * 32,
                                         there * (WEIGHT_BYTES / BLOCKS / 16));
    copy_all<BLOCKS * 2 * 8, THREADS>(to + WEIGHT_BYTES, p.columns + first_block * 2 * 8, there * 2 * 8);
    copies_commit();
  };
#pragma unroll
  for (int stage = 0; stage < STAGES - 1; stage++) load(stage);

  const float2 norm = p.norm[sequence];
  u32 h[HIDDEN_TILES][2];
#pragma unroll
  for (int k = 0; k < HIDDEN_TILES; k++)
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int at = min(first + warp * 16 + row + half * 8, p.positions - 1);
      h[k][half] = *(const u32*)(p.hidden + ((size_t)sequence * p.positions + at) * HIDDEN + k * 8 + column);
    }

#pragma unroll 1
  for (int stage = 0; stage * BLOCKS < chunks; stage++) {
    copies_wait<STAGES - 2>();
    __syncthreads();
    load(stage + STAGES - 1);
    const u32 weights = stages + stage % STAGES * STAGE_BYTES;
#pragma unroll
    for (int in_stage = turn; in_stage < BLOCKS + turn; in_stage += 2) {
      const int block = stage * BLOCKS + in_stage;
      if (block >= chunks) break;

      u32 weight[2][HIDDEN_TILES];
      float4 columns[2][2];
#pragma unroll
      for (int kind = 0; kind < 2; kind++) {
        const int part = in_stage * 2 + kind;
#pragma unroll
        for (int k = 0; k < HIDDEN_TILES; k++)
          weight[kind][k] = load_word(weights + ((part * HIDDEN_TILES + k) * 32 + lane) * 4);
#pragma unroll
        for (int e = 0; e < 2; e++)
          columns[kind][e] = load_four(weights + WEIGHT_BYTES + (part * 8 + column + e) * 16);
      }

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
  }
  __syncthreads();

  for (int r = threadIdx.x / 32; r < rows; r += WARPS) {
    for (int c = lane * 8; c < p.channels; c += 256) {
      *(uint4*)(tile + (size_t)r * p.channels + c) = *(const uint4*)(x + r * pitch + c);
    }
  }
}
