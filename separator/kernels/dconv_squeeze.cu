// conv1 of a DConv layer: three taps, an eighth of the channels, and the mean and deviation of its
// output for each sequence. A block holds its tile of the input with a margin on either side.
#include "dconv.cuh"

struct Parameters {
  const f16* x;         // [batch, sequences, positions, channels]
  const uint2* weight;  // matrices of 16 x 8 in the order of lanes: [3 taps, channels / 16, HIDDEN_TILES, 32]
  const float* bias;    // [HIDDEN]
  float* hidden;        // [batch, sequences, positions, HIDDEN]
  Moments* moments;     // [batch, sequences, tiles]
  float2* statistics;   // [batch, sequences]: mean and 1 / deviation
  u32* counters;        // [batch, sequences], 0
  int sequences, positions, channels, dilation;
  int hidden_channels;  // that are not padding
};

// Grid: tiles, sequences, batch.
extern "C" __global__ void __launch_bounds__(THREADS, MIN_BLOCKS)
    dconv_squeeze(const __grid_constant__ Parameters p) {
  extern __shared__ __align__(16) f16 x[];
  __shared__ float scratch[WARPS];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, row = lane / 4, column = lane % 4 * 2;
  const int sequence = blockIdx.z * p.sequences + blockIdx.y, first = blockIdx.x * TILE;
  const int depth = (p.channels + 15) / 16, pitch = depth * 16 + 8;

  // The tile; channels beyond the last and positions beyond the sequence are 0.
  const f16* from = p.x + (size_t)sequence * p.positions * p.channels;
  const int chunks = depth * 2;
  for (int i = threadIdx.x; i < (TILE + 2 * p.dilation) * chunks; i += THREADS) {
    const int r = i / chunks, c = i % chunks * 8, at = first - p.dilation + r;
    const bool there = at >= 0 && at < p.positions && c < p.channels;
    copy16(shared_address(x + r * pitch + c), from + (there ? (size_t)at * p.channels + c : 0), there);
  }
  copies_commit();

  float sum[HIDDEN_TILES][4];
#pragma unroll
  for (int n = 0; n < HIDDEN_TILES; n++) {
    const float2 bias = *(const float2*)(p.bias + n * 8 + column);
    sum[n][0] = sum[n][2] = bias.x;
    sum[n][1] = sum[n][3] = bias.y;
  }
  copies_wait<0>();
  __syncthreads();

  // The weights of several steps of K are on their way together.
  constexpr int TOGETHER = HIDDEN_TILES > 3 ? 4 : 6;
#pragma unroll 1
  for (int tap = 0; tap < 3; tap++) {
    const u32 a_at = shared_address(x + (warp * 16 + lane % 16 + tap * p.dilation) * pitch + lane / 16 * 8);
    const uint2* weight = p.weight + tap * depth * HIDDEN_TILES * 32 + lane;
#pragma unroll 1
    for (int first_k = 0; first_k < depth; first_k += TOGETHER) {
      uint2 b[TOGETHER][HIDDEN_TILES];
#pragma unroll
      for (int j = 0; j < TOGETHER; j++)
#pragma unroll
        for (int n = 0; n < HIDDEN_TILES; n++) {
          const int k = min(first_k + j, depth - 1);
          b[j][n] = __ldg(weight + (k * HIDDEN_TILES + n) * 32);
        }
#pragma unroll
      for (int j = 0; j < TOGETHER; j++) {
        if (first_k + j >= depth) break;
        u32 a[4];
        load_matrices(a, a_at + (first_k + j) * 32);
#pragma unroll
        for (int n = 0; n < HIDDEN_TILES; n++) mma16(sum[n], a, b[j][n].x, b[j][n].y);
      }
    }
  }

  // Outputs and their moments.
  const int at[2] = {first + warp * 16 + row, first + warp * 16 + row + 8};
  float total = 0.0f;
#pragma unroll
  for (int n = 0; n < HIDDEN_TILES; n++)
#pragma unroll
    for (int half = 0; half < 2; half++) {
      if (at[half] >= p.positions) continue;
      float* to = p.hidden + ((size_t)sequence * p.positions + at[half]) * HIDDEN + n * 8 + column;
      *(float2*)to = make_float2(sum[n][2 * half], sum[n][2 * half + 1]);
#pragma unroll
      for (int e = 0; e < 2; e++)
        total += n * 8 + column + e < p.hidden_channels ? sum[n][2 * half + e] : 0.0f;
    }

  const int rows = min(TILE, p.positions - first);
  const float count = (float)rows * p.hidden_channels, mean = block_sum<WARPS>(total, scratch) / count;
  float squares = 0.0f;
#pragma unroll
  for (int n = 0; n < HIDDEN_TILES; n++)
#pragma unroll
    for (int e = 0; e < 4; e++) {
      const float apart = sum[n][e] - mean;
      const bool counts = at[e / 2] < p.positions && n * 8 + column + e % 2 < p.hidden_channels;
      squares += counts ? apart * apart : 0.0f;
    }
  squares = block_sum<WARPS>(squares, scratch);

  Moments* all = p.moments + (size_t)sequence * gridDim.x;
  if (threadIdx.x == 0) all[blockIdx.x] = {count, mean, squares};
  if (!is_last_block(p.counters + sequence, gridDim.x) || warp != 0) return;

  const Moments m = join_all(all, gridDim.x);
  if (lane == 0) p.statistics[sequence] = make_float2(m.mean, rsqrtf(m.squares / m.count + EPSILON));
}
