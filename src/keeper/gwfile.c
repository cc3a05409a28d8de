#include "keeper/gwfile.h"

#include "crypto/aead.h"
#include "crypto/cmac.h"
#include "crypto/pwhash.h"
#include "crypto/random.h"
#include "keeper/message.h"

#define MAGIC_LEN    (sizeof GWFILE_MAGIC - 1)
#define DERIVED_SIZE 64
/* The keeper's memory is locked; what a file names is taken only up to this. */
#define PWHASH_KIB_MAX ((uint32_t)256 * 1024)

void gwfile_keys_wipe(struct gwfile_keys *keys)
{
    explicit_bzero(keys, sizeof *keys);
}

static struct pwhash_params params_of(const struct keeper_pwhash *pwhash)
{
    return (struct pwhash_params){
        .t_cost = pwhash->t_cost, .m_kib = pwhash->m_kib, .lanes = pwhash->lanes};
}

enum err keeper_pwhash_check(const struct keeper_pwhash *pwhash, struct err_detail *detail)
{
    struct pwhash_params params = params_of(pwhash);
    if (params.m_kib > PWHASH_KIB_MAX)
        return err_set(detail, ERR_LIMIT, "Argon2id memory of %u KiB; at most %u are taken",
                       params.m_kib, PWHASH_KIB_MAX);
    return pwhash_check(&params, detail);
}

enum err keeper_pwhash_derive(const struct keeper_pwhash *pwhash, struct bytes passphrase,
                              struct secret **ret_derived, struct err_detail *detail)
{
    struct pwhash_params params = params_of(pwhash);
    return pwhash_derive(passphrase, BYTES(pwhash->salt), &params, DERIVED_SIZE, ret_derived,
                         detail);
}

enum err keeper_pwdh(struct bytes derived, uint8_t ret_pwdh[KEEPER_MAC_SIZE])
{
    if (derived.len != DERIVED_SIZE)
        return ERR_ARGUMENT;
    AUTO(cmac_freep) struct cmac *cmac = NULL;
    TRY(cmac_new(bytes_of(derived.data + 32, 32), &cmac));
    struct bytes label = bytes_str("claviger pwdh v1");
    return cmac_parts(cmac, &label, 1, ret_pwdh);
}

static void read_header(struct reader *r, struct keeper_gateway_file *head, struct bytes *nonce)
{
    head->pwhash = message_get_pwhash(r);
    message_get_name(r, head->network);
    message_get_name(r, head->realm);
    head->versions = message_get_versions(r);
    head->id_width = reader_u8(r);
    *nonce = reader_bytes(r, AEAD_NONCE_SIZE);
}

enum err gwfile_parse(struct bytes file, struct keeper_gateway_file *ret_head,
                      struct gwfile *ret_file, struct err_detail *detail)
{
    if (file.len > KEEPER_GWFILE_MAX)
        return err_set(detail, ERR_LIMIT, "gateway key file has more than %d bytes",
                       KEEPER_GWFILE_MAX);
    struct reader r = reader_of(file);
    struct bytes magic = reader_bytes(&r, MAGIC_LEN);
    if (r.err == ERR_OK && !bytes_equal(magic, bytes_str(GWFILE_MAGIC)))
        return err_set(detail, ERR_UNSUPPORTED, "not a gateway key file of this format");
    struct reader header = reader_of(reader_bytes16(&r));
    struct gwfile parsed = {.aad = bytes_of(file.data, file.len - reader_left(&r))};
    struct keeper_gateway_file head = {.id_width = 0};
    read_header(&header, &head, &parsed.nonce);
    parsed.ciphertext = reader_bytes32(&r);
    parsed.tag = reader_bytes(&r, AEAD_TAG_SIZE);
    enum err err = reader_end(&r);
    if (err == ERR_OK)
        err = reader_end(&header);
    if (err != ERR_OK)
        return err_set(detail, err == ERR_TRUNCATED ? err : ERR_SYNTAX,
                       err == ERR_TRUNCATED ? "gateway key file ends too early"
                                            : "gateway key file: header is malformed");
    if (head.id_width != 32 && head.id_width != 64)
        return err_set(detail, ERR_SYNTAX, "gateway key file: node ids of %u bits", head.id_width);
    if (parsed.ciphertext.len > GWFILE_PLAIN_MAX)
        return err_set(detail, ERR_LIMIT, "gateway key file: more than four lines");
    TRY(keeper_pwhash_check(&head.pwhash, detail));
    *ret_head = head;
    *ret_file = parsed;
    return ERR_OK;
}

