#include "keeper/client_files.h"

#include <stdio.h>

#include "crypto/aead.h"
#include "crypto/cms.h"
#include "crypto/hash.h"
#include "crypto/kdf.h"
#include "keeper/keyring_line.h"
#include "rig.h"

static const struct keeper_pwhash cheap = {.t_cost = 1, .m_kib = 8192, .lanes = 1, .salt = "salt"};
#define PHRASE "correct horse"

/* A network's keys, as the engine has them. */
struct network {
    struct rig_key gateway, cdld, base, passphrase, pwdh;
    struct keeper_network_keys keys;
};

static struct network network_make(struct rig *rig)
{
    struct network network = {.gateway = rig_generate(rig, KEEPER_GATEWAY, 3),
                              .cdld = rig_generate(rig, KEEPER_CDLD, 2),
                              .base = rig_generate(rig, KEEPER_BASE, 1),
                              .passphrase.row = {RIG_DOMAIN, KEEPER_PASSPHRASE, 4, 9},
                              .pwdh.row = {RIG_DOMAIN, KEEPER_PWDH, 4, 9}};
    assert_ok(keeper_passphrase_set(rig_client(rig, 0), RIG_ACTOR, RIG_DOMAIN, 4, 9, &cheap,
                                    bytes_str(PHRASE), &network.passphrase.made, &network.pwdh.made,
                                    NULL));
    return network;
}

static struct keeper_network_keys keys_of(const struct network *network)
{
    struct keeper_network_keys keys = {
        .versions = {.gateway = 3, .cdld = 2, .base = 1, .passphrase = 4}};
    keys.gateway.epoch = keys.cdld.epoch = keys.base.epoch = 1;
    keys.pwdh.epoch = keys.passphrase.epoch = 9;
    keys.gateway.sealed = keeper_sealed_view(&network->gateway.made.sealed);
    keys.cdld.sealed = keeper_sealed_view(&network->cdld.made.sealed);
    keys.base.sealed = keeper_sealed_view(&network->base.made.sealed);
    keys.pwdh.sealed = keeper_sealed_view(&network->pwdh.made.sealed);
    keys.passphrase.sealed = keeper_sealed_view(&network->passphrase.made.sealed);
    return keys;
}

struct lines {
    unsigned nodes, heads, refused;
    struct keeper_import_line last;
    char text[200]; /* of the first refusal */
    unsigned first_refused;
};

static enum err take_line(void *arg, const struct keeper_import_line *line)
{
    struct lines *lines = arg;
    if (line->table == 0) {
        if (lines->refused++ == 0) {
            (void)snprintf(lines->text, sizeof lines->text, "%s", line->text);
            lines->first_refused = line->line;
        }
        return ERR_OK;
    }
    if (line->table == KEEPER_NODE)
        lines->nodes++;
    else
        lines->heads++;
    lines->last = *line;
    lines->last.text = NULL;
    return ERR_OK;
}

static struct bytes piece(struct bytes of, size_t at, size_t len)
{
    return bytes_of(of.data + at, of.len - at < len ? of.len - at : len);
}

static enum err import(struct rig *rig, const struct keeper_cms *cms, enum keeper_head head,
                       struct bytes ciphertext, size_t chunk, struct bytes tag, struct lines *lines,
                       struct keeper_import_totals *totals, struct err_detail *detail)
{
    struct keeper_client *client = rig_client(rig, 0);
    struct keeper_import begin = {.domain = RIG_DOMAIN,
                                  .epoch = 77,
                                  .head = head,
                                  .versions = {11, 12, 13, 14},
                                  .id_width = 32,
                                  .nonce = BYTES(cms->nonce),
                                  .encrypted_key =
                                      bytes_of(cms->encrypted_key, cms->encrypted_key_len)};
    uint32_t session = 0;
    TRY(keeper_import_begin(client, RIG_ACTOR, &begin, &session, detail));
    *lines = (struct lines){.nodes = 0};
    if (chunk > KEEPER_IMPORT_CHUNK_MAX)
        chunk = KEEPER_IMPORT_CHUNK_MAX;
    AUTO(buf_done) struct buf marks = {0};
    for (size_t at = 0; at < ciphertext.len; at += chunk) {
        uint8_t mark[KEEPER_MARK_SIZE];
        TRY(keeper_import_check(client, session, piece(ciphertext, at, chunk), mark, detail));
        TRY(buf_append(&marks, BYTES(mark)));
    }
    TRY(keeper_import_checked(client, session, tag, detail));
    const uint8_t *mark = marks.data;
    for (size_t at = 0; at < ciphertext.len; at += chunk, mark += KEEPER_MARK_SIZE)
        TRY(keeper_import_chunk(client, session, mark, piece(ciphertext, at, chunk), take_line,
                                lines, detail));
    return keeper_import_end(client, session, take_line, lines, totals, detail);
}

