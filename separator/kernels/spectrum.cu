// The short-time Fourier transform of the mix and the statistics of spectrum and waveform
// (HTDemucs._spec and HTDemucs.forward of demucs 4.1.0).
//
// Frame t begins 1536 samples before sample 1024 t of the segment, which is reflected at both ends.
// Both channels are one complex signal, whose spectrum is taken apart by its symmetry. A block does
// two frames, so that 32 bytes lie together where it writes.
#include "fourier.cuh"

constexpr int FRAMES = 2, THREADS = FRAMES * TRANSFORM_THREADS;

struct Parameters {
  const float* mix;     // [batch, 2, length]
  const float2* turns;  // [4096]
  const float* window;  // [4096]: the window over 64
  float* spectrum;      // [batch, 2048, frames, 4]
  Moments* moments;     // [batch, 2 (spectrum, waveform), blocks of a segment]
  float2* statistics;   // [2 (spectrum, waveform), batch]: mean and deviation
  u32* counters;        // [batch], 0
  int length, frames;
};

DEVICE int reflected(int n, int length) {
  if (n < 0) n = -n;
  return n < length ? n : 2 * (length - 1) - n;
}

/// The moments of a block's numbers, in two passes over registers: `count` of them in each thread.
template <int COUNT>
DEVICE Moments moments_of(const float (&value)[COUNT], int count, float* scratch) {
  float sum = 0.0f;
#pragma unroll
  for (int i = 0; i < COUNT; i++) sum += i < count ? value[i] : 0.0f;
  const float all = block_sum<THREADS / 32>((float)count, scratch);
  const float mean = block_sum<THREADS / 32>(sum, scratch) / fmaxf(all, 1.0f);

  float squares = 0.0f;
#pragma unroll
  for (int i = 0; i < COUNT; i++) {
    const float apart = value[i] - mean;
    squares += i < count ? apart * apart : 0.0f;
  }
  return {all, mean, block_sum<THREADS / 32>(squares, scratch)};
}

extern "C" __global__ void __launch_bounds__(THREADS) spectrum(const __grid_constant__ Parameters p) {
  extern __shared__ float2 places[];
  __shared__ float scratch[THREADS / 32];
  const int t = threadIdx.x % TRANSFORM_THREADS, which = threadIdx.x / TRANSFORM_THREADS, batch = blockIdx.y;
  const int frame = blockIdx.x * FRAMES + which;
  const bool there = frame < p.frames;
  const float* left = p.mix + (size_t)batch * 2 * p.length;
  const float* right = left + p.length;

  // Samples, by the window. The four blocks in the middle, of which each sample belongs to one frame
  // alone, go into the waveform's moments.
  float2 x[16];
  float own[8];
  int owned = 0;
  const int first = frame * HOP - HOP / 2 * 3;
#pragma unroll
  for (int i = 0; i < 16; i++) {
    const int n = t + 256 * i, at = first + n;
    const int from = there ? reflected(at, p.length) : 0;
    const float2 sample = make_float2(__ldg(left + from), __ldg(right + from));
    const float window = __ldg(p.window + n);
    x[i] = make_float2(sample.x * window, sample.y * window);
    if (i >= 6 && i < 10) {
      own[2 * (i - 6)] = sample.x;
      own[2 * (i - 6) + 1] = sample.y;
      if (there && at < p.length) owned = 2 * (i - 5);
    }
  }
  float2* mine = places + which * TRANSFORM_PLACES;
  transform4096<false>(x, mine, p.turns);

  // Take the channels apart: bin k and its mirror hold left + i right and its conjugates.
#pragma unroll
  for (int i = 0; i < 16; i++) mine[t + 256 * i] = x[i];
  __syncthreads();
  float bins[32];
#pragma unroll
  for (int i = 0; i < 8; i++) {
    const int k = t + 256 * i;
    const float2 z = x[i], mirror = mine[(POINTS - k) % POINTS];
    bins[4 * i] = 0.5f * (z.x + mirror.x);
    bins[4 * i + 1] = 0.5f * (z.y - mirror.y);
    bins[4 * i + 2] = 0.5f * (z.y + mirror.y);
    bins[4 * i + 3] = 0.5f * (mirror.x - z.x);
    if (there) {
      float4* to = (float4*)p.spectrum + ((size_t)batch * BINS + k) * p.frames + frame;
      *to = make_float4(bins[4 * i], bins[4 * i + 1], bins[4 * i + 2], bins[4 * i + 3]);
    }
  }

  // Statistics; the last block of a segment joins those of all.
  const Moments of_bins = moments_of(bins, there ? 32 : 0, scratch);
  const Moments of_samples = moments_of(own, owned, scratch);
  Moments* all = p.moments + (size_t)batch * 2 * gridDim.x;
  if (threadIdx.x == 0) {
    all[blockIdx.x] = of_bins;
    all[gridDim.x + blockIdx.x] = of_samples;
  }
  if (!is_last_block(p.counters + batch, gridDim.x) || threadIdx.x >= 64) return;

  const int kind = threadIdx.x / 32;
  const Moments m = join_all(all + kind * gridDim.x, gridDim.x);
  if (threadIdx.x % 32 == 0) {
    p.statistics[kind * gridDim.y + batch] = make_float2(m.mean, sqrtf(m.squares / (m.count - 1.0f)));
  }
}
