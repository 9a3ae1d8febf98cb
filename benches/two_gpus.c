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

/* Whether a call comes from TensorRT, which holds CUDA's runtime: that one sees the GPU once, as it is, for it refuses a device
   that it has met under another number. It takes the context that is current, which is the GPU's under either number. */
static int is_tensorrt(void *caller) {
    Dl_info found;
    return dladdr(caller, &found) && found.dli_fname && strstr(found.dli_fname, "tensorrt");
}

#define CALLER __builtin_return_address(0)

int cuDeviceGetCount(int *count) {
    int status = REAL(cuDeviceGetCount, int *)(count);
    if (status == CUDA_SUCCESS && *count > 0 && !is_tensorrt(CALLER)) *count = SHOWN;
    return status;
}

int cuDeviceGet(int *device, int number) {
    int real = number > 0 && number < SHOWN && !is_tensorrt(CALLER) ? 0 : number;
    return REAL(cuDeviceGet, int *, int)(device, real);
}

int cuGetProcAddress(const char *symbol, void **function, int version, unsigned long long flags);
int cuGetProcAddress_v2(const char *symbol, void **function, int version, unsigned long long flags, int *found);

/* Functions of the driver may be asked for by name. What is ours is put in their place. */
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
    if (status == CUDA_SUCCESS && function && !is_tensorrt(CALLER)) *function = ours(symbol, *function, version);
    return status;
}

int cuGetProcAddress_v2(const char *symbol, void **function, int version, unsigned long long flags, int *found) {
    int status = REAL(cuGetProcAddress_v2, const char *, void **, int, unsigned long long, int *)(symbol, function, version,
                                                                                                flags, found);
    if (status == CUDA_SUCCESS && function && !is_tensorrt(CALLER)) *function = ours(symbol, *function, version);
    return status;
}
