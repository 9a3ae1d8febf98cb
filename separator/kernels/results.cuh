// What becomes of the sums of a product of matrices: activation, what is added, moments, and the output in
// the layout that is read next.
//
// The threads that have a tile are a `Team`: its number of `THREADS`, the number of each `thread`, and
// `sync()`. A warp has tiles of 16 rows and 8 columns as `mma16` leaves them: lane 4 g + q has of rows g
// and g + 8 the columns 2 q and 2 q + 1.
#pragma once
#include "common.cuh"

enum Activation { NONE = 0, GELU = 1, RELU = 2, GLU = 3 };
/// How columns become outputs.
enum Layout {
  /// Output (m, column).
  PLAIN = 0,
  /// Column (phase, channel) of row (j, p) is output (4 j + phase - 2, p, channel).
  UP_SEQUENCES = 1,
  /// Column (phase, channel) of row (s, j) is output (s, 4 j + phase - 2, channel).
  UP_POSITIONS = 2,
  /// Column (channel / 4, phase, channel % 4) of row (j, p) is output [channels / 4, positions,
  /// sequences, 4], whose sequence is 4 j + phase - 2.
  UP_SPECTRA = 3,
  /// Column (channel, phase) of row (0, j) is output (channel, 4 j + phase - 2), planar.
  UP_WAVEFORMS = 4,
};

/// Output of a product.
struct Output {
  f16* to;           // [batch, sequences, positions, channels] or as the layout has it
  const f16* add;    // of the same shape, or null
  const f16* table;  // [rows_s, channels], or null; not with `add`
  Moments* moments;  // [batch, tiles of a segment], or null
  int sequences, positions, channels;
  int rows_s, rows_p;  // rows of the product are (s, p)
  int layout;
  int box_s, box_p;  // rows of a tile: (s, p), with p innermost
};

/// Where a row or eight columns go: the sum of both is the place, and the sum of their steps has to be a
/// position along the axis that becomes longer. Of a row of a plain output the step is its sequence.
struct Target {
  int place, step;
};

/// Step of what goes nowhere.
constexpr int NOWHERE = -0x40000000;

/// Targets of the rows of a tile and of its columns.
template <int ROWS, int COLUMNS>
struct Targets {
  Target of_row[ROWS], of_group[COLUMNS / 8];
};

/// The target of row (s, p). For upsamplings the step is 4 j.
DEVICE Target target_of_row(const Output& o, int s, int p) {
  if (s >= o.rows_s || p >= o.rows_p) return {0, NOWHERE};
  switch (o.layout) {
    case PLAIN: return {(s * o.rows_p + p) * o.channels, s};
    case UP_SEQUENCES: return {(4 * s * o.positions + p) * o.channels, 4 * s};
    case UP_POSITIONS: return {(s * o.positions + 4 * p) * o.channels, 4 * p};
    case UP_SPECTRA: return {(p * o.sequences + 4 * s) * 4, 4 * s};
    default: return {4 * p, 4 * p};
  }
}

/// The target of columns `column` to `column` + 7, whose step is the first one's phase less 2. Columns
/// that are padding go nowhere.
DEVICE Target target_of_columns(const Output& o, int column) {
  if (o.layout == PLAIN) return {column, column < o.channels ? 0 : NOWHERE};
  const bool spectra = o.layout == UP_SPECTRA;
  const int phase = spectra ? column / 8 % 2 * 2 : column / o.channels;
  const int channel = spectra ? column / 16 * 4 : column % o.channels;
  if (spectra ? channel >= o.channels : phase > 3) return {0, NOWHERE};

  const int step = phase - 2;
  switch (o.layout) {
    case UP_SEQUENCES: return {step * o.positions * o.channels + channel, step};
    case UP_POSITIONS: return {step * o.channels + channel, step};
    default: return {(channel / 4 * o.positions * o.sequences + step) * 4, step};
  }
}

/// Steps below this one are positions of the output.
DEVICE int end_of_steps(const Output& o) {
  if (o.layout == PLAIN) return 0x7FFFFFFF;
  return o.layout == UP_POSITIONS || o.layout == UP_WAVEFORMS ? o.positions : o.sequences;
}

