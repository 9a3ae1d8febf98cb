// conv1 of a DConv layer: three taps, an eighth of the channels, and the mean and deviation of its
// output for each sequence. A block holds its tile of the input with a margin on either side; the weights
// pass through shared memory.
#include "dconv.cuh"

/// Two warps for the same positions take the steps of 16 of K in turn.
constexpr int WARPS = 2 * ROW_WARPS, THREADS = WARPS * 32;
constexpr int STEPS = STAGE_STEPS, STEP_BYTES = HIDDEN_TILES * 32 * 8, STAGE_BYTES = STEPS * STEP_BYTES;

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
extern "C" __global__ void __launch_bounds__(THREADS, HIDDEN_TILES > 3 ? 1 : 2)
    dconv_squeeze(const __grid_constant__ Parameters p) {
  extern __shared__ __align__(16) f16 x[];  // [TILE + 2 dilation, pitch], then the stages of the weights
  __shared__ float scratch[WARPS];
  const int lane = threadIdx.x % 32, row = lane / 4, column = lane % 4 * 2;
  const int warp = threadIdx.x / 32 % ROW_WARPS, turn = threadIdx.x / 32 / ROW_WARPS;
  const int sequence = blockIdx.z * p.sequences + blockIdx.y, first = blockIdx.x * TILE;
  const int depth = (p.channels + 15) / 16, pitch = depth * 16 + 8, steps = 3 * depth;
  const u32 stages = shared_address(x + (TILE + 2 * p.dilation) * pitch);
  auto load = [&](int stage) {
    const int first_step = stage * STEPS;
    copy_all<STAGE_BYTES / 16, THREADS>(stages + stage % STAGES * STAGE_BYTES,
                                        (const char*)p.weight + first_step * STEP_BYTES,
                                        min(STEPS, steps - first_step) * (STEP_BYTES / 16));
    copies_commit();
  };

  // The tile; channels beyond the last and positions beyond the sequence are 0.
  const f16* from = p.x + (size_t)sequence * p.positions * p.channels;
  for (int r = threadIdx.x / 32; r < TILE + 2 * p.dilation; r += WARPS) {
    const int at = first - p.dilation + r;
    for (int c = lane * 8; c < depth * 16; c += 256) {
      const bool there = at >= 0 && at < p.positions && c < p.channels;
      copy16(shared_address(x + r * pitch + c), from + (there ? (size_t)at * p.channels + c : 0), there);
    }
  }
#pragma unroll
  for (int stage = 0; stage < STAGES - 1; stage++) load(stage);

  float sum[HIDDEN_TILES][4];
#pragma unroll
  for (int n = 0; n < HIDDEN_TILES; n++) {
    const float2 bias = turn ? make_float2(0.0f, 0.0f) : *(const float2*)(p.bias + n * 8 + column);
    sum[n][0] = sum[n][2] = bias.x;
    sum[n][1] = sum[n][3] = bias.y;
  }

  // Where the rows of this warp are for the step's tap and 16 of K.
  const u32 rows_at = shared_address(x + (warp * 16 + lane % 16) * pitch + lane / 16 * 8);
  int k = turn;
  u32 a_at = rows_at + turn * 32, tap_at = rows_at;
#pragma unroll 1
  for (int stage = 0; stage * STEPS < steps; stage++) {
    copies_wait<STAGES - 2>();
    __syncthreads();
    load(stage + STAGES - 1);
#pragma unroll
    for (int step = turn; step < STEPS + turn; step += 2) {
      while (k >= depth) {
        k -= depth;
        tap_at += p.dilation * pitch * 2;
        a_at = tap_at + k * 32;
      }
      if (stage * STEPS + step < steps) {
        u32 a[4], b[HIDDEN_TILES][2];
        load_matrices(a, a_at);
        const u32 at = stages + stage % STAGES * STAGE_BYTES + step * STEP_BYTES + lane * 8;
#pragma unroll
        for (int n = 0; n < HIDDEN_TILES; n++) load_pair(b[n], at + n * 256);
#pragma unroll
        for (int n = 0; n < HIDDEN_TILES; n++) mma16(sum[n], a, b[n][0], b[n][1]);
      }
      k += 2;
      a_at += 2 * 32;
    }
  }

  // The sums of both warps together, where the tile was.
  __syncthreads();
  float4* others = (float4*)x + (warp * HIDDEN_TILES) * 32 + lane;
#pragma unroll
  for (int n = 0; n < HIDDEN_TILES; n++)
    if (turn) others[n * 32] = make_float4(sum[n][0], sum[n][1], sum[n][2], sum[n][3]);
  __syncthreads();
#pragma unroll
  for (int n = 0; n < HIDDEN_TILES; n++) {
    if (turn) break;
    const float4 other = others[n * 32];
    sum[n][0] += other.x;
    sum[n][1] += other.y;
    sum[n][2] += other.z;
    sum[n][3] += other.w;
  }

  // Outputs and their moments.
  const int at[2] = {first + warp * 16 + row, first + warp * 16 + row + 8};
  float total = 0.0f;
#pragma unroll
  for (int n = 0; n < HIDDEN_TILES; n++)
#pragma unroll
    for (int half = 0; half < 2; half++) {
      if (turn || at[half] >= p.positions) continue;
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
      const bool counts = !turn && at[e / 2] < p.positions && n * 8 + column + e % 2 < p.hidden_channels;
      squares += counts ? apart * apart : 0.0f;
    }
  squares = block_sum<WARPS>(squares, scratch);

  Moments* all = p.moments + (size_t)sequence * gridDim.x;
  if (threadIdx.x == 0) all[blockIdx.x] = {count, mean, squares};
  if (!is_last_block(p.counters + sequence, gridDim.x) || threadIdx.x >= 32) return;

  const Moments m = join_all(all, gridDim.x);
  if (lane == 0) p.statistics[sequence] = make_float2(m.mean, rsqrtf(m.squares / m.count + EPSILON));
}