#define NODES 2000

static void out_and_in_again(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    struct keeper_client *client = rig_client(&rig, 0);
    struct network network = network_make(&rig);
    struct keeper_node *nodes = calloc(NODES, sizeof *nodes);
    struct keeper_made *made = calloc(NODES, sizeof *made);
    struct keeper_export_node *rows = calloc(NODES, sizeof *rows);
    for (unsigned i = 0; i < NODES; i++)
        nodes[i] = (struct keeper_node){0x10200 + i, i % 3};
    for (unsigned i = 0; i < NODES; i += KEEPER_NODES_MAX)
        assert_ok(keeper_generate_nodes(client, RIG_ACTOR, RIG_DOMAIN, 5, &network.base.row,
                                        &network.base.made.sealed, "metro-east.example", nodes + i,
                                        KEEPER_NODES_MAX, made + i, NULL));
    struct keeper_network_keys keys = keys_of(&network);
    uint32_t session = 0;
    struct keeper_cms cms;
    struct buf out = {0};
    assert_ok(keeper_export_begin(client, RIG_ACTOR, KEEPER_BACKUP, RIG_DOMAIN, bytes_of(NULL, 0),
                                  &session, &cms, NULL));
    assert_ok(keeper_export_head(client, session, &keys, &out, NULL));
    for (unsigned i = 0; i < NODES; i++)
        rows[i] = (struct keeper_export_node){nodes[i].id, 5, 7, i % 3,
                                              keeper_sealed_view(&made[i].sealed)};
    for (unsigned i = 0; i < NODES; i += 500)
        assert_ok(keeper_export_nodes(client, session, rows + i, 500, &out, NULL));
    uint8_t tag[KEEPER_TAG_SIZE];
    assert_ok(keeper_export_end(client, session, tag, NULL));
    assert_err(keeper_export_end(client, session, tag, NULL), ERR_NOT_FOUND);

    static const size_t chunks[] = {1000, 4096, 29999, 1000000};
    struct lines lines = {.nodes = 0};
    struct keeper_import_totals totals;
    for (size_t i = 0; i < ARRAY_LEN(chunks); i++) {
        assert_ok(import(&rig, &cms, KEEPER_HEAD_REQUIRED, buf_view(&out), chunks[i], BYTES(tag),
                         &lines, &totals, NULL));
        assert_int_equal(lines.heads, 4);
        assert_int_equal(lines.nodes, NODES);
        assert_int_equal(totals.nodes, NODES);
        assert_int_equal(totals.lines, NODES + 4);
        assert_int_equal(totals.refused, 0);
        assert_int_equal(lines.last.row, 0x10200 + NODES - 1);
        assert_int_equal(lines.last.batch, 7);
        assert_memory_equal(lines.last.made.fingerprint, made[NODES - 1].fingerprint, 8);
    }
    uint8_t a[KEEPER_KEY_MAX], b[KEEPER_KEY_MAX];
    size_t len = 0;
    struct keeper_row row = {RIG_DOMAIN, KEEPER_NODE, lines.last.row, 5};
    assert_ok(rig_release(&rig, &row, keeper_sealed_view(&made[NODES - 1].sealed), a, &len));
    row.epoch = 77;
    assert_ok(rig_release(&rig, &row, keeper_sealed_view(&lines.last.made.sealed), b, &len));
    assert_memory_equal(a, b, 16);

    /* without head lines where they must not be, and a flipped bit anywhere */
    assert_ok(import(&rig, &cms, KEEPER_HEAD_NONE, buf_view(&out), 30000, BYTES(tag), &lines,
                     &totals, NULL));
    assert_int_equal(lines.refused, 4);
    for (size_t at = 0; at < out.len; at += out.len / 7) {
        out.data[at] ^= 4;
        assert_err(import(&rig, &cms, KEEPER_HEAD_REQUIRED, buf_view(&out), 30000, BYTES(tag),
                          &lines, &totals, NULL),
                   ERR_DECRYPT);
        out.data[at] ^= 4;
    }
    cms.encrypted_key[9] ^= 1;
    assert_err(import(&rig, &cms, KEEPER_HEAD_REQUIRED, buf_view(&out), 30000, BYTES(tag), &lines,
                      &totals, NULL),
               ERR_DECRYPT);
    buf_done(&out);
    free(nodes);
    free(made);
    free(rows);
    struct audit_verify_result result;
    rig_chain(&rig, &result);
    struct audit_event event;
    assert_int_equal(rig_records(&rig, AUDIT_EXPORT_END, ERR_OK, &event), 1);
    assert_int_equal(event.row, NODES + 4);
    assert_int_equal(event.purpose, KEEPER_BACKUP);
    assert_true(rig_records(&rig, AUDIT_IMPORT_END, ERR_DECRYPT, NULL) >= 7);
    (void)rig_records(&rig, AUDIT_GENERATE, ERR_OK, &event);
    assert_true(bytes_equal(event.text, bytes_str("0x000105e8-0x000109cf")));
    assert_ok(rig_end(&rig));
}

