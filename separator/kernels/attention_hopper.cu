// softmax(query key') value for one head, for Hopper: what attention.cu computes.
//
// A block has 192 queries, three groups of four warps 64 each, in registers. One thread has keys and
// values copied to shared memory, BN at a time, in rows of which a head needs the first WIDTH channels.
// The scores of the next keys are multiplied before the weights of these with their values, so that the
// exponentials run beside products.
#include "hopper.cuh"
#include "wgmma.cuh"

/// Channels of a head, a multiple of 8.
#ifndef WIDTH
#define WIDTH 48
#endif
/// Keys that are taken at a time.
#ifndef BN
#define BN 64
#endif

constexpr int DEPTH = (WIDTH + 15) / 16 * 16, TILES = BN / 8, STAGES = 4;
constexpr int GROUP = 128, GROUPS = 3, BM = 64 * GROUPS, THREADS = GROUP * (GROUPS + 1);
/// Bytes of a row in shared memory.
constexpr int ROW = WIDTH <= 32 ? 64 : 128, BYTES = BN * ROW;
constexpr float LOG2E = 1.4426950408889634f;
/// How far scores may lie above the maximum that is subtracted, in powers of 2, before it is raised:
/// halves reach to 2^16.
constexpr float SLACK = 6.0f;
constexpr float LOWEST = -1e30f;

struct Parameters {
  TensorMap key, value;  // [batch, keys, channels], boxes [1, BN, ROW / 2]
  const f16* query;      // [batch, queries, query_stride], the heads side by side
  f16* output;           // [batch, queries, heads WIDTH]
  int queries, keys, query_stride, heads;
  int first_key, first_value;  // channels of the first head
};

struct Shared {
  alignas(1024) unsigned char key[STAGES][BYTES], value[STAGES][BYTES];
  alignas(8) u64 full[STAGES], empty[STAGES];
};

/// Has all keys and values copied, by one thread.
DEVICE void copy_tiles(const Parameters& p, Shared& shared, int tiles) {
  const int head = blockIdx.y, batch = blockIdx.z;
  for (int tile = 0; tile < tiles; tile++) {
    const int stage = tile % STAGES;
    const u32 full = shared_address(&shared.full[stage]);
    barrier_wait(shared_address(&shared.empty[stage]), tile / STAGES % 2 ^ 1);
    barrier_expect(full, 2 * BYTES);
    copy_box(shared_address(shared.key[stage]), p.key, full, p.first_key + head * WIDTH, tile * BN, batch);
    copy_box(shared_address(shared.value[stage]), p.value, full, p.first_value + head * WIDTH, tile * BN,
             batch);
  }
}

/// Four warps with their 64 queries.
struct Group {
  const Parameters& p;
  Shared& shared;
  int tiles;
  u32 query[DEPTH / 16][4];
  float sum[WIDTH / 2], total[2], top[2];
  u32 weight[BN / 16][4];

  /// Begins to multiply the queries with the keys of a tile, when they are there.
  DEVICE void begin_scores(float (&score)[BN / 2], int tile) {
    const u32 keys = shared_address(shared.key[tile % STAGES]);
    barrier_wait(shared_address(&shared.full[tile % STAGES]), tile / STAGES % 2);
    products_begin();
    product_first(score, query[0], describe_rows<ROW>(keys));
#pragma unroll
    for (int k = 1; k < DEPTH / 16; k++) product(score, query[k], describe_rows<ROW>(keys + k * 32));
    products_commit();
  }

  /// Begins to multiply the weights with the values of a tile.
  DEVICE void begin_values(int tile) {
    const u32 values = shared_address(shared.value[tile % STAGES]);
#pragma unroll
    for (int k = 0; k < BN / 16; k++) {
      product_transposed(sum, weight[k], describe_rows<ROW>(values + k * 16 * ROW));
    }
    products_commit();
  }

  /// Turns scores into weights that are not rounded yet. Returns by how much sums shrink.
  DEVICE void exponentials(float (&score)[BN / 2], int tile, float (&factor)[2], bool& grown) {
    const int column = threadIdx.x % 4;
    if (tile == tiles - 1 && p.keys % BN) {
#pragma unroll
      for (int n = 0; n < TILES; n++)
#pragma unroll
        for (int e = 0; e < 4; e++)
          if (tile * BN + n * 8 + 2 * column + e % 2 >= p.keys) score[4 * n + e] = LOWEST;
    }

    // The maximum of every row, raised where scores have grown by more than the slack.
    float highest[2];
#pragma unroll
    for (int r = 0; r < 2; r++) {
      float x = fmaxf(score[2 * r], score[2 * r + 1]), y = fmaxf(score[4 + 2 * r], score[5 + 2 * r]);
#pragma unroll
      for (int n = 2; n < TILES; n += 2) {
        x = fmaxf(x, fmaxf(score[4 * n + 2 * r], score[4 * n + 2 * r + 1]));
        y = fmaxf(y, fmaxf(score[4 * n + 4 + 2 * r], score[4 * n + 5 + 2 * r]));
      }
      x = fmaxf(x, y);
      x = fmaxf(x, __shfl_xor_sync(~0u, x, 1));
      highest[r] = fmaxf(x, __shfl_xor_sync(~0u, x, 2)) * LOG2E;
    }
    grown = __any_sync(~0u, highest[0] > top[0] + SLACK || highest[1] > top[1] + SLACK);
    if (grown) {
#pragma unroll
      for (int r = 0; r < 2; r++) {
        const float next = fmaxf(top[r], highest[r]);
        factor[r] = exp2_fast(top[r] - next);
        top[r] = next;
        total[r] *= factor[r];
      }
    }
#pragma unroll
    for (int i = 0; i < BN / 2; i++) {
      score[i] = exp2_fast(fmaf(score[i], LOG2E, -top[i / 2 % 2]));
      total[i / 2 % 2] += score[i];
    }
  }

