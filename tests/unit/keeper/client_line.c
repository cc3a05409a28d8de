#include "keeper/client_line.h"

#include <stdio.h>

#include "crypto/check_value.h"
#include "base/hex.h"
#include "crypto/cms.h"
#include "crypto/hash.h"
#include "rig.h"

/* What the factory asks the keeper for: gateway keys for a station, and at the operator the keys
 * of devices. */

#define FACTORY_DOMAIN 9
#define KEYS           100

static struct rig rig;
static struct keeper_client *client;

static int begin(void **state)
{
    (void)state;
    rig_begin(&rig, NULL);
    client = rig_client(&rig, 0);
    AUTO(buf_done) struct buf wrapped = {0};
    assert_ok(keeper_domain_create(client, RIG_ACTOR, FACTORY_DOMAIN, "factory/9", &wrapped, NULL));
    assert_ok(keeper_domain_load(client, RIG_ACTOR, FACTORY_DOMAIN, "factory/9", 1,
                                 buf_view(&wrapped), NULL));
    return 0;
}

static int end(void **state)
{
    (void)state;
    assert_ok(rig_end(&rig));
    return 0;
}

/* ---- gateway keys for a station ---- */

struct station {
    struct rsa_private *key;
    struct keeper_made gateway, cdld;
    struct keeper_line_keys keys;
};

static void make_key(uint32_t domain, uint8_t table, uint32_t version, struct keeper_made *ret_made)
{
    const struct keeper_row row = {domain, table, version, 4};
    assert_ok(keeper_generate(client, RIG_ACTOR, row, ret_made, NULL));
}

static void station_begin(struct station *s, uint32_t domain)
{
    assert_ok(rsa_private_generate(2048, &s->key, NULL));
    make_key(domain, KEEPER_GATEWAY, 3, &s->gateway);
    make_key(domain, KEEPER_CDLD, 2, &s->cdld);
    s->keys = (struct keeper_line_keys){
        .domain = domain,
        .gateway = {3, 4, keeper_sealed_view(&s->gateway.sealed)},
        .cdld = {2, 4, keeper_sealed_view(&s->cdld.sealed)},
        .recipient = rsa_public_spki(rsa_private_public(s->key)),
        .purpose = "config 0x0000012345678abc",
    };
}

static enum err source(void *arg, uint8_t *to, size_t cap, size_t *ret_len,
                       struct err_detail *detail)
{
    struct bytes *in = arg;
    (void)detail;
    *ret_len = in->len < cap ? in->len : cap;
    memcpy(to, in->data, *ret_len);
    *in = bytes_of(in->data + *ret_len, in->len - *ret_len);
    return ERR_OK;
}

static char text[512];

static enum err sink(void *arg, struct bytes data, struct err_detail *detail)
{
    (void)arg;
    (void)detail;
    assert_true(strlen(text) + data.len < sizeof text);
    memcpy(text + strlen(text), data.data, data.len);
    return ERR_OK;
}

static void a_station_gets_two_lines_and_their_check_values(void **state)
{
    (void)state;
    struct station s;
    station_begin(&s, FACTORY_DOMAIN);
    AUTO(buf_done) struct buf cms = {0};
    uint8_t gateway_kcv[8], cdld_kcv[8], kcv[8], key[24];
    assert_ok(
        keeper_export_line(client, "cert:line-1", &s.keys, &cms, gateway_kcv, cdld_kcv, NULL));
    struct bytes in = buf_view(&cms);
    const struct cms_io io = {.arg = &in, .source = source, .sink = sink};
    memset(text, 0, sizeof text);
    assert_ok(cms_decrypt(s.key, &io, NULL));
    assert_int_equal(strncmp(text, "gateway, 0x", 11), 0);
    const char *second = strchr(text, '\n');
    assert_non_null(second);
    assert_int_equal(second - text, 11 + 48);
    assert_int_equal(strncmp(second, "\ngateway_cdld, 0x", 17), 0);
    assert_int_equal(strlen(second), 17 + 32 + 1);
    for (unsigned i = 0; i < 24; i++)
        assert_int_equal(sscanf(text + 11 + 2 * i, "%2hhx", &key[i]), 1);
    assert_ok(check_value_of(bytes_of(key, 24), kcv));
    assert_memory_equal(kcv, gateway_kcv, 8);
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(sscanf(second + 17 + 2 * i, "%2hhx", &key[i]), 1);
    assert_ok(check_value_of(bytes_of(key, 16), kcv));
    assert_memory_equal(kcv, cdld_kcv, 8);
    rsa_private_free(s.key);
    struct audit_verify_result chain;
    struct audit_event last;
    rig_chain(&rig, &chain);
    assert_int_equal(rig_records(&rig, AUDIT_RELEASE, ERR_OK, &last), 2);
    assert_int_equal(last.purpose, KEEPER_EXPORT_LINE);
    assert_true(last.text.len > 100);
    assert_memory_equal(last.text.data, "config 0x0000012345678abc recipient sha256:", 43);
    assert_memory_equal(last.actor.data, "cert:line-1", 11);
}