static enum err read_lines(struct bytes plain, unsigned id_width, struct gwfile_keys *keys,
                           struct err_detail *detail)
{
    struct keyring_line *const lines[] = {&keys->pwdh, &keys->base, &keys->gateway, &keys->cdld};
    static const uint8_t tables[] = {KEEPER_PWDH, KEEPER_BASE, KEEPER_GATEWAY, KEEPER_CDLD};
    AUTO(keyring_split_done) struct keyring_split split = {.number = 0};
    size_t count = 0;
    for (bool over = false; !over;) {
        struct bytes line = {NULL, 0};
        enum keyring_piece piece = keyring_split_next(&split, &plain, &line);
        if (piece == KEYRING_MORE) {
            over = true;
            piece = keyring_split_end(&split, &line);
        }
        if (piece == KEYRING_MORE || (piece == KEYRING_LINE && keyring_blank(line)))
            continue;
        char text[KEYRING_TEXT_MAX];
        if (piece == KEYRING_OVERLONG || count == ARRAY_LEN(lines))
            return err_set(detail, ERR_SYNTAX, "gateway key file: line %u is none of the four",
                           split.number);
        if (keyring_parse(line, id_width, lines[count], text) != ERR_OK)
            return err_set(detail, ERR_SYNTAX, "gateway key file: line %u: %s", split.number, text);
        if (lines[count]->table != tables[count])
            return err_set(detail, ERR_SYNTAX, "gateway key file: line %u is %s, not %s",
                           split.number, keeper_table_name(lines[count]->table),
                           keeper_table_name(tables[count]));
        count++;
    }
    if (count != ARRAY_LEN(lines))
        return err_set(detail, ERR_SYNTAX, "gateway key file has %zu of four lines", count);
    return ERR_OK;
}

enum err gwfile_open(const struct gwfile *file, struct bytes derived, unsigned id_width,
                     struct gwfile_keys *ret_keys, struct err_detail *detail)
{
    if (derived.len != DERIVED_SIZE || file->ciphertext.len > GWFILE_PLAIN_MAX)
        return ERR_ARGUMENT;
    AUTO(secret_freep) struct secret *plain = NULL;
    TRY(secret_new(GWFILE_PLAIN_MAX, &plain));
    AUTO(aead_freep) struct aead *aead = NULL;
    TRY(aead_new(bytes_of(derived.data, 32), &aead));
    if (aead_open(aead, file->nonce.data, file->aad, file->ciphertext, file->tag.data,
                  secret_data(plain)) != ERR_OK)
        return err_set(detail, ERR_DECRYPT,
                       "gateway key file: wrong passphrase, or it was altered");
    AUTO(gwfile_keys_wipe) struct gwfile_keys keys = {.pwdh.table = 0};
    TRY(read_lines(bytes_of(secret_data(plain), file->ciphertext.len), id_width, &keys, detail));
    uint8_t pwdh[KEEPER_MAC_SIZE];
    TRY(keeper_pwdh(derived, pwdh));
    if (!secret_equal(BYTES(pwdh), bytes_of(keys.pwdh.key, keys.pwdh.key_len)))
        return err_set(detail, ERR_MISMATCH,
                       "gateway key file: pwdh is not that of the passphrase");
    *ret_keys = keys;
    return ERR_OK;
}

enum err gwfile_make(const struct keeper_gateway_file *head, struct bytes derived,
                     const struct gwfile_keys *keys, struct buf *to, struct err_detail *detail)
{
    if (derived.len != DERIVED_SIZE)
        return ERR_ARGUMENT;
    TRY(keeper_pwhash_check(&head->pwhash, detail));
    AUTO(secret_freep) struct secret *plain = NULL;
    TRY(secret_new(GWFILE_PLAIN_MAX, &plain));
    struct writer lines = writer_of(secret_data(plain), GWFILE_PLAIN_MAX);
    keyring_format(&lines, &keys->pwdh);
    keyring_format(&lines, &keys->base);
    keyring_format(&lines, &keys->gateway);
    keyring_format(&lines, &keys->cdld);
    TRY(writer_status(&lines));

    uint8_t nonce[AEAD_NONCE_SIZE];
    TRY(random_bytes(nonce, sizeof nonce));
    uint8_t room[KEEPER_GWFILE_MAX];
    struct writer w = writer_of(room, sizeof room);
    writer_bytes(&w, bytes_str(GWFILE_MAGIC));
    size_t length_at = w.len;
    writer_u16(&w, 0);
    message_put_pwhash(&w, &head->pwhash);
    writer_bytes16(&w, bytes_str(head->network));
    writer_bytes16(&w, bytes_str(head->realm));
    message_put_versions(&w, &head->versions);
    writer_u8(&w, head->id_width);
    writer_bytes(&w, BYTES(nonce));
    TRY(writer_status(&w));
    be16_store(room + length_at, (uint16_t)(w.len - length_at - 2));
    struct bytes aad = writer_view(&w);

    AUTO(aead_freep) struct aead *aead = NULL;
    TRY(aead_new(bytes_of(derived.data, 32), &aead));
    writer_u32(&w, (uint32_t)lines.len);
    uint8_t *ciphertext = writer_reserve(&w, lines.len);
    uint8_t *tag = writer_reserve(&w, AEAD_TAG_SIZE);
    TRY(writer_status(&w));
    TRY(aead_seal(aead, nonce, aad, writer_view(&lines), ciphertext, tag));
    return buf_append(to, writer_view(&w));
}
