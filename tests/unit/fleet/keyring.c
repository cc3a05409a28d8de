#include <inttypes.h>
#include <stdio.h>

#include "base/file.h"
#include "crypto/cms.h"
#include "site.h"

/* keyring.csv in clear at the command line's end, and as a CMS to and from the server. */

#define NETWORK "metro-east"
#define REALM   "metro-east.example"

static struct site a;

static int begin(void **state)
{
    (void)state;
    site_begin(&a, NULL);
    return 0;
}

static int end(void **state)
{
    (void)state;
    site_end(&a);
    return 0;
}

struct pipe {
    struct bytes in;
    struct buf out;
};

static enum err source(void *arg, uint8_t *to, size_t cap, size_t *ret_len,
                       struct err_detail *detail)
{
    struct pipe *pipe = arg;
    (void)detail;
    size_t len = pipe->in.len < cap ? pipe->in.len : cap;
    if (len)
        memcpy(to, pipe->in.data, len);
    pipe->in = bytes_of(pipe->in.data + len, pipe->in.len - len);
    *ret_len = len;
    return ERR_OK;
}

static enum err sink(void *arg, struct bytes data, struct err_detail *detail)
{
    (void)detail;
    return buf_append(&((struct pipe *)arg)->out, data);
}

/* `text` encrypted to the server, in the spool. */
static const char *encrypted(struct bytes text)
{
    static unsigned number;
    char name[32];
    snprintf(name, sizeof(name), "keyring%u", number++);
    const char *path = site_file(&a, name);
    struct buf pem = site_pem(&a);
    struct rsa_public *key = NULL;
    struct pipe pipe = {.in = text};
    struct cms_io io = {&pipe, source, sink};
    assert_ok(rsa_public_from_pem(buf_view(&pem), &key, NULL));
    assert_ok(cms_encrypt(key, OAEP_SHA1, &io, NULL));
    site_write(path, buf_view(&pipe.out));
    rsa_public_free(key);
    buf_done(&pem);
    buf_done(&pipe.out);
    return path;
}

struct refused {
    unsigned count;
    uint64_t line;
    char text[120];
};

static void tell(void *ctx, const struct fleet_line *line, unsigned id_bits)
{
    struct refused *refused = ctx;
    (void)id_bits;
    if (line->verdict != FLEET_REFUSED)
        return;
    if (refused->count++ > 0)
        return;
    refused->line = line->line;
    snprintf(refused->text, sizeof(refused->text), "%s", line->text);
}

static const struct fleet_network_create new_network = {
    .name = NETWORK,
    .realm = REALM,
    .passphrase = {(const uint8_t *)PASSPHRASE, sizeof(PASSPHRASE) - 1},
    .argon_passes = 1,
    .argon_memory_kib = 8192,
    .argon_lanes = 1};

static enum err import(struct bytes text, bool create, struct refused *refused,
                       struct fleet_import_result *result)
{
    struct err_detail detail = {0};
    *refused = (struct refused){0};
    struct fleet_import request = {.network = NETWORK,
                                   .path = encrypted(text),
                                   .source = "keyring.csv",
                                   .line = tell,
                                   .line_ctx = refused};
    enum err err =
        fleet_keyring_import(&a.call, &request, create ? &new_network : NULL, &detail, result);
    if (err != ERR_OK)
        assert_true(detail.text[0] != '\0');
    return err;
}

#define HEAD                                                                                       \
    "pwdh, 0xa39b3510d0ef8d3b5a2e701bf568c491\n"                                                   \
    "base, 0xf08916b6f998ad78ee31079c9afca0ff\n"                                                   \
    "gateway, 0x015723c7196862208f6bfb1a5219f725ae041a79a1673ebc\n"                                \
    "gateway_cdld, 0x2cd4cea3efe06e6ce9541954000cc055\n"
#define NODES                                                                                      \
    "0x00010200, 0x370ed34aef1835709b7eedf259d83fc5,1,0\n"                                         \
    "0x00010201, 0xce9d3fccc3a6a0767a83e2d5f5bd671c,1,0\n"                                         \
    "0x00010202, 0xf619bf254fb36e8cc3bd7ed5f8277104,1,0\n"                                         \
    "0x00010203, 0xf00a566d63bc69e9fc1d3eaa82b00d61,2,0\n"                                         \
    "0x00010204, 0x1104aa0791a2cd960a60762f9e7bebbe,2,0\n"