static void nothing_else_is_given_to_a_station(void **state)
{
    (void)state;
    struct station s, net;
    AUTO(buf_done) struct buf cms = {0};
    uint8_t a[8], b[8];
    station_begin(&s, FACTORY_DOMAIN);
    station_begin(&net, RIG_DOMAIN);
    assert_err(keeper_export_line(client, RIG_ACTOR, &net.keys, &cms, a, b, NULL), ERR_DENIED);
    struct keeper_line_keys keys = s.keys;
    keys.domain = 77;
    assert_err(keeper_export_line(client, RIG_ACTOR, &keys, &cms, a, b, NULL), ERR_NOT_FOUND);
    keys = s.keys;
    keys.gateway.version = 4; /* a row that it was not sealed for */
    assert_err(keeper_export_line(client, RIG_ACTOR, &keys, &cms, a, b, NULL), ERR_SEAL);
    keys = s.keys;
    keys.cdld.sealed = s.keys.gateway.sealed;
    assert_err(keeper_export_line(client, RIG_ACTOR, &keys, &cms, a, b, NULL), ERR_SEAL);
    keys = s.keys;
    keys.recipient = bytes_str("no key");
    assert_err(keeper_export_line(client, RIG_ACTOR, &keys, &cms, a, b, NULL), ERR_SYNTAX);
    keys = s.keys;
    keys.purpose = "";
    assert_err(keeper_export_line(client, RIG_ACTOR, &keys, &cms, a, b, NULL), ERR_ARGUMENT);
    assert_int_equal(cms.len, 0);
    rsa_private_free(s.key);
    rsa_private_free(net.key);
}

static void policy_forbids_and_limits(void **state)
{
    (void)state;
    struct rig_options options = {.policy = rig_open_policy()};
    options.policy.rates[KEEPER_EXPORT_LINE] = (struct keeper_rate){1, 2};
    assert_ok(rig_end(&rig));
    rig_begin(&rig, &options);
    client = rig_client(&rig, 0);
    AUTO(buf_done) struct buf wrapped = {0};
    assert_ok(keeper_domain_create(client, RIG_ACTOR, FACTORY_DOMAIN, "factory/9", &wrapped, NULL));
    assert_ok(keeper_domain_load(client, RIG_ACTOR, FACTORY_DOMAIN, "factory/9", 1,
                                 buf_view(&wrapped), NULL));
    struct station s;
    AUTO(buf_done) struct buf cms = {0};
    uint8_t a[8], b[8];
    station_begin(&s, FACTORY_DOMAIN);
    assert_ok(keeper_export_line(client, RIG_ACTOR, &s.keys, &cms, a, b, NULL));
    assert_err(keeper_export_line(client, RIG_ACTOR, &s.keys, &cms, a, b, NULL), ERR_RATE);
    rsa_private_free(s.key);
}

/* ---- keys of devices ---- */

struct made {
    struct buf ciphertexts[KEYS];
    uint8_t keys[KEYS][16];
    struct keeper_device devices[KEYS];
};

static void encrypt(struct buf *to, struct bytes plain)
{
    to->len = 0;
    assert_ok(rsa_oaep_encrypt(rsa_private_public(rig.token.server), OAEP_SHA1, plain, to, NULL));
}

static struct made *make_devices(void)
{
    struct made *made = calloc(1, sizeof *made);
    assert_non_null(made);
    for (unsigned i = 0; i < KEYS; i++) {
        memset(made->keys[i], (int)i + 1, 16);
        encrypt(&made->ciphertexts[i], BYTES(made->keys[i]));
        made->devices[i].id = 0x100 + i;
        made->devices[i].ciphertext = made->ciphertexts[i].data;
        assert_ok(check_value_of(BYTES(made->keys[i]), made->devices[i].kcv));
    }
    return made;
}

