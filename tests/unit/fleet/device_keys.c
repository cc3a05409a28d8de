#include "fleet/device_keys.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/hex.h"
#include "crypto/check_value.h"
#include "crypto/rsa.h"
#include "crypto/hash.h"
#include "fleet/device_xml.h"
#include "fleet/signer.h"
#include "vault/access.h"
#include "site.h"

/* What a factory's provisioning server exports, at the operator. */

#define NETWORK "metro-east"
#define REALM   "metro-east.example"
#define HEAD                                                                                       \
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<deviceKeys "                                     \
    "xmlns=\"urn:claviger:device-keys:1\" export=\"1\" created=\"2026-11-21T13:00:00Z\">\n"
#define TAIL        "</deviceKeys>\n"
#define APPLICATION "<application name=\"kite\" id=\"k1\"><key>00</key><extra/></application>"
#define MANY        700

static struct site op;

static int begin(void **state)
{
    (void)state;
    site_begin(&op, NULL);
    site_network(&op, NETWORK, REALM, 32);
    return 0;
}

static int end(void **state)
{
    (void)state;
    site_end(&op);
    return 0;
}

static const struct rsa_public *server_key(void)
{
    return rsa_private_public(op.rig.token.server);
}

static void key_of(uint64_t id, unsigned generation, uint8_t key[16])
{
    memset(key, (int)generation, 16);
    be64_store(key, id);
}

struct device {
    uint64_t id;
    uint32_t batch;
    unsigned generation;
    const struct rsa_public *to; /* NULL: the operator */
    const char *recipient;       /* NULL: its fingerprint */
    bool wrong_kcv, wrong_key, longer;
    const char *node_id;
};

static void put_device(struct buf *xml, const struct device *d)
{
    uint8_t key[32] = {0}, kcv[8];
    char kcv_hex[17], recipient[65], hex[2 * DEVICE_KEY_MAX + 1], id[24];
    const struct rsa_public *to = d->to != NULL ? d->to : server_key();
    AUTO(buf_done) struct buf sealed = {0};
    key_of(d->id, d->generation, key);
    assert_ok(check_value_of(bytes_of(key, 16), kcv));
    kcv[0] ^= d->wrong_kcv;
    assert_ok(rsa_oaep_encrypt(to, OAEP_SHA1, bytes_of(key, d->longer ? 32 : 16), &sealed, NULL));
    if (d->wrong_key)
        sealed.data[20] ^= 1;
    hex_encode(BYTES(kcv), kcv_hex);
    hex_encode(rsa_public_fingerprint(to), recipient);
    hex_encode(buf_view(&sealed), hex);
    (void)snprintf(id, sizeof id, "0x%08llx", (unsigned long long)d->id);
    assert_ok(buf_printf(xml,
                         "<device nodeId=\"%s\" configId=\"0x0000012345678abc\" revision=\"1\" "
                         "batch=\"%u\" time=\"2026-11-21T13:00:00Z\" kcv=\"%s\"><key "
                         "recipient=\"%s\" algorithm=\"RSA-OAEP-SHA1\">%s</key>%s</device>\n",
                         d->node_id != NULL ? d->node_id : id, (unsigned)d->batch, kcv_hex,
                         d->recipient != NULL ? d->recipient : recipient, hex, APPLICATION));
}

static struct buf file_of(const struct device *devices, size_t count)
{
    struct buf xml = {0};
    assert_ok(buf_append(&xml, bytes_str(HEAD)));
    for (size_t i = 0; i < count; i++)
        put_device(&xml, &devices[i]);
    assert_ok(buf_append(&xml, bytes_str(TAIL)));
    return xml;
}

/* The lines of a report. */
struct told {
    unsigned count;
    struct fleet_line last;
    char text[256];
};

static void on_line(void *ctx, const struct fleet_line *line, unsigned id_bits)
{
    struct told *told = ctx;
    (void)id_bits;
    told->count++;
    told->last = *line;
    (void)snprintf(told->text, sizeof told->text, "%s", line->text);
}

struct run {
    struct fleet_import request;
    struct fleet_import_result result;
    struct told told;
    struct err_detail detail;
};

