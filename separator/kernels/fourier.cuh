// The Fourier transform of 4096 complex numbers by 256 threads, 16 numbers each, in float32: three
// passes of 16 points with twiddle factors between them (Cooley and Tukey 1965).
//
// With n = n0 + 16 n1 + 256 n2 and k = k2 + 16 k1 + 256 k0 the first pass sums over n2, the second
// over n1 and the third over n0.
#pragma once
#include "common.cuh"

constexpr int POINTS = 4096, TRANSFORM_THREADS = 256;
constexpr int HOP = POINTS / 4, BINS = POINTS / 2;
/// Numbers of shared memory that a transform needs.
constexpr int TRANSFORM_PLACES = 16 * 272;

DEVICE float2 operator+(float2 a, float2 b) { return make_float2(a.x + b.x, a.y + b.y); }
DEVICE float2 operator-(float2 a, float2 b) { return make_float2(a.x - b.x, a.y - b.y); }
DEVICE float2 operator*(float2 a, float2 b) {
  return make_float2(fmaf(a.x, b.x, -a.y * b.y), fmaf(a.x, b.y, a.y * b.x));
}

/// a times -i forwards, times i backwards.
template <bool INVERSE>
DEVICE float2 quarter_turn(float2 a) {
  return INVERSE ? make_float2(-a.y, a.x) : make_float2(a.y, -a.x);
}

/// The transform of four numbers, in order.
template <bool INVERSE>
DEVICE void transform4(float2& a, float2& b, float2& c, float2& d) {
  const float2 even = a + c, odd = a - c, sum = b + d, apart = quarter_turn<INVERSE>(b - d);
  a = even + sum;
  b = odd + apart;
  c = even - sum;
  d = odd - apart;
}

/// The transform of 16 numbers: x[4 i + j] becomes X[i + 4 j].
template <bool INVERSE>
DEVICE void transform16(float2 (&x)[16]) {
  // e^(-2 pi i m / 16) for the products m = row times column.
  constexpr float COS[10] = {1.0f, 0.92387953f,  0.70710678f, 0.38268343f, 0.0f,
                             0.0f, -0.70710678f, 0.0f,        0.0f,        -0.92387953f};
  constexpr float SIN[10] = {0.0f, 0.38268343f, 0.70710678f, 0.92387953f, 1.0f,
                             0.0f, 0.70710678f, 0.0f,        0.0f,        -0.38268343f};
#pragma unroll
  for (int j = 0; j < 4; j++) transform4<INVERSE>(x[j], x[4 + j], x[8 + j], x[12 + j]);
#pragma unroll
  for (int i = 1; i < 4; i++)
#pragma unroll
    for (int j = 1; j < 4; j++) {
      const float2 turn = make_float2(COS[i * j], INVERSE ? SIN[i * j] : -SIN[i * j]);
      x[4 * i + j] = x[4 * i + j] * turn;
    }
#pragma unroll
  for (int i = 0; i < 4; i++) transform4<INVERSE>(x[4 * i], x[4 * i + 1], x[4 * i + 2], x[4 * i + 3]);
}

/// Multiplies x[4 i + j], which is number i + 4 j, by the power i + 4 j of `turn`. Powers are products of
/// the first three and of every fourth, so that few of them take registers at a time.
DEVICE void turn16(float2 (&x)[16], float2 turn) {
  float2 low[4], high = make_float2(1.0f, 0.0f);
  low[1] = turn;
  low[2] = turn * turn;
  low[3] = low[2] * turn;
  const float2 fourth = low[2] * low[2];
#pragma unroll
  for (int j = 0; j < 4; j++) {
    if (j) {
      high = j == 1 ? fourth : high * fourth;
      x[j] = x[j] * high;
    }
#pragma unroll
    for (int i = 1; i < 4; i++) x[4 * i + j] = x[4 * i + j] * (j ? high * low[i] : low[i]);
  }
}

/// The transform of 4096 numbers. Thread t gives the numbers t + 256 i and gets, in place i, the
/// result number t + 256 i. `turns` has e^(-2 pi i m / 4096) for every m. Not scaled. All threads of
/// the block call it; each group of 256 has `shared` of its own.
template <bool INVERSE>
DEVICE void transform4096(float2 (&x)[16], float2* shared, const float2* turns) {
  const int t = threadIdx.x % TRANSFORM_THREADS, low = t % 16, high = t / 16;
  auto turn = [&](int m) {
    const float2 w = __ldg(turns + m);
    return INVERSE ? make_float2(w.x, -w.y) : w;
  };

  // Over n2; this thread has n0 = low, n1 = high. Place 4 i + j holds k2 = i + 4 j.
  transform16<INVERSE>(x);
  turn16(x, turn(high * 16));
#pragma unroll
  for (int i = 0; i < 16; i++) shared[(i / 4 + i % 4 * 4) * 272 + t] = x[i];
  __syncthreads();

  // Over n1; n0 = low, k2 = high. The factor of k1 is that of low high times a power of that of 16 low.
#pragma unroll
  for (int i = 0; i < 16; i++) x[i] = shared[high * 272 + low + 16 * i];
  transform16<INVERSE>(x);
  turn16(x, turn(low * 16));
  const float2 first = turn(low * high);
  __syncthreads();
#pragma unroll
  for (int i = 0; i < 16; i++) shared[low * 257 + high + 16 * (i / 4 + i % 4 * 4)] = x[i] * first;
  __syncthreads();

  // Over n0; k2 = low, k1 = high.
#pragma unroll
  for (int i = 0; i < 16; i++) x[i] = shared[i * 257 + t];
  transform16<INVERSE>(x);
  __syncthreads();
  float2 y[16];
#pragma unroll
  for (int i = 0; i < 16; i++) y[i / 4 + i % 4 * 4] = x[i];
#pragma unroll
  for (int i = 0; i < 16; i++) x[i] = y[i];
}
