#pragma once

#include <stdint.h>

/* Microseconds since 1970-01-01 UTC. */
uint64_t clock_now_us(void);
/* Seconds since 1970-01-01 UTC. */
int64_t clock_now_s(void);
/* Nanoseconds of a clock that never jumps; for durations only. */
uint64_t clock_mono_ns(void);
/* "2026-11-21T02:39:00Z"; `to` has room for 32. */
void clock_format(int64_t seconds, char *to);
/* Tests only: the wall clock stands at `us` until called with 0. */
void clock_fake_us(uint64_t us);
