#pragma once

#include "diameter/avp.h"

/* One Diameter message (RFC 6733, 3): framing, reading with every check a receiver owes, writing.
 * Reading takes no memory: all views point into the frame. Any thread. */

#define DIAMETER_HEADER_LEN   20
#define DIAMETER_VERSION      1
#define DIAMETER_MESSAGE_MAX  ((size_t)64 * 1024) /* default limit of a frame */
#define DIAMETER_AVPS_MAX     512                 /* in one message, nested ones included */
#define DIAMETER_DEPTH_MAX    4                   /* of groups */
#define DIAMETER_FAILED_MAX   1024                /* bytes of an offending AVP that are sent back */
#define DIAMETER_ANSWER_EXTRA 4096 /* an answer's bytes beyond those of its request */
#define DIAMETER_PORT         3868
#define DIAMETER_PORT_TLS     5658
#define DIAMETER_APP_BASE     0u
#define DIAMETER_APP_MIP4     2u
#define DIAMETER_APP_RELAY    0xffffffffu

#define DIAMETER_FLAG_R        0x80
#define DIAMETER_FLAG_P        0x40
#define DIAMETER_FLAG_E        0x20
#define DIAMETER_FLAG_T        0x10
#define DIAMETER_FLAG_RESERVED 0x0f

enum diameter_command {
    DIAMETER_CE = 257,
    DIAMETER_AMR = 260,
    DIAMETER_STR = 275,
    DIAMETER_DW = 280,
    DIAMETER_DP = 282,
};

struct diameter_header {
    uint8_t version;
    uint8_t flags;
    uint32_t length;
    uint32_t command;
    uint32_t application;
    uint32_t hop_by_hop;
    uint32_t end_to_end;
};

/* Why a message is refused, with all that the answer needs. Embedded, points into the frame. */
struct diameter_fault {
    uint32_t result;   /* 0: none */
    const char *text;  /* Error-Message, static */
    struct bytes avp;  /* an offending AVP as it came, for Failed-AVP; or */
    struct bytes avp2; /* a second one it contradicts (5007); or, where avp is empty, */
    bool made;         /* one to be made: header and zeros (missing, or of wrong length) */
    uint32_t code, vendor;
    uint8_t flags;
    uint8_t zeros;
};

/* A checked message or group. */
struct diameter_message {
    struct diameter_header header;
    struct bytes body;                /* all AVPs */
    uint8_t count[AVP_ID_COUNT];      /* how often each known AVP stands in it (255: or more) */
    struct bytes avp[AVP_ID_COUNT];   /* value of the first; only where count > 0 */
    struct bytes whole[AVP_ID_COUNT]; /* the same with its header, without padding */
};
static inline bool diameter_has(const struct diameter_message *m, enum avp_id id)
{
    return m->count[id] != 0;
}

/* For net_conn_ops.frame_len. ERR_SYNTAX where the stream can't be framed: the length is below 20
 * or no multiple of 4. A wrong version is not refused here but answered (5011). */
MUST_CHECK enum err diameter_frame_len(const uint8_t *data, size_t have, size_t *ret_need);

/* The header of a whole frame; ERR_TRUNCATED below 20 bytes or where its length is not the frame's.
 */
MUST_CHECK enum err diameter_header_read(struct bytes frame, struct diameter_header *ret_header);

/* Header checks that need no dictionary: version (5011), reserved bits, E on a request, R with
 * T on an answer (3008). False: `ret_fault` is filled. */
bool diameter_header_check(const struct diameter_header *header, struct diameter_fault *ret_fault);

/* Check all AVPs of a message whose header is read (lengths 5014, bits 3009, unknown with M 5001,
 * values of known types 5004, missing 5005, not allowed 5008, too many 5009) and index them. False:
 * `ret_fault` is filled, `message` holds what stood before the fault (Session-Id and Proxy-Info are
 * wanted for the answer). */
bool diameter_message_read(struct bytes frame, const struct diameter_header *header,
                           enum diameter_grammar_id grammar, struct diameter_message *message,
                           struct diameter_fault *ret_fault);
/* Go through all AVPs of one kind: start with `*at` = message->body, false at the end. */
bool diameter_each(struct bytes *at, enum avp_id id, struct avp *ret_avp);
/* Find Session-Id and Proxy-Info without any check, for answers to what could not be read. */
void diameter_message_scan(struct bytes frame, struct diameter_message *message);

/* Begin a message at the end of `w`; AVPs are appended; diameter_end sets the length. */
size_t diameter_begin(struct writer *w, uint8_t flags, uint32_t command, uint32_t application,
                      uint32_t hop_by_hop, uint32_t end_to_end);
/* An answer to `request`: P and both identifiers copied (RFC 6733, 6.2). `error`: the E bit. */
size_t diameter_begin_answer(struct writer *w, const struct diameter_header *request, bool error);
void diameter_end(struct writer *w, size_t begin);
/* E bit and minimal grammar belong to the 3xxx results (RFC 6733, 7.1.3). */
static inline bool diameter_is_protocol_error(uint32_t result)
{
    return result / 1000 == 3;
}
/* Error-Message and Failed-AVP of a fault. */
void diameter_put_fault(struct writer *w, const struct diameter_fault *fault);
/* Proxy-Info AVPs of the request, in their order (RFC 6733, 6.2). */
void diameter_put_proxy_infos(struct writer *w, const struct diameter_message *request);
/* A whole error answer: Session-Id of the request, result, our identity, fault, Proxy-Infos. The
 * request is what diameter_message_read or _scan left. */
void diameter_put_error(struct writer *w, const struct diameter_message *request,
                        const struct diameter_fault *fault, struct bytes origin_host,
                        struct bytes origin_realm);
