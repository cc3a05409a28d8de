#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/call.h"
#include "api/file_answer.h"
#include "api/json.h"
#include "api/resources.h"
#include "base/file.h"

static enum err number_param(const struct api_call *call, uint64_t *ret_id,
                             struct err_detail *detail)
{
    const char *text = net_http_param(call->http, "id");
    char *end = NULL;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || *text == '-')
        return err_set(detail, ERR_NOT_FOUND, "'%s' is no number", text);
    *ret_id = number;
    return ERR_OK;
}

static enum err create_upload(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    uint64_t id = 0;
    TRY(spool_add(api_spool(call->api), &id, detail));
    return api_give(json_pack("{s:I}", "upload", (json_int_t)id), ret_answer);
}
API_HANDLER(create_upload)

static enum err write_upload(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    (void)ret_answer;
    uint64_t id = 0, offset = 0;
    TRY(number_param(call, &id, detail));
    TRY(api_query_number(call, "offset", SPOOL_BYTES_MAX, 0, &offset, detail));
    return spool_write(api_spool(call->api), id, offset, net_http_body(call->http), detail);
}
API_HANDLER(write_upload)

static enum err read_download(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    (void)ret_answer;
    uint64_t id = 0;
    const char *part = net_http_query(call->http, "part");
    TRY(number_param(call, &id, detail));
    AUTO(file_closep) int fd = -1;
    TRY(spool_open(api_spool(call->api), id, part != NULL ? part : "", &fd, detail));
    return api_answer_file(call->http, file_take(&fd));
}
API_HANDLER(read_download)

static enum err remove_file(struct api_call *call, struct err_detail *detail)
{
    uint64_t id = 0;
    TRY(number_param(call, &id, detail));
    enum err err = spool_remove(api_spool(call->api), id);
    return err == ERR_OK ? err : err_set(detail, err, "no file %" PRIu64, id);
}

static enum err delete_upload(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    (void)ret_answer;
    return remove_file(call, detail);
}
API_HANDLER(delete_upload)

static enum err delete_download(struct api_call *call, json_t **ret_answer,
                                struct err_detail *detail)
{
    (void)ret_answer;
    return remove_file(call, detail);
}
API_HANDLER(delete_download)

/* Another's job is not found; administrators and auditors see all. */
static bool sees_all_jobs(const struct api_call *call)
{
    enum vault_role role = call->fleet.actor.role;
    return role == VAULT_ROLE_ADMINISTRATOR || role == VAULT_ROLE_AUDITOR;
}

static enum err list_jobs(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    (void)detail;
    json_t *jobs = NULL;
    TRY(jobs_list(api_jobs(call->api), sees_all_jobs(call) ? NULL : call->fleet.actor.name, &jobs));
    return api_give(json_pack("{s:o}", "jobs", jobs), ret_answer);
}
API_HANDLER(list_jobs)

static enum err find_job(struct api_call *call, uint64_t id, uint64_t from, json_t **ret_job,
                         struct err_detail *detail)
{
    AUTO(json_freep) json_t *job = NULL;
    enum err err = jobs_show(api_jobs(call->api), id, from, &job);
    const char *owner = json_string_value(json_object_get(job, "owner"));
    if (err == ERR_OK && !sees_all_jobs(call) &&
        (owner == NULL || strcmp(owner, call->fleet.actor.name) != 0))
        err = ERR_NOT_FOUND;
    if (err == ERR_NOT_FOUND)
        return err_set(detail, err, "no job %" PRIu64 "; jobs are known for an hour", id);
    TRY(err);
    *ret_job = TAKE(job);
    return ERR_OK;
}

static enum err show_job(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    uint64_t id = 0, from = 0;
    TRY(number_param(call, &id, detail));
    TRY(api_query_number(call, "from", INT64_MAX, 0, &from, detail));
    return find_job(call, id, from, ret_answer, detail);
}
API_HANDLER(show_job)

static enum err cancel_job(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    (void)ret_answer;
    uint64_t id = 0;
    TRY(number_param(call, &id, detail));
    AUTO(json_freep) json_t *job = NULL;
    TRY(find_job(call, id, 0, &job, detail));
    enum err err = jobs_cancel(api_jobs(call->api), id);
    return err == ERR_OK ? err : err_set(detail, err, "no job %" PRIu64, id);
}
API_HANDLER(cancel_job)
