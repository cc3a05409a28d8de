#include <stdio.h>

#include "api/json.h"
#include "base/hex.h"
#include "crypto/hash.h"
#include "crypto/pem.h"
#include "crypto/pwhash.h"
#include "crypto/x509.h"
#include "rig.h"

/* Machines of the KMIP service, over the API. */

#define ONE "/v1/clients/db-cluster"

static struct api_rig rig;

static int begin(void **state)
{
    (void)state;
    api_rig_begin(&rig);
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

static json_t *post(const char *path, json_t *body)
{
    char *dumped = json_dumps(body, 0);
    json_decref(body);
    json_t *answer = api_rig_get(&rig, NET_HTTP_POST, path, dumped);
    free(dumped);
    return answer;
}

static const char *text(const json_t *json, const char *name)
{
    const char *value = json_string_value(json_object_get(json, name));
    return value != NULL ? value : "";
}

static bool flag(const json_t *json, const char *name)
{
    return json_is_true(json_object_get(json, name));
}

static size_t count(const json_t *json, const char *name)
{
    return json_array_size(json_object_get(json, name));
}

static json_t *request_pem(void)
{
    struct x509_key *key = NULL;
    struct buf csr = {0}, pem = {0};
    const struct x509_names names = {0};
    assert_ok(x509_key_generate(&key, NULL));
    assert_ok(x509_csr_make(key, "somebody else", &names, &csr, NULL));
    assert_ok(pem_encode("CERTIFICATE REQUEST", buf_view(&csr), &pem));
    json_t *json = json_stringn((const char *)pem.data, pem.len);
    buf_done(&csr);
    buf_done(&pem);
    x509_key_free(key);
    return json;
}

/* The name in it is the record's, and its fingerprint what the record has. */
static void check_certificate(const json_t *answer, const char *name)
{
    struct bytes pem = bytes_str(text(answer, "certificate_pem"));
    struct buf der = {0};
    struct x509_info info;
    uint8_t digest[32];
    char hex[65];
    assert_ok(pem_decode("CERTIFICATE", &pem, &der, NULL));
    assert_ok(x509_cert_parse(buf_view(&der), &info, NULL));
    assert_true(bytes_equal(info.cn, bytes_str(name)));
    struct bytes view = buf_view(&der);
    assert_ok(hash_sha256(&view, 1, digest));
    hex_encode(BYTES(digest), hex);
    assert_string_equal(hex, text(answer, "certificate"));
    buf_done(&der);
}

static void a_client_comes_and_goes(void **state)
{
    (void)state;
    assert_err(api_rig_call(&rig, NET_HTTP_GET, ONE, NULL), ERR_NOT_FOUND);
    AUTO(json_freep)
    json_t *made =
        post("/v1/clients", json_pack("{s:s s:s s:o s:[s s] s:[s s] s:i}", "name", "db-cluster",
                                      "kind", "kmip", "request", request_pem(), "permissions",
                                      "read", "use", "groups", "databases", "backup", "days", 30));
    check_certificate(made, "db-cluster");
    assert_non_null(strstr(text(made, "ca_pem"), "BEGIN CERTIFICATE"));
    assert_int_equal(count(made, "permissions"), 2);
    assert_int_equal(count(made, "groups"), 2);
    assert_string_equal(text(made, "placement"), "vault");
    assert_true(flag(made, "enabled"));
    assert_false(flag(made, "has_password"));

    AUTO(json_freep) json_t *list = get("/v1/clients");
    assert_int_equal(count(list, "clients"), 1);
    AUTO(json_freep)
    json_t *again = json_pack("{s:s s:o}", "name", "db-cluster", "request", request_pem());
    char *dumped = json_dumps(again, 0);
    assert_err(api_rig_call(&rig, NET_HTTP_POST, "/v1/clients", dumped), ERR_EXISTS);
    free(dumped);

    AUTO(json_freep)
    json_t *renewed = post(ONE "/certificate", json_pack("{s:o}", "request", request_pem()));
    check_certificate(renewed, "db-cluster");
    assert_string_not_equal(text(made, "certificate"), text(renewed, "certificate"));

    AUTO(json_freep) json_t *disabled = post(ONE "/disable", json_object());
    assert_false(flag(disabled, "enabled"));
    AUTO(json_freep) json_t *enabled = post(ONE "/enable", json_object());
    assert_true(flag(enabled, "enabled"));
    assert_ok(api_rig_call(&rig, NET_HTTP_DELETE, ONE, NULL));
    assert_err(api_rig_call(&rig, NET_HTTP_DELETE, ONE, NULL), ERR_NOT_FOUND);
    assert_err(api_rig_call(&rig, NET_HTTP_POST, ONE "/disable", "{}"), ERR_NOT_FOUND);
}

static void a_client_is_changed(void **state)
{
    (void)state;
    AUTO(json_freep)
    json_t *made =
        post("/v1/clients", json_pack("{s:s s:s}", "name", "db-cluster", "password", "first one"));
    assert_true(flag(made, "has_password"));
    assert_true(json_is_null(json_object_get(made, "certificate")));
    assert_int_equal(count(made, "permissions"), 6);
    AUTO(json_freep)
    json_t *changed = api_rig_get(&rig, NET_HTTP_PATCH, ONE,
                                  "{\"permissions\":[\"read\"],\"placement\":\"token\","
                                  "\"password\":\"second\",\"notify\":\"db1.example:5700\"}");
    assert_int_equal(count(changed, "permissions"), 1);
    assert_string_equal(text(changed, "placement"), "token");
    assert_string_equal(text(changed, "notify"), "db1.example:5700");

    struct vault_client client;
    char verifier[256];
    assert_ok(vault_client_by_name(rig.clients, bytes_str("db-cluster"), &client));
    assert_int_equal(client.may, VAULT_MAY_READ);
    assert_ok(vault_client_password(rig.clients, client.id, verifier));
    assert_ok(pwhash_verifier_check(verifier, bytes_str("second"), NULL));
    assert_err(pwhash_verifier_check(verifier, bytes_str("first one"), NULL), ERR_UNAUTHENTICATED);
}

static void bad_bodies_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        enum err err;
    } bad[] = {
        {"{}", ERR_ARGUMENT},
        {"{\"name\":\"x\"}", ERR_ARGUMENT}, /* nothing to know it by */
        {"{\"name\":\"a b\",\"password\":\"p\"}", ERR_ARGUMENT},
        {"{\"name\":\"\",\"password\":\"p\"}", ERR_ARGUMENT},
        {"{\"name\":\"../x\",\"password\":\"p\"}", ERR_ARGUMENT},
        {"{\"name\":\"x\",\"password\":\"\"}", ERR_LIMIT},
        {"{\"name\":\"x\",\"password\":\"p\",\"kind\":\"snmp\"}", ERR_ARGUMENT},
        {"{\"name\":\"x\",\"password\":\"p\",\"permissions\":[]}", ERR_ARGUMENT},
        {"{\"name\":\"x\",\"password\":\"p\",\"permissions\":[\"root\"]}", ERR_ARGUMENT},
        {"{\"name\":\"x\",\"password\":\"p\",\"groups\":[\"\"]}", ERR_ARGUMENT},
        {"{\"name\":\"x\",\"password\":\"p\",\"placement\":\"moon\"}", ERR_ARGUMENT},
        {"{\"name\":\"x\",\"password\":\"p\",\"notify\":\"host\"}", ERR_ARGUMENT},
        {"{\"name\":\"x\",\"password\":\"p\",\"notify\":\"host:70000\"}", ERR_ARGUMENT},
        {"{\"name\":\"x\",\"request\":\"none\"}", ERR_SYNTAX},
        {"{\"name\":\"x\",\"certificate\":\"none\"}", ERR_SYNTAX},
        {"{\"name\":\"x\",\"request\":\"none\",\"days\":0}", ERR_ARGUMENT},
        {"{\"name\":\"x\",\"request\":\"none\",\"days\":100000}", ERR_ARGUMENT},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        enum err err = api_rig_call(&rig, NET_HTTP_POST, "/v1/clients", bad[i].body);
        if (err != bad[i].err)
            fail_msg("%s: %s", bad[i].body, err_text(err));
    }
    AUTO(json_freep) json_t *list = get("/v1/clients");
    assert_int_equal(count(list, "clients"), 0);
}

TEST_MAIN(cmocka_unit_test_setup_teardown(a_client_comes_and_goes, begin, end),
          cmocka_unit_test_setup_teardown(a_client_is_changed, begin, end),
          cmocka_unit_test_setup_teardown(bad_bodies_are_refused, begin, end))
