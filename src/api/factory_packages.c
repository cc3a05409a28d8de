#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/file_answer.h"
#include "api/factory_files.h"
#include "api/factory_json.h"
#include "api/json.h"
#include "api/resources.h"
#include "audit_kinds.h"
#include "base/file.h"

#define MEMORY        ((size_t)16 * 1024 * 1024)
#define LIMIT_DEFAULT 100

static enum err config_param(const struct api_call *call, uint64_t *ret_config,
                             struct err_detail *detail)
{
    return factory_parse_id("configuration", net_http_param(call->http, "config"), ret_config,
                            detail);
}

static enum err append_package(void *ctx, const struct factory_package *package)
{
    return json_array_append_new(ctx, json_of_package(package)) == 0 ? ERR_OK : ERR_NO_MEMORY;
}

static enum err list_packages(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    struct factory *factory = NULL;
    uint64_t from = 0, next = 0, limit = 0;
    bool there = false, more = false;
    const char *query = net_http_query(call->http, "q");
    TRY(api_factory(call, &factory, detail));
    TRY(factory_query_id(call, "from", &there, &from, detail));
    TRY(api_query_number(call, "limit", FACTORY_PAGE_MAX, LIMIT_DEFAULT, &limit, detail));
    AUTO(arena_freep) struct arena *arena = NULL;
    AUTO(json_freep) json_t *array = json_array();
    TRY(arena_new(MEMORY, &arena));
    TRY(factory_package_list(factory, query != NULL ? query : "", from, (unsigned)limit, arena,
                             append_package, array, &more, &next, detail));
    return api_give(json_pack("{s:O s:o}", "packages", array, "next",
                              more ? json_of_config(next) : json_null()),
                    ret_answer);
}
API_HANDLER(list_packages)

static enum err append_revision(void *ctx, const struct factory_package *p)
{
    json_t *json =
        json_pack("{s:i s:o s:s s:s}", "revision", (int)p->revision, "imported",
                  json_of_time(p->imported), "imported_by", p->imported_by, "comment", p->comment);
    return json_array_append_new(ctx, json) == 0 ? ERR_OK : ERR_NO_MEMORY;
}

static enum err show_package(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    struct factory *factory = NULL;
    struct factory_package package;
    uint64_t config = 0, revision = 0;
    TRY(api_factory(call, &factory, detail));
    TRY(config_param(call, &config, detail));
    TRY(api_query_number(call, "revision", UINT32_MAX, 0, &revision, detail));
    AUTO(arena_freep) struct arena *arena = NULL;
    AUTO(json_freep) json_t *revisions = json_array();
    AUTO(json_freep) json_t *json = NULL;
    TRY(arena_new(MEMORY, &arena));
    TRY(factory_package_get(factory, config, (uint32_t)revision, arena, &package, detail));
    TRY(json_of_package_details(&package, arena, &json, detail));
    TRY(factory_package_revisions(factory, config, arena, append_revision, revisions, detail));
    if (json_object_set(json, "revisions", revisions) != 0)
        return ERR_NO_MEMORY;
    return api_give(TAKE(json), ret_answer);
}
API_HANDLER(show_package)

/* ---- files ---- */

enum err factory_stream_file(struct net_http_request *request, struct factory *factory,
                             uint64_t config, uint32_t revision, const char *name,
                             struct err_detail *detail)
{
    char path[FACTORY_PATH_MAX];
    TRY(factory_package_path(factory, config, revision, name, path, detail));
    AUTO(file_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return err_set(detail, ERR_NOT_FOUND,
                       "configuration 0x%016" PRIx64 " revision %" PRIu32 " has no file '%s'",
                       config, revision, name);
    return api_answer_file(request, file_take(&fd));
}

static enum err read_package_file(struct api_call *call, json_t **ret_answer,
                                  struct err_detail *detail)
{
    (void)ret_answer;
    struct factory *factory = NULL;
    struct factory_package package;
    uint64_t config = 0, revision = 0;
    TRY(api_factory(call, &factory, detail));
    TRY(config_param(call, &config, detail));
    TRY(api_query_number(call, "revision", UINT32_MAX, 0, &revision, detail));
    AUTO(arena_freep) struct arena *arena = NULL;
    TRY(arena_new(MEMORY, &arena));
    TRY(factory_package_get(factory, config, (uint32_t)revision, arena, &package, detail));
    return factory_stream_file(call->http, factory, config, package.revision,
                               net_http_param(call->http, "name"), detail);
}
API_HANDLER(read_package_file)

/* ---- aliases ---- */

static enum err append_alias(void *ctx, const struct factory_alias *alias)
{
    json_t *json = json_pack("{s:s s:o s:o s:s}", "alias", alias->alias, "config_id",
                             json_of_config(alias->config_id), "changed",
                             json_of_time(alias->changed), "changed_by", alias->changed_by);
    return json_array_append_new(ctx, json) == 0 ? ERR_OK : ERR_NO_MEMORY;
}

static enum err list_aliases(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    struct factory *factory = NULL;
    TRY(api_factory(call, &factory, detail));
    AUTO(json_freep) json_t *array = json_array();
    TRY(factory_alias_list(factory, append_alias, array, detail));
    return api_give(json_pack("{s:O}", "aliases", array), ret_answer);
}
API_HANDLER(list_aliases)

static enum err set_alias(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    struct factory *factory = NULL;
    const char *alias = net_http_param(call->http, "alias"), *text = NULL;
    uint64_t config = 0;
    bool replace = false;
    TRY(api_factory(call, &factory, detail));
    TRY(api_text(call, "config_id", &text, detail));
    TRY(factory_parse_id("config_id", text, &config, detail));
    TRY(api_flag(call, "replace", &replace, detail));
    TRY(factory_alias_set(factory, call->fleet.actor.name, alias, config, replace, detail));
    TRY(factory_note(&call->fleet, AUDIT_ALIAS_CHANGED, detail, "%s: 0x%016" PRIx64, alias,
                     config));
    return api_give(json_pack("{s:s s:o}", "alias", alias, "config_id", json_of_config(config)),
                    ret_answer);
}
API_HANDLER(set_alias)

static enum err remove_alias(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    (void)ret_answer;
    struct factory *factory = NULL;
    const char *alias = net_http_param(call->http, "alias");
    TRY(api_factory(call, &factory, detail));
    TRY(factory_alias_remove(factory, alias, detail));
    return factory_note(&call->fleet, AUDIT_ALIAS_CHANGED, detail, "%s: removed", alias);
}
API_HANDLER(remove_alias)
