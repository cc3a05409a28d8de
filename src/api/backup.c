#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "api/json.h"
#include "api/resources.h"
#include "audit_kinds.h"
#include "base/clock.h"

#define NAME_MAX_LEN 40
#define PATH_LEN_MAX 4096

/* As the file of a keyring backup: store.YYMMDDhhmmss.db, UTC. */
static void backup_name(char to[NAME_MAX_LEN])
{
    time_t now = (time_t)clock_now_s();
    struct tm tm;
    (void)gmtime_r(&now, &tm);
    (void)strftime(to, NAME_MAX_LEN, "store.%y%m%d%H%M%S.db", &tm);
}

/* The record is on the chain before the copy can leave. */
static enum err note(const struct fleet_call *call, const char *name, const char *path,
                     uint64_t *ret_bytes, struct err_detail *detail)
{
    struct stat st;
    char text[128];
    if (stat(path, &st) != 0)
        return err_errno(detail, "%s", path);
    *ret_bytes = (uint64_t)st.st_size;
    (void)snprintf(text, sizeof text, "%s, %llu bytes", name, (unsigned long long)*ret_bytes);
    const struct keeper_note record = {.kind = AUDIT_BACKUP_WRITTEN, .text = text};
    return keeper_note_event(call->keeper, call->actor.name, &record, detail);
}

static enum err copy_store(struct api *api, const struct fleet_call *call, const char *name,
                           const char *path, uint64_t *ret_bytes, struct err_detail *detail)
{
    if (!call->progress(call->progress_ctx, "copy", 0, 0))
        return ERR_CANCELLED;
    TRY(store_backup(api_store(api), path, detail));
    enum err err = note(call, name, path, ret_bytes, detail);
    if (err != ERR_OK)
        (void)unlink(path);
    return err;
}

static enum err copy_to_folder(struct api *api, const struct fleet_call *call, const char *name,
                               json_t **ret_result, struct err_detail *detail)
{
    char path[PATH_LEN_MAX];
    uint64_t bytes = 0;
    const char *dir = api_daemon(api)->backup_dir;
    if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path)
        return err_set(detail, ERR_LIMIT, "%s: path too long", dir);
    TRY(copy_store(api, call, name, path, &bytes, detail));
    return api_give(
        json_pack("{s:s s:s s:I}", "name", name, "path", path, "bytes", (json_int_t)bytes),
        ret_result);
}

static enum err copy_to_spool(struct api *api, const struct fleet_call *call, const char *name,
                              json_t **ret_result, struct err_detail *detail)
{
    char path[SPOOL_PATH_MAX];
    uint64_t id = 0, bytes = 0;
    TRY(spool_reserve(api_spool(api), &id, path, detail));
    enum err err = copy_store(api, call, name, path, &bytes, detail);
    if (err != ERR_OK) {
        (void)spool_remove(api_spool(api), id);
        spool_release(api_spool(api), id);
        return err;
    }
    spool_publish(api_spool(api), id);
    return api_give(json_pack("{s:s s:I s:I}", "name", name, "download", (json_int_t)id, "bytes",
                              (json_int_t)bytes),
                    ret_result);
}

static enum err backup_job(struct job *job, struct api *api, const struct fleet_call *call,
                           json_t *spec, json_t **ret_result, struct err_detail *detail)
{
    (void)job;
    char name[NAME_MAX_LEN];
    backup_name(name);
    return json_is_true(json_object_get(spec, "download"))
               ? copy_to_spool(api, call, name, ret_result, detail)
               : copy_to_folder(api, call, name, ret_result, detail);
}

static enum err back_up(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    bool download = false;
    TRY(api_flag(call, "download", &download, detail));
    return api_start_job(call, "backup", backup_job, ret_answer);
}
API_HANDLER(back_up)
