#include "crypto/cms.h"

#include <stdlib.h>

#include "crypto/aead.h"
#include "crypto/random.h"

#define PIECE ((size_t)32 * 1024)

static enum err encrypt_pieces(struct aead_stream *stream, const struct cms_io *io,
                               struct err_detail *detail)
{
    AUTO(secret_freep) struct secret *piece = NULL;
    AUTO(buf_done) struct buf out = {0};
    TRY(secret_new(PIECE, &piece));
    for (;;) {
        size_t len = 0;
        TRY(io->source(io->arg, secret_data(piece), PIECE, &len, detail));
        if (len == 0)
            return ERR_OK;
        if (len > PIECE)
            return ERR_INTERNAL;
        TRY(aead_stream_update(stream, bytes_of(secret_data(piece), len), secret_data(piece)));
        out.len = 0;
        TRY(cms_write_chunk(bytes_of(secret_data(piece), len), &out));
        TRY(io->sink(io->arg, buf_view(&out), detail));
    }
}

enum err cms_encrypt(const struct rsa_public *to, enum oaep_hash hash, const struct cms_io *io,
                     struct err_detail *detail)
{
    AUTO(secret_freep) struct secret *cek = NULL;
    AUTO(aead_stream_freep) struct aead_stream *stream = NULL;
    AUTO(buf_done) struct buf sealed = {0};
    AUTO(buf_done) struct buf out = {0};
    uint8_t nonce[CMS_NONCE_SIZE];
    uint8_t tag[CMS_TAG_SIZE];
    TRY(random_secret(CMS_CEK_SIZE, &cek));
    TRY(random_bytes(nonce, sizeof nonce));
    TRY(rsa_oaep_encrypt(to, hash, secret_view(cek), &sealed, detail));
    TRY(aead_stream_encrypt(secret_view(cek), nonce, (struct bytes){0}, &stream));
    const struct cms_header header = {.key_id = rsa_public_key_id(to),
                                      .encrypted_key = buf_view(&sealed),
                                      .hash = hash,
                                      .nonce = BYTES(nonce)};
    TRY(cms_write_header(&header, &out));
    TRY(io->sink(io->arg, buf_view(&out), detail));
    TRY(encrypt_pieces(stream, io, detail));
    TRY(aead_stream_tag(stream, tag));
    out.len = 0;
    TRY(cms_write_trailer(tag, &out));
    return io->sink(io->arg, buf_view(&out), detail);
}

struct decrypting {
    const struct rsa_private *with;
    const struct cms_io *io;
    struct cms_reader *reader;
    struct secret *cek;
    struct aead_stream *stream;
    struct secret *plain; /* PIECE bytes */
};

static void decrypting_done(struct decrypting *d)
{
    free(d->reader);
    secret_free(d->cek);
    aead_stream_free(d->stream);
    secret_free(d->plain);
}

static enum err try_recipient(struct decrypting *d, const struct cms_recipient *recipient,
                              struct err_detail *detail)
{
    struct bytes own_id = rsa_public_key_id(rsa_private_public(d->with));
    bool named = recipient->key_id.len != 0;
    if (d->cek != NULL || (named && !bytes_equal(recipient->key_id, own_id)))
        return ERR_OK;
    AUTO(secret_freep) struct secret *cek = NULL;
    enum err err = rsa_oaep_decrypt(d->with, recipient->hash, recipient->encrypted_key, &cek);
    if (err == ERR_OK && secret_len(cek) != CMS_CEK_SIZE)
        err = ERR_DECRYPT;
    if (err == ERR_DECRYPT && !named)
        return ERR_OK; /* no certificate here to compare issuer and serial with */
    if (err != ERR_OK)
        return err_set(detail, err, "CMS: the content key does not open");
    d->cek = TAKE(cek);
    return ERR_OK;
}

static enum err decrypt_piece(struct decrypting *d, struct bytes data, struct err_detail *detail)
{
    uint8_t *plain = secret_data(d->plain);
    TRY(aead_stream_update(d->stream, data, plain));
    return d->io->sink(d->io->arg, bytes_of(plain, data.len), detail);
}

static enum err handle(struct decrypting *d, const struct cms_item *item, struct err_detail *detail)
{
    switch (item->event) {
    case CMS_RECIPIENT: return try_recipient(d, &item->recipient, detail);
    case CMS_CONTENT:
        if (d->cek == NULL)
            return err_set(detail, ERR_NOT_FOUND, "CMS: no recipient has this key");
        return aead_stream_decrypt(secret_view(d->cek), item->nonce, (struct bytes){0}, &d->stream);
    case CMS_DATA: return decrypt_piece(d, item->data, detail);
    case CMS_TAG: {
        enum err err = aead_stream_verify(d->stream, item->data);
        if (err != ERR_OK)
            return err_set(detail, err, "CMS: the content was altered, the tag does not fit");
        return ERR_OK;
    }
    case CMS_MORE:
    case CMS_END: break;
    }
    return ERR_OK;
}

enum err cms_decrypt(const struct rsa_private *with, const struct cms_io *io,
                     struct err_detail *detail)
{
    AUTO(decrypting_done) struct decrypting d = {.with = with, .io = io};
    AUTO(buf_done) struct buf in = {0};
    d.reader = malloc(sizeof *d.reader);
    if (d.reader == NULL)
        return ERR_NO_MEMORY;
    cms_reader_init(d.reader);
    TRY(secret_new(PIECE, &d.plain));
    TRY(buf_reserve(&in, PIECE));
    for (;;) {
        TRY(io->source(io->arg, in.data, PIECE, &in.len, detail));
        if (in.len == 0)
            return cms_reader_finish(d.reader, detail);
        struct bytes input = buf_view(&in);
        struct cms_item item;
        do {
            TRY(cms_reader_next(d.reader, &input, &item, detail));
            TRY(handle(&d, &item, detail));
        } while (item.event != CMS_MORE && item.event != CMS_END);
        if (item.event == CMS_END && input.len != 0)
            return err_set(detail, ERR_SYNTAX, "CMS: %zu bytes behind the end", input.len);
    }
}
