// Norm and GELU of conv1's output in a DConv layer, and the statistics of conv2's output, which follow
// from the second moments of what this kernel writes.
#include "dconv.cuh"

constexpr int WARPS = ROW_WARPS, THREADS = WARPS * 32;
/// Second moments and, in the last row, sums.
constexpr int PART = (HIDDEN + 1) * HIDDEN;
/// Blocks of 16 rows of the matrix of moments with the row of sums.
constexpr int MOMENT_TILES = (HIDDEN_TILES + 2) / 2;
constexpr u32 ONES = 0x3C003C00u;

struct Parameters {
  const float* hidden;     // [batch, sequences, positions, HIDDEN]
  const float2* before;    // [batch, sequences]: mean and 1 / deviation of the input
  const float* gain;       // [HIDDEN], 0 where there is only padding
  const float* shift;      // [HIDDEN]
  const float* over_rows;  // of conv2: a [HIDDEN], 2 s [HIDDEN], G [HIDDEN, HIDDEN], S [HIDDEN, HIDDEN], b, v
  f16* output;             // [batch, sequences, positions, HIDDEN]
  float* parts;            // [batch, sequences, blocks, PART]
  float2* after;           // [batch, sequences]: mean and 1 / deviation of conv2's output
  u32* counters;           // [batch, sequences], 0
  int sequences, positions, tiles;  // tiles of a block
};