static void made_free(struct made *made)
{
    for (unsigned i = 0; i < KEYS; i++)
        buf_done(&made->ciphertexts[i]);
    free(made);
}

static enum err import(struct made *made, size_t count)
{
    return keeper_import_devices(client, RIG_ACTOR, RIG_DOMAIN, 5, made->devices, count, 256, NULL);
}

static void keys_of_devices_become_rows_of_nodes(void **state)
{
    (void)state;
    struct made *made = make_devices();
    assert_ok(import(made, KEYS));
    for (unsigned i = 0; i < KEYS; i++) {
        uint8_t key[KEEPER_KEY_MAX];
        size_t len = 0;
        const struct keeper_row row = {RIG_DOMAIN, KEEPER_NODE, 0x100 + i, 5};
        assert_err(made->devices[i].err, ERR_OK);
        assert_ok(
            rig_release(&rig, &row, keeper_sealed_view(&made->devices[i].made.sealed), key, &len));
        assert_int_equal(len, 16);
        assert_memory_equal(key, made->keys[i], 16);
    }
    made_free(made);
    struct audit_verify_result chain;
    struct audit_event last;
    rig_chain(&rig, &chain);
    assert_int_equal(rig_records(&rig, AUDIT_SEAL, ERR_OK, &last), 1);
    assert_int_equal(last.text.len, strlen("0x00000100-0x00000163"));
    assert_memory_equal(last.text.data, "0x00000100-0x00000163", last.text.len);
}

static void each_bad_device_is_told_alone(void **state)
{
    (void)state;
    struct made *made = make_devices();
    made->ciphertexts[3].data[100] ^= 1;
    made->devices[50].kcv[7] ^= 1;
    uint8_t longer[32] = {1}, shorter[15] = {1};
    encrypt(&made->ciphertexts[60], BYTES(longer));
    made->devices[60].ciphertext = made->ciphertexts[60].data;
    encrypt(&made->ciphertexts[61], BYTES(shorter));
    made->devices[61].ciphertext = made->ciphertexts[61].data;
    assert_ok(import(made, KEYS));
    for (unsigned i = 0; i < KEYS; i++) {
        enum err expected = i == 3 || i == 60 || i == 61 ? ERR_DECRYPT
                            : i == 50                    ? ERR_MISMATCH
                                                         : ERR_OK;
        assert_err(made->devices[i].err, expected);
    }
    made_free(made);
}

static void a_token_that_fails_fails_the_call(void **state)
{
    (void)state;
    struct made *made = make_devices();
    rig.token.fail = ERR_TOKEN_GONE;
    assert_err(import(made, KEYS), ERR_TOKEN_GONE);
    rig.token.fail = ERR_OK;
    assert_ok(import(made, KEYS));
    made_free(made);
}

static void what_is_no_request_is_refused(void **state)
{
    (void)state;
    struct made *made = make_devices();
    assert_err(import(made, 0), ERR_ARGUMENT);
    assert_err(import(made, keeper_devices_max(256) + 1), ERR_ARGUMENT);
    assert_true(keeper_devices_max(256) > 200);
    assert_true(keeper_devices_max(RSA_BYTES_MAX) > 50);
    assert_int_equal(keeper_devices_max(255), 0);
    assert_int_equal(keeper_devices_max(RSA_BYTES_MAX + 1), 0);
    assert_err(keeper_import_devices(client, RIG_ACTOR, 77, 5, made->devices, 1, 256, NULL),
               ERR_NOT_FOUND);
    made->devices[1].id = 0;
    assert_err(import(made, 2), ERR_ARGUMENT);
    made_free(made);
}

/* ---- signatures of device_keys.xml ---- */

static enum err sign_text(struct bytes xml, size_t piece, struct buf *signature)
{
    uint32_t session = 0;
    TRY(keeper_sign_devices_begin(client, "cli:factory", "export 7", &session, NULL));
    for (size_t at = 0; at < xml.len; at += piece) {
        size_t len = xml.len - at < piece ? xml.len - at : piece;
        TRY(keeper_sign_devices_update(client, session, bytes_of(xml.data + at, len), NULL));
    }
    return keeper_sign_devices_end(client, session, signature, NULL);
}

