#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/pem.h"
#include "crypto/x509.h"
#include "api/json.h"
#include "fleet/peer.h"
#include "net/http.h"
#include "rig.h"
#include "vault/objects.h"

/* Each resource as it is meant to be used. */

#define EAST "/v1/networks/metro-east"
#define GW   "gw1.metro-east.example"

static struct api_rig rig;

static int begin(void **state)
{
    (void)state;
    api_rig_begin(&rig);
    site_network(&rig.site, "metro-east", "metro-east.example", 32);
    return 0;
}

static int end(void **state)
{
    (void)state;
    api_rig_end(&rig);
    return 0;
}

static json_t *get(const char *path)
{
    return api_rig_get(&rig, NET_HTTP_GET, path, NULL);
}

static json_t *post(const char *path, const char *body)
{
    return api_rig_get(&rig, NET_HTTP_POST, path, body);
}

static const char *text(const json_t *json, const char *name)
{
    const char *value = json_string_value(json_object_get(json, name));
    return value != NULL ? value : "";
}

static json_int_t number(const json_t *json, const char *name)
{
    return json_integer_value(json_object_get(json, name));
}

/* A job that must succeed; its result. */
static json_t *job(const char *path, const char *body)
{
    AUTO(json_freep) json_t *ended = api_rig_job(&rig, path, body);
    if (strcmp(text(ended, "state"), "done") != 0)
        fail_msg("%s: %s", path, text(json_object_get(ended, "error"), "detail"));
    return json_incref(json_object_get(ended, "result"));
}

static void must_fail(const char *path, const char *body, const char *code)
{
    AUTO(json_freep) json_t *ended = api_rig_job(&rig, path, body);
    assert_string_equal(text(ended, "state"), "failed");
    assert_string_equal(text(json_object_get(ended, "error"), "code"), code);
}

static void the_server_tells_of_itself(void **state)
{
    (void)state;
    AUTO(json_freep) json_t *status = get("/v1/status?token");
    assert_int_equal(number(json_object_get(status, "counts"), "networks"), 1);
    assert_true(json_is_array(json_object_get(json_object_get(status, "keeper"), "profile")));
    AUTO(json_freep) json_t *key = get("/v1/server/public-key");
    assert_int_equal(number(key, "bits"), 2048);
    AUTO(json_freep) json_t *ca = get("/v1/server/ca");
    assert_non_null(strstr(text(ca, "pem"), "BEGIN CERTIFICATE"));
    assert_ok(api_rig_call(&rig, NET_HTTP_POST, "/v1/reload", NULL));
    assert_int_equal(rig.answer.status, 204);
    assert_err(api_rig_call(&rig, NET_HTTP_POST, "/v1/reload", NULL), ERR_CONFIG);
    AUTO(json_freep) json_t *domains = get("/v1/domains");
    assert_int_equal(json_array_size(json_object_get(domains, "domains")), 1);
    AUTO(json_freep) json_t *rotated = job("/v1/domains/metro-east/rotate", NULL);
    assert_int_equal(number(rotated, "version"), 2);
}

static void a_daemon_without_a_factory_says_so(void **state)
{
    (void)state;
    assert_err(api_rig_call(&rig, NET_HTTP_GET, "/v1/factory/packages", NULL), ERR_UNSUPPORTED);
    assert_err(api_rig_call(&rig, NET_HTTP_GET, "/v1/line/config?id=1", NULL), ERR_UNSUPPORTED);
    assert_err(api_rig_call(&rig, NET_HTTP_POST, "/v1/factory/exports", "{}"), ERR_UNSUPPORTED);
}

static void the_objects_of_kmip_have_a_domain_too(void **state)
{
    (void)state;
    struct vault_objects *objects = NULL;
    assert_ok(
        vault_objects_open(rig.site.vault, rig.site.store, rig.site.call.keeper, NULL, &objects));
    AUTO(json_freep) json_t *rotated = job("/v1/objects/rotate", NULL);
    assert_int_equal(number(rotated, "version"), 2);
    AUTO(json_freep) json_t *domains = get("/v1/domains");
    const json_t *list = json_object_get(domains, "domains");
    const json_t *last = json_array_get(list, json_array_size(list) - 1);
    assert_true(json_is_true(json_object_get(last, "objects")));
    assert_true(json_is_false(json_object_get(last, "resealing")));
    assert_int_equal(number(last, "version"), 2);
    vault_objects_close(objects);
}

