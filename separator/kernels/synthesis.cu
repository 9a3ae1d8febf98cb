// The stems: inverse transforms of the spectra (HTDemucs._ispec of demucs 4.1.0) with their frames
// added up, plus the waveforms, each with the mean and the deviation of the mix restored.
//
// A block does `run` hops of both channels of a stem, which are one complex signal. A hop needs the
// frame that begins with it and the three before. Of every frame a thread has the samples t + 256 i, so
// the sums of the hops that are not complete stay in its registers.
#include "fourier.cuh"

constexpr int THREADS = TRANSFORM_THREADS, OVERLAP = POINTS / HOP;

struct Parameters {
  const f16* spectra;        // [batch, stems, frames, 2048, 4]
  const f16* waveforms;      // [batch, stems, 2, length]
  const float2* statistics;  // [2 (spectrum, waveform), batch]: mean and deviation
  const float2* turns;       // [4096]
  const float* window;       // [4096]: the window over 64
  const float* envelope;     // [frames + 3, 1024]: 1 / sum of the squared windows
  float* stems;              // [batch, stems, 2, length]
  int length, frames, run;
};

/// The 16 numbers of a frame that this thread gives to the transform: bins 0 to 2047 and the mirrors of
/// their conjugates, left plus i right. The highest bin is 0, and of bin 0 the real part counts.
DEVICE void load_frame(float2 (&x)[16], const uint2* bins, float2 statistics) {
  auto restored = [&](u32 bits) {
    const float2 value = unpack(bits);
    return make_float2(fmaf(value.x, statistics.y, statistics.x), fmaf(value.y, statistics.y, statistics.x));
  };
  const int t = threadIdx.x;
  uint2 bits[16];
#pragma unroll
  for (int i = 0; i < 16; i++) {
    const int k = t + 256 * i;
    bits[i] = __ldg(bins + (k < BINS ? k : k == BINS ? 0 : POINTS - k));
  }
#pragma unroll
  for (int i = 0; i < 16; i++) {
    const int k = t + 256 * i;
    float2 left = restored(bits[i].x), right = restored(bits[i].y);
    if (k == 0) left.y = right.y = 0.0f;
    x[i] = k < BINS ? make_float2(left.x - right.y, left.y + right.x)
                    : make_float2(left.x + right.y, right.x - left.y);
    if (k == BINS) x[i] = make_float2(0.0f, 0.0f);
  }
}

extern "C" __global__ void __launch_bounds__(THREADS, 3) synthesis(const __grid_constant__ Parameters p) {
  extern __shared__ float2 places[];
  const int t = threadIdx.x, stem = blockIdx.y, batch = blockIdx.z, stems = gridDim.y;
  const size_t signal = (size_t)batch * stems + stem;
  const float2 of_spectrum = p.statistics[batch], of_waveform = p.statistics[gridDim.z + batch];
  const uint2* spectra = (const uint2*)p.spectra + signal * BINS * p.frames;
  const f16* waves = p.waveforms + signal * 2 * p.length;
  float* to = p.stems + signal * 2 * p.length;

  // Hop h of the padded signal begins at sample 1024 h - 1536 of the segment; the first that reaches
  // into the segment is 1.
  const int first = blockIdx.x * p.run + 1, last = min(first + p.run, p.frames + OVERLAP - 1);

  // Sums of the hops that the next frame reaches: the first of them is complete with it.
  float2 sums[16];
#pragma unroll
  for (int i = 0; i < 16; i++) sums[i] = make_float2(0.0f, 0.0f);

  for (int frame = max(first - OVERLAP + 1, 0); frame < last; frame++) {
    if (frame < p.frames) {
      float2 x[16];
      load_frame(x, spectra + (size_t)frame * BINS, of_spectrum);
      transform4096<true>(x, places, p.turns);
#pragma unroll
      for (int i = 0; i < 16; i++) {
        const float window = __ldg(p.window + t + 256 * i);
        sums[i] = make_float2(fmaf(x[i].x, window, sums[i].x), fmaf(x[i].y, window, sums[i].y));
      }
    }

    if (frame >= first) {
#pragma unroll
      for (int i = 0; i < 4; i++) {
        const int n = t + 256 * i, at = frame * HOP - HOP / 2 * 3 + n;
        if (at >= 0 && at < p.length) {
          const float envelope = __ldg(p.envelope + frame * HOP + n);
          const float2 wave = make_float2(unpack(waves[at]).x, unpack(waves[p.length + at]).x);
          to[at] = fmaf(sums[i].x, envelope, fmaf(wave.x, of_waveform.y, of_waveform.x));
          to[p.length + at] = fmaf(sums[i].y, envelope, fmaf(wave.y, of_waveform.y, of_waveform.x));
        }
      }
    }
#pragma unroll
    for (int i = 0; i < 16; i++) sums[i] = i < 12 ? sums[i + 4] : make_float2(0.0f, 0.0f);
  }
}
