#include "api/factory_json.h"
#include "api/json.h"
#include "api/resources.h"
#include "base/clock.h"
#include "factory/prune.h"

static enum err read_before(const struct api_call *call, int64_t *ret_before,
                            struct err_detail *detail)
{
    const char *text = NULL;
    TRY(api_text(call, "before", &text, detail));
    TRY(json_read_time("before", text, false, ret_before, detail));
    return *ret_before <= clock_now_s()
               ? ERR_OK
               : err_set(detail, ERR_ARGUMENT, "before: %s has not come yet", text);
}

static enum err prune_job(struct job *job, struct api *api, const struct fleet_call *call,
                          json_t *spec, json_t **ret_result, struct err_detail *detail)
{
    (void)job;
    const struct api_call body = {.api = api, .fleet = *call, .body = spec};
    struct factory_prune request = {.dry_run = json_is_true(json_object_get(spec, "dry_run"))};
    struct factory_pruned pruned = {0};
    TRY(read_before(&body, &request.before, detail));
    TRY(factory_prune(api_factory_state(api), call, &request, &pruned, detail));
    return api_give(json_pack("{s:o s:I s:I s:b}", "before", json_of_time(request.before), "runs",
                              (json_int_t)pruned.runs, "keys", (json_int_t)pruned.keyings,
                              "dry_run", request.dry_run),
                    ret_result);
}

static enum err prune_factory(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    struct factory *factory = NULL;
    int64_t before = 0;
    bool flag = false;
    TRY(api_factory(call, &factory, detail));
    TRY(read_before(call, &before, detail));
    TRY(api_flag(call, "dry_run", &flag, detail));
    return api_start_job(call, "factory-prune", prune_job, ret_answer);
}
API_HANDLER(prune_factory)
