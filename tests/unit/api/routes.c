#include <stdio.h>

#include "net/http.h"
#include "rig.h"

/* What every route has in common: who may not is refused, and so is a body that is none. */

#define API_LARGE ((size_t)64 * 1024 + 1)

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

/* The pattern with something in place of its parameters. */
static void fill(const char *pattern, char to[128])
{
    size_t used = 0;
    for (const char *c = pattern; *c != '\0'; c++) {
        if (*c != '{') {
            to[used++] = *c;
            continue;
        }
        bool number = strncmp(c, "{id}", 4) == 0 || strncmp(c, "{number}", 8) == 0;
        used += (size_t)sprintf(to + used, "%s", number ? "1" : "metro-east");
        c = strchr(c, '}');
    }
    to[used] = '\0';
}

static void nobody_may_do_anything(void **state)
{
    (void)state;
    const struct net_http_route *routes = api_table(rig.api).routes;
    unsigned len = api_table(rig.api).routes_len;
    assert_true(len > 40);
    api_rig_become_nobody(&rig);
    for (unsigned i = 0; i < len; i++) {
        char path[128];
        fill(routes[i].pattern, path);
        enum err err =
            api_rig_call(&rig, routes[i].method, path, routes[i].body_max != 0 ? "{}" : NULL);
        if (err != ERR_DENIED)
            fail_msg("%s %s gave %s", net_http_method_name(routes[i].method), path, err_text(err));
    }
}

static bool is_raw(const struct net_http_route *route)
{
    return route->method == NET_HTTP_PUT && strncmp(route->pattern, "/v1/uploads", 11) == 0;
}

static bool has_patch(const struct net_http_route *routes, unsigned len, const char *pattern)
{
    for (unsigned i = 0; i < len; i++) {
        if (routes[i].method == NET_HTTP_PATCH && strcmp(routes[i].pattern, pattern) == 0)
            return true;
    }
    return false;
}

static void bodies_that_are_none_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{", "[]", "\"text\"", "{\"a\":1,\"a\":2}", "{\"a\":\"\\u0000\"}", "{\"a\":\"\xff\"}"};
    const struct net_http_route *routes = api_table(rig.api).routes;
    unsigned len = api_table(rig.api).routes_len;
    char *large = malloc(API_LARGE + 1);
    memset(large, ' ', API_LARGE);
    large[API_LARGE] = '\0';
    for (unsigned i = 0; i < len; i++) {
        char path[128];
        fill(routes[i].pattern, path);
        if (strcmp(routes[i].pattern, "/v1/login") == 0)
            continue; /* nobody logs in over this socket */
        for (size_t k = 0; routes[i].body_max != 0 && !is_raw(&routes[i]) && k < ARRAY_LEN(bad);
             k++)
            assert_err(api_rig_call(&rig, routes[i].method, path, bad[k]), ERR_SYNTAX);
        if (routes[i].method != NET_HTTP_GET && routes[i].method != NET_HTTP_DELETE &&
            !is_raw(&routes[i]))
            assert_err(api_rig_call(&rig, routes[i].method, path, large), ERR_LIMIT);
        if (!has_patch(routes, len, routes[i].pattern))
            assert_err(api_rig_call(&rig, NET_HTTP_PATCH, path, NULL), ERR_METHOD);
    }
    free(large);
}

