#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/audit_json.h"
#include "api/call.h"
#include "api/file_answer.h"
#include "api/json.h"
#include "api/resources.h"
#include "base/buf.h"
#include "keeper/audit_verify.h"

/* NULL where it is empty, too. */
static const char *query_text(const struct api_call *call, const char *name)
{
    const char *text = net_http_query(call->http, name);
    return text != NULL && *text != '\0' ? text : NULL;
}

static enum err query_time(const struct api_call *call, const char *name, bool end,
                           int64_t *ret_seconds, struct err_detail *detail)
{
    const char *text = query_text(call, name);
    return text != NULL ? json_read_time(name, text, end, ret_seconds, detail) : ERR_OK;
}

static enum err show_audit(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    struct keeper_status keeper;
    struct audit_filter filter = {.kind = query_text(call, "kind"),
                                  .actor = query_text(call, "actor"),
                                  .text = query_text(call, "q")};
    TRY(api_query_number(call, "last", AUDIT_SHOW_MAX, 20, &filter.last, detail));
    TRY(api_query_number(call, "before", UINT64_MAX, 0, &filter.before, detail));
    TRY(query_time(call, "from", false, &filter.from, detail));
    TRY(query_time(call, "to", true, &filter.to, detail));
    TRY(keeper_status(call->fleet.keeper, &keeper, detail));
    filter.head = keeper.records;
    TRY(audit_show_json(api_daemon(call->api)->audit_dir, &filter, ret_answer, detail));
    return json_object_set_new(*ret_answer, "kinds", audit_kinds_json()) == 0 ? ERR_OK
                                                                              : ERR_NO_MEMORY;
}
API_HANDLER(show_audit)

static bool on_verify_progress(const struct audit_verify_progress *progress, void *ctx)
{
    return job_progress(ctx, "verify", progress->bytes_done, progress->bytes_total);
}

static enum err verify_job(struct job *job, struct api *api, const struct fleet_call *call,
                           json_t *spec, json_t **ret_result, struct err_detail *detail)
{
    (void)spec;
    AUTO(buf_done) struct buf spki = {0};
    AUTO(rsa_public_freep) struct rsa_public *key = NULL;
    TRY(keeper_public(call->keeper, KEEPER_KEY_SERVER, &spki, NULL, detail));
    TRY(rsa_public_from_spki(buf_view(&spki), &key, detail));
    const struct rsa_public *const keys[] = {key};
    const struct audit_verify_options options = {
        .keys = keys, .key_count = 1, .whole = true, .progress = on_verify_progress, .ctx = job};
    struct audit_verify_result *result = calloc(1, sizeof *result);
    if (result == NULL)
        return ERR_NO_MEMORY;
    enum err err = audit_verify(api_daemon(api)->audit_dir, &options, result, detail);
    if (err == ERR_OK || result->problem.err != ERR_OK)
        *ret_result = audit_verify_json(result);
    free(result);
    return err;
}

static enum err verify_audit(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    /* a signature over all that is there, so that the verdict reaches to this moment */
    TRY(keeper_sign_audit(call->fleet.keeper, call->fleet.actor.name, detail));
    return api_start_job(call, "audit-verify", verify_job, ret_answer);
}
API_HANDLER(verify_audit)

static int compare_numbers(const void *a, const void *b)
{
    uint64_t left, right;
    memcpy(&left, a, sizeof left);
    memcpy(&right, b, sizeof right);
    return left < right ? -1 : left > right;
}

static enum err list_segments(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    const char *dir = api_daemon(call->api)->audit_dir;
    DIR *d = opendir(dir);
    if (d == NULL)
        return err_errno(detail, "%s: can't read the folder", dir);
    AUTO(buf_done) struct buf numbers = {0};
    enum err err = ERR_OK;
    uint64_t number = 0;
    for (const struct dirent *e; err == ERR_OK && (e = readdir(d)) != NULL;) {
        if (segment_name_parse(e->d_name, &number))
            err = buf_append(&numbers, bytes_of(&number, sizeof number));
    }
    (void)closedir(d);
    TRY(err);
    size_t len = numbers.len / sizeof number;
    if (len != 0)
        qsort(numbers.data, len, sizeof number, compare_numbers);
    json_t *list = json_array();
    for (size_t i = 0; i < len; i++) {
        memcpy(&number, numbers.data + i * sizeof number, sizeof number);
        (void)json_array_append_new(list, json_integer((json_int_t)number));
    }
    return api_give(json_pack("{s:o}", "segments", list), ret_answer);
}
API_HANDLER(list_segments)

static enum err read_segment(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    (void)ret_answer;
    const char *text = net_http_param(call->http, "number");
    char *end = NULL;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || *text == '-')
        return err_set(detail, ERR_NOT_FOUND, "'%s' is no number of a segment", text);
    char name[SEGMENT_NAME_SIZE], path[4096];
    segment_name(number, name);
    if (snprintf(path, sizeof path, "%s/%s", api_daemon(call->api)->audit_dir, name) >=
        (int)sizeof path)
        return ERR_LIMIT;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return err_errno(detail, "segment %llu", number);
    return api_answer_file(call->http, fd);
}
API_HANDLER(read_segment)
