#pragma once

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/hex.h"
#include "support/test.h"

/* Hexadecimal to bytes, for vectors; at most 1024 of them, in turn from eight static places. */
static inline struct bytes unhex(const char *text)
{
    static uint8_t places[8][1024];
    static unsigned next;
    uint8_t *to = places[next++ % 8];
    size_t len = 0;
    assert_ok(hex_decode(bytes_str(text), to, sizeof places[0], &len));
    return bytes_of(to, len);
}

static inline void assert_hex(const void *got, const char *want)
{
    uint8_t bytes[1024];
    size_t len = 0;
    assert_ok(hex_decode(bytes_str(want), bytes, sizeof bytes, &len));
    assert_memory_equal(got, bytes, len);
}

/* The shell's status. */
__attribute__((format(printf, 1, 2))) static inline int shell(const char *format, ...)
{
    char command[4096];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(command, sizeof command, format, args);
    va_end(args);
    assert_true(len > 0 && (size_t)len < sizeof command);
    return system(command);
}

static inline bool have(const char *program)
{
    return shell("command -v %s >/dev/null 2>&1", program) == 0;
}

static inline void put_file(const char *dir, const char *name, struct bytes content)
{
    char *path = test_path(dir, name);
    assert_ok(file_write(path, content, 0600, NULL));
    free(path);
}

static inline void get_file(const char *dir, const char *name, struct buf *to)
{
    char *path = test_path(dir, name);
    to->len = 0;
    assert_ok(file_read(path, (size_t)64 * 1024 * 1024, to, NULL));
    free(path);
}
