// What the three kernels of a DConv layer share (demucs.demucs.DConv): x + scale GLU(norm(conv2(GELU(
// norm(conv1(x)))))), both norms over all positions and channels of a sequence.
//
// `dconv_squeeze` computes conv1 and its statistics. `dconv_hidden` applies norm and GELU and takes
// the moments of the result, from which the statistics of conv2's output follow exactly without its
// being computed: with mu and K the mean and covariance of h over positions, conv2's output has mean
// a . mu + b and variance <G, K> + mu' S mu + 2 s . mu + v over positions and channels. `dconv_expand`
// computes conv2 with its norm, GLU and the sum.
//
// A block has tiles of 112 positions (a third of the spectrogram's 336 frames), 16 for each of seven
// warps; `dconv_squeeze` and `dconv_expand` have two warps for the same positions. The last block of a
// sequence to finish joins what all have found. sm_80 instructions.
#pragma once
#include "common.cuh"

/// Blocks of eight hidden channels.
#ifndef HIDDEN_TILES
#define HIDDEN_TILES 1
#endif

constexpr int ROW_WARPS = 7, TILE = ROW_WARPS * 16;
constexpr int HIDDEN = HIDDEN_TILES * 8;
/// Blocks that a multiprocessor is to hold: a bound on the registers that keeps ptxas from saving more of
/// them than there is use for.
constexpr int MIN_BLOCKS = HIDDEN_TILES > 3 ? 1 : 4;

/// Stages in which weights pass through shared memory, for all warps together, and how many steps of 16 of
/// K (`dconv_squeeze`) or blocks of eight channels (`dconv_expand`) each has. Few GPUs but Hopper have
/// room for many beside the tile.
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
constexpr int STAGES = 4, STAGE_STEPS = 6;
#else
constexpr int STAGES = 3, STAGE_STEPS = 2;
#endif

/// Copies the first `there` of `COUNT` times 16 bytes to shared memory in the background, by all threads.
template <int COUNT, int THREADS>
DEVICE void copy_all(u32 to, const void* from, int there) {
#pragma unroll
  for (int i = 0; i < (COUNT + THREADS - 1) / THREADS; i++) {
    const int at = threadIdx.x + i * THREADS;
    if (at < there) copy16(to + at * 16, (const char*)from + at * 16, true);
  }
}
