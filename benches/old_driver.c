/* Stands before the NVIDIA driver's library and passes everything on, but says that it supports no later CUDA version than
   OLD_DRIVER, such as 11080 for 11.8. benches/gpu_faults.py builds it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>

int cuDriverGetVersion(int *version) {
    const char *old = getenv("OLD_DRIVER");
    if (old) return *version = atoi(old), 0;
    return ((int (*)(int *))dlsym(RTLD_NEXT, "cuDriverGetVersion"))(version);
}
