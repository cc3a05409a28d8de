#pragma once

#include <stdbool.h>

#include "base/bytes.h"

/* The line to a simulated device: a pseudo-terminal or a TCP port, as fast as a serial line, and as
 * bad as wanted. One thread. */
struct sim_line;

struct sim_faults {
    double noise, lose, doubled; /* of each byte: probability */
    unsigned delay_ms;           /* before an answer */
    uint64_t cut;                /* bytes until the cable is pulled, once; 0: never */
};

struct sim_line_config {
    const char *pty;  /* path of the link to the terminal, or NULL: TCP */
    const char *host; /* TCP */
    uint16_t port;    /* 0: any */
    uint32_t baud;    /* 0: as fast as it goes */
    struct sim_faults faults;
    uint64_t seed; /* of the faults: the same seed, the same faults */
    int stop_fd;   /* readable: all ends */
};

/* Texts are borrowed. */
MUST_CHECK enum err sim_line_open(const struct sim_line_config *config, struct sim_line **ret_line,
                                  struct err_detail *detail);
void sim_line_close(struct sim_line *line); /* removes the link; NULL is allowed */
/* "./dut0", "127.0.0.1:4100". */
const char *sim_line_name(const struct sim_line *line);
void sim_line_send(struct sim_line *line, const uint8_t *data, size_t len);
/* Bytes that came, or 0 after `until_ms` (monotonic) or an event; meanwhile sends what is queued.
 * *ret_cut: the cable was pulled. */
size_t sim_line_wait(struct sim_line *line, uint64_t until_ms, uint8_t *to, size_t cap,
                     bool *ret_cut);
