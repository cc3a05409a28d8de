#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "programs/claviger/cli.h"

#define SECOND    UINT64_C(1000000000)
#define BAR_CELLS 30

void progress_begin(struct progress *p, const struct cli *cli)
{
    *p = (struct progress){.started_ns = clock_mono_ns(),
                           .terminal = !cli->quiet && isatty(STDERR_FILENO) == 1};
}

static void print_left(uint64_t elapsed_ns, uint64_t done, uint64_t total)
{
    if (done == 0 || elapsed_ns < 2 * SECOND)
        return;
    double left = (double)elapsed_ns / 1e9 * (double)(total - done) / (double)done;
    (void)fprintf(stderr, "  %.0f s left", left);
}

void progress_show(struct progress *p, const char *stage, uint64_t done, uint64_t total)
{
    uint64_t now = clock_mono_ns();
    if (!p->terminal || now - p->started_ns < SECOND || now - p->shown_ns < SECOND / 10)
        return;
    p->shown_ns = now;
    p->shown = true;
    (void)fprintf(stderr, "\r\033[K%-10s ", stage);
    if (total == 0 || done > total) {
        (void)fprintf(stderr, "%s", cli_grouped((json_int_t)done));
    } else {
        int cells = (int)(done * BAR_CELLS / total);
        (void)fprintf(stderr, "[%.*s%*s] %3" PRIu64 "%%", cells, "##############################",
                      BAR_CELLS - cells, "", done * 100 / total);
        print_left(now - p->started_ns, done, total);
    }
    (void)fflush(stderr);
}

void progress_end(struct progress *p)
{
    if (p->shown)
        (void)fprintf(stderr, "\r\033[K");
    p->shown = false;
}
