/* Stands before the NVIDIA driver's library and passes everything on, until it has been waited for LOSE_GPU_AFTER times:
   from then on what a separation calls most fails with CUDA_ERROR_UNKNOWN, as if the GPU were gone. What a real driver
   answers then may be another error. benches/trial.py builds it, to see what becomes of a separation. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CUDA_ERROR_UNKNOWN = 999 };

static atomic_long waits;

/* Writes the number of waits so far into a file of the folder LOSE_GPU_WAITS, named after this process and the second word of
   its command line. */
static void note(long seen) {
    const char *folder = getenv("LOSE_GPU_WAITS");
    if (!folder) return;
    char words[4096] = {0}, path[4400];
    FILE *line = fopen("/proc/self/cmdline", "r");
    if (line) fread(words, 1, sizeof words - 2, line), fclose(line);
    snprintf(path, sizeof path, "%s/%d-%.60s", folder, (int)getpid(), words + strlen(words) + 1);
    FILE *file = fopen(path, "w");
    if (file) fprintf(file, "%ld", seen), fclose(file);
}

static int is_lost(int counts) {
    const char *after = getenv("LOSE_GPU_AFTER");
    long seen = counts ? atomic_fetch_add(&waits, 1) + 1 : atomic_load(&waits);
    if (counts) note(seen);
    return after && seen > atol(after);
}

/* The driver's own function of this name. */
#define REAL(name, ...) ((int (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name))

int cuEventSynchronize(void *event) {
    return is_lost(1) ? CUDA_ERROR_UNKNOWN : REAL(cuEventSynchronize, void *)(event);
}

int cuStreamSynchronize(void *stream) {
    return is_lost(0) ? CUDA_ERROR_UNKNOWN : REAL(cuStreamSynchronize, void *)(stream);
}

int cuEventRecord(void *event, void *stream) {
    return is_lost(0) ? CUDA_ERROR_UNKNOWN : REAL(cuEventRecord, void *, void *)(event, stream);
}

int cuStreamWaitEvent(void *stream, void *event, unsigned flags) {
    return is_lost(0) ? CUDA_ERROR_UNKNOWN : REAL(cuStreamWaitEvent, void *, void *, unsigned)(stream, event, flags);
}

int cuMemcpyHtoDAsync_v2(unsigned long long to, const void *from, size_t bytes, void *stream) {
    return is_lost(0) ? CUDA_ERROR_UNKNOWN
                      : REAL(cuMemcpyHtoDAsync_v2, unsigned long long, const void *, size_t, void *)(to, from, bytes, stream);
}

int cuMemcpyDtoHAsync_v2(void *to, unsigned long long from, size_t bytes, void *stream) {
    return is_lost(0) ? CUDA_ERROR_UNKNOWN
                      : REAL(cuMemcpyDtoHAsync_v2, void *, unsigned long long, size_t, void *)(to, from, bytes, stream);
}

int cuMemFree_v2(unsigned long long at) {
    return is_lost(0) ? CUDA_ERROR_UNKNOWN : REAL(cuMemFree_v2, unsigned long long)(at);
}

int cuMemGetInfo_v2(size_t *free, size_t *total) {
    return is_lost(0) ? CUDA_ERROR_UNKNOWN : REAL(cuMemGetInfo_v2, size_t *, size_t *)(free, total);
}