/* KMS User Guide, A.4.2, letter by letter: its second line has an odd number of digits. */
static void the_guides_example_is_refused_by_line(void **state)
{
    (void)state;
    static const char guide[] = "pwdh, 0xa39b3510d0ef8d3b5a2e701bf568c491\n"
                                "base, 0xf08916b6f998ad78ee31079c9afca0f\n"
                                "gateway, 0x015723c7196862208f6bfb1a5219f725ae041a79a1673ebc\n"
                                "gateway_cdld, 0x2cd4cea3efe06e6ce9541954000cc055\n" NODES;
    struct refused refused;
    struct fleet_import_result result;
    assert_err(import(bytes_str(guide), true, &refused, &result), ERR_REFUSED);
    assert_true(refused.count >= 1);
    assert_int_equal(refused.line, 2);
    struct fleet_network *shown = calloc(1, sizeof(*shown));
    assert_err(fleet_network_show(&a.call, NETWORK, NULL, shown), ERR_NOT_FOUND);
    free(shown);
    assert_int_equal(vault_domain_list(a.vault, "network", NULL, 0), 0);
}

static void a_repaired_one_makes_a_network(void **state)
{
    (void)state;
    char text[] = HEAD NODES;
    struct refused refused;
    struct fleet_import_result result;
    assert_ok(import(bytes_str(text), true, &refused, &result));
    assert_int_equal(result.count[FLEET_NEW], 5);
    uint8_t key[16];
    assert_ok(site_node_key(&a, REALM, 0x10200, key));
    assert_int_equal(key[0], 0x37);
    assert_int_equal(key[15], 0xc5);
    /* The same again, and one more node: into the network that is there now. */
    assert_ok(import(bytes_str(text), false, &refused, &result));
    assert_int_equal(result.count[FLEET_UNCHANGED], 5);
    struct fleet_network *shown = calloc(1, sizeof(*shown));
    assert_ok(fleet_network_show(&a.call, NETWORK, NULL, shown));
    assert_int_equal(shown->keys, 3);
    /* Another code download key comes as a new version. */
    char *cdld = strstr(text, "2cd4cea3");
    cdld[0] = '3';
    assert_ok(import(bytes_str(text), false, &refused, &result));
    assert_ok(fleet_network_show(&a.call, NETWORK, NULL, shown));
    assert_int_equal(shown->keys, 4);
    free(shown);
}

static void blanks_case_and_crlf_are_tolerated(void **state)
{
    (void)state;
    struct refused refused;
    struct fleet_import_result result;
    site_network(&a, NETWORK, REALM, 32);
    assert_ok(import(bytes_str("  0X00010200 ,0x370ED34AEF1835709B7EEDF259D83FC5 , 1 , 0\r\n"
                               "\r\n0x10201,0xce9d3fccc3a6a0767a83e2d5f5bd671c,1,0"),
                     false, &refused, &result));
    assert_int_equal(result.count[FLEET_NEW], 2);
}

static void bad_lines_refuse_all(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t line;
    } cases[] = {
        {NODES "0x00010205, 0x1104aa0791a2cd960a60762f9e7bebb,2,0\n", 6},    /* 31 digits */
        {NODES "0x00010205, 0x1104aa0791a2cd960a60762f9e7beb,2,0\n", 6},     /* 15 bytes */
        {NODES "0x00010205, 0x1104aa0791a2cd960a60762f9e7bebbe00,2,0\n", 6}, /* 17 bytes */
        {NODES "0x100010205, 0x1104aa0791a2cd960a60762f9e7bebbe,2,0\n", 6},  /* 33 bits */
        {NODES "0x00010201, 0x1104aa0791a2cd960a60762f9e7bebbe,2,0\n", 6},   /* twice */
        {NODES "0x00010200, 0x370ed34aef1835709b7eedf259d83fc5,1,0\n", 6},   /* twice the same */
        {"rubbish\n" NODES, 1},
        {"0x00010205, 0x1104aa0791a2cd960a60762f9e7bebbe\n" NODES, 1},
        {"0x00010205, 0x1104aa0791a2cd960a60762f9e7bebbe,4294967296,0\n" NODES, 1},
        {"0x00010205, 0x1104aa0791a2cd960a60762f9e7bebbe,2,0,0\n" NODES, 1},
    };
    struct refused refused;
    struct fleet_import_result result;
    site_network(&a, NETWORK, REALM, 32);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        enum err err = import(bytes_str(cases[i].text), false, &refused, &result);
        if (err != ERR_REFUSED || refused.line != cases[i].line)
            fail_msg("case %zu: %s, line %" PRIu64 ": %s", i, err_text(err), refused.line,
                     refused.text);
        assert_int_equal(result.count[FLEET_REFUSED], 1);
    }
    assert_int_equal(site_nodes(&a, NETWORK), 0);
}

