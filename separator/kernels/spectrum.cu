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

/// The moments of a block's numbers, in two passes: the first `count` of the `COUNT` that `number(i)` gives in
/// each thread.
template <int COUNT, class Number>
DEVICE Moments moments_of(Number number, int count, float* scratch) {
  float sum = 0.0f;
#pragma unroll
  for (int i = 0; i < COUNT; i++) sum += i < count ? number(i) : 0.0f;
  const float all = block_sum<THREADS / 32>((float)count, scratch);
  const float mean = block_sum<THREADS / 32>(sum, scratch) / fmaxf(all, 1.0f);

  float squares = 0.0f;
#pragma unroll
  for (int i = 0; i < COUNT; i++) {
    const float apart = number(i) - mean;
    squares += i < count ? apart * apart : 0.0f;
  }
  return {all, mean, block_sum<THREADS / 32>(squares, scratch)};
}

/// Blocks of a multiprocessor. Blackwell's code needs more than 64 registers.
#if __CUDA_ARCH__ >= 1000
constexpr int MIN_BLOCKS = 1;
#else
constexpr int MIN_BLOCKS = 2;
#endif

extern "C" __global__ void __launch_bounds__(THREADS, MIN_BLOCKS)
    spectrum(const __grid_constant__ Parameters p) {
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
  const Moments of_samples = moments_of<8>([&](int i) { return own[i]; }, owned, scratch);
  float2* mine = places + which * TRANSFORM_PLACES;
  transform4096<false>(x, mine, p.turns);

  // Take the channels apart: bin k and its mirror hold left + i right and its conjugates.
#pragma unroll
  for (int i = 0; i < 16; i++) mine[t + 256 * i] = x[i];
  __syncthreads();
  auto bin = [&](int k) {
    const float2 z = mine[k], mirror = mine[(POINTS - k) % POINTS];
    return make_float4(0.5f * (z.x + mirror.x), 0.5f * (z.y - mirror.y), 0.5f * (z.y + mirror.y),
                       0.5f * (mirror.x - z.x));
  };
#pragma unroll
  for (int i = 0; i < 8; i++) {
    const int k = t + 256 * i;
    if (there) *((float4*)p.spectrum + ((size_t)batch * BINS + k) * p.frames + frame) = bin(k);
  }

  // Statistics; the last block of a segment joins those of all.
  auto number = [&](int i) {
    const float4 four = bin(t + 256 * (i / 4));
    return i % 4 == 0 ? four.x : i % 4 == 1 ? four.y : i % 4 == 2 ? four.z : four.w;
  };
  const Moments of_bins = moments_of<32>(number, there ? 32 : 0, scratch);
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
