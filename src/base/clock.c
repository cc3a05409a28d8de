#include "base/clock.h"

#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

static _Atomic uint64_t fake_us;

uint64_t clock_now_us(void)
{
    uint64_t fake = atomic_load_explicit(&fake_us, memory_order_relaxed);
    if (fake != 0)
        return fake;
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000U + (uint64_t)now.tv_nsec / 1000U;
}

int64_t clock_now_s(void)
{
    return (int64_t)(clock_now_us() / 1000000U);
}

uint64_t clock_mono_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

void clock_format(int64_t seconds, char *to)
{
    time_t t = (time_t)seconds;
    struct tm tm;
    if (gmtime_r(&t, &tm) == NULL || strftime(to, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        (void)snprintf(to, 32, "@%lld", (long long)seconds);
}

void clock_fake_us(uint64_t us)
{
    atomic_store(&fake_us, us);
}