/// Applies the activation. Of GLU, whose columns come in turns of eight values and their eight gates, the
/// first half of the tiles is the result.
template <int ACTIVATION, int TILES_M, int COUNT>
DEVICE void activate(float (&y)[TILES_M][COUNT]) {
#pragma unroll
  for (int m = 0; m < TILES_M; m++) {
    if constexpr (ACTIVATION == GLU) {
#pragma unroll
      for (int i = 0; i < COUNT / 2; i++) {
        const int from = i / 4 * 8 + i % 4;
        y[m][i] = y[m][from] * sigmoid(y[m][from + 4]);
      }
    } else {
#pragma unroll
      for (int i = 0; i < COUNT; i++) {
        y[m][i] = ACTIVATION == GELU ? gelu(y[m][i]) : ACTIVATION == RELU ? fmaxf(y[m][i], 0.0f) : y[m][i];
      }
    }
  }
}

/// The sum of a number over a team, by `scratch` with a place for each warp.
template <class Team>
DEVICE float team_sum(float value, float* scratch, const Team& team) {
  value = warp_sum(value);
  team.sync();
  if (team.thread % 32 == 0) scratch[team.thread / 32] = value;
  team.sync();

  float sum = 0.0f;
#pragma unroll
  for (int i = 0; i < Team::THREADS / 32; i++) sum += scratch[i];
  return sum;
}

/// Writes samples of the upsampling to waveforms. Their length may be odd, so that not even pairs are
/// aligned.
template <int TILES_M, int COUNT>
DEVICE void write_waveforms(const Output& o, int batch, const float (&y)[TILES_M][COUNT],
                            const int (&first_row)[TILES_M], int first_column, const Target* of_row) {
  const int lane = threadIdx.x % 32;
  f16* output = o.to + (size_t)batch * o.positions * o.channels;
#pragma unroll
  for (int i = 0; i < TILES_M * COUNT; i++) {
    const int m = i / COUNT, e = i % COUNT, column = first_column + e / 4 * 8 + lane % 4 * 2 + e % 2;
    const Target row = of_row[first_row[m] + e / 2 % 2 * 8 + lane / 4];
    const int at = row.step + column % 4 - 2;
    if (at >= 0 && at < o.positions && column / 4 < o.channels) {
      output[column / 4 * o.positions + at] = (f16)pack(y[m][e], 0.0f);
    }
  }
}

