// Types and instructions that the kernels share. Half-precision numbers are handled as bits, two to
// a register, so that no header of CUDA's is needed.
#pragma once

typedef unsigned short f16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define DEVICE __device__ __forceinline__

constexpr float EPSILON = 1e-5f;

// ---------------------------------------------------------------- halves

/// Rounds two numbers to halves, `low` in the lower bits.
DEVICE u32 pack(float low, float high) {
  u32 bits;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
  return bits;
}

/// The two halves of `bits`.
DEVICE float2 unpack(u32 bits) {
  float2 value;
  asm("{\n\t.reg .b16 low, high;\n\t"
      "mov.b32 {low, high}, %2;\n\t"
      "cvt.f32.f16 %0, low;\n\t"
      "cvt.f32.f16 %1, high;\n\t}"
      : "=f"(value.x), "=f"(value.y)
      : "r"(bits));
  return value;
}

/// Eight halves as numbers.
DEVICE void unpack8(float (&value)[8], uint4 bits) {
  const u32 word[4] = {bits.x, bits.y, bits.z, bits.w};
#pragma unroll
  for (int i = 0; i < 4; i++) {
    const float2 pair = unpack(word[i]);
    value[2 * i] = pair.x;
    value[2 * i + 1] = pair.y;
  }
}

DEVICE uint4 pack8(const float (&value)[8]) {
  return make_uint4(pack(value[0], value[1]), pack(value[2], value[3]), pack(value[4], value[5]),
                    pack(value[6], value[7]));
}

// ---------------------------------------------------------------- functions

DEVICE float tanh_fast(float x) {
  float y;
  asm("tanh.approx.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

DEVICE float exp2_fast(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

/// The logistic function.
DEVICE float sigmoid(float x) { return fmaf(0.5f, tanh_fast(0.5f * x), 0.5f); }

/// x Phi(x). The argument of tanh is a polynomial fitted to the exact function: the error is 2.5e-5
/// at most, a tenth of a half's rounding at 1.
DEVICE float gelu(float x) {
  const float square = fminf(x * x, 36.0f);
  const float poly = fmaf(square, fmaf(square, -0.000351439f, 0.03700563f), 0.79750678f);
  const float half_x = 0.5f * x;
  return fmaf(half_x, tanh_fast(x * poly), half_x);
}

// ---------------------------------------------------------------- matrices

/// d += a b for a [16, 16] and b [16, 8] of halves. Lane 4 g + q holds rows g and g + 8 of d, columns
/// 2 q and 2 q + 1.
DEVICE void mma16(float (&d)[4], const u32 (&a)[4], u32 b0, u32 b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/// The same for four of the sums in `d`, from `at` on.
template <int COUNT>
DEVICE void mma16(float (&d)[COUNT], int at, const u32 (&a)[4], u32 b0, u32 b1) {
  mma16(*(float (*)[4]) & d[at], a, b0, b1);
}

/// d += a b for a [16, 8] and b [8, 8].
DEVICE void mma8(float (&d)[4], u32 a0, u32 a1, u32 b0) {
  asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3},{%4,%5},{%6},{%0,%1,%2,%3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a0), "r"(a1), "r"(b0));
}

DEVICE u32 load_word(u32 address) {
  u32 r;
  asm volatile("ld.shared.b32 %0, [%1];" : "=r"(r) : "r"(address));
  return r;
}

DEVICE void load_pair(u32 (&r)[2], u32 address) {
  asm volatile("ld.shared.v2.b32 {%0,%1}, [%2];" : "=r"(r[0]), "=r"(r[1]) : "r"(address));
}

DEVICE float4 load_four(u32 address) {
  float4 r;
  asm volatile("ld.shared.v4.f32 {%0,%1,%2,%3}, [%4];"
               : "=f"(r.x), "=f"(r.y), "=f"(r.z), "=f"(r.w)
               : "r"(address));
  return r;
}

/// Four 8 x 8 matrices of halves from shared memory, each lane giving the address of one row.
DEVICE void load_matrices(u32 (&r)[4], u32 address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address));
}

/// The same, each matrix transposed.
DEVICE void load_matrices_transposed(u32 (&r)[4], u32 address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address));
}

/// The transpose of an 8 x 8 matrix of halves that is spread over a warp.
DEVICE u32 transpose8(u32 a) {
  u32 d;
  asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(d) : "r"(a));
  return d;
}

// ---------------------------------------------------------------- copies

DEVICE u32 shared_address(const void* pointer) { return (u32)__cvta_generic_to_shared(pointer); }

/// Copies 16 bytes to shared memory in the background, or writes zeros there if `valid` is false.
DEVICE void copy16(u32 to, const void* from, bool valid) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(valid ? 16 : 0));
}

DEVICE void copies_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

/// Waits until all groups of copies but the newest `PENDING` are complete.
template <int PENDING>
DEVICE void copies_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(PENDING) : "memory");
}

// ---------------------------------------------------------------- sums

DEVICE float warp_sum(float value) {
#pragma unroll
  for (int offset = 16; offset; offset >>= 1) value += __shfl_xor_sync(~0u, value, offset);
  return value;
}

/// The sum over all threads of a block of `WARPS` warps. `scratch` has `WARPS` places.
template <int WARPS>
DEVICE float block_sum(float value, float* scratch) {
  value = warp_sum(value);
  __syncthreads();
  if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = value;
  __syncthreads();

  float sum = 0.0f;
#pragma unroll
  for (int i = 0; i < WARPS; i++) sum += scratch[i];
  return sum;
}

/// Count, mean and sum of squared deviations of a set of numbers.
struct Moments {
  float count, mean, squares;
};

/// The moments of two sets together (Chan, Golub and LeVeque 1979).
DEVICE Moments join(Moments a, Moments b) {
  const float count = a.count + b.count;
  if (count == 0.0f) return a;
  const float share = b.count / count, apart = b.mean - a.mean;
  return {count, fmaf(apart, share, a.mean), a.squares + b.squares + apart * apart * a.count * share};
}

/// Joins the moments of all lanes of a warp, always in the same order.
DEVICE Moments warp_join(Moments m) {
#pragma unroll
  for (int offset = 16; offset; offset >>= 1) {
    const Moments other = {__shfl_xor_sync(~0u, m.count, offset), __shfl_xor_sync(~0u, m.mean, offset),
                           __shfl_xor_sync(~0u, m.squares, offset)};
    // Both partners join in the order of their lanes, so that they come to the same bits.
    m = threadIdx.x & offset ? join(other, m) : join(m, other);
  }
  return m;
}

/// Joins `count` moments that other blocks wrote, in their order: every lane takes a stretch of them.
/// To be called by a whole warp, which gets the result in every lane.
DEVICE Moments join_all(const Moments* moments, int count) {
  const int lane = threadIdx.x % 32, each = (count + 31) / 32;
  Moments sum = {0.0f, 0.0f, 0.0f};
  for (int i = lane * each; i < min(count, (lane + 1) * each); i++) {
    sum = join(sum, {__ldcg(&moments[i].count), __ldcg(&moments[i].mean), __ldcg(&moments[i].squares)});
  }
  return warp_join(sum);
}

/// Whether this block is the last of `blocks` to come here. What the others wrote before is visible
/// to the last one. The counter is 0 again afterwards.
DEVICE bool is_last_block(u32* counter, u32 blocks) {
  __shared__ bool last;
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) {
    last = atomicInc(counter, blocks - 1) == blocks - 1;
    __threadfence();
  }
  __syncthreads();
  return last;
}
