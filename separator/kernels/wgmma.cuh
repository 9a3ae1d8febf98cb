// Products of four warps together on Hopper (`wgmma`), which read what lies in shared memory by
// descriptors and run beside what the warps do next.
#pragma once
#include "common.cuh"

/// Begins a run of products: registers and shared memory that were written before are seen by them.
DEVICE void products_begin() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }

DEVICE void products_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }

/// Waits until all committed products but those of the newest `PENDING` groups are complete.
template <int PENDING>
DEVICE void products_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(PENDING) : "memory");
}

/// Makes what ordinary instructions and copies wrote to shared memory visible to products.
DEVICE void publish_to_products() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

/// Keeps the compiler from reading sums before they are complete.
template <int COUNT>
DEVICE void settle(float (&sum)[COUNT]) {
#pragma unroll
  for (int i = 0; i < COUNT; i++) asm volatile("" : "+f"(sum[i])::"memory");
}

/// Describes rows of 128 or 64 bytes, whose chunks of 16 are exchanged by the row's number.
template <int BYTES = 128>
DEVICE u64 describe_rows(u32 address) {
  constexpr u64 EIGHT_ROWS = 8 * BYTES / 16, EXCHANGE = BYTES == 128 ? 1 : 2;
  return (u64)(address & 0x3FFFF) >> 4 | EIGHT_ROWS << 32 | EXCHANGE << 62;
}

// Sums and their numbers in an instruction.
#define SUMS4(n) "+f"(sum[n]), "+f"(sum[n + 1]), "+f"(sum[n + 2]), "+f"(sum[n + 3])
#define SUMS8(n) SUMS4(n), SUMS4(n + 4)
#define SUMS16(n) SUMS8(n), SUMS8(n + 8)
#define NUMBERS12 "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11"
#define NUMBERS24 NUMBERS12 ",%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23"
#define NUMBERS32 NUMBERS24 ",%24,%25,%26,%27,%28,%29,%30,%31"
#define NUMBERS48 NUMBERS32 ",%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47"

#define SHARED_PRODUCT(columns, numbers, a_number, b_number, ...)                                     \
  asm volatile("wgmma.mma_async.sync.aligned.m64n" columns "k16.f32.f16.f16 {" numbers "}, " a_number \
               ", " b_number ", 1, 1, 1, 0, 0;"                                                       \
               : __VA_ARGS__                                                                          \
               : "l"(a), "l"(b))

/// sum += a b for 64 rows of `a` and 96 columns, 16 of K, both in shared memory with K innermost. A
/// thread has of rows g and g + 8 of its warp's 16 the columns 8 n + 2 q and the next, where its lane is
/// 4 g + q.
DEVICE void product(float (&sum)[48], u64 a, u64 b) {
  SHARED_PRODUCT("96", NUMBERS48, "%48", "%49", SUMS16(0), SUMS16(16), SUMS16(32));
}

/// The same for 48 columns.
DEVICE void product(float (&sum)[24], u64 a, u64 b) {
  SHARED_PRODUCT("48", NUMBERS24, "%24", "%25", SUMS16(0), SUMS8(16));
}

// The left side from registers, laid out as for `mma16`; `add` is 0 where the sums begin.
#define REGISTER_PRODUCT(columns, numbers, a_numbers, b_number, add, transposed, ...)                   \
  asm volatile("wgmma.mma_async.sync.aligned.m64n" columns "k16.f32.f16.f16 {" numbers "}, {" a_numbers \
               "}, " b_number ", " add ", 1, 1, " transposed ";"                                        \
               : __VA_ARGS__                                                                            \
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b))

/// sum = a b for 64 columns with K innermost.
DEVICE void product_first(float (&sum)[32], const u32 (&a)[4], u64 b) {
  REGISTER_PRODUCT("64", NUMBERS32, "%32,%33,%34,%35", "%36", "0", "0", SUMS16(0), SUMS16(16));
}

/// sum += a b, likewise.
DEVICE void product(float (&sum)[32], const u32 (&a)[4], u64 b) {
  REGISTER_PRODUCT("64", NUMBERS32, "%32,%33,%34,%35", "%36", "1", "0", SUMS16(0), SUMS16(16));
}

/// sum = a b for 96 columns with K innermost.
DEVICE void product_first(float (&sum)[48], const u32 (&a)[4], u64 b) {
  REGISTER_PRODUCT("96", NUMBERS48, "%48,%49,%50,%51", "%52", "0", "0", SUMS16(0), SUMS16(16), SUMS16(32));
}

/// sum += a b, likewise.
DEVICE void product(float (&sum)[48], const u32 (&a)[4], u64 b) {
  REGISTER_PRODUCT("96", NUMBERS48, "%48,%49,%50,%51", "%52", "1", "0", SUMS16(0), SUMS16(16), SUMS16(32));
}

/// sum += a b for 24 columns, which are innermost in `b`.
DEVICE void product_transposed(float (&sum)[12], const u32 (&a)[4], u64 b) {
  REGISTER_PRODUCT("24", NUMBERS12, "%12,%13,%14,%15", "%16", "1", "1", SUMS8(0), SUMS4(8));
}

/// sum += a b for 48 columns, which are innermost in `b`.
DEVICE void product_transposed(float (&sum)[24], const u32 (&a)[4], u64 b) {
  REGISTER_PRODUCT("48", NUMBERS24, "%24,%25,%26,%27", "%28", "1", "1", SUMS16(0), SUMS8(16));
}

/// sum += a b for 64 columns, which are innermost in `b`.
DEVICE void product_transposed(float (&sum)[32], const u32 (&a)[4], u64 b) {
  REGISTER_PRODUCT("64", NUMBERS32, "%32,%33,%34,%35", "%36", "1", "1", SUMS16(0), SUMS16(16));
}