static void a_network_lives_and_ends(void **state)
{
    (void)state;
    AUTO(json_freep)
    json_t *made = post("/v1/networks", "{\"name\":\"metro-west\",\"realm\":\"metro-west.example\","
                                        "\"passphrase\":\"correct horse battery\",\"id_bits\":64}");
    assert_int_equal(number(made, "id_bits"), 64);
    assert_err(api_rig_call(&rig, NET_HTTP_POST, "/v1/networks",
                            "{\"name\":\"metro-west\",\"realm\":\"other.example\","
                            "\"passphrase\":\"correct horse battery\"}"),
               ERR_EXISTS);
    AUTO(json_freep) json_t *rotated = post("/v1/networks/metro-west/rotate", "{\"key\":\"cdld\"}");
    assert_int_equal(number(rotated, "version"), 2);
    assert_ok(api_rig_call(&rig, NET_HTTP_POST, "/v1/networks/metro-west/retire",
                           "{\"key\":\"cdld\",\"version\":1,\"destroy\":true}"));
    assert_ok(api_rig_call(&rig, NET_HTTP_PUT, "/v1/networks/metro-west/passphrase",
                           "{\"passphrase\":\"wrong horse battery\"}"));
    AUTO(json_freep)
    json_t *made_nodes = job("/v1/networks/metro-west/nodes",
                             "{\"ids\":\"0xfffffffffffffff0-0xffffffffffffffff\",\"batch\":1}");
    assert_int_equal(number(made_nodes, "created"), 16);
    AUTO(json_freep)
    json_t *last = get("/v1/networks/metro-west/nodes?from=ffffffffffffffff&limit=5");
    const json_t *nodes = json_object_get(last, "nodes");
    assert_int_equal(json_array_size(nodes), 1);
    assert_string_equal(text(json_array_get(nodes, 0), "id"), "0xffffffffffffffff");
    AUTO(json_freep) json_t *list = get("/v1/networks?counts");
    const json_t *west = json_array_get(json_object_get(list, "networks"), 1);
    assert_int_equal(number(json_object_get(west, "nodes"), "active"), 16);
    AUTO(json_freep) json_t *plain = get("/v1/networks");
    assert_null(json_object_get(json_array_get(json_object_get(plain, "networks"), 1), "nodes"));
    assert_ok(
        api_rig_call(&rig, NET_HTTP_DELETE, "/v1/networks/metro-west?confirm=metro-west", NULL));
    assert_err(api_rig_call(&rig, NET_HTTP_GET, "/v1/networks/metro-west", NULL), ERR_NOT_FOUND);
}

static void nodes_are_made_listed_and_changed(void **state)
{
    (void)state;
    AUTO(json_freep) json_t *made = job(EAST "/nodes", "{\"ids\":\"100-1ff\",\"batch\":7}");
    assert_int_equal(number(made, "created"), 256);
    must_fail(EAST "/nodes", "{\"ids\":\"1ff-200\",\"batch\":8}", "EXISTS");
    AUTO(json_freep)
    json_t *again = job(EAST "/nodes",
                        "{\"ids\":\"100-101\",\"batch\":8,\"random\":true,\"reprovision\":true}");
    assert_int_equal(number(again, "reprovisioned"), 2);
    AUTO(json_freep) json_t *page = get(EAST "/nodes?batch=7&limit=10&from=0x105");
    assert_int_equal(json_array_size(json_object_get(page, "nodes")), 10);
    AUTO(json_freep) json_t *node = get(EAST "/nodes/0x100");
    assert_int_equal(number(node, "reprovisioned"), 1);
    assert_int_equal(json_array_size(json_object_get(node, "history")), 1);
    AUTO(json_freep)
    json_t *changed = post(
        EAST "/nodes/change",
        "{\"change\":\"revoke\",\"ids\":\"110-11f\",\"reason\":\"gestohlen, M\xc3\xbcnchen\"}");
    assert_int_equal(number(changed, "changed"), 16);
    AUTO(json_freep) json_t *notes = get("/v1/audit?kind=note");
    bool found = false;
    size_t i;
    const json_t *note;
    json_array_foreach(json_object_get(notes, "records"), i, note)
    {
        found = found || strcmp(text(note, "text"),
                                "revoke 0x110-0x11f in metro-east: gestohlen, M\xc3\xbcnchen") == 0;
    }
    assert_true(found);
    AUTO(json_freep) json_t *revoked = get(EAST "/nodes?state=revoked");
    assert_int_equal(json_array_size(json_object_get(revoked, "nodes")), 16);
    AUTO(json_freep) json_t *batches = get(EAST "/batches");
    assert_int_equal(json_array_size(json_object_get(batches, "batches")), 2);
    AUTO(json_freep) json_t *network = get(EAST "?counts");
    assert_int_equal(number(json_object_get(network, "nodes"), "revoked"), 16);
}