static void a_derived_key_is_as_documented(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    struct keeper_client *client = rig_client(&rig, 0);
    struct network network = network_make(&rig);
    struct keeper_node node = {0x10200, 1};
    struct keeper_made made;
    assert_ok(keeper_generate_nodes(client, RIG_ACTOR, RIG_DOMAIN, 5, &network.base.row,
                                    &network.base.made.sealed, "r.example", &node, 1, &made, NULL));
    /* base comes out in an export only: decrypt one with the fake token's key */
    struct keeper_network_keys keys = keys_of(&network);
    uint32_t session = 0;
    struct keeper_cms cms;
    struct buf out = {0};
    assert_ok(keeper_export_begin(client, RIG_ACTOR, KEEPER_EXPORT_KEYRING, RIG_DOMAIN,
                                  bytes_of(NULL, 0), &session, &cms, NULL));
    assert_ok(keeper_export_head(client, session, &keys, &out, NULL));
    struct secret *cek = NULL;
    assert_ok(rsa_oaep_decrypt(rig.token.server, OAEP_SHA1,
                               bytes_of(cms.encrypted_key, cms.encrypted_key_len), &cek));
    struct aead_stream *stream = NULL;
    assert_ok(aead_stream_decrypt(secret_view(cek), cms.nonce, bytes_of(NULL, 0), &stream));
    assert_ok(aead_stream_update(stream, buf_view(&out), out.data));
    aead_stream_free(stream);
    secret_free(cek);
    struct keyring_line line;
    char text[KEYRING_TEXT_MAX];
    const uint8_t *second = memchr(out.data, '\n', out.len);
    const uint8_t *third = memchr(second + 1, '\n', 100);
    assert_ok(keyring_parse(bytes_of(second + 1, (size_t)(third - second - 1)), 32, &line, text));
    assert_int_equal(line.table, KEEPER_BASE);
    struct kdf *kdf = NULL;
    assert_ok(kdf_new(bytes_of(line.key, 16), &kdf));
    static const uint8_t context[] = "r.example\0\0\0\0\0\0\1\2\0\0\0\0\1";
    uint8_t want[16], got[KEEPER_KEY_MAX];
    assert_ok(kdf_derive(kdf, bytes_str("claviger node key"), bytes_of(context, 9 + 1 + 8 + 4),
                         want, 16));
    kdf_free(kdf);
    struct keeper_row row = {RIG_DOMAIN, KEEPER_NODE, 0x10200, 5};
    size_t len = 0;
    assert_ok(rig_release(&rig, &row, keeper_sealed_view(&made.sealed), got, &len));
    assert_memory_equal(want, got, 16);
    buf_done(&out);
    assert_ok(rig_end(&rig));
}