static void fields_of_another_type_are_named(void **state)
{
    (void)state;
    static const struct {
        enum net_http_method method;
        const char *path, *body, *field;
    } cases[] = {
        {NET_HTTP_POST, "/v1/networks", "{}", "name"},
        {NET_HTTP_POST, "/v1/networks", "{\"name\":7}", "name"},
        {NET_HTTP_POST, "/v1/networks", "{\"name\":\"a\",\"realm\":null}", "realm"},
        {NET_HTTP_POST, "/v1/networks", "{\"name\":\"a\",\"realm\":\"b\"}", "passphrase"},
        {NET_HTTP_POST, "/v1/networks",
         "{\"name\":\"a\",\"realm\":\"b\",\"passphrase\":\"c\",\"id_bits\":65}", "id_bits"},
        {NET_HTTP_POST, "/v1/networks/metro-east/rotate", "{\"key\":\"front\"}", "key"},
        {NET_HTTP_POST, "/v1/networks/metro-east/rotate", "{\"key\":\"cdld\",\"activates\":-1}",
         "activates"},
        {NET_HTTP_POST, "/v1/networks/metro-east/retire", "{\"key\":\"cdld\"}", "version"},
        {NET_HTTP_POST, "/v1/networks/metro-east/retire",
         "{\"key\":\"cdld\",\"version\":1,\"destroy\":\"yes\"}", "destroy"},
        {NET_HTTP_PUT, "/v1/networks/metro-east/passphrase?offset=0", "{}", "passphrase"},
        {NET_HTTP_POST, "/v1/networks/metro-east/nodes", "{\"ids\":\"1-2\",\"batch\":4294967296}",
         "batch"},
        {NET_HTTP_POST, "/v1/networks/metro-east/nodes/change",
         "{\"change\":\"lose\",\"ids\":\"1\"}", "change"},
        {NET_HTTP_POST, "/v1/networks/metro-east/nodes/change",
         "{\"change\":\"revoke\",\"ids\":\"1\",\"reason\":\"a\\nb\"}", "reason"},
        {NET_HTTP_POST, "/v1/networks/metro-east/batches/export", "{\"batch\":1}", "recipient"},
        {NET_HTTP_POST, "/v1/networks/metro-east/batches/export", "{\"recipient\":\"\"}", "batch"},
        {NET_HTTP_POST, "/v1/networks/metro-east/batches/import", "{\"file\":\"f\"}", "upload"},
        {NET_HTTP_POST, "/v1/networks/metro-east/batches/import",
         "{\"file\":\"f\",\"upload\":1,\"backup\":1}", "backup"},
        {NET_HTTP_POST, "/v1/networks/metro-east/batches/import", "{\"file\":\"f\",\"upload\":1}",
         "upload_signature"},
        {NET_HTTP_POST, "/v1/networks/metro-east/keyring/export", "{\"recipient\":[]}",
         "recipient"},
        {NET_HTTP_POST, "/v1/networks/metro-east/keyring/import",
         "{\"file\":\"f\",\"upload\":1,\"passphrase\":1}", "passphrase"},
        {NET_HTTP_POST, "/v1/networks/metro-east/gateway-keys/import", "{\"file\":\"0g\"}", "file"},
        {NET_HTTP_POST, "/v1/gateways", "{\"host\":\"h.x\"}", "realm"},
        {NET_HTTP_POST, "/v1/gateways", "{\"host\":\"h.x\",\"realm\":\"x\",\"networks\":\"a\"}",
         "networks"},
        {NET_HTTP_POST, "/v1/gateways", "{\"host\":\"h.x\",\"realm\":\"x\",\"networks\":[1]}",
         "networks"},
        {NET_HTTP_PATCH, "/v1/gateways/h.x", "{\"allow\":true}", "network"},
        {NET_HTTP_POST, "/v1/gateways/h.x/certificate", "{}", "request"},
        {NET_HTTP_POST, "/v1/backup", "{\"download\":1}", "download"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        enum err err = api_rig_call(&rig, cases[i].method, cases[i].path, cases[i].body);
        char wanted[64];
        (void)snprintf(wanted, sizeof wanted, "'%s'", cases[i].field);
        json_t *json = api_rig_json(&rig);
        const char *detail =
            json_string_value(json_object_get(json_object_get(json, "error"), "detail"));
        if (err != ERR_ARGUMENT || detail == NULL || strstr(detail, wanted) == NULL)
            fail_msg("%s %s: %s: %s", cases[i].path, cases[i].body, err_text(err), detail);
        json_decref(json);
    }
}

static void what_is_not_known_is_not_found(void **state)
{
    (void)state;
    static const struct {
        enum net_http_method method;
        const char *path, *body;
    } cases[] = {
        {NET_HTTP_GET, "/v1/networks/x", NULL},
        {NET_HTTP_GET, "/v1/networks/x?counts", NULL},
        {NET_HTTP_DELETE, "/v1/networks/x?confirm=x", NULL},
        {NET_HTTP_POST, "/v1/networks/x/rotate", "{\"key\":\"cdld\"}"},
        {NET_HTTP_POST, "/v1/networks/x/retire", "{\"key\":\"cdld\",\"version\":1}"},
        {NET_HTTP_PUT, "/v1/networks/x/passphrase", "{\"passphrase\":\"correct horse battery\"}"},
        {NET_HTTP_POST, "/v1/networks/x/gateway-keys/export", NULL},
        {NET_HTTP_GET, "/v1/networks/x/nodes", NULL},
        {NET_HTTP_POST, "/v1/networks/x/nodes", "{\"ids\":\"1-2\",\"batch\":1}"},
        {NET_HTTP_POST, "/v1/networks/x/nodes/change", "{\"change\":\"revoke\",\"ids\":\"1\"}"},
        {NET_HTTP_GET, "/v1/networks/x/nodes/1", NULL},
        {NET_HTTP_GET, "/v1/networks/metro-east/nodes/1", NULL},
        {NET_HTTP_GET, "/v1/networks/x/batches", NULL},
        {NET_HTTP_POST, "/v1/networks/x/batches/export",
         "{\"batch\":1,\"recipient\":\"r\",\"file\":\"f\"}"},
        {NET_HTTP_POST, "/v1/networks/x/batches/import",
         "{\"file\":\"f\",\"upload\":1,\"upload_signature\":2,\"upload_manifest\":3}"},
        {NET_HTTP_POST, "/v1/networks/x/keyring/export", "{\"recipient\":\"r\"}"},
        {NET_HTTP_POST, "/v1/networks/x/keyring/import", "{\"file\":\"f\",\"upload\":1}"},
        {NET_HTTP_GET, "/v1/gateways/x", NULL},
        {NET_HTTP_PATCH, "/v1/gateways/x", "{\"network\":\"metro-east\"}"},
        {NET_HTTP_DELETE, "/v1/gateways/x", NULL},
        {NET_HTTP_POST, "/v1/gateways/x/certificate", "{\"request\":\"r\"}"},
        {NET_HTTP_POST, "/v1/domains/x/rotate", NULL},
        {NET_HTTP_POST, "/v1/objects/rotate", NULL},
        {NET_HTTP_POST, "/v1/factory/rotate", NULL},
        {NET_HTTP_GET, "/v1/audit/segments/99", NULL},
        {NET_HTTP_GET, "/v1/audit/segments/x", NULL},
        {NET_HTTP_PUT, "/v1/uploads/9?offset=0", "x"},
        {NET_HTTP_DELETE, "/v1/uploads/9", NULL},
        {NET_HTTP_GET, "/v1/downloads/9", NULL},
        {NET_HTTP_DELETE, "/v1/downloads/-1", NULL},
        {NET_HTTP_GET, "/v1/jobs/9", NULL},
        {NET_HTTP_DELETE, "/v1/jobs/9", NULL},
        {NET_HTTP_GET, "/v1/", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        enum err err = api_rig_call(&rig, cases[i].method, cases[i].path, cases[i].body);
        if (err != ERR_NOT_FOUND || rig.answer.status != 404)
            fail_msg("%s: %s: %.*s", cases[i].path, err_text(err), (int)rig.answer.body.len,
                     (const char *)rig.answer.body.data);
    }
    assert_err(api_rig_call(&rig, NET_HTTP_GET, "/v1/audit?kind=odd", NULL), ERR_ARGUMENT);
    assert_err(api_rig_call(&rig, NET_HTTP_GET, "/v1/audit?last=x", NULL), ERR_ARGUMENT);
    assert_err(api_rig_call(&rig, NET_HTTP_GET, "/v1/networks/metro-east/nodes?state=odd", NULL),
               ERR_ARGUMENT);
    assert_err(api_rig_call(&rig, NET_HTTP_GET, "/v1/networks/metro-east/nodes?from=x", NULL),
               ERR_ARGUMENT);
    assert_err(api_rig_call(&rig, NET_HTTP_GET, "/v1/networks/metro-east/nodes/x", NULL),
               ERR_ARGUMENT);
    assert_err(api_rig_call(&rig, NET_HTTP_DELETE, "/v1/networks/metro-east?confirm=west", NULL),
               ERR_MISMATCH);
}

TEST_MAIN(cmocka_unit_test_setup_teardown(nobody_may_do_anything, begin, end),
          cmocka_unit_test_setup_teardown(bodies_that_are_none_are_refused, begin, end),
          cmocka_unit_test_setup_teardown(fields_of_another_type_are_named, begin, end),
          cmocka_unit_test_setup_teardown(what_is_not_known_is_not_found, begin, end))
