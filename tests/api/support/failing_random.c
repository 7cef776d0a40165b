// Loaded before the C library. While a file exists, getrandom fails after as many calls as the second
// number in the file says; another first number starts the count again. Hash maps ask with other flags
// and are served.

#define _GNU_SOURCE
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_long round;
static atomic_long calls;

ssize_t getrandom(void *buffer, size_t length, unsigned int flags) {
    const char *path = getenv("RANDOM_FAILS_AFTER");
    FILE *file = flags == 0 && length > 0 && path ? fopen(path, "r") : NULL;
    if (file) {
        long number = 0, allowed = 0;
        int found = fscanf(file, "%ld %ld", &number, &allowed);
        fclose(file);
        if (atomic_exchange(&round, number) != number) {
            atomic_store(&calls, 0);
        }
        if (found == 2 && atomic_fetch_add(&calls, 1) >= allowed) {
            errno = EIO;
            return -1;
        }
    }
    return syscall(SYS_getrandom, buffer, length, flags);
}
