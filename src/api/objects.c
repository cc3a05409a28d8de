#include "api/json.h"
#include "api/resources.h"
#include "vault/objects.h"
#include "vault/vault.h"

/* The domain whose key seals the managed objects of the KMIP service: there is one at most. */
static enum err find_domain(struct api *api, struct vault_domain *ret_domain,
                            struct err_detail *detail)
{
    uint32_t id = 0;
    if (vault_domain_list(api_vault(api), VAULT_OBJECTS_GROUP, &id, 1) == 0)
        return err_set(detail, ERR_NOT_FOUND, "no managed objects: the KMIP service never ran");
    return vault_domain_get(api_vault(api), id, ret_domain);
}

json_t *api_objects_domain(struct api *api)
{
    struct vault_domain domain;
    if (find_domain(api, &domain, NULL) != ERR_OK)
        return NULL;
    return json_pack("{s:b s:i s:b}", "objects", true, "version", (int)domain.version, "resealing",
                     domain.oldest != domain.version);
}

static bool tell(void *ctx, uint64_t done)
{
    const struct fleet_call *call = ctx;
    return call->progress(call->progress_ctx, "reseal", done, 0);
}

static enum err rotate_job(struct job *job, struct api *api, const struct fleet_call *call,
                           json_t *spec, json_t **ret_result, struct err_detail *detail)
{
    (void)job;
    (void)spec;
    struct vault *vault = api_vault(api);
    struct vault_domain domain;
    TRY(find_domain(api, &domain, detail));
    /* one that was cut off is finished first; only a whole one is followed by the next version */
    if (domain.oldest == domain.version)
        TRY(vault_domain_rotate(vault, call->keeper, call->actor.name, domain.id, detail,
                                &domain.version));
    TRY(vault_domain_reseal(vault, call->keeper, call->actor.name, domain.id, tell,
                            (void *)(uintptr_t)call, detail));
    return api_give(json_pack("{s:b s:i}", "objects", true, "version", (int)domain.version),
                    ret_result);
}

static enum err rotate_objects(struct api_call *call, json_t **ret_answer,
                               struct err_detail *detail)
{
    struct vault_domain domain;
    TRY(find_domain(call->api, &domain, detail));
    return api_start_job(call, "rotate-objects", rotate_job, ret_answer);
}
API_HANDLER(rotate_objects)