/* Encrypts `text` like a factory would. */
static void encrypt(struct rig *rig, struct bytes text, struct keeper_cms *cms, struct buf *out,
                    uint8_t tag[16])
{
    const uint8_t key[32] = "any content key will do here";
    memset(cms, 0, sizeof *cms);
    struct buf sealed = {0};
    assert_ok(rsa_oaep_encrypt(rsa_private_public(rig->token.server), OAEP_SHA1, BYTES(key),
                               &sealed, NULL));
    memcpy(cms->encrypted_key, sealed.data, sealed.len);
    cms->encrypted_key_len = sealed.len;
    buf_done(&sealed);
    out->len = 0;
    assert_ok(buf_append(out, text));
    struct aead_stream *stream = NULL;
    assert_ok(aead_stream_encrypt(BYTES(key), cms->nonce, bytes_of(NULL, 0), &stream));
    assert_ok(aead_stream_update(stream, buf_view(out), out->data));
    assert_ok(aead_stream_tag(stream, tag));
    aead_stream_free(stream);
}

static void wrong_lines_are_named(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    struct keeper_cms cms;
    struct buf out = {0};
    uint8_t tag[16];
    struct lines lines = {.nodes = 0};
    struct keeper_import_totals totals;
    struct err_detail detail;
    static const char guide[] = "pwdh, 0xa39b3510d0ef8d3b5a2e701bf568c491\r\n"
                                "base, 0xf08916b6f998ad78ee31079c9afca0f\r\n"
                                "gateway, 0x015723c7196862208f6bfb1a5219f725ae041a79a1673ebc\n"
                                "gateway_cdld, 0x2cd4cea3efe06e6ce9541954000cc055\n\n"
                                "0x00010200, 0x370ed34aef1835709b7eedf259d83fc5,1,0\n"
                                "0x00010201, 0xce9d3fccc3a6a0767a83e2d5f5bd671c,1,0";
    encrypt(&rig, bytes_str(guide), &cms, &out, tag);
    assert_ok(import(&rig, &cms, KEEPER_HEAD_REQUIRED, buf_view(&out), 50, BYTES(tag), &lines,
                     &totals, NULL));
    assert_int_equal(lines.refused, 1);
    assert_int_equal(lines.first_refused, 2);
    assert_non_null(strstr(lines.text, "odd number"));
    assert_int_equal(lines.nodes, 2);
    assert_int_equal(lines.heads, 3);
    assert_int_equal(lines.last.line, 7);

    encrypt(&rig, bytes_str("0x1,0x370ed34aef1835709b7eedf259d83fc5,1,0\n"), &cms, &out, tag);
    assert_ok(import(&rig, &cms, KEEPER_HEAD_OPTIONAL, buf_view(&out), 9, BYTES(tag), &lines,
                     &totals, NULL));
    assert_int_equal(lines.nodes, 1);
    assert_ok(import(&rig, &cms, KEEPER_HEAD_REQUIRED, buf_view(&out), 9, BYTES(tag), &lines,
                     &totals, NULL));
    assert_int_equal(lines.refused, 1);
    encrypt(&rig, bytes_str("pwdh, 0xa39b3510d0ef8d3b5a2e701bf568c491\n"), &cms, &out, tag);
    assert_err(import(&rig, &cms, KEEPER_HEAD_OPTIONAL, buf_view(&out), 9, BYTES(tag), &lines,
                      &totals, &detail),
               ERR_SYNTAX);

    /* many wrong lines: 64 are spelt out, the rest is counted */
    struct buf many = {0};
    for (unsigned i = 0; i < 1000; i++)
        assert_ok(buf_printf(&many, "x\n"));
    encrypt(&rig, buf_view(&many), &cms, &out, tag);
    assert_ok(import(&rig, &cms, KEEPER_HEAD_NONE, buf_view(&out), 30000, BYTES(tag), &lines,
                     &totals, NULL));
    assert_int_equal(lines.refused, 64);
    assert_int_equal(totals.refused, 1000);
    assert_int_equal(totals.unreported, 1000 - 64);
    assert_int_equal(totals.nodes, 0);
    /* a line of ten million bytes */
    many.len = 0;
    assert_ok(buf_reserve(&many, 10000000));
    memset(many.data, 'a', 10000000);
    many.len = 10000000;
    encrypt(&rig, buf_view(&many), &cms, &out, tag);
    assert_ok(import(&rig, &cms, KEEPER_HEAD_NONE, buf_view(&out), 10000000, BYTES(tag), &lines,
                     &totals, NULL));
    assert_int_equal(lines.refused, 1);
    assert_string_equal(lines.text, "the line has more than 256 bytes");
    buf_done(&many);
    buf_done(&out);
    assert_ok(rig_end(&rig));
}