static void a_gateway_comes_and_goes(void **state)
{
    (void)state;
    static const char *const body =
        "{\"host\":\"" GW "\",\"realm\":\"metro-east.example\",\"networks\":[\"%s\"],"
        "\"secret\":\"0123456789abcdef\"}";
    char filled[256], host[] = GW;
    (void)snprintf(filled, sizeof filled, body, "metro-wets");
    assert_err(api_rig_call(&rig, NET_HTTP_POST, "/v1/gateways", filled), ERR_NOT_FOUND);
    assert_err(api_rig_call(&rig, NET_HTTP_GET, "/v1/gateways/" GW, NULL), ERR_NOT_FOUND);
    (void)snprintf(filled, sizeof filled, body, "metro-east");
    AUTO(json_freep) json_t *made = post("/v1/gateways", filled);
    assert_true(json_is_true(json_object_get(made, "connected")));
    assert_true(json_is_true(json_object_get(made, "has_secret")));
    AUTO(json_freep)
    json_t *denied = api_rig_get(&rig, NET_HTTP_PATCH, "/v1/gateways/" GW,
                                 "{\"network\":\"metro-east\",\"allow\":false}");
    assert_int_equal(json_array_size(json_object_get(denied, "networks")), 0);
    AUTO(json_freep) json_t *list = get("/v1/gateways");
    assert_int_equal(json_array_size(json_object_get(list, "gateways")), 1);

    struct x509_key *key = NULL;
    struct buf csr = {0}, pem = {0};
    const struct x509_names names = {.dns = {host}, .dns_count = 1};
    assert_ok(x509_key_generate(&key, NULL));
    assert_ok(x509_csr_make(key, host, &names, &csr, NULL));
    assert_ok(pem_encode("CERTIFICATE REQUEST", buf_view(&csr), &pem));
    AUTO(json_freep)
    json_t *request = json_pack("{s:s#}", "request", (const char *)pem.data, pem.len);
    char *dumped = json_dumps(request, 0);
    AUTO(json_freep) json_t *certified = post("/v1/gateways/" GW "/certificate", dumped);
    assert_non_null(strstr(text(certified, "certificate"), "BEGIN CERTIFICATE"));
    assert_err(api_rig_call(&rig, NET_HTTP_POST, "/v1/gateways/" GW "/certificate",
                            "{\"request\":\"none\"}"),
               ERR_SYNTAX);
    free(dumped);
    buf_done(&csr);
    buf_done(&pem);
    x509_key_free(key);
    assert_ok(api_rig_call(&rig, NET_HTTP_DELETE, "/v1/gateways/" GW, NULL));
    assert_int_equal(rig.disconnects, 1);
    assert_err(api_rig_call(&rig, NET_HTTP_DELETE, "/v1/gateways/" GW, NULL), ERR_NOT_FOUND);
}

/* A body with the server's own public key in it. */
static char *with_key(const char *field, json_t *body)
{
    struct buf pem = site_pem(&rig.site);
    (void)json_object_set_new(body, field, json_stringn((const char *)pem.data, pem.len));
    char *dumped = json_dumps(body, 0);
    assert_non_null(dumped);
    json_decref(body);
    buf_done(&pem);
    return dumped;
}

