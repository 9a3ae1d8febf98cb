/* bcryptprimitives.dll, which Wine 8 lacks and Rust's standard library asks for random numbers since 1.78. For tests alone. */
#include <windows.h>
#include <ntsecapi.h>

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE bytes, SIZE_T count) {
    return RtlGenRandom(bytes, (ULONG)count);
}
