#pragma once

#include "keeper/types.h"

/* One message between engine and keeper, one packet on the socket.
 *
 *   request  u8 KEEPER_PROTOCOL | u8 verb | u16 count | u64 id | body
 *   answer   u8 KEEPER_PROTOCOL | u8 verb + 0x80 | u16 enum err | u64 id | body
 *
 * Integers are big-endian. `count` is the number of rows in the body, 0 for verbs without rows. The
 * body of an answer that is not ERR_OK is u32 CK_RV | u16 length | text. Nothing may follow
 * a body. Bodies are described with the verb's server side. */

#define KEEPER_PROTOCOL    1
#define KEEPER_ANSWER      0x80
#define KEEPER_HEAD_SIZE   12
#define KEEPER_ERROR_TEXT  200
#define KEEPER_ROW_SIZE    17
#define KEEPER_PASSPHRASES 1024 /* bytes of a passphrase */

enum keeper_verb {
    KEEPER_STATUS = 1,
    KEEPER_DOMAIN_CREATE,
    KEEPER_DOMAIN_ROTATE,
    KEEPER_DOMAIN_LOAD,
    KEEPER_DOMAIN_DROP,
    KEEPER_GENERATE,
    KEEPER_GENERATE_NODES,
    KEEPER_SEAL,
    KEEPER_RELEASE,
    KEEPER_RESEAL,
    KEEPER_PASSPHRASE_SET,
    KEEPER_PASSPHRASE_CHECK,
    KEEPER_MAC_BEGIN,
    KEEPER_MAC_UPDATE,
    KEEPER_MAC_END,
    KEEPER_MAC_VERIFY,
    KEEPER_EXPORT_BEGIN,
    KEEPER_EXPORT_HEAD,
    KEEPER_EXPORT_NODES,
    KEEPER_EXPORT_END,
    KEEPER_GATEWAY_EXPORT,
    KEEPER_GATEWAY_IMPORT,
    KEEPER_IMPORT_BEGIN,
    KEEPER_IMPORT_CHUNK,
    KEEPER_IMPORT_END,
    KEEPER_SESSION_DROP,
    KEEPER_SIGN_CERTIFICATE,
    KEEPER_SIGN_AUDIT,
    KEEPER_PUBLIC,
    KEEPER_NOTE,
    KEEPER_EXPECT,
    KEEPER_IMPORT_CHECK,
    KEEPER_IMPORT_CHECKED,
    KEEPER_BUNDLE, /* keeper/bundle.h */
    KEEPER_OBJECT_GENERATE,
    KEEPER_OBJECT_PAIR,
    KEEPER_OBJECT_SEAL,
    KEEPER_OBJECT_RELEASE,
    KEEPER_OBJECT_USE,
    KEEPER_OBJECT_DIGEST,
    KEEPER_OBJECT_REFLAG,
    KEEPER_OBJECT_RESEAL,
    KEEPER_OBJECT_DESTROY,
    KEEPER_OBJECT_DERIVE,
    KEEPER_OBJECT_WRAP,
    KEEPER_OBJECT_UNWRAP,
    KEEPER_OBJECT_SPLIT,
    KEEPER_OBJECT_JOIN,
    KEEPER_STREAM_BEGIN,
    KEEPER_STREAM_UPDATE,
    KEEPER_STREAM_END,
    KEEPER_STREAM_DROP,
    KEEPER_RANDOM,
    KEEPER_RANDOM_SEED,
    KEEPER_LINE_KEYS,
    KEEPER_DEVICES,
    KEEPER_OBJECT_RESERVE,
    KEEPER_SIGN_DEVICES_BEGIN,
    KEEPER_SIGN_DEVICES_UPDATE,
    KEEPER_SIGN_DEVICES_END,
    KEEPER_VERBS
};

struct keeper_head_fields {
    uint8_t verb;
    uint16_t count; /* of an answer: enum err */
    uint64_t id;
};

void message_put_head(struct writer *w, uint8_t verb, uint16_t count, uint64_t id);
/* Fails the reader with ERR_UNSUPPORTED for another protocol. */
struct keeper_head_fields message_get_head(struct reader *r);

void message_put_row(struct writer *w, const struct keeper_row *row);
/* ERR_ARGUMENT for a table that isn't one. */
struct keeper_row message_get_row(struct reader *r);

/* u8 length | bytes; read: KEEPER_SEALED_OVERHEAD + 1 to KEEPER_SEALED_MAX, else ERR_ARGUMENT. */
void message_put_sealed(struct writer *w, struct bytes sealed);
struct bytes message_get_sealed(struct reader *r);
/* 8 bytes fingerprint | sealed. */
void message_put_made(struct writer *w, const struct keeper_made *made);
struct keeper_made message_get_made(struct reader *r);

/* u8 length | text of 1 to KEEPER_ACTOR_MAX printable ASCII characters. */
void message_put_actor(struct writer *w, struct bytes actor);
struct bytes message_get_actor(struct reader *r);
bool message_actor_ok(struct bytes actor);

/* u16 length | text of 1 to `max` bytes without control characters. */
struct bytes message_get_text(struct reader *r, size_t max);
void message_put_pwhash(struct writer *w, const struct keeper_pwhash *pwhash);
struct keeper_pwhash message_get_pwhash(struct reader *r);
void message_put_versions(struct writer *w, const struct keeper_versions *versions);
struct keeper_versions message_get_versions(struct reader *r);
/* u16 length | at most KEEPER_NAME_MAX bytes, to a C string. */
void message_get_name(struct reader *r, char ret_name[KEEPER_NAME_MAX + 1]);
