#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "programs/claviger-provision/provision.h"

#define REDRAW_NS 100000000u /* progress is drawn ten times a second */
#define BAR       20

struct line {
    const char *stage; /* NULL: nothing to show */
    uint64_t node_id;
    uint32_t done, total;
};

struct output {
    const struct settings *settings;
    pthread_mutex_t lock;
    int log;         /* -1: none */
    bool log_failed; /* it was said */
    bool terminal;
    unsigned drawn; /* lines of progress that are on the terminal */
    uint64_t drawn_ns;
    struct line lines[PORTS_MAX];
};

enum err output_new(const struct settings *settings, struct output **ret_output,
                    struct line_fault *fault)
{
    struct output *output = calloc(1, sizeof *output);
    if (output == NULL)
        return line_fail(fault, LINE_INTERNAL, "out of memory");
    output->settings = settings;
    output->log = -1;
    output->terminal = isatty(STDOUT_FILENO) != 0 && settings->verbosity > 0;
    if (settings->logfile != NULL) {
        output->log =
            open(settings->logfile, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640);
        if (output->log < 0) {
            struct err_detail detail = {0};
            enum err err = err_errno(&detail, "%s", settings->logfile);
            free(output);
            return line_fail_err(fault, LINE_INTERNAL, "log", err, &detail);
        }
    }
    (void)pthread_mutex_init(&output->lock, NULL);
    *ret_output = output;
    return ERR_OK;
}

void output_free(struct output *output)
{
    if (output == NULL)
        return;
    if (output->log >= 0)
        (void)close(output->log);
    (void)pthread_mutex_destroy(&output->lock);
    free(output);
}

/* ---- progress, under the lock ---- */

static void wipe_progress(struct output *output)
{
    for (; output->drawn > 0; output->drawn--)
        (void)printf("\x1b[1A\x1b[2K");
}

static void draw_line(const char *port, const struct line *line)
{
    char id[24] = "", bar[BAR + 1];
    unsigned percent = 0;
    if (line->node_id != 0)
        (void)snprintf(id, sizeof id, " 0x%08" PRIx64, line->node_id);
    (void)printf("%s%s: %s", port, id, line->stage);
    if (line->total != 0) {
        percent = (unsigned)((uint64_t)line->done * 100 / line->total);
        unsigned full = percent * BAR / 100;
        memset(bar, ' ', BAR);
        memset(bar, '=', full < BAR ? full : BAR);
        bar[BAR] = '\0';
        (void)printf(" [%s] %u%%", bar, percent);
    }
    (void)printf("\n");
}

static void draw_progress(struct output *output)
{
    wipe_progress(output);
    (void)printf("\x1b[?7l"); /* a long line is cut, not wrapped: it has to stay one */
    for (size_t i = 0; i < output->settings->ports_len; i++) {
        if (output->lines[i].stage != NULL) {
            draw_line(output->settings->ports[i], &output->lines[i]);
            output->drawn++;
        }
    }
    (void)printf("\x1b[?7h");
    (void)fflush(stdout);
}

void output_progress(struct output *output, size_t port, const char *stage, uint32_t done,
                     uint32_t total)
{
    uint64_t now = clock_mono_ns();
    (void)pthread_mutex_lock(&output->lock);
    struct line *line = &output->lines[port];
    bool other = line->stage != stage;
    line->stage = stage;
    line->done = done;
    line->total = total;
    if (output->terminal && (other || now - output->drawn_ns >= REDRAW_NS)) {
        output->drawn_ns = now;
        draw_progress(output);
    }
    (void)pthread_mutex_unlock(&output->lock);
}

void output_device(struct output *output, size_t port, uint64_t node_id)
{
    (void)pthread_mutex_lock(&output->lock);
    output->lines[port].node_id = node_id;
    (void)pthread_mutex_unlock(&output->lock);
}

/* ---- lines ---- */

static void write_log(struct output *output, const char *port, enum log_level level,
                      const char *text)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    char when[32], line[1024];
    if (output->log < 0)
        return;
    clock_format(clock_now_s(), when);
    int len = snprintf(line, sizeof line, "%s %s: %s: %s\n", when, port, names[level], text);
    if (len >= (int)sizeof line) {
        len = (int)sizeof line - 1;
        line[len - 1] = '\n';
    }
    if (len <= 0)
        return;
    ssize_t written = write(output->log, line, (size_t)len);
    if (written == len || output->log_failed)
        return;
    /* It does not stop the line: what counts is at the server. */
    output->log_failed = true;
    (void)fprintf(stderr,
                  "claviger-provision: the log can't be written, lines are missing: %s: %s\n",
                  output->settings->logfile, written < 0 ? strerror(errno) : "no room");
}

static enum log_level shown(const struct settings *settings)
{
    static const enum log_level levels[] = {LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_DEBUG};
    return levels[settings->verbosity];
}

void output_log(struct output *output, size_t port, enum log_level level, const char *text)
{
    const char *name = output->settings->ports[port];
    (void)pthread_mutex_lock(&output->lock);
    write_log(output, name, level, text);
    /* Errors of a run are shown with its result. */
    if (level != LOG_LEVEL_ERROR && level <= shown(output->settings)) {
        wipe_progress(output);
        (void)printf("%s: %s\n", name, text);
        if (output->terminal)
            draw_progress(output);
    }
    (void)pthread_mutex_unlock(&output->lock);
}

void print_code(FILE *to, enum line_code code, const char *text)
{
    const struct line_code_row *row = line_code_row((int)code);
    (void)fprintf(to, "return code %d: %s\n", (int)code, line_code_text((int)code));
    if (*text != '\0')
        (void)fprintf(to, "  %s\n", text);
    for (size_t i = 0; row != NULL && i < LINE_CODE_ACTIONS_MAX && row->actions[i] != 0; i++)
        (void)fprintf(to, "  %s\n", line_actions[row->actions[i]]);
}

void output_result(struct output *output, size_t port, const struct line_outcome *outcome)
{
    const struct settings *settings = output->settings;
    char id[24] = "no device";
    (void)pthread_mutex_lock(&output->lock);
    output->lines[port] = (struct line){0};
    wipe_progress(output);
    if (outcome->node_id != 0)
        (void)snprintf(id, sizeof id, "0x%08" PRIx64, outcome->node_id);
    if (outcome->code != LINE_OK) {
        (void)printf("%s: %s: ", settings->ports[port], id);
        print_code(stdout, outcome->code, outcome->text);
    } else if (settings->verbosity > 0) {
        (void)printf("%s: %s: return code 0: %s in %.1f s%s%s\n", settings->ports[port], id,
                     line_code_text(LINE_OK), outcome->seconds,
                     outcome->keyed ? ", fresh root key" : "", outcome->locked ? ", locked" : "");
    }
    if (output->terminal)
        draw_progress(output);
    (void)fflush(stdout);
    (void)pthread_mutex_unlock(&output->lock);
}
