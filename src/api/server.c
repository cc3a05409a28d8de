#include <stdlib.h>
#include <unistd.h>

#include "api/call.h"
#include "api/json.h"
#include "api/resources.h"
#include "base/clock.h"
#include "base/file.h"
#include "crypto/rsa.h"
#include "factory/staging.h"

#define PEM_LEN_MAX ((size_t)64 * 1024)

static json_t *services_json(const struct api_daemon *daemon)
{
    json_t *list = json_array();
    const char *name = NULL;
    char text[256];
    for (unsigned n = 0;
         daemon->service != NULL && daemon->service(daemon->ctx, n, &name, text, sizeof text); n++)
        (void)json_array_append_new(list, json_pack("{s:s s:s}", "service", name, "state", text));
    return list;
}

static json_t *keeper_json(const struct keeper_status *k)
{
    return json_pack("{s:s s:b s:I s:I s:I s:I s:I s:I s:I s:I s:I s:I}", "token", k->token,
                     "token_ready", k->token_ready, "domains", (json_int_t)k->domains, "released",
                     (json_int_t)k->released, "exported", (json_int_t)k->exported, "imported",
                     (json_int_t)k->imported, "generated", (json_int_t)k->generated, "refused",
                     (json_int_t)k->refused, "malformed", (json_int_t)k->malformed, "records",
                     (json_int_t)k->records, "syncs", (json_int_t)k->syncs, "started",
                     (json_int_t)(k->started_us / 1000000));
}

static void add_queue(json_t *list, const char *name, uint64_t waiting, uint64_t running,
                      uint64_t max)
{
    (void)json_array_append_new(list, json_pack("{s:s s:I s:I s:I}", "queue", name, "waiting",
                                                (json_int_t)waiting, "running", (json_int_t)running,
                                                "waiting_max", (json_int_t)max));
}

/* What waits for what; the request that asks runs, too. */
static json_t *queues_json(struct api *api, const struct store_stats *store)
{
    json_t *list = json_array();
    struct workers_load load;
    unsigned waiting = 0, running = 0;
    struct factory *factory = api_factory_state(api);
    api_load(api, false, &load);
    add_queue(list, "requests", load.waiting, load.running, load.waiting_max);
    if (factory != NULL) {
        api_load(api, true, &load);
        add_queue(list, "line", load.waiting, load.running, load.waiting_max);
    }
    jobs_load(api_jobs(api), &waiting, &running);
    add_queue(list, "jobs", waiting, running, JOBS_MAX);
    add_queue(list, "store", store->queued, 0, store->queue_max);
    spool_load(api_spool(api), &waiting, &running);
    add_queue(list, "files", waiting - running, running, SPOOL_FILES_MAX);
    if (factory != NULL)
        add_queue(list, "imports", factory_staged_count(factory), 0, FACTORY_STAGED_MAX);
    return list;
}

static enum err get_status(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    const struct api_daemon *daemon = api_daemon(call->api);
    struct keeper_status keeper;
    struct fleet_counts counts = {0};
    struct store_stats store;
    TRY(keeper_status(call->fleet.keeper, &keeper, detail));
    TRY(fleet_count(api_fleet(call->api), detail, &counts));
    store_stats(api_store(call->api), &store);
    json_t *answer =
        json_pack("{s:s s:I s:o s:s s:{s:s s:I s:I s:I s:i} s:o s:o s:{s:I s:I s:I s:I s:I}}",
                  "version", CLAVIGER_VERSION, "pid", (json_int_t)getpid(), "started",
                  json_of_time(daemon->started), "configuration", daemon->config_path, "store",
                  "url", daemon->store_url, "bytes", (json_int_t)store.file_bytes, "log_bytes",
                  (json_int_t)store.log_bytes, "commits", (json_int_t)store.commits, "schema",
                  (int)store.schema_version, "keeper", keeper_json(&keeper), "services",
                  services_json(daemon), "counts", "networks", (json_int_t)counts.networks,
                  "gateways", (json_int_t)counts.peers, "nodes", (json_int_t)counts.nodes,
                  "revoked", (json_int_t)counts.revoked, "destroyed", (json_int_t)counts.destroyed);
    if (answer == NULL)
        return ERR_NO_MEMORY;
    (void)json_object_set_new(json_object_get(answer, "keeper"), "head",
                              json_of_hex(keeper.head, sizeof keeper.head));
    (void)json_object_set_new(answer, "queues", queues_json(call->api, &store));
    if (net_http_query(call->http, "token") != NULL) {
        json_t *profile = json_load_file(daemon->profile_file, JSON_REJECT_DUPLICATES, NULL);
        (void)json_object_set_new(json_object_get(answer, "keeper"), "profile",
                                  profile != NULL ? profile : json_array());
    }
    *ret_answer = answer;
    return ERR_OK;
}
API_HANDLER(get_status)

static enum err get_public_key(struct api_call *call, json_t **ret_answer,
                               struct err_detail *detail)
{
    AUTO(buf_done) struct buf spki = {0};
    AUTO(buf_done) struct buf pem = {0};
    AUTO(rsa_public_freep) struct rsa_public *key = NULL;
    TRY(keeper_public(call->fleet.keeper, KEEPER_KEY_SERVER, &spki, NULL, detail));
    TRY(rsa_public_from_spki(buf_view(&spki), &key, detail));
    TRY(rsa_public_to_pem(key, &pem));
    struct bytes fingerprint = rsa_public_fingerprint(key);
    return api_give(json_pack("{s:s# s:o s:I}", "pem", (const char *)pem.data, pem.len,
                              "fingerprint", json_of_hex(fingerprint.data, fingerprint.len), "bits",
                              (json_int_t)rsa_public_size(key) * 8),
                    ret_answer);
}
API_HANDLER(get_public_key)

static enum err get_ca(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    AUTO(buf_done) struct buf pem = {0};
    TRY(file_read(api_daemon(call->api)->ca_file, PEM_LEN_MAX, &pem, detail));
    return api_give(json_pack("{s:s#}", "pem", (const char *)pem.data, pem.len), ret_answer);
}
API_HANDLER(get_ca)

static enum err reload(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    (void)ret_answer;
    const struct api_daemon *daemon = api_daemon(call->api);
    return daemon->reload(daemon->ctx, detail);
}
API_HANDLER(reload)
