#include "api/json.h"
#include "api/resources.h"
#include "factory/gateway_keys.h"
#include "vault/objects.h"
#include "vault/vault.h"

/* Domains that are no network's: there is one at most of a group. `field` names it in answers. */
struct group {
    const char *name, *field, *none;
};
static const struct group objects = {VAULT_OBJECTS_GROUP, "objects",
                                     "no managed objects: the KMIP service never ran"};
static const struct group packages = {FACTORY_DOMAIN_GROUP, "factory",
                                      "no gateway keys of packages: nothing was imported yet"};

static enum err find_domain(struct api *api, const struct group *group,
                            struct vault_domain *ret_domain, struct err_detail *detail)
{
    uint32_t id = 0;
    if (vault_domain_list(api_vault(api), group->name, &id, 1) == 0)
        return err_set(detail, ERR_NOT_FOUND, "%s", group->none);
    return vault_domain_get(api_vault(api), id, ret_domain);
}

static void add_domain(struct api *api, const struct group *group, json_t *list)
{
    struct vault_domain domain;
    if (find_domain(api, group, &domain, NULL) == ERR_OK)
        (void)json_array_append_new(list, json_pack("{s:b s:i s:b}", group->field, true, "version",
                                                    (int)domain.version, "resealing",
                                                    domain.oldest != domain.version));
}

void api_add_domains(struct api *api, json_t *list)
{
    add_domain(api, &objects, list);
    add_domain(api, &packages, list);
}

static bool tell(void *ctx, uint64_t done)
{
    const struct fleet_call *call = ctx;
    return call->progress(call->progress_ctx, "reseal", done, 0);
}

static enum err rotate(struct api *api, const struct group *group, const struct fleet_call *call,
                       json_t **ret_result, struct err_detail *detail)
{
    struct vault *vault = api_vault(api);
    struct vault_domain domain;
    TRY(find_domain(api, group, &domain, detail));
    /* one that was cut off is finished first; only a whole one is followed by the next version */
    if (domain.oldest == domain.version)
        TRY(vault_domain_rotate(vault, call->keeper, call->actor.name, domain.id, detail,
                                &domain.version));
    TRY(vault_domain_reseal(vault, call->keeper, call->actor.name, domain.id, tell,
                            (void *)(uintptr_t)call, detail));
    return api_give(json_pack("{s:b s:i}", group->field, true, "version", (int)domain.version),
                    ret_result);
}

static enum err rotate_objects_job(struct job *job, struct api *api, const struct fleet_call *call,
                                   json_t *spec, json_t **ret_result, struct err_detail *detail)
{
    (void)job;
    (void)spec;
    return rotate(api, &objects, call, ret_result, detail);
}

static enum err rotate_objects(struct api_call *call, json_t **ret_answer,
                               struct err_detail *detail)
{
    struct vault_domain domain;
    TRY(find_domain(call->api, &objects, &domain, detail));
    return api_start_job(call, "rotate-objects", rotate_objects_job, ret_answer);
}
API_HANDLER(rotate_objects)

static enum err rotate_factory_job(struct job *job, struct api *api, const struct fleet_call *call,
                                   json_t *spec, json_t **ret_result, struct err_detail *detail)
{
    (void)job;
    (void)spec;
    return rotate(api, &packages, call, ret_result, detail);
}

/* Where the daemon serves no factory now, too: what is sealed is there all the same. */
static enum err rotate_factory(struct api_call *call, json_t **ret_answer,
                               struct err_detail *detail)
{
    struct vault_domain domain;
    TRY(find_domain(call->api, &packages, &domain, detail));
    return api_start_job(call, "rotate-factory", rotate_factory_job, ret_answer);
}
API_HANDLER(rotate_factory)