static void a_line_of_ten_megabytes(void **state)
{
    (void)state;
    size_t len = (size_t)10 * 1024 * 1024;
    uint8_t *text = malloc(len);
    memset(text, '0', len);
    text[len - 1] = '\n';
    struct refused refused;
    struct fleet_import_result result;
    site_network(&a, NETWORK, REALM, 32);
    assert_err(import(bytes_of(text, len), false, &refused, &result), ERR_REFUSED);
    assert_int_equal(refused.line, 1);
    free(text);
}

static void ids_in_any_order(void **state)
{
    (void)state;
    struct buf text = {0};
    for (unsigned i = 0; i < 3000; i++)
        assert_ok(buf_printf(&text, "0x%08x, 0x%032x,%u,0\n", (i * 7919) % 3001 + 1, i, i % 5));
    struct refused refused;
    struct fleet_import_result result;
    uint8_t key[16];
    site_network(&a, NETWORK, REALM, 32);
    assert_ok(import(buf_view(&text), false, &refused, &result));
    assert_int_equal(result.count[FLEET_NEW], 3000);
    assert_int_equal(result.batches, 5);
    assert_ok(site_node_key(&a, REALM, 7919 % 3001 + 1, key));
    assert_int_equal(key[15], 1);
    /* A line that stands twice is named with the other one. */
    assert_ok(buf_printf(&text, "0x%08x, 0x%032x,1,0\n", 1u, 5u));
    assert_err(import(buf_view(&text), false, &refused, &result), ERR_REFUSED);
    assert_int_equal(refused.line, 3001);
    assert_non_null(strstr(refused.text, "line 1"));
    buf_done(&text);
}

/* What a person gets: the guide's four lines and the nodes, and what they can make of it. */
static void export_is_the_guides_form(void **state)
{
    (void)state;
    site_network(&a, NETWORK, REALM, 32);
    site_generate(&a, NETWORK, 0x10200, 0x10204, 7);
    struct rsa_private *mine = NULL;
    struct buf pem = {0};
    assert_ok(rsa_private_generate(2048, &mine, NULL));
    assert_ok(rsa_public_to_pem(rsa_private_public(mine), &pem));
    struct fleet_export request = {.network = NETWORK,
                                   .all = true,
                                   .recipient_pem = buf_view(&pem),
                                   .path = site_file(&a, "keyring.cms"),
                                   .name = "keyring.csv"};
    struct fleet_export_result exported;
    assert_ok(fleet_keyring_export(&a.call, &request, NULL, &exported));
    assert_int_equal(exported.nodes, 5);
    struct buf cms = site_read(request.path);
    struct pipe pipe = {.in = buf_view(&cms)};
    struct cms_io io = {&pipe, source, sink};
    assert_ok(cms_decrypt(mine, &io, NULL));
    char *text = strndup((const char *)pipe.out.data, pipe.out.len);
    assert_int_equal(strncmp(text, "pwdh, 0x", 8), 0);
    assert_non_null(strstr(text, "\nbase, 0x"));
    assert_non_null(strstr(text, "\ngateway, 0x"));
    assert_non_null(strstr(text, "\ngateway_cdld, 0x"));
    assert_non_null(strstr(text, "\n0x00010204, 0x"));
    assert_non_null(strstr(text, ",7,0\n"));
    struct refused refused;
    struct fleet_import_result result;
    uint8_t before[16], after[16];
    assert_ok(site_node_key(&a, REALM, 0x10202, before));
    assert_ok(fleet_network_destroy(&a.call, NETWORK, NETWORK, NULL));
    assert_ok(import(bytes_str(text), true, &refused, &result));
    assert_ok(site_node_key(&a, REALM, 0x10202, after));
    assert_memory_equal(before, after, 16);
    free(text);
    buf_done(&cms);
    buf_done(&pipe.out);
    buf_done(&pem);
    rsa_private_free(mine);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, begin, end)
TEST_MAIN(CASE(the_guides_example_is_refused_by_line), CASE(a_repaired_one_makes_a_network),
          CASE(blanks_case_and_crlf_are_tolerated), CASE(bad_lines_refuse_all),
          CASE(a_line_of_ten_megabytes), CASE(ids_in_any_order), CASE(export_is_the_guides_form))