/* Two pieces under way in a session of their own. */
struct under_way {
    struct keeper_client *client;
    uint32_t session;
    struct bytes pieces[2];
    uint8_t marks[2][KEEPER_MARK_SIZE];
    struct lines lines;
    struct keeper_import_totals totals;
};

static void begin_two(struct rig *rig, const struct keeper_cms *cms, struct bytes ciphertext,
                      struct under_way *two)
{
    *two = (struct under_way){.client = rig_client(rig, 0)};
    struct keeper_import begin = {.domain = RIG_DOMAIN,
                                  .id_width = 32,
                                  .nonce = BYTES(cms->nonce),
                                  .encrypted_key =
                                      bytes_of(cms->encrypted_key, cms->encrypted_key_len)};
    assert_ok(keeper_import_begin(two->client, RIG_ACTOR, &begin, &two->session, NULL));
    for (unsigned i = 0; i < 2; i++) {
        two->pieces[i] = piece(ciphertext, i * ciphertext.len / 2, ciphertext.len / 2);
        assert_ok(
            keeper_import_check(two->client, two->session, two->pieces[i], two->marks[i], NULL));
    }
}

static enum err give_piece(struct under_way *two, unsigned mark, unsigned which)
{
    return keeper_import_chunk(two->client, two->session, two->marks[mark], two->pieces[which],
                               take_line, &two->lines, NULL);
}

static enum err end_two(struct under_way *two)
{
    return keeper_import_end(two->client, two->session, take_line, &two->lines, &two->totals, NULL);
}

/* A hostile engine that changes the ciphertext learns whether the tag is right, and no more. */
static void lines_come_after_the_tag(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    struct keeper_cms cms;
    struct buf out = {0};
    uint8_t tag[16];
    struct under_way two;
    encrypt(&rig,
            bytes_str("0x1,0x370ed34aef1835709b7eedf259d83fc5,1,0\n"
                      "0x2,0x370ed34aef1835709b7eedf259d83fc5,1,0\n"),
            &cms, &out, tag);
    /* in order */
    begin_two(&rig, &cms, buf_view(&out), &two);
    assert_ok(keeper_import_checked(two.client, two.session, BYTES(tag), NULL));
    assert_ok(give_piece(&two, 0, 0));
    assert_ok(give_piece(&two, 1, 1));
    assert_ok(end_two(&two));
    assert_int_equal(two.totals.nodes, 2);
    /* before the tag */
    begin_two(&rig, &cms, buf_view(&out), &two);
    assert_err(give_piece(&two, 0, 0), ERR_STATE);
    assert_err(keeper_import_checked(two.client, two.session, BYTES(tag), NULL), ERR_NOT_FOUND);
    begin_two(&rig, &cms, buf_view(&out), &two);
    assert_err(end_two(&two), ERR_STATE);
    /* a wrong tag ends it */
    begin_two(&rig, &cms, buf_view(&out), &two);
    tag[3] ^= 1;
    assert_err(keeper_import_checked(two.client, two.session, BYTES(tag), NULL), ERR_DECRYPT);
    tag[3] ^= 1;
    assert_err(give_piece(&two, 0, 0), ERR_NOT_FOUND);
    /* other bytes than were checked, another place, twice, not all */
    begin_two(&rig, &cms, buf_view(&out), &two);
    assert_ok(keeper_import_checked(two.client, two.session, BYTES(tag), NULL));
    out.data[2] ^= 1;
    assert_err(give_piece(&two, 0, 0), ERR_MISMATCH);
    out.data[2] ^= 1;
    begin_two(&rig, &cms, buf_view(&out), &two);
    assert_ok(keeper_import_checked(two.client, two.session, BYTES(tag), NULL));
    assert_err(give_piece(&two, 1, 1), ERR_MISMATCH);
    begin_two(&rig, &cms, buf_view(&out), &two);
    assert_ok(keeper_import_checked(two.client, two.session, BYTES(tag), NULL));
    assert_ok(give_piece(&two, 0, 0));
    assert_err(give_piece(&two, 0, 0), ERR_MISMATCH);
    begin_two(&rig, &cms, buf_view(&out), &two);
    assert_ok(keeper_import_checked(two.client, two.session, BYTES(tag), NULL));
    assert_ok(give_piece(&two, 0, 0));
    assert_err(end_two(&two), ERR_STATE);
    /* once checked there is nothing more to check */
    begin_two(&rig, &cms, buf_view(&out), &two);
    assert_ok(keeper_import_checked(two.client, two.session, BYTES(tag), NULL));
    assert_err(keeper_import_check(two.client, two.session, two.pieces[0], two.marks[0], NULL),
               ERR_STATE);
    buf_done(&out);
    assert_ok(rig_end(&rig));
}

