#pragma once

#include "crypto/rsa.h"

/* CMS AuthEnvelopedData (RFC 5083) with AES-256-GCM content (RFC 5084) and key transport by
 * RSAES-OAEP (RFC 3560, RFC 8017), as a stream. The framing here holds no key: whoever has the
 * content key encrypts, whoever has the RSA key opens that. `openssl cms -decrypt -inform DER`
 * reads what is written here. */

#define CMS_NONCE_SIZE     12
#define CMS_TAG_SIZE       16
#define CMS_TAG_MIN        12
#define CMS_CEK_SIZE       32
#define CMS_RECIPIENTS_MAX 32
#define CMS_ELEMENT_MAX    4096 /* bytes of one recipient or algorithm */
#define CMS_CHUNK_MAX      ((size_t)1024 * 1024)
#define CMS_FRAME_MAX      6 /* bytes before a chunk */

/* Writing: header, any number of chunks, trailer. Lengths need not be known: the outer elements and
 * the content are of BER's indefinite form. All append. */
struct cms_header {
    struct bytes key_id;        /* subjectKeyIdentifier of the recipient: RSA_KEY_ID_SIZE bytes */
    struct bytes encrypted_key; /* the content key under RSAES-OAEP */
    enum oaep_hash hash;
    struct bytes nonce; /* CMS_NONCE_SIZE bytes */
};
MUST_CHECK enum err cms_write_header(const struct cms_header *header, struct buf *to);
/* At most CMS_CHUNK_MAX bytes; none writes nothing. */
MUST_CHECK enum err cms_write_chunk(struct bytes ciphertext, struct buf *to);
/* The same without the copy: what stands before a chunk of `len` bytes; returns its length. */
size_t cms_chunk_frame(size_t len, uint8_t to[CMS_FRAME_MAX]);
MUST_CHECK enum err cms_write_trailer(const uint8_t tag[CMS_TAG_SIZE], struct buf *to);

/* Reading: the caller pulls one event at a time out of pieces of input that may be split anywhere,
 * and may stop between events as long as it likes. Definite and indefinite lengths. Memory is
 * the struct, nothing else. */
enum cms_event {
    CMS_MORE, /* the input is used up: give more, or cms_reader_finish at the end of the file */
    CMS_RECIPIENT, /* one of the recipients this reader understands */
    CMS_CONTENT,   /* the recipients are over; nonce and tag length are known */
    CMS_DATA,      /* a piece of ciphertext, borrowed from the input */
    CMS_TAG,       /* the tag; everything after it is framing */
    CMS_END,       /* the message is whole; input behind it stays in *input */
};

struct cms_recipient {
    struct bytes key_id; /* one of key_id and ... */
    struct bytes issuer; /* ... issuer (a DER Name) with serial (INTEGER content) is empty */
    struct bytes serial;
    enum oaep_hash hash;
    struct bytes encrypted_key;
};

struct cms_item {
    enum cms_event event;
    struct cms_recipient recipient; /* CMS_RECIPIENT; views are good until the next call */
    uint8_t nonce[CMS_NONCE_SIZE];  /* CMS_CONTENT */
    size_t tag_len;                 /* CMS_CONTENT: CMS_TAG_MIN to CMS_TAG_SIZE */
    struct bytes data;              /* CMS_DATA, CMS_TAG */
};

/* Embedded or on the heap (about 4 KiB); cms_reader_init, nothing to free. Its fields are its own.
 */
struct cms_reader {
    struct {
        uint64_t end;   /* offset where it ends, UINT64_MAX where two zero octets end it */
        uint64_t bound; /* the nearest known end of it or an element around it */
    } open[8];
    unsigned depth;
    unsigned step;    /* what comes next */
    uint64_t pos;     /* offset in the file */
    uint64_t left;    /* bytes of the current element still to come */
    bool collecting;  /* those bytes go to `element` */
    bool streaming;   /* those bytes are ciphertext */
    uint8_t head[10]; /* tag and length octets so far */
    unsigned head_len;
    unsigned head_want;
    unsigned recipients;
    uint8_t tag_len;
    enum err err; /* sticks */
    size_t element_len;
    uint8_t element[CMS_ELEMENT_MAX];
};

void cms_reader_init(struct cms_reader *reader);
/* Advances *input by what was read and gives the next event. ERR_SYNTAX, ERR_LIMIT, or
 * ERR_UNSUPPORTED (another CMS type, cipher, attributes, originator, an indefinite recipient); an
 * error sticks. Recipients of other kinds (key agreement, PKCS#1 v1.5, ...) are passed over. */
MUST_CHECK enum err cms_reader_next(struct cms_reader *reader, struct bytes *input,
                                    struct cms_item *ret_item, struct err_detail *detail);
/* At the end of the file: ERR_TRUNCATED where the message is not whole. */
MUST_CHECK enum err cms_reader_finish(const struct cms_reader *reader, struct err_detail *detail);

/* All of it with keys in software, for the command line. */
struct cms_io {
    void *arg;
    /* At most `cap` bytes to `to`; none at the end. */
    enum err (*source)(void *arg, uint8_t *to, size_t cap, size_t *ret_len,
                       struct err_detail *detail);
    enum err (*sink)(void *arg, struct bytes data, struct err_detail *detail);
};
/* A fresh content key and nonce. */
MUST_CHECK enum err cms_encrypt(const struct rsa_public *to, enum oaep_hash hash,
                                const struct cms_io *io, struct err_detail *detail);
/* The sink gets plaintext before the tag was checked and must throw it away on failure.
 * ERR_NOT_FOUND where no recipient has the key's identifier and none given by issuer and serial
 * opens with it; ERR_DECRYPT, and the reader's. Bytes behind the message are ERR_SYNTAX. */
MUST_CHECK enum err cms_decrypt(const struct rsa_private *with, const struct cms_io *io,
                                struct err_detail *detail);
