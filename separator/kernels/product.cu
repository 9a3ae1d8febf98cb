// Convolutions as products of matrices, for Hopper: what convolution.cu computes, into the same layouts.
//
// A block for each multiprocessor goes through tiles of 128 rows and BN columns. One thread has boxes of
// the input copied to shared memory, for each tap and 64 channels, and the weights that belong to them;
// two groups of four warps take a tile each in turn, so that the products of one run beside the
// activation and the writing of the other. Where all tiles have the same weights and these fit, they are
// copied once and stay.
#include "hopper.cuh"
#include "results.cuh"
#include "wgmma.cuh"

/// Columns of a tile: 96 or 48.
#ifndef BN
#define BN 96
#endif

constexpr int BM = 128, BK = 64, GROUP = 128, THREADS = 3 * GROUP, STAGES = 6;
constexpr int A_BYTES = BM * BK * 2, B_BYTES = BN * BK * 2, STAGE_BYTES = A_BYTES + B_BYTES;
constexpr int MAX_TAPS = 9;

struct Parameters {
  TensorMap input;    // [batch, sequences, positions, channels], boxes [1, box_s, box_p / copies, 64]
  TensorMap weights;  // [columns, taps, channels to a multiple of 64], boxes [BN, 64]
  Output output;
  const float* bias;  // [columns]
  int tiles, column_tiles, tiles_s, tiles_p;
  int copies;
  int stride_s, stride_p;
  int taps, channels;
  int activation;
  short tap_s[MAX_TAPS], tap_p[MAX_TAPS];
};

/// Place of a tile: its first row and column, and its number among those of a segment.
struct Tile {
  int column, p, s, batch, of_segment;

  DEVICE Tile(const Parameters& q, int number) {
    const int row_tiles = q.tiles_s * q.tiles_p, row = number / q.column_tiles;
    column = number % q.column_tiles * BN;
    p = row % q.tiles_p * q.output.box_p;
    s = row / q.tiles_p % q.tiles_s * q.output.box_s;
    batch = row / row_tiles;
    of_segment = row % row_tiles * q.column_tiles + number % q.column_tiles;
  }
};

/// Four warps that have a tile.
struct Group {
  static constexpr int THREADS = GROUP;
  int thread, number;

  DEVICE void sync() const { group_sync(number + 1); }
};

struct Shared {
  alignas(1024) unsigned char stages[STAGES][STAGE_BYTES];
  alignas(16) f16 results[2][BM * (BN + 8)];
  Targets<BM, BN> targets[2];
  float scratch[2][4];
  alignas(8) u64 full[STAGES], empty[STAGES];
  /// Complete when it is a group's turn to multiply.
  u64 turn[2];
  /// Complete when weights that stay are there.
  u64 kept;
};

/// How shared memory is divided.
struct Plan {
  int blocks, steps;  // of K: of a tap, and in all
  bool keeps_weights;
  int stages, stage_bytes;
  u32 first_stage;

  DEVICE Plan(const Parameters& p, Shared& shared) {
    // With fewer stages, copies would be waited for.
    constexpr int LEAST = 3;
    blocks = (p.channels + BK - 1) / BK;
    steps = p.taps * blocks;
    const int rest = (int)sizeof(shared.stages) - steps * B_BYTES;
    keeps_weights = p.column_tiles == 1 && rest >= LEAST * A_BYTES;
    stages = keeps_weights ? min(rest / A_BYTES, STAGES) : STAGES;
    stage_bytes = keeps_weights ? A_BYTES : STAGE_BYTES;
    first_stage = shared_address(shared.stages) + (keeps_weights ? steps * B_BYTES : 0);
  }
};

/// A stage of the pipeline, and whether all have been gone through an odd number of times.
struct Turn {
  int stage = 0;
  u32 parity = 0;

  DEVICE void advance(int steps, int stages) {
    for (stage += steps; stage >= stages; stage -= stages) parity ^= 1;
  }
};

