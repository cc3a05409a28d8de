#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "api/json.h"
#include "api/resources.h"
#include "audit_kinds.h"
#include "base/clock.h"
#include "factory/backup.h"

#define NAME_MAX_LEN 40
#define PATH_LEN_MAX 4096

/* A copy of the store and, of a factory, its packages' files: what is told of them. */
struct copy {
    char stamp[NAME_MAX_LEN]; /* YYMMDDhhmmss, UTC */
    uint64_t bytes;
    struct factory_backup packages;
};

static void copy_begin(struct copy *copy)
{
    time_t now = (time_t)clock_now_s();
    struct tm tm;
    (void)gmtime_r(&now, &tm);
    (void)strftime(copy->stamp, sizeof copy->stamp, "%y%m%d%H%M%S", &tm);
}

/* The record is on the chain before the copy can leave. */
static enum err note(const struct fleet_call *call, const char *path, struct copy *copy,
                     struct err_detail *detail)
{
    struct stat st;
    char text[256];
    if (stat(path, &st) != 0)
        return err_errno(detail, "%s", path);
    copy->bytes = (uint64_t)st.st_size;
    int len = snprintf(text, sizeof text, "store.%s.db, %llu bytes", copy->stamp,
                       (unsigned long long)copy->bytes);
    if (copy->packages.revisions > 0)
        (void)snprintf(text + len, sizeof text - (size_t)len, "; packages.%s.tar, %llu bytes",
                       copy->stamp, (unsigned long long)copy->packages.bytes);
    const struct keeper_note record = {.kind = AUDIT_BACKUP_WRITTEN, .text = text};
    return keeper_note_event(call->keeper, call->actor.name, &record, detail);
}

/* Packages after the store: a revision that came between has files too many, which the next start
 * removes, and none has too few. */
static enum err copy_all(struct api *api, const struct fleet_call *call, const char *path,
                         const char *packages, struct copy *copy, struct err_detail *detail)
{
    struct factory *factory = api_factory_state(api);
    if (!call->progress(call->progress_ctx, "copy", 0, 0))
        return ERR_CANCELLED;
    TRY(store_backup(api_store(api), path, detail));
    enum err err = factory != NULL && packages != NULL
                       ? factory_backup(factory, call, packages, &copy->packages, detail)
                       : ERR_OK;
    if (err == ERR_OK)
        err = note(call, path, copy, detail);
    if (err == ERR_OK)
        return ERR_OK;
    (void)unlink(path);
    if (packages != NULL && copy->packages.revisions > 0)
        (void)unlink(packages);
    return err;
}

static json_t *packages_json(const struct copy *copy, const char *path)
{
    const struct factory_backup *p = &copy->packages;
    if (p->revisions == 0)
        return json_null();
    char name[NAME_MAX_LEN + 16];
    (void)snprintf(name, sizeof name, "packages.%s.tar", copy->stamp);
    json_t *json = json_pack("{s:s s:I s:I s:I s:I}", "name", name, "bytes", (json_int_t)p->bytes,
                             "revisions", (json_int_t)p->revisions, "files", (json_int_t)p->files,
                             "missing", (json_int_t)p->missing);
    if (path != NULL)
        (void)json_object_set_new(json, "path", json_string(path));
    return json;
}

static enum err copy_to_folder(struct api *api, const struct fleet_call *call, bool with_packages,
                               json_t **ret_result, struct err_detail *detail)
{
    char path[PATH_LEN_MAX], packages[PATH_LEN_MAX];
    struct copy copy = {.bytes = 0};
    const char *dir = api_daemon(api)->backup_dir;
    copy_begin(&copy);
    if (snprintf(path, sizeof path, "%s/store.%s.db", dir, copy.stamp) >= (int)sizeof path ||
        snprintf(packages, sizeof packages, "%s/packages.%s.tar", dir, copy.stamp) >=
            (int)sizeof packages)
        return err_set(detail, ERR_LIMIT, "%s: path too long", dir);
    TRY(copy_all(api, call, path, with_packages ? packages : NULL, &copy, detail));
    return api_give(json_pack("{s:s s:s s:I s:o}", "name", strrchr(path, '/') + 1, "path", path,
                              "bytes", (json_int_t)copy.bytes, "packages",
                              packages_json(&copy, packages)),
                    ret_result);
}

static enum err copy_to_spool(struct api *api, const struct fleet_call *call, bool with_packages,
                              json_t **ret_result, struct err_detail *detail)
{
    char path[SPOOL_PATH_MAX], packages[SPOOL_PATH_MAX + 16], name[NAME_MAX_LEN + 16];
    uint64_t id = 0;
    struct copy copy = {.bytes = 0};
    copy_begin(&copy);
    TRY(spool_reserve(api_spool(api), &id, path, detail));
    (void)snprintf(packages, sizeof packages, "%s.packages", path);
    (void)snprintf(name, sizeof name, "store.%s.db", copy.stamp);
    enum err err = copy_all(api, call, path, with_packages ? packages : NULL, &copy, detail);
    if (err != ERR_OK) {
        (void)spool_remove(api_spool(api), id);
        spool_release(api_spool(api), id);
        return err;
    }
    spool_publish(api_spool(api), id);
    return api_give(json_pack("{s:s s:I s:I s:o}", "name", name, "download", (json_int_t)id,
                              "bytes", (json_int_t)copy.bytes, "packages",
                              packages_json(&copy, NULL)),
                    ret_result);
}

static enum err backup_job(struct job *job, struct api *api, const struct fleet_call *call,
                           json_t *spec, json_t **ret_result, struct err_detail *detail)
{
    (void)job;
    bool with_packages = !json_is_false(json_object_get(spec, "packages"));
    return json_is_true(json_object_get(spec, "download"))
               ? copy_to_spool(api, call, with_packages, ret_result, detail)
               : copy_to_folder(api, call, with_packages, ret_result, detail);
}

static enum err back_up(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    bool flag = false;
    TRY(api_flag(call, "download", &flag, detail));
    TRY(api_flag(call, "packages", &flag, detail));
    return api_start_job(call, "backup", backup_job, ret_answer);
}
API_HANDLER(back_up)
