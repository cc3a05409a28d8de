#include "crypto/cms.h"

#include <assert.h>

#include "crypto/cms_oids.h"
#include "crypto/der.h"
#include "crypto/rsa_key.h"

const uint8_t oid_auth_enveloped[11] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 0x10, 1, 0x17};
const uint8_t oid_data[9] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1};
const uint8_t oid_aes256_gcm[9] = {0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 0x2e};

static const uint8_t end_of_contents[2] = {0, 0}; /* X.690, 8.1.5 */

/* An element of indefinite length is opened by two octets, whatever is in it. */
static void open_indefinite(struct der_writer *w, uint8_t tag)
{
    const uint8_t head[] = {tag, 0x80};
    der_put_raw(w, BYTES(head));
}

/* RFC 8017, A.2.1: SHA-1 is the default of both fields and is left out. */
static void write_oaep(struct der_writer *w, enum oaep_hash hash)
{
    der_begin(w, DER_SEQUENCE);
    der_put(w, DER_OID, BYTES(oid_oaep));
    der_begin(w, DER_SEQUENCE);
    if (hash == OAEP_SHA256) {
        der_begin(w, DER_CONTEXT_OPEN(0));
        der_begin(w, DER_SEQUENCE);
        der_put(w, DER_OID, BYTES(oid_sha256));
        der_put_null(w);
        der_end(w);
        der_end(w);
        der_begin(w, DER_CONTEXT_OPEN(1));
        der_begin(w, DER_SEQUENCE);
        der_put(w, DER_OID, BYTES(oid_mgf1));
        der_begin(w, DER_SEQUENCE);
        der_put(w, DER_OID, BYTES(oid_sha256));
        der_put_null(w);
        der_end(w);
        der_end(w);
        der_end(w);
    }
    der_end(w);
    der_end(w);
}

/* RFC 5652, 6.2.1. */
static void write_recipient(struct der_writer *w, const struct cms_header *header)
{
    der_begin(w, DER_SET);
    der_begin(w, DER_SEQUENCE);
    der_put_small(w, 2); /* the version that goes with subjectKeyIdentifier */
    der_put(w, DER_CONTEXT(0), header->key_id);
    write_oaep(w, header->hash);
    der_put(w, DER_OCTET_STRING, header->encrypted_key);
    der_end(w);
    der_end(w);
}

enum err cms_write_header(const struct cms_header *header, struct buf *to)
{
    if (header->key_id.len != RSA_KEY_ID_SIZE || header->nonce.len != CMS_NONCE_SIZE ||
        header->encrypted_key.len < RSA_BITS_MIN / 8 || header->encrypted_key.len > RSA_BYTES_MAX)
        return ERR_ARGUMENT;
    AUTO(der_done) struct der_writer w = {0};
    open_indefinite(&w, DER_SEQUENCE);
    der_put(&w, DER_OID, BYTES(oid_auth_enveloped));
    open_indefinite(&w, DER_CONTEXT_OPEN(0));
    /* RFC 5083, 2.1. */
    open_indefinite(&w, DER_SEQUENCE);
    der_put_small(&w, 0);
    write_recipient(&w, header);
    open_indefinite(&w, DER_SEQUENCE);
    der_put(&w, DER_OID, BYTES(oid_data));
    /* RFC 5084, 3.2: the tag length has a default of 12, so 16 is written. */
    der_begin(&w, DER_SEQUENCE);
    der_put(&w, DER_OID, BYTES(oid_aes256_gcm));
    der_begin(&w, DER_SEQUENCE);
    der_put(&w, DER_OCTET_STRING, header->nonce);
    der_put_small(&w, CMS_TAG_SIZE);
    der_end(&w);
    der_end(&w);
    open_indefinite(&w, DER_CONTEXT_OPEN(0));
    TRY(der_status(&w));
    return buf_append(to, buf_view(&w.out));
}

size_t cms_chunk_frame(size_t len, uint8_t to[CMS_FRAME_MAX])
{
    assert(len <= CMS_CHUNK_MAX);
    if (len == 0)
        return 0;
    to[0] = DER_OCTET_STRING;
    if (len < 0x80) {
        to[1] = (uint8_t)len;
        return 2;
    }
    unsigned count = len < 0x100 ? 1 : len < 0x10000 ? 2 : 3;
    to[1] = (uint8_t)(0x80 | count);
    for (unsigned i = 0; i < count; i++)
        to[2 + i] = (uint8_t)(len >> (8 * (count - 1 - i)));
    return 2 + count;
}

enum err cms_write_chunk(struct bytes ciphertext, struct buf *to)
{
    if (ciphertext.len > CMS_CHUNK_MAX)
        return ERR_LIMIT;
    uint8_t frame[CMS_FRAME_MAX];
    TRY(buf_append(to, bytes_of(frame, cms_chunk_frame(ciphertext.len, frame))));
    return buf_append(to, ciphertext);
}

enum err cms_write_trailer(const uint8_t tag[CMS_TAG_SIZE], struct buf *to)
{
    AUTO(der_done) struct der_writer w = {0};
    der_put_raw(&w, BYTES(end_of_contents)); /* encryptedContent */
    der_put_raw(&w, BYTES(end_of_contents)); /* EncryptedContentInfo */
    der_put(&w, DER_OCTET_STRING, bytes_of(tag, CMS_TAG_SIZE));
    der_put_raw(&w, BYTES(end_of_contents)); /* AuthEnvelopedData */
    der_put_raw(&w, BYTES(end_of_contents)); /* [0] */
    der_put_raw(&w, BYTES(end_of_contents)); /* ContentInfo */
    TRY(der_status(&w));
    return buf_append(to, buf_view(&w.out));
}