/// Has all tiles of this block copied, by one thread.
DEVICE void copy_tiles(const Parameters& p, Shared& shared) {
  const Plan plan(p, shared);
  const int rows = p.output.box_p / p.copies;
  const u32 bytes = p.output.box_s * p.output.box_p * BK * 2 + (plan.keeps_weights ? 0 : B_BYTES);
  if (plan.keeps_weights) {
    const u32 kept = shared_address(&shared.kept), to = shared_address(shared.stages);
    barrier_expect(kept, plan.steps * B_BYTES);
    for (int step = 0; step < plan.steps; step++) {
      copy_box(to + step * B_BYTES, p.weights, kept, step * BK, 0);
    }
  }

  Turn turn;
  for (int number = blockIdx.x; number < p.tiles; number += gridDim.x) {
    const Tile tile(p, number);
    for (int tap = 0; tap < p.taps; tap++) {
      const int s = tile.s * p.stride_s + p.tap_s[tap], at = tile.p * p.stride_p + p.tap_p[tap];
      for (int block = 0; block < plan.blocks; block++) {
        const u32 full = shared_address(&shared.full[turn.stage]);
        const u32 stage = plan.first_stage + turn.stage * plan.stage_bytes;
        barrier_wait(shared_address(&shared.empty[turn.stage]), turn.parity ^ 1);
        barrier_expect(full, bytes);
        for (int copy = 0; copy < p.copies; copy++) {
          copy_box(stage + copy * rows * BK * 2, p.input, full, block * BK, at + copy * rows * p.stride_p, s,
                   tile.batch);
        }
        if (!plan.keeps_weights) {
          copy_box(stage + A_BYTES, p.weights, full, (tap * plan.blocks + block) * BK, tile.column);
        }
        turn.advance(1, plan.stages);
      }
    }
  }
}

/// What takes stages: it gives one back when the products that read it are complete.
struct Reader {
  Shared& shared;
  const Plan& plan;
  Turn turn;
  u32 weights;  // of the next stage, where they stay
  u32 before;   // the barrier of the stage before, or 0
  u32 next;     // the barrier that tells the other group that it is its turn
  int lane;

  DEVICE void release() {
    if (before && lane == 0) barrier_arrive(before);
  }

  /// Begins the products of a stage, 16 of K a step, while those of the stage before may still run.
  template <int STEPS>
  DEVICE void multiply_stage(float (&sum)[2][BN / 2]) {
    const u32 a = plan.first_stage + turn.stage * plan.stage_bytes;
    const u32 b = plan.keeps_weights ? weights : a + A_BYTES;
    barrier_wait(shared_address(&shared.full[turn.stage]), turn.parity);
    products_begin();
#pragma unroll
    for (int k = 0; k < STEPS; k++) {
      product(sum[0], describe_rows(a + k * 32), describe_rows(b + k * 32));
      product(sum[1], describe_rows(a + 64 * 128 + k * 32), describe_rows(b + k * 32));
    }
    products_commit();
    products_wait<1>();
    release();
    before = shared_address(&shared.empty[turn.stage]);
    weights += B_BYTES;
    turn.advance(1, plan.stages);
  }

  /// Lets the other group begin, and waits for the sums.
  DEVICE void finish(float (&sum)[2][BN / 2]) {
    if (lane == 0) barrier_arrive(next);
    products_wait<0>();
    settle(sum[0]);
    settle(sum[1]);
    release();
  }
};

/// Multiplies all stages of a tile, of which the last of each tap has `REST` steps.
template <int REST>
DEVICE void multiply(Reader& reader, float (&sum)[2][BN / 2], int taps, int blocks) {
  for (int tap = 0; tap < taps; tap++) {
    for (int block = 1; block < blocks; block++) reader.multiply_stage<BK / 16>(sum);
    reader.multiply_stage<REST>(sum);
  }
  reader.finish(sum);
}