static void a_batch_goes_out_and_comes_in(void **state)
{
    (void)state;
    static const char *const parts[] = {"", ".sig", ".manifest"};
    json_int_t uploads[3];
    site_generate(&rig.site, "metro-east", 0x100, 0x1ff, 7);
    char *body = with_key("recipient", json_pack("{s:i s:s}", "batch", 7, "file", "b.csv.rsa"));
    AUTO(json_freep) json_t *made = job(EAST "/batches/export", body);
    free(body);
    assert_int_equal(number(made, "nodes"), 256);
    uint64_t id = (uint64_t)number(made, "download");
    for (unsigned i = 0; i < 3; i++) {
        const char *file = site_file(&rig.site, "fetched");
        api_rig_download(&rig, id, parts[i], file);
        uploads[i] = (json_int_t)api_rig_upload(&rig, file);
    }
    char path[64], request[512];
    (void)snprintf(path, sizeof path, "/v1/downloads/%llu", (unsigned long long)id);
    assert_ok(api_rig_call(&rig, NET_HTTP_DELETE, path, NULL));
    assert_err(api_rig_call(&rig, NET_HTTP_GET, path, NULL), ERR_NOT_FOUND);
    (void)snprintf(request, sizeof request,
                   "{\"file\":\"b.csv.rsa\",\"upload\":%lld,\"upload_signature\":%lld,"
                   "\"upload_manifest\":%lld,\"backup\":true,\"verbose\":true}",
                   (long long)uploads[0], (long long)uploads[1], (long long)uploads[2]);
    AUTO(json_freep) json_t *ended = api_rig_job(&rig, EAST "/batches/import", request);
    const json_t *result = json_object_get(ended, "result");
    assert_int_equal(number(result, "unchanged"), 256);
    assert_int_equal(json_array_size(json_object_get(ended, "lines")), 0);
    assert_int_equal(access(text(result, "backup"), F_OK), 0);
    /* the uploads are gone with the job */
    must_fail(EAST "/batches/import", request, "NOT_FOUND");
    (void)snprintf(path, sizeof path, "/v1/uploads/%lld", (long long)uploads[0]);
    assert_err(api_rig_call(&rig, NET_HTTP_DELETE, path, NULL), ERR_NOT_FOUND);
}

static void a_keyring_goes_out_and_comes_in(void **state)
{
    (void)state;
    site_generate(&rig.site, "metro-east", 0x100, 0x10f, 7);
    site_generate(&rig.site, "metro-east", 0x200, 0x20f, 8);
    char *body = with_key("recipient", json_pack("{s:n}", "batch")); /* null is no batch */
    AUTO(json_freep) json_t *made = job(EAST "/keyring/export", body);
    free(body);
    assert_int_equal(number(made, "nodes"), 32);
    const char *file = site_file(&rig.site, "keyring");
    api_rig_download(&rig, (uint64_t)number(made, "download"), "", file);
    char request[256];
    (void)snprintf(request, sizeof request, "{\"file\":\"k.csv\",\"upload\":%llu,\"dry_run\":true}",
                   (unsigned long long)api_rig_upload(&rig, file));
    AUTO(json_freep) json_t *result = job(EAST "/keyring/import", request);
    assert_int_equal(number(result, "unchanged"), 32);
    assert_true(json_is_false(json_object_get(result, "merged")));
}

static void gateway_keys_go_out_and_come_in(void **state)
{
    (void)state;
    AUTO(json_freep) json_t *made = post(EAST "/gateway-keys/export", NULL);
    assert_true(strlen(text(made, "file")) > 100);
    (void)json_object_set_new(made, "passphrase", json_string("correct horse batterz"));
    char *body = with_key("signer", json_incref(made));
    assert_err(api_rig_call(&rig, NET_HTTP_POST, EAST "/gateway-keys/import", body), ERR_DECRYPT);
    free(body);
    (void)json_object_set_new(made, "passphrase", json_string(PASSPHRASE));
    body = with_key("signer", json_incref(made));
    AUTO(json_freep) json_t *taken = post(EAST "/gateway-keys/import", body);
    free(body);
    assert_int_equal(number(taken, "added"), 0);
    assert_true(number(taken, "unchanged") > 0);
}

static void the_chain_is_shown_and_verified(void **state)
{
    (void)state;
    AUTO(json_freep) json_t *shown = get("/v1/audit?last=3");
    assert_int_equal(json_array_size(json_object_get(shown, "records")), 3);
    AUTO(json_freep) json_t *verdict = job("/v1/audit/verify", "{}");
    assert_true(json_is_true(json_object_get(verdict, "verified")));
    assert_true(number(verdict, "signatures") > 0);
    AUTO(json_freep) json_t *segments = get("/v1/audit/segments");
    assert_int_equal(json_array_size(json_object_get(segments, "segments")), 1);
    assert_ok(api_rig_call(&rig, NET_HTTP_GET, "/v1/audit/segments/1", NULL));
    assert_true(rig.answer.body.len > 1000);
}

