#pragma once

#include <stdlib.h>
#include <string.h>

#include "fuzz/target.h"
#include "line/wrapper/wrapper.h"

/* A wrapper reads what a hostile line says, at both ends, in pieces and with pauses: whatever it
 * delivers is no longer than a message, and it never wants to be called without end. */

static inline void fuzz_write(void *ctx, const uint8_t *data, size_t len)
{
    (void)ctx;
    if (len == 0 || data == NULL)
        abort();
}

static inline void fuzz_read(void *ctx, const uint8_t *data, size_t len)
{
    volatile uint8_t sum = 0;
    (void)ctx;
    if (len == 0 || len > CLAVIGER_LINE_MESSAGE_MAX)
        abort();
    for (size_t i = 0; i < len; i++)
        sum = (uint8_t)(sum + data[i]);
}

static inline void fuzz_host(void *ctx, const uint8_t *data, size_t len)
{
    (void)ctx;
    if (len < 4 || len > CLAVIGER_LINE_MESSAGE_MAX + 4 || data == NULL)
        abort();
}

static inline void fuzz_end(const struct claviger_line_wrapper *wrapper,
                            enum claviger_line_role role, const uint8_t *data, size_t size)
{
    const struct claviger_line_io io = {.write = fuzz_write, .read = fuzz_read, .host = fuzz_host};
    const struct claviger_line_config config = {.role = role, .baud = 9600, .seed = 0x01020304};
    uint64_t now = 1;
    void *state = calloc(1, wrapper->state_size);
    if (state == NULL)
        abort();
    wrapper->init(state, &config, &io, now);
    (void)wrapper->egress(state, (const uint8_t *)"message", 7, now);
    for (size_t at = 0; at < size;) {
        size_t len = data[at] % 23u + 1;
        if (len > size - at)
            len = size - at;
        wrapper->ingress(state, data + at, len, now);
        now += data[at] >= 0xf0 ? 500 : 1;
        (void)wrapper->poll(state, now);
        (void)wrapper->egress(state, data + at, len, now);
        at += len;
    }
    unsigned calls = 0;
    for (uint64_t due = wrapper->poll(state, now); due != CLAVIGER_LINE_NEVER;) {
        now = due > now ? due : now + 1;
        due = wrapper->poll(state, now);
        if (++calls > 10000)
            abort();
    }
    free(state);
}

static inline int fuzz_wrapper(const struct claviger_line_wrapper *wrapper, const uint8_t *data,
                               size_t size)
{
    fuzz_end(wrapper, CLAVIGER_LINE_STATION, data, size);
    fuzz_end(wrapper, CLAVIGER_LINE_DEVICE, data, size);
    return 0;
}
