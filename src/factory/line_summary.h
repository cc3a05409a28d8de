#pragma once

#include "factory/factory.h"

/* What went on at the line in the last minutes: per station, batch, return code, and over time. */

#define FACTORY_SUMMARY_ROWS    256 /* stations, batches, codes at most: those of the newest runs */
#define FACTORY_SUMMARY_MINUTES 1440 /* at most */

struct factory_line_row {
    char name[FACTORY_NAME_MAX + 1]; /* station */
    char operator[FACTORY_NAME_MAX + 1];
    uint32_t number; /* batch or return code */
    uint64_t passed, failed;
    int64_t last;  /* seconds; the point in time, in the chart */
    uint64_t busy; /* runs under way */
};
struct factory_line {
    struct factory_line_row stations[FACTORY_SUMMARY_ROWS]; /* by name */
    struct factory_line_row batches[FACTORY_SUMMARY_ROWS];  /* that of the newest run first */
    struct factory_line_row codes[FACTORY_SUMMARY_ROWS];    /* most first, counted in `failed` */
    struct factory_line_row chart[FACTORY_SUMMARY_MINUTES]; /* one a minute, rising: all runs */
    size_t stations_len, batches_len, codes_len, chart_len;
};
/* `ret_line` is large: on the heap, zeroed. Kept for a second, so that many pages cost as one. */
MUST_CHECK enum err factory_line_summary(struct factory *factory, unsigned minutes, int64_t now,
                                         struct factory_line *ret_line, struct err_detail *detail);