static void a_file_of_device_keys_is_signed(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf xml = {0}, first = {0}, second = {0};
    uint8_t digest[32];
    char hex[65];
    assert_ok(buf_printf(&xml, "%sexport=\"7\">\n", KEEPER_DEVICES_FORM));
    for (unsigned i = 0; i < 10000; i++)
        assert_ok(buf_printf(&xml, "<device nodeId=\"%08x\"/>\n", i));
    struct bytes view = buf_view(&xml);
    assert_ok(sign_text(view, view.len, &first));
    assert_ok(sign_text(view, 7, &second));
    assert_true(bytes_equal(buf_view(&first), buf_view(&second)));
    assert_ok(hash_sha256(&view, 1, digest));
    assert_ok(
        rsa_verify_sha256(rsa_private_public(rig.token.server), digest, buf_view(&first), NULL));
    struct audit_verify_result chain;
    struct audit_event last;
    rig_chain(&rig, &chain);
    assert_int_equal(rig_records(&rig, AUDIT_SIGN, ERR_OK, &last), 2);
    assert_int_equal(last.purpose, KEEPER_SIGN_DEVICES);
    hex_encode(BYTES(digest), hex);
    assert_int_equal(last.text.len, 17 + 64);
    assert_memory_equal(last.text.data, "export 7, sha256 ", 17);
    assert_memory_equal(last.text.data + 17, hex, 64);
    assert_memory_equal(last.actor.data, "cli:factory", 11);
}

/* The same key signs gateway key files and the chain: what begins otherwise is not signed. */
static void nothing_but_device_keys_is_signed(void **state)
{
    (void)state;
    static const char *const others[] = {
        ("CLVGWKF1 and more than the form is long, and more of it, "
         "and yet more, so that it could be anything at all, yes"),
        "claviger audit head", "", "<?xml version=\"1.0\""};
    AUTO(buf_done) struct buf signature = {0};
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        assert_err(sign_text(bytes_str(others[i]), 1000, &signature), ERR_DENIED);
        assert_err(sign_text(bytes_str(others[i]), 1, &signature), ERR_DENIED);
    }
    uint32_t session = 0;
    assert_err(keeper_sign_devices_begin(client, RIG_ACTOR, "", &session, NULL), ERR_ARGUMENT);
    assert_ok(keeper_sign_devices_begin(client, RIG_ACTOR, "export 1", &session, NULL));
    assert_err(keeper_sign_devices_update(client, session, bytes_str("x"), NULL), ERR_DENIED);
    assert_err(keeper_sign_devices_end(client, session, &signature, NULL), ERR_NOT_FOUND);
    /* nor is another's session touched */
    assert_ok(keeper_sign_devices_begin(client, RIG_ACTOR, "export 1", &session, NULL));
    assert_err(keeper_sign_devices_end(rig_client(&rig, 1), session, &signature, NULL),
               ERR_NOT_FOUND);
    assert_err(keeper_mac_update(client, session, bytes_str("x"), NULL), ERR_NOT_FOUND);
    assert_int_equal(signature.len, 0);
}

static void signatures_have_a_rate(void **state)
{
    (void)state;
    struct rig_options options = {.policy = rig_open_policy()};
    options.policy.rates[KEEPER_SIGN_DEVICES] = (struct keeper_rate){1, 2};
    assert_ok(rig_end(&rig));
    rig_begin(&rig, &options);
    client = rig_client(&rig, 0);
    AUTO(buf_done) struct buf signature = {0};
    assert_ok(sign_text(bytes_str(KEEPER_DEVICES_FORM), 1000, &signature));
    assert_ok(sign_text(bytes_str(KEEPER_DEVICES_FORM), 1000, &signature));
    assert_err(sign_text(bytes_str(KEEPER_DEVICES_FORM), 1000, &signature), ERR_RATE);
}

TEST_MAIN(cmocka_unit_test_setup_teardown(a_station_gets_two_lines_and_their_check_values, begin,
                                          end),
          cmocka_unit_test_setup_teardown(nothing_else_is_given_to_a_station, begin, end),
          cmocka_unit_test_setup_teardown(policy_forbids_and_limits, begin, end),
          cmocka_unit_test_setup_teardown(a_file_of_device_keys_is_signed, begin, end),
          cmocka_unit_test_setup_teardown(nothing_but_device_keys_is_signed, begin, end),
          cmocka_unit_test_setup_teardown(signatures_have_a_rate, begin, end),
          cmocka_unit_test_setup_teardown(keys_of_devices_become_rows_of_nodes, begin, end),
          cmocka_unit_test_setup_teardown(each_bad_device_is_told_alone, begin, end),
          cmocka_unit_test_setup_teardown(a_token_that_fails_fails_the_call, begin, end),
          cmocka_unit_test_setup_teardown(what_is_no_request_is_refused, begin, end))
