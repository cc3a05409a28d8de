#pragma once

#include <stdatomic.h>
#include <stdio.h>

#include "line/procedure.h"
#include "programs/common/options.h"

/* claviger-provision: settings.c turns the command line into jobs, station.c serves the ports,
 * output.c says what happens. */

#define PORTS_MAX 32

struct settings {
    const char *ports[PORTS_MAX];
    size_t ports_len;
    uint32_t baud;
    const char *wrapper;
    char host[256];
    uint16_t port;
    bool plain;
    char profile[PATH_MAX], cache[PATH_MAX];
    struct line_choice choice;
    uint32_t batch;
    char batch_note[128]; /* which number it was read as; "" for decimal */
    enum line_operation operation;
    bool factory_config, skip_keys, skip_lock, loop;
    const char *partial_host_id;
    struct line_ota_config gateway;
    unsigned join_timeout_s;
    const char *path_from, *path_to, *operator, * logfile;
    int verbosity;
};
/* Long options that begin with one dash, and '-' where the table has '_' or the other way round,
 * become what the table has. Words are changed in place or replaced. */
void spell(const struct program_row *program, int argc, char **argv);
/* ERR_REFUSED with LINE_ARGUMENTS. Texts are borrowed from the options. */
MUST_CHECK enum err settings_read(const struct options *options, struct settings *ret_settings,
                                  struct line_fault *fault);
/* "1000", "0x3e8", "01750". */
MUST_CHECK enum err batch_read(const char *text, uint32_t *ret_batch, char ret_note[128],
                               struct line_fault *fault);
/* "host", "host:port", "[::1]:port", "::1". */
MUST_CHECK enum err server_read(const char *text, char ret_host[256], uint16_t *ret_port,
                                struct line_fault *fault);

/* ---- output.c: any thread ---- */

struct output;
/* LINE_INTERNAL where the log file can't be written. */
MUST_CHECK enum err output_new(const struct settings *settings, struct output **ret_output,
                               struct line_fault *fault);
void output_free(struct output *output);
void output_log(struct output *output, size_t port, enum log_level level, const char *text);
void output_progress(struct output *output, size_t port, const char *stage, uint32_t done,
                     uint32_t total);
void output_device(struct output *output, size_t port, uint64_t node_id);
/* The end of one device, with its meaning and what to do; takes the port's line of progress away.
 */
void output_result(struct output *output, size_t port, const struct line_outcome *outcome);
/* The same where no device is concerned; no output is needed. */
void print_code(FILE *to, enum line_code code, const char *text);

/* ---- station.c ---- */

/* Every port of the settings, at the same time, until each is done or `stop` is set. The first
 * return code that is not LINE_OK, in the order of the ports. */
enum line_code stations_run(const struct settings *settings, struct output *output,
                            const atomic_bool *stop);