static enum err import_text(struct run *run, struct bytes xml)
{
    const char *path = site_file(&op, "device_keys.xml");
    site_write(path, xml);
    run->request.network = NETWORK;
    run->request.path = path;
    run->request.source = "device_keys.xml";
    run->request.line = on_line;
    run->request.line_ctx = &run->told;
    return fleet_device_import(&op.call, &run->request, &run->detail, &run->result);
}

static enum err import(struct run *run, const struct device *devices, size_t count)
{
    struct buf xml = file_of(devices, count);
    enum err err = import_text(run, buf_view(&xml));
    buf_done(&xml);
    return err;
}

static void has_key(uint64_t id, unsigned generation)
{
    uint8_t here[16], there[16];
    assert_ok(site_node_key(&op, REALM, id, here));
    key_of(id, generation, there);
    assert_memory_equal(here, there, 16);
}

static void devices_become_nodes(void **state)
{
    (void)state;
    struct device *devices = calloc(MANY, sizeof *devices);
    assert_non_null(devices);
    for (unsigned i = 0; i < MANY; i++) /* more than one message, not in order */
        devices[i] = (struct device){.id = 0x10200 + (i * 37) % MANY, .batch = 7 + i % 2};
    struct run run = {0}, again = {0}, next = {0};
    assert_ok(import(&run, devices, MANY));
    assert_int_equal(run.result.lines, MANY);
    assert_int_equal(run.result.count[FLEET_NEW], MANY);
    assert_int_equal(run.result.batches, 2);
    assert_true(run.result.merged);
    assert_int_equal(run.told.count, 0);
    for (unsigned i = 0; i < MANY; i += 41)
        has_key(0x10200 + i, 0);
    assert_int_equal(site_nodes(&op, NETWORK), MANY);
    /* the same once more */
    assert_ok(import(&again, devices, MANY));
    assert_int_equal(again.result.count[FLEET_UNCHANGED], MANY);
    /* and some that were keyed anew */
    devices[0].generation = devices[1].generation = 5;
    assert_ok(import(&next, devices, 3));
    assert_int_equal(next.result.count[FLEET_REPROVISIONED], 2);
    assert_int_equal(next.result.count[FLEET_UNCHANGED], 1);
    has_key(devices[0].id, 5);
    /* the older file would bring the old keys back */
    struct run old = {0};
    devices[0].generation = devices[1].generation = 0;
    assert_err(import(&old, devices, MANY), ERR_REFUSED);
    assert_int_equal(old.result.count[FLEET_REFUSED], 2);
    assert_non_null(strstr(old.told.text, "replaced by a newer one"));
    has_key(devices[0].id, 5);
    free(devices);
}

/* ---- who made the file ---- */

static struct rsa_private *factory_key, *other_key;

static struct buf pem_of(const struct rsa_private *key)
{
    struct buf pem = {0};
    assert_ok(rsa_public_to_pem(rsa_private_public(key), &pem));
    return pem;
}

static enum err add_signer(const char *name, const char *network, const struct rsa_private *key)
{
    uint8_t fingerprint[32];
    struct buf pem = pem_of(key);
    enum err err = fleet_signer_add(&op.call, name, network, buf_view(&pem), fingerprint, NULL);
    buf_done(&pem);
    return err;
}

/* Imports devices 1 to 3, signed by `key` (NULL: not at all); `altered` afterwards. */
static enum err import_signed(struct run *run, const struct rsa_private *key, bool altered)
{
    const struct device devices[] = {{.id = 1, .batch = 1}, {.id = 2}, {.id = 3}};
    struct buf xml = file_of(devices, 3), signature = {0};
    const char *path = site_file(&op, "device_keys.xml.sig");
    uint8_t digest[32];
    struct bytes view = buf_view(&xml);
    assert_ok(hash_sha256(&view, 1, digest));
    if (key != NULL) {
        assert_ok(rsa_sign_sha256(key, digest, &signature, NULL));
        site_write(path, buf_view(&signature));
        run->request.sig_path = path;
    }
    if (altered) /* the first device's batch becomes another: nothing else would tell */
        *(strstr((char *)xml.data, "batch=\"1\"") + 7) = '2';
    enum err err = import_text(run, buf_view(&xml));
    buf_done(&xml);
    buf_done(&signature);
    return err;
}