  DEVICE void round_weights(const float (&score)[BN / 2]) {
#pragma unroll
    for (int k = 0; k < BN / 16; k++)
#pragma unroll
      for (int i = 0; i < 4; i++) {
        const int at = 4 * (2 * k + i / 2) + i % 2 * 2;
        weight[k][i] = pack(score[at], score[at + 1]);
      }
  }

  DEVICE void shrink(const float (&factor)[2]) {
#pragma unroll
    for (int i = 0; i < WIDTH / 2; i++) sum[i] *= factor[i / 2 % 2];
  }
};

extern "C" __global__ void __launch_bounds__(THREADS, 1) attention(const __grid_constant__ Parameters p) {
  extern __shared__ __align__(1024) unsigned char memory[];
  Shared& shared = *(Shared*)memory;
  const int tiles = (p.keys + BN - 1) / BN;
  if (threadIdx.x == 0) {
    for (int stage = 0; stage < STAGES; stage++) {
      barrier_init(shared_address(&shared.full[stage]), 1);
      barrier_init(shared_address(&shared.empty[stage]), GROUPS * GROUP / 32);
    }
    barriers_publish();
  }
  __syncthreads();
  if (threadIdx.x >= GROUPS * GROUP) {
    registers_give<24>();
    if (threadIdx.x == GROUPS * GROUP) copy_tiles(p, shared, tiles);
    return;
  }
  registers_take<160>();

  const int lane = threadIdx.x % 32, row = lane / 4, column = lane % 4;
  const int head = blockIdx.y, batch = blockIdx.z, first = blockIdx.x * BM + threadIdx.x / 32 * 16;
  const f16* query = p.query + (size_t)batch * p.queries * p.query_stride + head * WIDTH;
  Group group = {p, shared, tiles};
#pragma unroll
  for (int k = 0; k < DEPTH / 16; k++)
#pragma unroll
    for (int i = 0; i < 4; i++) {
      const int at = first + row + i % 2 * 8, c = k * 16 + i / 2 * 8 + column * 2;
      const bool there = at < p.queries && c < WIDTH;
      group.query[k][i] = there ? __ldg((const u32*)(query + (size_t)at * p.query_stride + c)) : 0;
    }
#pragma unroll
  for (int i = 0; i < WIDTH / 2; i++) group.sum[i] = 0.0f;
#pragma unroll
  for (int r = 0; r < 2; r++) group.total[r] = 0.0f, group.top[r] = LOWEST;

  float score[BN / 2], factor[2];
  bool grown;
  group.begin_scores(score, 0);
  products_wait<0>();
  settle(score);
  group.exponentials(score, 0, factor, grown);
  group.round_weights(score);

#pragma unroll 1
  for (int tile = 1; tile < tiles; tile++) {
    group.begin_scores(score, tile);
    group.begin_values(tile - 1);
    products_wait<1>();
    settle(score);
    group.exponentials(score, tile, factor, grown);
    products_wait<0>();
    settle(group.sum);
    if (lane == 0) barrier_arrive(shared_address(&shared.empty[(tile - 1) % STAGES]));
    if (grown) group.shrink(factor);
    group.round_weights(score);
  }
  products_begin();
  group.begin_values(tiles - 1);
  products_wait<0>();
  settle(group.sum);

#pragma unroll
  for (int r = 0; r < 2; r++) {
    float total = group.total[r];
    total += __shfl_xor_sync(~0u, total, 1);
    total += __shfl_xor_sync(~0u, total, 2);
    const int at = first + r * 8 + row;
    if (at >= p.queries) continue;
    const float inverse = 1.0f / total;
    u32* to = (u32*)(p.output + ((size_t)batch * p.queries + at) * p.heads * WIDTH + head * WIDTH) + column;
#pragma unroll
    for (int n = 0; n < WIDTH / 8; n++)
      to[n * 4] = pack(group.sum[4 * n + 2 * r] * inverse, group.sum[4 * n + 2 * r + 1] * inverse);
  }
}
