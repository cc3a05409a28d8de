#pragma once

#include <jansson.h>
#include <stdio.h>

#include "base/secret.h"
#include "net/http_client.h"
#include "net/http_route.h"
#include "programs/common/options.h"

/* What every subcommand of claviger stands on. */
struct cli {
    const struct options *options;
    struct net_client *client; /* made by the first call */
    bool logged_in;            /* with a session at a daemon elsewhere */
    bool json;                 /* print one JSON document at the end, also on failure */
    bool quiet;
    json_t *answer; /* what it is made of: cli_print_json */
    struct err_detail detail;
    char hint[256]; /* instead of the error's own; "": that one */
};

/* One function per subcommand: prints its answer, gives an error with cli->detail filled. */
typedef enum err cli_fn(struct cli *cli);

/* One exchange with the daemon. `path` is formatted with escaped text arguments (cli_escape).
 * `body` is taken and may be NULL. The answer is a new reference, NULL where there is none; a
 * refusal is an error with the daemon's detail. */
MUST_CHECK enum err cli_call(struct cli *cli, enum net_http_method method, json_t *body,
                             json_t **ret_answer, const char *path, ...)
    __attribute__((format(printf, 5, 6)));
/* Start a job (`path` answers {"job":N}) and follow it to its end with a progress bar; its lines go
 * to `line` as they come (nullable). The result is a new reference. Ctrl-C cancels the job at the
 * daemon. */
typedef void cli_line_fn(struct cli *cli, const json_t *line);
MUST_CHECK enum err cli_job(struct cli *cli, json_t *spec, cli_line_fn *line, json_t **ret_result,
                            const char *path, ...) __attribute__((format(printf, 5, 6)));
/* --url or CLAVIGER_URL name a daemon elsewhere. */
bool cli_is_remote(const struct cli *cli);
/* Connects and, where --user says so, logs in. */
MUST_CHECK enum err cli_connect_remote(struct cli *cli);
/* Ends the session, if there is one. */
void cli_log_out(struct cli *cli);
/* A percent-escaped path segment; lives until the program ends. */
const char *cli_escape(const char *text);

/* Send a file to the daemon's spool, with progress; gives its upload id. */
MUST_CHECK enum err cli_upload(struct cli *cli, const char *path, uint64_t *ret_id);
MUST_CHECK enum err cli_upload_fd(struct cli *cli, int fd, uint64_t *ret_id);
/* Fetch a download ("", ".sig" or ".manifest" of it) into a file that appears whole or not at all.
 */
MUST_CHECK enum err cli_download(struct cli *cli, uint64_t id, const char *part, const char *path,
                                 mode_t mode);
MUST_CHECK enum err cli_download_fd(struct cli *cli, uint64_t id, const char *part, int fd);
/* Any resource that is bytes, into such a file. */
MUST_CHECK enum err cli_fetch(struct cli *cli, const char *resource, const char *path, mode_t mode);
/* The daemon may forget it now. */
void cli_download_done(struct cli *cli, uint64_t id);
/* The uploads that a job's `spec` names ("upload", "upload_signature", "upload_manifest") are of no
 * more use. */
void cli_uploads_done(struct cli *cli, const json_t *spec);

/* From the file that `option` names, or asked for; twice where it is `fresh`. */
MUST_CHECK enum err cli_secret(struct cli *cli, const char *option, const char *what, bool fresh,
                               size_t max, struct secret **ret_secret);
/* The passphrase from --passphrase-file, or asked for; twice where it is `fresh`. */
MUST_CHECK enum err cli_passphrase(struct cli *cli, bool fresh, struct secret **ret_passphrase);
/* Puts a secret into a JSON object as text; ERR_SYNTAX where it is no UTF-8. */
MUST_CHECK enum err cli_set_secret(struct cli *cli, json_t *object, const char *name,
                                   const struct secret *secret);
/* --confirm WORD, or asked for at the terminal. */
MUST_CHECK enum err cli_confirm(struct cli *cli, const char *what, const char *word);

/* What helps, instead of the error's own hint. */
void cli_hint(struct cli *cli, const char *hint);

/* What stands between a folder and a name in it: "/", or "" where the folder ends with one. */
const char *cli_slash(const char *dir);

/* Options and arguments. */
const char *cli_arg(const struct cli *cli, int n);
const char *cli_option(const struct cli *cli, const char *name);
MUST_CHECK enum err cli_number(struct cli *cli, const char *name, uint64_t max, uint64_t fallback,
                               uint64_t *ret_number);

/* Answers. With --json true, and the answer (may be NULL) is printed as it is when the command
 * ends, with "error" in it if it fails; the rest prints nothing then. */
bool cli_print_json(struct cli *cli, json_t *answer);
/* Ends the command: the JSON document, or the error for a person. Gives the exit status; frees what
 * cli has. */
int cli_finish(struct cli *cli, enum err err);
__attribute__((format(printf, 2, 3))) void cli_say(const struct cli *cli, const char *format, ...);
const char *cli_text(const json_t *object, const char *name); /* "" where absent */
json_int_t cli_int(const json_t *object, const char *name);   /* 0 where absent */
/* A copy for a terminal: what could move it (control characters) as \x1b; to be freed. */
char *cli_printable(const char *text);
/* 1,234,567; in a buffer of the call's own (the last 8 live). */
const char *cli_grouped(json_int_t number);
/* "1 node", "1,234 nodes"; the same kind of buffer. */
const char *cli_count(json_int_t number, const char *one, const char *many);

/* A table: column titles, then rows of cells, printed with widths that fit. */
struct table;
/* "none" is printed for one without rows. */
struct table *table_new(const char *const *titles, size_t columns);
void table_row(struct table *table, const char *const *cells);
void table_print(struct table *table, FILE *to);            /* frees it */
void cli_table(const struct cli *cli, struct table *table); /* the same, unless --quiet */
void table_discard(struct table *table);

/* Progress on standard error, where that is a terminal and the work takes longer than a second;
 * never with --quiet. */
struct progress {
    uint64_t started_ns;
    uint64_t shown_ns;
    bool shown;
    bool terminal;
};
void progress_begin(struct progress *progress, const struct cli *cli);
void progress_show(struct progress *progress, const char *stage, uint64_t done, uint64_t total);
void progress_end(struct progress *progress);