static void the_densest_chunk_fits(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    struct buf text = {0}, out = {0};
    while (text.len < KEEPER_IMPORT_CHUNK_MAX)
        assert_ok(buf_printf(&text, "%s0x1,0x370ed34aef1835709b7eedf259d83fc5,1,0\n",
                             text.len < 200 ? "x\n" : ""));
    struct keeper_cms cms;
    uint8_t tag[16];
    encrypt(&rig, buf_view(&text), &cms, &out, tag);
    struct lines lines = {.nodes = 0};
    struct keeper_import_totals totals;
    assert_ok(import(&rig, &cms, KEEPER_HEAD_NONE, buf_view(&out), KEEPER_IMPORT_CHUNK_MAX,
                     BYTES(tag), &lines, &totals, NULL));
    assert_true(lines.nodes > 690);
    buf_done(&text);
    buf_done(&out);
    assert_ok(rig_end(&rig));
}

static void a_backup_is_for_this_server(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    struct keeper_client *client = rig_client(&rig, 0);
    struct bytes other = rsa_public_spki(rsa_private_public(rig.token.ca));
    uint32_t session = 0;
    struct keeper_cms cms;
    assert_err(keeper_export_begin(client, RIG_ACTOR, KEEPER_BACKUP, RIG_DOMAIN, other, &session,
                                   &cms, NULL),
               ERR_DENIED);
    assert_err(keeper_export_begin(client, RIG_ACTOR, KEEPER_DIAMETER, RIG_DOMAIN, other, &session,
                                   &cms, NULL),
               ERR_DENIED);
    assert_ok(keeper_export_begin(client, RIG_ACTOR, KEEPER_EXPORT_BATCH, RIG_DOMAIN, other,
                                  &session, &cms, NULL));
    assert_memory_equal(cms.key_id, rsa_public_key_id(rsa_private_public(rig.token.ca)).data, 20);
    /* a batch file has no place for a network's keys */
    struct network network = network_make(&rig);
    struct keeper_network_keys keys = keys_of(&network);
    struct buf out = {0};
    assert_err(keeper_export_head(client, session, &keys, &out, NULL), ERR_DENIED);
    assert_int_equal(out.len, 0);
    assert_err(keeper_session_drop(client, session, NULL), ERR_NOT_FOUND);
    assert_ok(rig_end(&rig));
}