static void uploads_keep_their_order_and_limits(void **state)
{
    (void)state;
    AUTO(json_freep) json_t *made = post("/v1/uploads", NULL);
    char path[96];
    long long id = (long long)number(made, "upload");
    (void)snprintf(path, sizeof path, "/v1/uploads/%lld?offset=0", id);
    assert_ok(api_rig_call(&rig, NET_HTTP_PUT, path, "{not JSON"));
    assert_err(api_rig_call(&rig, NET_HTTP_PUT, path, "again"), ERR_MISMATCH);
    (void)snprintf(path, sizeof path, "/v1/uploads/%lld?offset=x", id);
    assert_err(api_rig_call(&rig, NET_HTTP_PUT, path, "x"), ERR_ARGUMENT);
    (void)snprintf(path, sizeof path, "/v1/downloads/%lld", id);
    assert_err(api_rig_call(&rig, NET_HTTP_GET, path, NULL), ERR_NOT_FOUND);
    (void)snprintf(path, sizeof path, "/v1/uploads/%lld", id);
    assert_ok(api_rig_call(&rig, NET_HTTP_DELETE, path, NULL));
    assert_err(api_rig_call(&rig, NET_HTTP_DELETE, path, NULL), ERR_NOT_FOUND);
}

static void a_cancelled_job_changes_nothing(void **state)
{
    (void)state;
    AUTO(json_freep)
    json_t *started = post(EAST "/nodes", "{\"ids\":\"1-fffff\",\"batch\":1,\"random\":true}");
    char path[64];
    (void)snprintf(path, sizeof path, "/v1/jobs/%lld", (long long)number(started, "job"));
    assert_ok(api_rig_call(&rig, NET_HTTP_DELETE, path, NULL));
    for (;;) {
        AUTO(json_freep) json_t *seen = get(path);
        if (strcmp(text(seen, "state"), "failed") == 0) {
            assert_string_equal(text(json_object_get(seen, "error"), "code"), "CANCELLED");
            break;
        }
        assert_string_not_equal(text(seen, "state"), "done");
        (void)usleep(2000);
    }
    assert_int_equal(site_nodes(&rig.site, "metro-east"), 0);
}

static void jobs_end_when_the_api_does(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        AUTO(json_freep)
        json_t *started = post(EAST "/nodes", "{\"ids\":\"1-fffff\",\"batch\":1,\"random\":true}");
        assert_non_null(started);
    }
    /* the rest is the teardown's: it waits for none of a million nodes */
}

static void without_a_keeper_jobs_fail_and_answers_say_why(void **state)
{
    (void)state;
    site_generate(&rig.site, "metro-east", 0x100, 0x1ff, 7);
    char *body = with_key("recipient", json_pack("{s:i s:s}", "batch", 7, "file", "b.csv.rsa"));
    AUTO(json_freep)
    json_t *started = post(EAST "/nodes", "{\"ids\":\"1000-fffff\",\"batch\":1,\"random\":true}");
    keeper_server_stop(rig.site.rig.server);
    assert_int_equal(pthread_join(rig.site.rig.thread, NULL), 0);
    rig.site.rig.joined = true;
    keeper_server_free(rig.site.rig.server);
    rig.site.rig.server = NULL;
    char path[64];
    (void)snprintf(path, sizeof path, "/v1/jobs/%lld", (long long)number(started, "job"));
    for (;;) {
        AUTO(json_freep) json_t *seen = get(path);
        if (strcmp(text(seen, "state"), "failed") == 0) {
            assert_string_equal(text(json_object_get(seen, "error"), "code"), "KEEPER_GONE");
            break;
        }
        (void)usleep(2000);
    }
    assert_err(api_rig_call(&rig, NET_HTTP_GET, "/v1/status", NULL), ERR_KEEPER_GONE);
    must_fail(EAST "/batches/export", body, "KEEPER_GONE");
    free(body);
    must_fail("/v1/backup", "{}", "KEEPER_GONE"); /* no copy without its record */
    AUTO(json_freep) json_t *nodes = get(EAST "/nodes?limit=1000");
    assert_int_equal(json_array_size(json_object_get(nodes, "nodes")), 256);
}