static int begin_signed(void **state)
{
    begin(state);
    assert_ok(rsa_private_generate(2048, &factory_key, NULL));
    assert_ok(rsa_private_generate(2048, &other_key, NULL));
    return 0;
}

static int end_signed(void **state)
{
    rsa_private_freep(&factory_key);
    rsa_private_freep(&other_key);
    return end(state);
}

static void without_a_factory_everything_is_taken(void **state)
{
    (void)state;
    struct run run = {0}, signed_run = {0};
    assert_ok(import_signed(&run, NULL, false));
    assert_string_equal(run.result.signed_by, "");
    assert_ok(import_signed(&signed_run, factory_key, true));
    assert_string_equal(signed_run.result.signed_by, "");
}

static void a_factory_s_file_is_taken_and_no_other(void **state)
{
    (void)state;
    assert_ok(add_signer("kite-line", NULL, factory_key));
    struct run none = {0}, other = {0}, altered = {0}, good = {0}, dry = {.request.dry_run = true};
    assert_err(import_signed(&none, NULL, false), ERR_SIGNATURE);
    assert_non_null(strstr(none.detail.text, "device_keys.xml came without a signature"));
    assert_err(import_signed(&other, other_key, false), ERR_SIGNATURE);
    assert_non_null(strstr(other.detail.text, "another factory made it"));
    assert_err(import_signed(&altered, factory_key, true), ERR_SIGNATURE);
    assert_int_equal(site_nodes(&op, NETWORK), 0);
    assert_ok(import_signed(&dry, factory_key, false));
    assert_string_equal(dry.result.signed_by, "kite-line");
    assert_ok(import_signed(&good, factory_key, false));
    assert_string_equal(good.result.signed_by, "kite-line");
    assert_int_equal(site_nodes(&op, NETWORK), 3);
    /* a signature that is none */
    struct run empty = {0};
    const char *path = site_file(&op, "device_keys.xml.sig");
    site_write(path, bytes_str(""));
    empty.request.sig_path = path;
    assert_err(import_signed(&empty, NULL, false), ERR_SIGNATURE);
    AUTO(buf_done) struct buf longer = {0};
    for (unsigned i = 0; i < 2000; i++)
        assert_ok(buf_append(&longer, bytes_str("x")));
    site_write(path, buf_view(&longer));
    assert_err(import_signed(&empty, NULL, false), ERR_SIGNATURE);
    assert_err(fleet_signer_remove(&op.call, "kite", NULL), ERR_NOT_FOUND);
    assert_ok(fleet_signer_remove(&op.call, "kite-line", NULL));
    struct run free_again = {0};
    assert_ok(import_signed(&free_again, NULL, false));
    struct audit_verify_result chain;
    struct audit_event last;
    site_close(&op);
    rig_chain(&op.rig, &chain);
    assert_int_equal(rig_records(&op.rig, AUDIT_SIGNER_ADDED, ERR_OK, &last), 1);
    assert_memory_equal(last.text.data, "kite-line for all networks, SHA-256 of the key ", 47);
    assert_int_equal(rig_records(&op.rig, AUDIT_SIGNER_REMOVED, ERR_OK, &last), 1);
    assert_int_equal(rig_records(&op.rig, AUDIT_BATCH_REFUSED, ERR_SIGNATURE, &last), 5);
}