static void gateway_files(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    struct keeper_client *client = rig_client(&rig, 0);
    struct network network = network_make(&rig);
    struct keeper_network_keys keys = keys_of(&network);
    struct keeper_gateway_file head = {.network = "metro-east",
                                       .realm = "metro-east.example",
                                       .pwhash = cheap,
                                       .versions = keys.versions,
                                       .id_width = 32};
    struct buf file = {0}, signature = {0};
    assert_ok(keeper_export_gateway(client, RIG_ACTOR, RIG_DOMAIN, &head, &keys, &file, &signature,
                                    NULL));
    uint8_t digest[32];
    struct bytes view = buf_view(&file);
    assert_ok(hash_sha256(&view, 1, digest));
    assert_ok(rsa_verify_sha256(rsa_private_public(rig.token.server), digest, buf_view(&signature),
                                NULL));

    struct keeper_gateway_file got;
    struct keeper_gateway_keys made;
    assert_ok(keeper_import_gateway(client, RIG_ACTOR, RIG_DOMAIN, 50, view, bytes_str(PHRASE),
                                    &got, &made, NULL));
    assert_string_equal(got.network, "metro-east");
    assert_string_equal(got.realm, "metro-east.example");
    assert_int_equal(got.versions.passphrase, 4);
    assert_int_equal(got.id_width, 32);
    assert_memory_equal(made.gateway.fingerprint, network.gateway.made.fingerprint, 8);
    assert_memory_equal(made.pwdh.fingerprint, network.pwdh.made.fingerprint, 8);
    assert_memory_equal(made.passphrase.fingerprint, network.passphrase.made.fingerprint, 8);
    uint8_t a[KEEPER_KEY_MAX], b[KEEPER_KEY_MAX];
    size_t len = 0;
    struct keeper_row row = {RIG_DOMAIN, KEEPER_GATEWAY, 3, 50};
    assert_ok(rig_release(&rig, &row, keeper_sealed_view(&made.gateway.sealed), a, &len));
    row.epoch = 1;
    assert_ok(rig_release(&rig, &row, keys.gateway.sealed, b, &len));
    assert_memory_equal(a, b, 24);

    struct err_detail detail = {.code = ERR_OK};
    assert_err(keeper_import_gateway(client, RIG_ACTOR, RIG_DOMAIN, 50, view, bytes_str("wrong"),
                                     &got, &made, &detail),
               ERR_DECRYPT);
    assert_non_null(strstr(detail.text, "wrong passphrase"));
    for (size_t short_len = 0; short_len < view.len; short_len++)
        assert_err(keeper_import_gateway(client, RIG_ACTOR, RIG_DOMAIN, 50,
                                         bytes_of(view.data, short_len), bytes_str(PHRASE), &got,
                                         &made, NULL),
                   ERR_TRUNCATED);
    for (size_t at = 0; at < view.len; at++) {
        /* not the high bytes of Argon2id's costs: they would be refused, or take long */
        if (at >= 10 && at < 22)
            continue;
        file.data[at] ^= 1;
        assert_true(keeper_import_gateway(client, RIG_ACTOR, RIG_DOMAIN, 50, view,
                                          bytes_str(PHRASE), &got, &made, NULL) != ERR_OK);
        file.data[at] ^= 1;
    }
    /* the record says under which passphrase it left */
    struct audit_event used;
    assert_int_equal(rig_records(&rig, AUDIT_USE, ERR_OK, &used), 1);
    assert_int_equal(used.table, KEEPER_PASSPHRASE);
    assert_int_equal(used.purpose, KEEPER_EXPORT_GATEWAY);
    buf_done(&file);
    buf_done(&signature);
    assert_ok(rig_end(&rig));
}

