// The stems: inverse transforms of the spectra (HTDemucs._ispec of demucs 4.1.0) with their frames
// added up, plus the waveforms, each with the mean and the deviation of the mix restored.
//
// A block does RUN hops of both channels of a stem, which are one complex signal. A hop needs the
// frame that begins with it and the three before; they are added in shared memory in a fixed order.
#include "fourier.cuh"

#ifndef RUN
#define RUN 12
#endif

constexpr int THREADS = TRANSFORM_THREADS, OVERLAP = POINTS / HOP;

struct Parameters {
  const f16* spectra;        // [batch, stems, frames, 2048, 4]
  const f16* waveforms;      // [batch, stems, 2, length]
  const float2* statistics;  // [2 (spectrum, waveform), batch]: mean and deviation
  const float2* turns;       // [4096]
  const float* window;       // [4096]: the window over 64
  const float* envelope;     // [frames + 3, 1024]: 1 / sum of the squared windows
  float* stems;              // [batch, stems, 2, length]
  int length, frames;
};

extern "C" __global__ void __launch_bounds__(THREADS) synthesis(const __grid_constant__ Parameters p) {
  extern __shared__ float2 places[];
  float2* sums = places + TRANSFORM_PLACES;  // [4096]: a ring of four hops
  const int t = threadIdx.x, stem = blockIdx.y, batch = blockIdx.z, stems = gridDim.y;
  const size_t signal = (size_t)batch * stems + stem;
  const float2 of_spectrum = p.statistics[batch], of_waveform = p.statistics[gridDim.z + batch];
  const uint2* spectra = (const uint2*)p.spectra + signal * BINS * p.frames;
  const f16* waves = p.waveforms + signal * 2 * p.length;
  float* to = p.stems + signal * 2 * p.length;

  // Hop h of the padded signal begins at sample 1024 h - 1536 of the segment; the first that reaches
  // into the segment is 1.
  const int first = blockIdx.x * RUN + 1, last = min(first + RUN, p.frames + OVERLAP - 1);
#pragma unroll
  for (int i = 0; i < 16; i++) sums[t + 256 * i] = make_float2(0.0f, 0.0f);

  for (int frame = max(first - OVERLAP + 1, 0); frame < last; frame++) {
    if (frame < p.frames) {
      // Bins 0 to 2047 and their conjugates; the highest bin is 0, and of bin 0 the real part counts.
      float2 x[16];
#pragma unroll
      for (int i = 0; i < 8; i++) {
        const int k = t + 256 * i;
        const uint2 bits = __ldg(spectra + (size_t)frame * BINS + k);
        float2 left = unpack(bits.x), right = unpack(bits.y);
        left = make_float2(fmaf(left.x, of_spectrum.y, of_spectrum.x),
                           fmaf(left.y, of_spectrum.y, of_spectrum.x));
        right = make_float2(fmaf(right.x, of_spectrum.y, of_spectrum.x),
                            fmaf(right.y, of_spectrum.y, of_spectrum.x));
        if (k == 0) left.y = right.y = 0.0f;
        x[i] = make_float2(left.x - right.y, left.y + right.x);
        // The mirror of bin k is bin 4096 - k, which thread 256 - t has, or this one if t is 0.
        places[k] = make_float2(left.x + right.y, right.x - left.y);
      }
      __syncthreads();
#pragma unroll
      for (int i = 8; i < 16; i++) {
        const int k = t + 256 * i;
        x[i] = k == BINS ? make_float2(0.0f, 0.0f) : places[POINTS - k];
      }
      __syncthreads();
      transform4096<true>(x, places, p.turns);

#pragma unroll
      for (int i = 0; i < 16; i++) {
        const int n = t + 256 * i, hop = frame + i / 4;
        if (hop >= first && hop < last) {
          const float window = __ldg(p.window + n);
          float2* sum = sums + hop % OVERLAP * HOP + n % HOP;
          *sum = make_float2(fmaf(x[i].x, window, sum->x), fmaf(x[i].y, window, sum->y));
        }
      }
    }

    // Hop `frame` has got all of its frames.
    if (frame >= first) {
#pragma unroll
      for (int i = 0; i < 4; i++) {
        const int n = t + 256 * i, at = frame * HOP - HOP / 2 * 3 + n;
        float2* sum = sums + frame % OVERLAP * HOP + n;
        if (at >= 0 && at < p.length) {
          const float envelope = __ldg(p.envelope + frame * HOP + n);
          const float2 wave = make_float2(unpack(waves[at]).x, unpack(waves[p.length + at]).x);
          to[at] = fmaf(sum->x, envelope, fmaf(wave.x, of_waveform.y, of_waveform.x));
          to[p.length + at] = fmaf(sum->y, envelope, fmaf(wave.y, of_waveform.y, of_waveform.x));
        }
        *sum = make_float2(0.0f, 0.0f);
      }
    }
  }
}