static void a_factory_may_be_for_one_network(void **state)
{
    (void)state;
    site_network(&op, "metro-west", "metro-west.example", 32);
    assert_ok(add_signer("west-line", "metro-west", factory_key));
    struct run east = {0};
    assert_ok(import_signed(&east, NULL, false)); /* this one believes anybody, as before */
    assert_ok(add_signer("east-line", NETWORK, other_key));
    assert_err(import_signed(&east, factory_key, false), ERR_SIGNATURE);
    assert_ok(import_signed(&east, other_key, false));
    assert_string_equal(east.result.signed_by, "east-line");
    /* the same key for another network is another row; for all it is there */
    assert_ok(add_signer("west-too", "metro-west", other_key));
    assert_err(add_signer("west-three", "metro-west", other_key), ERR_EXISTS);
    assert_err(add_signer("east-line", NULL, factory_key), ERR_EXISTS);
    assert_ok(add_signer("everywhere", NULL, factory_key));
    assert_err(add_signer("east-two", NETWORK, factory_key), ERR_EXISTS);
    assert_ok(import_signed(&east, factory_key, false));
    assert_string_equal(east.result.signed_by, "everywhere");
    assert_err(add_signer("x", "nowhere", factory_key), ERR_NOT_FOUND);
    assert_err(add_signer("Not A Name", NULL, factory_key), ERR_ARGUMENT);
    uint8_t fingerprint[32];
    assert_err(fleet_signer_add(&op.call, "y", NULL, bytes_str("no key"), fingerprint, NULL),
               ERR_ARGUMENT);
    op.call.actor.role = VAULT_ROLE_AUDITOR;
    assert_err(add_signer("z", NULL, factory_key), ERR_DENIED);
    assert_err(fleet_signer_remove(&op.call, "everywhere", NULL), ERR_DENIED);
}

static enum err count_signer(void *ctx, const struct fleet_signer *signer)
{
    unsigned *count = ctx;
    ++*count;
    assert_true(signer->created > 0);
    assert_string_equal(signer->created_by, "uid:0");
    assert_string_equal(signer->network, *count == 1 ? "" : NETWORK);
    assert_memory_equal(signer->fingerprint,
                        rsa_public_fingerprint(rsa_private_public(factory_key)).data, 32);
    return ERR_OK;
}

static void factories_are_listed(void **state)
{
    (void)state;
    unsigned count = 0;
    assert_ok(add_signer("line-b", NETWORK, factory_key));
    assert_ok(add_signer("line-a", NULL, factory_key));
    assert_ok(fleet_signer_each(&op.call, count_signer, &count, NULL));
    assert_int_equal(count, 2);
}

static void a_dry_run_tells_and_changes_nothing(void **state)
{
    (void)state;
    const struct device devices[] = {{.id = 1, .batch = 1}, {.id = 2, .batch = 1}};
    struct run run = {.request = {.dry_run = true, .verbose = true}};
    assert_ok(import(&run, devices, 2));
    assert_int_equal(run.result.count[FLEET_NEW], 2);
    assert_false(run.result.merged);
    assert_int_equal(run.told.count, 2);
    assert_int_equal(site_nodes(&op, NETWORK), 0);
}

static void a_backup_is_written_first(void **state)
{
    (void)state;
    const struct device devices[] = {{.id = 1, .batch = 1}};
    struct run run = {.request = {.backup = true}};
    assert_ok(import(&run, devices, 1));
    assert_true(run.result.backup_path[0] != '\0');
}

/* One device of three is wrong: nothing is taken, or the two others. */
static void refused(const struct device *wrong, const char *text)
{
    struct device devices[] = {{.id = 1, .batch = 1}, *wrong, {.id = 3, .batch = 1}};
    struct run run = {0}, skip = {.request = {.skip_refused = true}};
    assert_err(import(&run, devices, 3), ERR_REFUSED);
    assert_int_equal(run.result.count[FLEET_REFUSED], 1);
    assert_int_equal(run.told.count, 1);
    assert_non_null(strstr(run.told.text, text));
    assert_non_null(strstr(run.detail.text, text));
    assert_int_equal(run.told.last.id, wrong->id);
    assert_int_equal(run.told.last.line, 4);
    assert_int_equal(site_nodes(&op, NETWORK), 0);
    assert_ok(import(&skip, devices, 3));
    assert_int_equal(skip.result.count[FLEET_REFUSED], 1);
    assert_int_equal(skip.result.count[FLEET_NEW], 2);
    assert_int_equal(site_nodes(&op, NETWORK), 2);
}