static void passphrases_and_macs(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    struct keeper_client *client = rig_client(&rig, 0);
    struct network network = network_make(&rig);
    struct bytes sealed = keeper_sealed_view(&network.passphrase.made.sealed);
    assert_ok(keeper_passphrase_check(client, RIG_ACTOR, network.passphrase.row, sealed, &cheap,
                                      bytes_str(PHRASE), NULL));
    assert_err(keeper_passphrase_check(client, RIG_ACTOR, network.passphrase.row, sealed, &cheap,
                                       bytes_str("correct horsf"), NULL),
               ERR_MISMATCH);
    struct keeper_pwhash greedy = cheap;
    greedy.m_kib = 0xffffffff;
    struct err_detail detail;
    assert_err(keeper_passphrase_check(client, RIG_ACTOR, network.passphrase.row, sealed, &greedy,
                                       bytes_str(PHRASE), &detail),
               ERR_LIMIT);

    uint8_t *text = calloc(1, 200000);
    uint8_t mac[KEEPER_MAC_SIZE], again[KEEPER_MAC_SIZE];
    uint32_t session = 0;
    assert_ok(keeper_mac_begin(client, RIG_ACTOR, network.passphrase.row, sealed, &session, NULL));
    assert_ok(keeper_mac_update(client, session, bytes_of(text, 200000), NULL));
    assert_ok(keeper_mac_end(client, session, mac, NULL));
    assert_ok(keeper_mac_begin(client, RIG_ACTOR, network.passphrase.row, sealed, &session, NULL));
    for (unsigned i = 0; i < 200; i++)
        assert_ok(keeper_mac_update(client, session, bytes_of(text, 1000), NULL));
    assert_ok(keeper_mac_verify(client, session, BYTES(mac), NULL));
    assert_ok(keeper_mac_begin(client, RIG_ACTOR, network.passphrase.row, sealed, &session, NULL));
    assert_ok(keeper_mac_update(client, session, bytes_of(text, 199999), NULL));
    assert_err(keeper_mac_verify(client, session, BYTES(mac), NULL), ERR_SIGNATURE);
    free(text);

    /* RFC 4615, 4: keys of 18, 16 and 10 bytes over 00..13 */
    static const uint8_t key[18] = {0, 1,  2,  3,  4,  5,  6,  7,    8,
                                    9, 10, 11, 12, 13, 14, 15, 0xed, 0xcb};
    static const struct {
        size_t len;
        uint8_t mac[16];
    } cases[] = {
        {18,
         {0x84, 0xa3, 0x48, 0xa4, 0xa4, 0x5d, 0x23, 0x5b, 0xab, 0xff, 0xfc, 0x0d, 0x2b, 0x4d, 0xa0,
          0x9a}},
        {16,
         {0x98, 0x0a, 0xe8, 0x7b, 0x5f, 0x4c, 0x9c, 0x52, 0x14, 0xf5, 0xb6, 0xa8, 0x45, 0x5e, 0x4c,
          0x2d}},
        {10,
         {0x29, 0x0d, 0x9e, 0x11, 0x2e, 0xdb, 0x09, 0xee, 0x14, 0x1f, 0xcf, 0x64, 0xc0, 0xb7, 0x2f,
          0x3d}},
    };
    uint8_t message[20];
    for (size_t i = 0; i < sizeof message; i++)
        message[i] = (uint8_t)i;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct keeper_row row = {RIG_DOMAIN, KEEPER_PEER_SECRET, i + 1, 1};
        struct keeper_made made;
        assert_ok(keeper_seal(client, RIG_ACTOR, row, bytes_of(key, cases[i].len), &made, NULL));
        assert_ok(keeper_mac_begin(client, RIG_ACTOR, row, keeper_sealed_view(&made.sealed),
                                   &session, NULL));
        assert_ok(keeper_mac_update(client, session, BYTES(message), NULL));
        assert_ok(keeper_mac_end(client, session, again, NULL));
        assert_memory_equal(again, cases[i].mac, 16);
    }
    assert_ok(rig_end(&rig));
}

static void certificates_and_public_keys(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    struct keeper_client *client = rig_client(&rig, 0);
    struct buf spki = {0}, signature = {0};
    uint8_t id[20];
    assert_ok(keeper_public(client, KEEPER_KEY_CA, &spki, id, NULL));
    const struct rsa_public *ca = rsa_private_public(rig.token.ca);
    assert_true(bytes_equal(buf_view(&spki), rsa_public_spki(ca)));
    assert_memory_equal(id, rsa_public_key_id(ca).data, 20);
    const uint8_t digest[32] = {1, 2, 3};
    assert_ok(
        keeper_sign_certificate(client, RIG_ACTOR, digest, "certificate gw1", &signature, NULL));
    assert_ok(rsa_verify_sha256(ca, digest, buf_view(&signature), NULL));
    buf_done(&spki);
    buf_done(&signature);
    struct audit_verify_result result;
    rig_chain(&rig, &result);
    struct audit_event event;
    assert_int_equal(rig_records(&rig, AUDIT_SIGN, ERR_OK, &event), 1);
    assert_int_equal(event.purpose, KEEPER_CERTIFICATE);
    assert_true(bytes_equal(event.text, bytes_str("certificate gw1, sha256 "
                                                  "01020300000000000000000000000000"
                                                  "00000000000000000000000000000000")));
    assert_ok(rig_end(&rig));
}

TEST_MAIN(cmocka_unit_test(out_and_in_again), cmocka_unit_test(a_derived_key_is_as_documented),
          cmocka_unit_test(wrong_lines_are_named), cmocka_unit_test(lines_come_after_the_tag),
          cmocka_unit_test(the_densest_chunk_fits), cmocka_unit_test(a_backup_is_for_this_server),
          cmocka_unit_test(gateway_files), cmocka_unit_test(passphrases_and_macs),
          cmocka_unit_test(certificates_and_public_keys))