/// Adds what is to be added to activated sums, of which a warp has `TILES` tiles beside each other from
/// `first_group` on, below each other from `first_row[m]` on, and writes them by way of `tile`, [ROWS,
/// COLUMNS + 8].
template <int ROWS, int COLUMNS, int TILES, int TILES_M, int COUNT, class Team>
DEVICE void write_activated(const Output& o, int batch, float (&y)[TILES_M][COUNT],
                            const int (&first_row)[TILES_M], int first_group, f16* tile, const Target* of_row,
                            const Target* of_group, Moments* moments, float* scratch, const Team& team) {
  const int lane = threadIdx.x % 32, end = end_of_steps(o);
  const bool plain = o.layout == PLAIN;
  const size_t segment =
      (size_t)batch * (plain ? o.rows_s * o.rows_p : o.sequences * o.positions) * o.channels;
  auto is_there = [&](Target row, Target group) {
    return row.step + group.step >= 0 && row.step + group.step < end;
  };

  if (o.add || o.table) {
#pragma unroll
    for (int m = 0; m < TILES_M; m++)
#pragma unroll
      for (int half = 0; half < 2; half++) {
        const Target row = of_row[first_row[m] + half * 8 + lane / 4];
        const f16* from = o.add ? o.add + segment + row.place : o.table + (size_t)row.step * o.channels;
        u32 more[TILES];
#pragma unroll
        for (int t = 0; t < TILES; t++) {
          const Target group = of_group[first_group + t];
          more[t] = is_there(row, group) ? __ldg((const u32*)(from + group.place) + lane % 4) : 0;
        }
#pragma unroll
        for (int t = 0; t < TILES; t++) {
          const float2 value = unpack(more[t]);
          y[m][4 * t + 2 * half] += value.x;
          y[m][4 * t + 2 * half + 1] += value.y;
        }
      }
  }

  if (moments) {
    // In two passes over the team's own.
    float count = 0.0f, total = 0.0f, squares = 0.0f;
    u32 there = 0;
#pragma unroll
    for (int m = 0; m < TILES_M; m++)
#pragma unroll
      for (int half = 0; half < 2; half++) {
        there |= (u32)(of_row[first_row[m] + half * 8 + lane / 4].step >= 0) << (2 * m + half);
      }
#pragma unroll
    for (int i = 0; i < TILES_M * TILES * 4; i++) {
      const int m = i / (TILES * 4), e = i % (TILES * 4);
      const bool ok = there >> (2 * m + e / 2 % 2) & 1 && of_group[first_group + e / 4].step >= 0;
      total += ok ? y[m][e] : 0.0f;
      count += ok ? 1.0f : 0.0f;
    }
    count = team_sum(count, scratch, team);
    const float mean = team_sum(total, scratch, team) / fmaxf(count, 1.0f);
#pragma unroll
    for (int i = 0; i < TILES_M * TILES * 4; i++) {
      const int m = i / (TILES * 4), e = i % (TILES * 4);
      const bool ok = there >> (2 * m + e / 2 % 2) & 1 && of_group[first_group + e / 4].step >= 0;
      const float apart = ok ? y[m][e] - mean : 0.0f;
      squares = fmaf(apart, apart, squares);
    }
    squares = team_sum(squares, scratch, team);
    if (team.thread == 0) *moments = {count, mean, squares};
  }

  constexpr int PITCH = COLUMNS + 8;
#pragma unroll
  for (int m = 0; m < TILES_M; m++)
#pragma unroll
    for (int half = 0; half < 2; half++) {
      u32* to = (u32*)(tile + (first_row[m] + half * 8 + lane / 4) * PITCH + first_group * 8) + lane % 4;
#pragma unroll
      for (int t = 0; t < TILES; t++) to[4 * t] = pack(y[m][4 * t + 2 * half], y[m][4 * t + 2 * half + 1]);
    }
  team.sync();

  // Threads beside each other write what lies beside each other, 16 bytes each.
  constexpr int GROUPS = COLUMNS / 8;
  f16* output = o.to + segment;
  if (o.layout == UP_SPECTRA) {
    const int pairs = o.box_s * o.box_p * 2;
#pragma unroll 1
    for (int i = team.thread; i < pairs * (GROUPS / 2); i += Team::THREADS) {
      const int s = i / 2 % o.box_s, p = i / 2 / o.box_s % o.box_p, g = i / pairs * 2 + i % 2;
      const int r = s * o.box_p + p;
      const Target row = of_row[r], group = of_group[g];
      const uint4 value = *(const uint4*)(tile + r * PITCH + g * 8);
      if (is_there(row, group)) *(uint4*)(output + row.place + group.place) = value;
    }
    return;
  }
  constexpr int ACROSS = GROUPS % 4 == 0 ? 4 : GROUPS % 2 == 0 ? 2 : 1, AT_ONCE = Team::THREADS / ACROSS;
#pragma unroll
  for (int first = 0; first < ROWS; first += AT_ONCE) {
    const int r = first + team.thread / ACROSS;
    if (ROWS % AT_ONCE && r >= ROWS) break;
    const Target row = of_row[r];
#pragma unroll
    for (int g = team.thread % ACROSS; g < GROUPS; g += ACROSS) {
      const Target group = of_group[g];
      const uint4 value = *(const uint4*)(tile + r * PITCH + g * 8);
      if (is_there(row, group)) *(uint4*)(output + row.place + group.place) = value;
    }
  }
}

/// Writes what becomes of the sums of a tile whose first column is `first_column`. The targets of its rows
/// are there; a warp has its sums from `first_row[m]` and from tile `first_tile` of the columns on.
template <int ROWS, int COLUMNS, int TILES_M, int COUNT, class Team>
DEVICE void write_results(const Output& o, int activation, int batch, float (&sum)[TILES_M][COUNT],
                          const int (&first_row)[TILES_M], int first_column, int first_tile, f16* tile,
                          Targets<ROWS, COLUMNS>& targets, Moments* moments, float* scratch,
                          const Team& team) {
  const bool glu = activation == GLU;
  if (team.thread < COLUMNS / 8) {
    targets.of_group[team.thread] =
        target_of_columns(o, (glu ? first_column / 2 : first_column) + team.thread * 8);
  }
  team.sync();

  if (glu) {
    activate<GLU>(sum);
    write_activated<ROWS, COLUMNS / 2, COUNT / 8>(o, batch, sum, first_row, first_tile / 2, tile,
                                                  targets.of_row, targets.of_group, moments, scratch, team);
    return;
  }

  if (activation == GELU) activate<GELU>(sum);
  if (activation == RELU) activate<RELU>(sum);
  if (o.layout == UP_WAVEFORMS) {
    write_waveforms(o, batch, sum, first_row, first_column + first_tile * 8, targets.of_row);
  } else {
    write_activated<ROWS, COLUMNS, COUNT / 4>(o, batch, sum, first_row, first_tile, tile, targets.of_row,
                                              targets.of_group, moments, scratch, team);
  }
}
