/* Stands before the NVIDIA driver's library and passes everything on, but shows the first GPU twice: as number 0 and, once
   more, as number 1. So what shares songs out among several GPUs can be tried on a machine with one. Both are one device with
   one context and one memory; what differs between real ones (another context to be made current, another architecture, a
   second memory) does not show. benches/installed.py builds it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

enum { CUDA_SUCCESS = 0, SHOWN = 2 };

/* The driver's own function of this name. */
#define REAL(name, ...) ((int (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name))

int cuDeviceGetCount(int *count) {
    int status = REAL(cuDeviceGetCount, int *)(count);
    if (status == CUDA_SUCCESS && *count > 0) *count = SHOWN;
    return status;
}

int cuDeviceGet(int *device, int number) {
    return REAL(cuDeviceGet, int *, int)(device, number > 0 && number < SHOWN ? 0 : number);
}

int cuGetProcAddress(const char *symbol, void **function, int version, unsigned long long flags);
int cuGetProcAddress_v2(const char *symbol, void **function, int version, unsigned long long flags, int *found);

/* CUDA's runtime, which TensorRT holds, asks the driver for its functions by name. What is ours is put in their place. */
static void *ours(const char *symbol, void *theirs, int version) {
    if (!symbol || !theirs) return theirs;
    if (!strcmp(symbol, "cuDeviceGetCount")) return (void *)cuDeviceGetCount;
    if (!strcmp(symbol, "cuDeviceGet")) return (void *)cuDeviceGet;
    /* From CUDA 12.0 on it has one more argument. */
    if (!strcmp(symbol, "cuGetProcAddress")) return version < 12000 ? (void *)cuGetProcAddress : (void *)cuGetProcAddress_v2;
    return theirs;
}

int cuGetProcAddress(const char *symbol, void **function, int version, unsigned long long flags) {
    int status = REAL(cuGetProcAddress, const char *, void **, int, unsigned long long)(symbol, function, version, flags);
    if (status == CUDA_SUCCESS && function) *function = ours(symbol, *function, version);
    return status;
}

int cuGetProcAddress_v2(const char *symbol, void **function, int version, unsigned long long flags, int *found) {
    int status = REAL(cuGetProcAddress_v2, const char *, void **, int, unsigned long long, int *)(symbol, function, version,
                                                                                                flags, found);
    if (status == CUDA_SUCCESS && function) *function = ours(symbol, *function, version);
    return status;
}