static void a_key_for_another_server(void **state)
{
    (void)state;
    struct rsa_private *other = NULL;
    char text[100], own[65];
    assert_ok(rsa_private_generate(2048, &other, NULL));
    refused(&(struct device){.id = 2, .to = rsa_private_public(other)},
            "encrypted for key server ");
    hex_encode(rsa_public_fingerprint(server_key()), own);
    (void)snprintf(text, sizeof text, "this one is %.16s...", own);
    struct run run = {0};
    assert_err(import(&run, &(struct device){.id = 2, .to = rsa_private_public(other)}, 1),
               ERR_REFUSED);
    assert_non_null(strstr(run.detail.text, text));
    rsa_private_free(other);
}

static void a_key_that_does_not_open(void **state)
{
    (void)state;
    refused(&(struct device){.id = 2, .wrong_key = true}, "does not open");
}

static void a_key_of_32_bytes(void **state)
{
    (void)state;
    refused(&(struct device){.id = 2, .longer = true}, "does not open");
}

static void another_check_value(void **state)
{
    (void)state;
    refused(&(struct device){.id = 2, .wrong_kcv = true}, "another check value");
}

static void an_id_too_wide(void **state)
{
    (void)state;
    refused(&(struct device){.id = 0x100000001, .node_id = "0x0000000100000001"},
            "wider than 32 bits");
}

static void a_key_of_another_length(void **state)
{
    (void)state;
    struct rsa_private *other = NULL;
    char own[65];
    hex_encode(rsa_public_fingerprint(server_key()), own);
    assert_ok(rsa_private_generate(3072, &other, NULL));
    refused(&(struct device){.id = 2, .to = rsa_private_public(other), .recipient = own},
            "384 bytes, 256 are wanted");
    rsa_private_free(other);
}

static void a_node_twice_is_never_guessed(void **state)
{
    (void)state;
    const struct device devices[] = {{.id = 1}, {.id = 2}, {.id = 1, .generation = 4}};
    struct run run = {.request = {.skip_refused = true}};
    assert_err(import(&run, devices, 3), ERR_REFUSED);
    assert_int_equal(run.result.count[FLEET_REFUSED], 1);
    assert_non_null(strstr(run.told.text, "the node is in line 3, too"));
    assert_int_equal(site_nodes(&op, NETWORK), 0);
}

static void who_may_not_import(void **state)
{
    (void)state;
    const struct device devices[] = {{.id = 1}};
    struct run run = {0};
    op.call.actor.role = VAULT_ROLE_AUDITOR;
    assert_err(import(&run, devices, 1), ERR_DENIED);
    op.call.actor = vault_actor_daemon();
}

/* ---- XML ---- */

#define FINGERPRINT "0000000000000000000000000000000000000000000000000000000000000000"
#define DEVICE(id, batch, kcv, attributes, content)                                                \
    "<device nodeId=\"" id "\" configId=\"0x1\" revision=\"1\" batch=\"" batch "\" time=\"t\" "    \
    "kcv=\"" kcv "\"" attributes ">" content "</device>"
#define KEY(recipient, algorithm, text)                                                            \
    "<key recipient=\"" recipient "\" algorithm=\"" algorithm "\">" text "</key>"
#define OK_KEY         KEY(FINGERPRINT, "RSA-OAEP-SHA1", "c0ffee")
#define KCV            "0011223344556677"
#define PLAIN(content) DEVICE("0x00000001", "1", KCV, "", content)

static enum err count_device(void *ctx, const struct fleet_device *device,
                             struct err_detail *detail)
{
    (void)device;
    (void)detail;
    ++*(unsigned *)ctx;
    return ERR_OK;
}

static enum err read_xml(struct bytes text, unsigned *ret_devices, struct err_detail *detail)
{
    AUTO(device_xml_freep) struct device_xml *xml = NULL;
    *ret_devices = 0;
    assert_ok(device_xml_new(count_device, ret_devices, &xml));
    while (text.len > 0) {
        size_t len = text.len < 1000 ? text.len : 1000;
        TRY(device_xml_feed(xml, bytes_of(text.data, len), false, detail));
        text = bytes_of(text.data + len, text.len - len);
    }
    return device_xml_feed(xml, text, true, detail);
}