/* Everything of the store, in the copy alone. */
static void open_copy(const char *copy)
{
    char *store = test_path(rig.site.dir, "store.db");
    uint8_t before[16], after[16];
    assert_ok(site_node_key(&rig.site, "metro-east.example", 0x123, before));
    net_loops_stop(rig.loops);
    net_http_free(rig.http);
    rig.http = NULL;
    api_free(rig.api);
    rig.api = NULL;
    site_close(&rig.site);
    static const char *const beside[] = {"", "-wal", "-shm"};
    for (unsigned i = 0; i < ARRAY_LEN(beside); i++) {
        char path[700];
        (void)snprintf(path, sizeof path, "%s%s", store, beside[i]);
        (void)unlink(path);
    }
    site_copy(copy, store);
    site_open(&rig.site);
    assert_int_equal(site_nodes(&rig.site, "metro-east"), 256);
    assert_ok(site_node_key(&rig.site, "metro-east.example", 0x123, after));
    assert_memory_equal(before, after, 16);
    struct fleet_peer_info *info = calloc(1, sizeof *info);
    assert_ok(fleet_peer_show(&rig.site.call, GW, NULL, info));
    assert_int_equal(info->networks, 1);
    free(info);
    free(store);
}

static void prepare_backup(void)
{
    site_generate(&rig.site, "metro-east", 0x100, 0x1ff, 7);
    AUTO(json_freep)
    json_t *gateway =
        post("/v1/gateways", "{\"host\":\"" GW
                             "\",\"realm\":\"metro-east.example\",\"networks\":[\"metro-east\"]}");
    assert_non_null(gateway);
}

static void a_copy_in_the_backup_folder_has_everything(void **state)
{
    (void)state;
    prepare_backup();
    AUTO(json_freep) json_t *made = job("/v1/backup", "{}");
    struct stat st;
    assert_int_equal(stat(text(made, "path"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(st.st_size, number(made, "bytes"));
    assert_memory_equal(text(made, "name"), "store.", 6);
    AUTO(json_freep) json_t *notes = get("/v1/audit?kind=backup-written&last=1");
    const json_t *note = json_array_get(json_object_get(notes, "records"), 0);
    assert_non_null(strstr(text(note, "text"), text(made, "name")));
    open_copy(text(made, "path"));
}

static void a_fetched_copy_has_everything(void **state)
{
    (void)state;
    prepare_backup();
    AUTO(json_freep) json_t *made = job("/v1/backup", "{\"download\":true}");
    assert_null(json_object_get(made, "path"));
    const char *file = site_file(&rig.site, "copy.db");
    api_rig_download(&rig, (uint64_t)number(made, "download"), "", file);
    open_copy(file);
}

TEST_MAIN(cmocka_unit_test_setup_teardown(the_server_tells_of_itself, begin, end),
          cmocka_unit_test_setup_teardown(a_daemon_without_a_factory_says_so, begin, end),
          cmocka_unit_test_setup_teardown(the_objects_of_kmip_have_a_domain_too, begin, end),
          cmocka_unit_test_setup_teardown(a_network_lives_and_ends, begin, end),
          cmocka_unit_test_setup_teardown(nodes_are_made_listed_and_changed, begin, end),
          cmocka_unit_test_setup_teardown(a_gateway_comes_and_goes, begin, end),
          cmocka_unit_test_setup_teardown(a_batch_goes_out_and_comes_in, begin, end),
          cmocka_unit_test_setup_teardown(a_keyring_goes_out_and_comes_in, begin, end),
          cmocka_unit_test_setup_teardown(gateway_keys_go_out_and_come_in, begin, end),
          cmocka_unit_test_setup_teardown(the_chain_is_shown_and_verified, begin, end),
          cmocka_unit_test_setup_teardown(uploads_keep_their_order_and_limits, begin, end),
          cmocka_unit_test_setup_teardown(a_cancelled_job_changes_nothing, begin, end),
          cmocka_unit_test_setup_teardown(jobs_end_when_the_api_does, begin, end),
          cmocka_unit_test_setup_teardown(without_a_keeper_jobs_fail_and_answers_say_why, begin,
                                          end),
          cmocka_unit_test_setup_teardown(a_copy_in_the_backup_folder_has_everything, begin, end),
          cmocka_unit_test_setup_teardown(a_fetched_copy_has_everything, begin, end))