// Grid: blocks, sequences, batch.
extern "C" __global__ void __launch_bounds__(THREADS, MIN_BLOCKS)
    dconv_hidden(const __grid_constant__ Parameters p) {
  extern __shared__ float shared[];  // [WARPS, PART]
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, row = lane / 4, column = lane % 4 * 2;
  const int sequence = blockIdx.z * p.sequences + blockIdx.y;
  const size_t base = (size_t)sequence * p.positions;
  const float2 before = p.before[sequence];

  float2 gain[HIDDEN_TILES], shift[HIDDEN_TILES];
#pragma unroll
  for (int n = 0; n < HIDDEN_TILES; n++) {
    gain[n] = *(const float2*)(p.gain + n * 8 + column);
    shift[n] = *(const float2*)(p.shift + n * 8 + column);
    gain[n] = make_float2(gain[n].x * before.y, gain[n].y * before.y);
  }
  float moment[MOMENT_TILES][HIDDEN_TILES][4];
#pragma unroll
  for (int m = 0; m < MOMENT_TILES; m++)
#pragma unroll
    for (int n = 0; n < HIDDEN_TILES; n++)
#pragma unroll
      for (int e = 0; e < 4; e++) moment[m][n][e] = 0.0f;

  for (int tile = 0; tile < p.tiles; tile++) {
    const int first = (blockIdx.x * p.tiles + tile) * TILE + warp * 16 + row;
    float2 x[HIDDEN_TILES][2];
#pragma unroll
    for (int n = 0; n < HIDDEN_TILES; n++)
#pragma unroll
      for (int half = 0; half < 2; half++) {
        const int at = min(first + half * 8, p.positions - 1);
        x[n][half] = __ldcs((const float2*)(p.hidden + (base + at) * HIDDEN + n * 8 + column));
      }
    u32 h[HIDDEN_TILES][2];
#pragma unroll
    for (int n = 0; n < HIDDEN_TILES; n++)
#pragma unroll
      for (int half = 0; half < 2; half++) {
        const int at = first + half * 8;
        const float2 y = x[n][half];
        h[n][half] = at < p.positions ? pack(gelu(fmaf(y.x - before.x, gain[n].x, shift[n].x)),
                                             gelu(fmaf(y.y - before.x, gain[n].y, shift[n].y)))
                                      : 0;
        if (at < p.positions) *(u32*)(p.output + (base + at) * HIDDEN + n * 8 + column) = h[n][half];
      }

    // h' h and the sums, of the numbers as they were rounded.
    u32 turned[2 * MOMENT_TILES][2];
#pragma unroll
    for (int k = 0; k < 2 * MOMENT_TILES; k++)
#pragma unroll
      for (int half = 0; half < 2; half++)
        turned[k][half] = k < HIDDEN_TILES ? transpose8(h[k < HIDDEN_TILES ? k : 0][half]) : ONES;
#pragma unroll
    for (int m = 0; m < MOMENT_TILES; m++) {
      const u32 a[4] = {turned[2 * m][0], turned[2 * m + 1][0], turned[2 * m][1], turned[2 * m + 1][1]};
#pragma unroll
      for (int n = 0; n < HIDDEN_TILES; n++) mma16(moment[m][n], a, turned[n][0], turned[n][1]);
    }
  }

  // The warps' moments together.
#pragma unroll
  for (int m = 0; m < MOMENT_TILES; m++)
#pragma unroll
    for (int n = 0; n < HIDDEN_TILES; n++)
#pragma unroll
      for (int half = 0; half < 2; half++) {
        const int k = 2 * m + half;
        if (k < HIDDEN_TILES || (k == HIDDEN_TILES && row == 0)) {
          float* to = shared + warp * PART + (k * 8 + (k < HIDDEN_TILES ? row : 0)) * HIDDEN + n * 8 + column;
          *(float2*)to = make_float2(moment[m][n][2 * half], moment[m][n][2 * half + 1]);
        }
      }
  __syncthreads();
  float* parts = p.parts + (size_t)sequence * gridDim.x * PART;
  constexpr int EACH = (PART + THREADS - 1) / THREADS;
#pragma unroll
  for (int i = 0; i < EACH; i++) {
    const int e = threadIdx.x + i * THREADS;
    if (e >= PART) break;
    float sum = 0.0f;
#pragma unroll
    for (int w = 0; w < WARPS; w++) sum += shared[w * PART + e];
    parts[(size_t)blockIdx.x * PART + e] = sum;
  }
  if (!is_last_block(p.counters + sequence, gridDim.x)) return;

  // The mean of all, and meanwhile what the loads below need.
  const float *mean_weight = p.over_rows, *cross = mean_weight + HIDDEN, *products = cross + HIDDEN,
              *spread = products + HIDDEN * HIDDEN, *rest = spread + HIDDEN * HIDDEN;
  float sum[EACH], product[EACH], covariance[EACH];
#pragma unroll
  for (int i = 0; i < EACH; i++) {
    const int e = threadIdx.x + i * THREADS;
    sum[i] = 0.0f;
    product[i] = e < HIDDEN * HIDDEN ? __ldg(products + e) : 0.0f;
    covariance[i] = e < HIDDEN * HIDDEN ? __ldg(spread + e) : 0.0f;
  }
  // Four blocks at a time, so that their loads wait together.
#pragma unroll 4
  for (int block = 0; block < (int)gridDim.x; block++) {
#pragma unroll
    for (int i = 0; i < EACH; i++) {
      const int e = threadIdx.x + i * THREADS;
      if (e < PART) sum[i] += __ldcg(parts + (size_t)block * PART + e);
    }
  }
#pragma unroll
  for (int i = 0; i < EACH; i++) {
    const int e = threadIdx.x + i * THREADS;
    if (e < PART) shared[e] = sum[i] / p.positions;
  }
  __syncthreads();

  const float* mu = shared + HIDDEN * HIDDEN;
  float mean = 0.0f, variance = 0.0f;
#pragma unroll
  for (int i = 0; i < EACH; i++) {
    const int e = threadIdx.x + i * THREADS;
    if (e >= HIDDEN * HIDDEN) break;
    const float square = mu[e / HIDDEN] * mu[e % HIDDEN];
    variance += product[i] * (shared[e] - square) + covariance[i] * square;
  }
  if (threadIdx.x < HIDDEN) {
    mean = mean_weight[threadIdx.x] * mu[threadIdx.x];
    variance += cross[threadIdx.x] * mu[threadIdx.x];
  }
  __shared__ float scratch[WARPS];
  mean = block_sum<WARPS>(mean, scratch) + rest[0];
  variance = block_sum<WARPS>(variance, scratch) + rest[1];
  if (threadIdx.x == 0) p.after[sequence] = make_float2(mean, rsqrtf(fmaxf(variance, 0.0f) + EPSILON));
}