static void what_is_no_export_is_refused(void **state)
{
    (void)state;
    static const struct {
        enum err err;
        const char *text, *says;
    } cases[] = {
        {ERR_OK, HEAD TAIL, ""},
        {ERR_OK, HEAD PLAIN(OK_KEY) TAIL, ""},
        {ERR_OK, HEAD PLAIN(OK_KEY "<application><a b=\"c\">d<e/></a></application>") TAIL, ""},
        {ERR_TRUNCATED, "", ""},
        {ERR_TRUNCATED, HEAD PLAIN(OK_KEY), ""},
        {ERR_TRUNCATED, HEAD "<device nodeId=\"0x0", ""},
        {ERR_SYNTAX, "hello", ""},
        {ERR_SYNTAX, HEAD TAIL HEAD TAIL, ""},
        {ERR_SYNTAX, "<!DOCTYPE deviceKeys>" HEAD TAIL, ""},
        {ERR_SYNTAX, "<!DOCTYPE d [<!ENTITY a \"b\">]><d>&a;</d>", "DOCTYPE"},
        {ERR_SYNTAX, HEAD "&a;" TAIL, ""},
        {ERR_SYNTAX, "<deviceKeys export=\"1\" created=\"t\"/>", "not of urn:"},
        {ERR_SYNTAX, "<keys xmlns=\"urn:claviger:device-keys:1\"/>", "no place here"},
        {ERR_SYNTAX, HEAD "text" TAIL, "text outside"},
        {ERR_SYNTAX, HEAD "<gateway/>" TAIL, "no place here"},
        {ERR_SYNTAX, HEAD PLAIN(OK_KEY OK_KEY) TAIL, "a second key"},
        {ERR_SYNTAX, HEAD PLAIN("") TAIL, "without a key"},
        {ERR_SYNTAX, HEAD PLAIN(OK_KEY "<other/>") TAIL, "no place here"},
        {ERR_SYNTAX, HEAD PLAIN(KEY(FINGERPRINT, "RSA-OAEP-SHA1", "<b/>")) TAIL, "no place here"},
        {ERR_SYNTAX, HEAD PLAIN(KEY(FINGERPRINT, "RSA-OAEP-SHA1", "")) TAIL, "hexadecimal"},
        {ERR_SYNTAX, HEAD PLAIN(KEY(FINGERPRINT, "RSA-OAEP-SHA1", "c0f")) TAIL, "hexadecimal"},
        {ERR_SYNTAX, HEAD PLAIN(KEY(FINGERPRINT, "RSA-OAEP-SHA1", "xy")) TAIL, "hexadecimal"},
        {ERR_UNSUPPORTED, HEAD PLAIN(KEY(FINGERPRINT, "none", "c0")) TAIL, "RSA-OAEP-SHA1"},
        {ERR_SYNTAX, HEAD PLAIN(KEY("00", "RSA-OAEP-SHA1", "c0")) TAIL, "64 digits"},
        {ERR_SYNTAX, HEAD DEVICE("1", "1", KCV, "", OK_KEY) TAIL, "nodeId"},
        {ERR_SYNTAX, HEAD DEVICE("0x00000000", "1", KCV, "", OK_KEY) TAIL, "nodeId"},
        {ERR_SYNTAX, HEAD DEVICE("0x00000001", "4294967296", KCV, "", OK_KEY) TAIL, "batch"},
        {ERR_SYNTAX, HEAD DEVICE("0x00000001", "-1", KCV, "", OK_KEY) TAIL, "batch"},
        {ERR_SYNTAX, HEAD DEVICE("0x00000001", "", KCV, "", OK_KEY) TAIL, "batch"},
        {ERR_SYNTAX, HEAD DEVICE("0x00000001", "1", "00", "", OK_KEY) TAIL, "kcv"},
        {ERR_SYNTAX, HEAD DEVICE("0x00000001", "1", KCV, " x=\"1\"", OK_KEY) TAIL, "unknown"},
        {ERR_SYNTAX, HEAD "<device nodeId=\"0x00000001\"/>" TAIL, "missing"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        unsigned devices = 0;
        struct err_detail detail = {0};
        enum err err = read_xml(bytes_str(cases[i].text), &devices, &detail);
        if (i == 8) /* before an XML declaration a DOCTYPE is wrong in two ways */
            assert_true(err != ERR_OK);
        else
            assert_err(err, cases[i].err);
        assert_non_null(strstr(detail.text, cases[i].says));
        assert_int_equal(devices, (unsigned)(i == 1 || i == 2 || i == 4));
    }
}

static struct buf repeated(const char *before, const char *piece, size_t count, bool number,
                           const char *after)
{
    struct buf xml = {0};
    assert_ok(buf_append(&xml, bytes_str(before)));
    for (size_t i = 0; i < count; i++) {
        assert_ok(buf_append(&xml, bytes_str(piece)));
        if (number)
            assert_ok(buf_printf(&xml, "%zu/>", i));
    }
    assert_ok(buf_append(&xml, bytes_str(after)));
    return xml;
}

static void what_grows_has_limits(void **state)
{
    (void)state;
    unsigned devices = 0;
    const char *const open_key = HEAD "<device nodeId=\"0x00000001\" configId=\"0x1\" "
                                      "revision=\"1\" batch=\"1\" time=\"t\" kcv=\"" KCV "\">";
    struct buf name = repeated("<", "aaaaaaaaaaaaaaaa", 200000, false, "/>");
    assert_err(read_xml(buf_view(&name), &devices, NULL), ERR_LIMIT);
    buf_done(&name);
    struct buf deep = repeated(HEAD, "", 0, false, open_key + sizeof HEAD - 1);
    assert_ok(buf_append(&deep, bytes_str(OK_KEY "<application>")));
    for (unsigned i = 0; i < 1000; i++)
        assert_ok(buf_append(&deep, bytes_str("<a>")));
    assert_err(read_xml(buf_view(&deep), &devices, NULL), ERR_LIMIT);
    buf_done(&deep);
    struct buf names = repeated(open_key, OK_KEY "<application>", 1, false, "");
    for (unsigned i = 0; i < 100000; i++)
        assert_ok(buf_printf(&names, "<a%u/>", i));
    assert_err(read_xml(buf_view(&names), &devices, NULL), ERR_LIMIT);
    buf_done(&names);
    struct buf key = repeated(
        open_key, "<key recipient=\"" FINGERPRINT "\" algorithm=\"RSA-OAEP-SHA1\">", 1, false, "");
    for (unsigned i = 0; i < DEVICE_KEY_MAX + 1; i++)
        assert_ok(buf_append(&key, bytes_str("00")));
    assert_err(read_xml(buf_view(&key), &devices, NULL), ERR_LIMIT);
    buf_done(&key);
    /* and a file as long as one likes has none */
    struct buf many = repeated(HEAD, PLAIN(OK_KEY APPLICATION) "\n", 20000, false, TAIL);
    assert_ok(read_xml(buf_view(&many), &devices, NULL));
    assert_int_equal(devices, 20000);
    buf_done(&many);
}

static void a_file_cut_short_changes_nothing(void **state)
{
    (void)state;
    const struct device devices[] = {{.id = 1}, {.id = 2}};
    struct buf xml = file_of(devices, 2);
    struct run run = {0};
    assert_err(import_text(&run, bytes_of(xml.data, xml.len - 5)), ERR_TRUNCATED);
    assert_int_equal(site_nodes(&op, NETWORK), 0);
    buf_done(&xml);
}

#define TEST(name)   cmocka_unit_test_setup_teardown(name, begin, end)
#define SIGNED(name) cmocka_unit_test_setup_teardown(name, begin_signed, end_signed)
TEST_MAIN(TEST(devices_become_nodes), TEST(a_dry_run_tells_and_changes_nothing),
          TEST(a_backup_is_written_first), TEST(a_key_for_another_server),
          TEST(a_key_that_does_not_open), TEST(a_key_of_32_bytes), TEST(another_check_value),
          TEST(an_id_too_wide), TEST(a_key_of_another_length), TEST(a_node_twice_is_never_guessed),
          SIGNED(without_a_factory_everything_is_taken),
          SIGNED(a_factory_s_file_is_taken_and_no_other), SIGNED(a_factory_may_be_for_one_network),
          SIGNED(factories_are_listed), TEST(who_may_not_import),
          TEST(what_is_no_export_is_refused), TEST(what_grows_has_limits),
          TEST(a_file_cut_short_changes_nothing))
