// Barriers in shared memory and the bulk copies of Hopper, which bring boxes of a tensor there and count
// their bytes at a barrier.
#pragma once
#include "common.cuh"

/// What the driver has written about a tensor: where it lies, its shape, and the boxes to be copied.
struct alignas(64) TensorMap {
  u64 opaque[16];
};

DEVICE void barrier_init(u32 barrier, u32 arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals) : "memory");
}

DEVICE void barrier_arrive(u32 barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
}

/// Arrives, and lets the barrier wait for as many bytes.
DEVICE void barrier_expect(u32 barrier, u32 bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes)
               : "memory");
}

/// Waits until the phase of this parity is complete.
DEVICE void barrier_wait(u32 barrier, u32 parity) {
  u32 complete;
  do {
    asm volatile(
        "{\n\t.reg .pred complete;\n\t"
        "mbarrier.try_wait.parity.shared::cta.b64 complete, [%1], %2;\n\t"
        "selp.u32 %0, 1, 0, complete;\n\t}"
        : "=r"(complete)
        : "r"(barrier), "r"(parity)
        : "memory");
  } while (!complete);
}

/// Makes barriers that were initialised visible to bulk copies.
DEVICE void barriers_publish() { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }

DEVICE void prefetch(const TensorMap& map) {
  asm volatile("prefetch.tensormap [%0];" ::"l"(&map) : "memory");
}

/// Copies the box at these coordinates, the innermost first. What lies outside of the tensor is zero.
DEVICE void copy_box(u32 to, const TensorMap& map, u32 barrier, int a, int b) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%3, "
      "%4}], "
      "[%2];" ::"r"(to),
      "l"(&map), "r"(barrier), "r"(a), "r"(b)
      : "memory");
}

DEVICE void copy_box(u32 to, const TensorMap& map, u32 barrier, int a, int b, int c) {
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::complete_tx::bytes "
      "[%0], [%1, {%3, %4, %5}], [%2];" ::"r"(to),
      "l"(&map), "r"(barrier), "r"(a), "r"(b), "r"(c)
      : "memory");
}

DEVICE void copy_box(u32 to, const TensorMap& map, u32 barrier, int a, int b, int c, int d) {
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.tile.mbarrier::complete_tx::bytes "
      "[%0], [%1, {%3, %4, %5, %6}], [%2];" ::"r"(to),
      "l"(&map), "r"(barrier), "r"(a), "r"(b), "r"(c), "r"(d)
      : "memory");
}

/// Waits for the 128 threads that have this number.
DEVICE void group_sync(int number) { asm volatile("bar.sync %0, 128;" ::"r"(number) : "memory"); }

/// Gives registers back, or takes more, up to this number for each thread of four warps.
template <int COUNT>
DEVICE void registers_give() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(COUNT));
}

template <int COUNT>
DEVICE void registers_take() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(COUNT));
}