/// Computes every other tile of this block.
DEVICE void compute_tiles(const Parameters& p, Shared& shared, const Group& group) {
  const int lane = group.thread % 32, warp = group.thread / 32;
  const Plan plan(p, shared);
  const int rest = (p.channels - (plan.blocks - 1) * BK + 15) / 16;
  const int first_row[2] = {warp * 16, 64 + warp * 16};
  Targets<BM, BN>& targets = shared.targets[group.number];
  const u32 own_turn = shared_address(&shared.turn[group.number]);
  const u32 other_turn = shared_address(&shared.turn[1 - group.number]);
  u32 turns = group.number ^ 1;
  Turn turn;
  turn.advance(group.number * plan.steps % (2 * plan.stages), plan.stages);
  if (plan.keeps_weights) barrier_wait(shared_address(&shared.kept), 0);

  for (int number = blockIdx.x + group.number * gridDim.x; number < p.tiles; number += 2 * gridDim.x) {
    const Tile tile(p, number);
    float sum[2][BN / 2];
#pragma unroll
    for (int n = 0; n < BN / 8; n++) {
      const float2 bias = __ldg((const float2*)(p.bias + tile.column + n * 8 + lane % 4 * 2));
#pragma unroll
      for (int m = 0; m < 2; m++) {
        sum[m][4 * n] = sum[m][4 * n + 2] = bias.x;
        sum[m][4 * n + 1] = sum[m][4 * n + 3] = bias.y;
      }
    }

    // The product, when the other group has seen all stages of its own: a barrier tells a phase only from
    // the one before.
    barrier_wait(own_turn, turns);
    turns ^= 1;
    Reader reader = {shared, plan, turn, shared_address(shared.stages), 0, other_turn, lane};
    switch (rest) {
      case 1: multiply<1>(reader, sum, p.taps, plan.blocks); break;
      case 2: multiply<2>(reader, sum, p.taps, plan.blocks); break;
      case 3: multiply<3>(reader, sum, p.taps, plan.blocks); break;
      default: multiply<4>(reader, sum, p.taps, plan.blocks);
    }
    turn = reader.turn;
    turn.advance(plan.steps % (2 * plan.stages), plan.stages);

    // Where rows go, when the tile before has been written.
    group.sync();
    targets.of_row[group.thread] = group.thread < p.output.box_s * p.output.box_p
                                       ? target_of_row(p.output, tile.s + group.thread / p.output.box_p,
                                                       tile.p + group.thread % p.output.box_p)
                                       : Target{0, NOWHERE};
    Moments* moments = p.output.moments;
    if (moments) moments += tile.batch * p.tiles_s * p.tiles_p * p.column_tiles + tile.of_segment;
    write_results(p.output, p.activation, tile.batch, sum, first_row, tile.column, 0,
                  shared.results[group.number], targets, moments, shared.scratch[group.number], group);
  }
}

extern "C" __global__ void __launch_bounds__(THREADS, 1) product(const __grid_constant__ Parameters p) {
  extern __shared__ __align__(1024) unsigned char memory[];
  Shared& shared = *(Shared*)memory;
  if (threadIdx.x == 0) {
    for (int stage = 0; stage < STAGES; stage++) {
      barrier_init(shared_address(&shared.full[stage]), 1);
      barrier_init(shared_address(&shared.empty[stage]), GROUP / 32);
    }
    for (int group = 0; group < 2; group++) barrier_init(shared_address(&shared.turn[group]), GROUP / 32);
    barrier_init(shared_address(&shared.kept), 1);
    barriers_publish();
    prefetch(p.input);
    prefetch(p.weights);
  }
  __syncthreads();

  const int number = threadIdx.x / GROUP;
  if (number == 2) {
    registers_give<40>();
    if (threadIdx.x == 2 * GROUP) copy_tiles(p, shared);
  } else {
    registers_take<232>();
    compute_tiles(p, shared, {(int)threadIdx.x % GROUP, number});
  }
}
