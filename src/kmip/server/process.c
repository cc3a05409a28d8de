#include "kmip/server/process.h"

#include <stdio.h>
#include <time.h>

#include "kmip/codec/check.h"
#include "kmip/codec/filter.h"
#include "kmip/codec/table.h"
#include "kmip/op/placement.h"
#include "kmip/op/table.h"
#include "kmip/server/batch.h"
#include "kmip/server/config.h"
#include "kmip/server/session.h"

/* A message under way. */
struct message {
    struct kmip_env *env;
    struct kmip_session *session;
    const struct vault_client *certificate;
    enum kmip_format format;
    struct arena *arena;
    struct kmip_node *root; /* of the request */
    struct kmip_request request;
    struct kmip_who who;
    struct kmip_processed *processed;
};

static int64_t clock_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec;
}

/* The version that an answer is written in: the request's where it is served, else the nearest. */
static uint16_t version_of(const struct kmip_config *config, const struct kmip_node *header,
                           bool *ret_served)
{
    const struct kmip_node *node = kmip_child(header, KMIP_TAG_PROTOCOL_VERSION);
    const int64_t major = kmip_num(node, KMIP_TAG_PROTOCOL_VERSION_MAJOR, -1);
    const int64_t minor = kmip_num(node, KMIP_TAG_PROTOCOL_VERSION_MINOR, -1);
    const int64_t top[] = {0, 4, 1}; /* the newest minor of each major */
    *ret_served = false;
    if (major < 1)
        return config->version_min;
    if (major > 2)
        return config->version_max;
    int64_t version = major << 8 | (minor < 0 ? 0 : minor > top[major] ? top[major] : minor);
    *ret_served = minor >= 0 && minor <= top[major];
    if (version < config->version_min || version > config->version_max) {
        *ret_served = false;
        version = version < config->version_min ? config->version_min : config->version_max;
    }
    return (uint16_t)version;
}

/* The first bytes of a TTLV message that can't be read tell its version as a rule: Request Message,
 * Request Header, Protocol Version, then two integers at fixed places. */
static uint16_t version_peek(const struct kmip_config *config, enum kmip_format format,
                             struct bytes in)
{
    if (format != KMIP_TTLV || in.len < 56 || be32_load(in.data + 16) >> 8 != 0x420069 ||
        be32_load(in.data + 24) >> 8 != 0x42006a || be32_load(in.data + 40) >> 8 != 0x42006b)
        return config->version_min;
    const uint32_t major = be32_load(in.data + 32), minor = be32_load(in.data + 48);
    if (major < 1 || major > 2 || minor > (major == 1 ? 4 : 1))
        return config->version_min;
    const uint16_t version = (uint16_t)(major << 8 | minor);
    return version < config->version_min || version > config->version_max ? config->version_min
                                                                          : version;
}

static struct kmip_node *put_header(struct message *m, struct kmip_node *response, int32_t items)
{
    struct kmip_build *b = &m->request.build;
    struct kmip_node *header = kmip_put_struct(b, response, KMIP_TAG_RESPONSE_HEADER);
    struct kmip_node *version = kmip_put_struct(b, header, KMIP_TAG_PROTOCOL_VERSION);
    kmip_put_int(b, version, KMIP_TAG_PROTOCOL_VERSION_MAJOR, m->request.version >> 8);
    kmip_put_int(b, version, KMIP_TAG_PROTOCOL_VERSION_MINOR, m->request.version & 0xff);
    kmip_put_date(b, header, KMIP_TAG_TIME_STAMP, m->request.now);
    /* Who gives no correlation value of his own gets one of ours. Not in 2.0: PyKMIP stops at it.
     */
    if (m->request.version >= KMIP_2_1 && m->request.header != NULL &&
        kmip_child(m->request.header, KMIP_TAG_CLIENT_CORRELATION_VALUE) == NULL) {
        char text[48];
        static _Atomic uint32_t counter;
        snprintf(text, sizeof(text), "%08llX-%08llX-%u", (unsigned long long)m->request.now,
                 (unsigned long long)(m->session != NULL ? kmip_session_number(m->session) : 0),
                 counter++);
        kmip_put_text(b, header, KMIP_TAG_SERVER_CORRELATION_VALUE, text);
    }
    kmip_put_int(b, header, KMIP_TAG_BATCH_COUNT, items);
    return header;
}

/* An answer that is one failed item without an operation: the message as a whole was refused. */
static enum err refuse(struct message *m, uint32_t reason, const char *text, struct buf *out)
{
    struct kmip_build *b = &m->request.build;
    struct kmip_node *response = kmip_put_struct(b, NULL, KMIP_TAG_RESPONSE_MESSAGE);
    put_header(m, response, 1);
    struct kmip_node *item = kmip_put_struct(b, response, KMIP_TAG_BATCH_ITEM);
    reason = kmip_reason_for(reason, m->request.version);
    kmip_put_enum(b, item, KMIP_TAG_RESULT_STATUS, KMIP_STATUS_OPERATION_FAILED);
    kmip_put_enum(b, item, KMIP_TAG_RESULT_REASON, reason);
    kmip_put_text(b, item, KMIP_TAG_RESULT_MESSAGE, text);
    m->processed->items = m->processed->failed = 1;
    m->processed->reason = reason;
    TRY(b->err);
    return kmip_encode(m->format, response, out);
}

static int64_t stamp_of(const struct kmip_node *header)
{
    return kmip_num(header, KMIP_TAG_TIME_STAMP, INT64_MIN);
}

/* What the header asks for that makes the whole message impossible; NULL: nothing. */
static const char *check_header(const struct message *m, uint32_t items)
{
    const struct kmip_config *config = m->env->config;
    const struct kmip_node *header = m->request.header;
    const int64_t stamp = stamp_of(header);
    if (items == 0 || items > config->batch_max)
        return "too many batch items, or none";
    if (config->clock_skew_s > 0 && stamp != INT64_MIN &&
        (stamp < m->request.now - config->clock_skew_s ||
         stamp > m->request.now + config->clock_skew_s))
        return "the Time Stamp is too far from this server's clock";
    return NULL;
}

static enum err run(struct message *m, uint32_t items, struct buf *out)
{
    struct kmip_build *b = &m->request.build;
    struct kmip_node *response = kmip_put_struct(b, NULL, KMIP_TAG_RESPONSE_MESSAGE);
    struct kmip_node *header = put_header(m, response, (int32_t)items);
    const int64_t max = kmip_num(m->request.header, KMIP_TAG_MAXIMUM_RESPONSE_SIZE, 0);
    struct kmip_batch batch = {.request = &m->request,
                               .root = m->root,
                               .response = response,
                               .processed = m->processed,
                               .max = m->env->config->response_max};
    if (max > 0 && (size_t)max < batch.max)
        batch.max = (size_t)max;
    TRY(b->err);
    TRY(kmip_batch_run(&batch));
    /* with Stop there may be fewer items than were asked for */
    for (struct kmip_node *n = header->first; n != NULL; n = n->next)
        if (n->tag == KMIP_TAG_BATCH_COUNT)
            n->num = response->count - 1;
    TRY(b->err);
    /* each payload was filtered when its item was answered */
    kmip_filter_envelope(response, m->request.version);
    return kmip_encode(m->format, response, out);
}

static enum err login(struct message *m)
{
    const struct kmip_node *authentication = kmip_child(m->request.header, KMIP_TAG_AUTHENTICATION);
    if (m->session == NULL) {
        m->request.client = m->certificate;
        return ERR_OK;
    }
    const enum err err = kmip_session_who(m->session, m->env, m->certificate, authentication,
                                          m->request.now, &m->who, &m->processed->detail);
    m->processed->pause_ms = m->who.pause_ms;
    m->request.client = m->who.known ? &m->who.client : NULL;
    m->request.ticket = m->who.ticket;
    return err;
}

static enum err process(struct message *m, struct bytes in, struct buf *out)
{
    const struct kmip_config *config = m->env->config;
    struct kmip_limits limits = kmip_limits_default;
    limits.message = config->message_max;
    m->request.version = version_peek(config, m->format, in);
    const enum err decoded =
        kmip_decode(m->format, in, &limits, m->arena, &m->root, &m->processed->detail);
    if (decoded == ERR_NO_MEMORY)
        return decoded;
    if (decoded != ERR_OK)
        return refuse(m, KMIP_REASON_INVALID_MESSAGE, "the message can't be read", out);
    if (m->root->tag != KMIP_TAG_REQUEST_MESSAGE || m->root->type != KMIP_STRUCTURE)
        return err_set(&m->processed->detail, ERR_SYNTAX, "not a request message");
    m->request.header = kmip_child(m->root, KMIP_TAG_REQUEST_HEADER);
    bool served = false;
    m->request.version = version_of(config, m->request.header, &served);
    m->processed->version = m->request.version;
    if (!served)
        return refuse(m, KMIP_REASON_UNSUPPORTED_PROTOCOL_VERSION,
                      "this protocol version is not served", out);
    struct kmip_fault fault = {0};
    if (!kmip_check_header(m->root, m->request.version, &fault))
        return refuse(m, fault.reason, fault.message, out);
    uint32_t items = 0;
    for (const struct kmip_node *n = m->root->first; n != NULL; n = n->next)
        items += n->tag == KMIP_TAG_BATCH_ITEM;
    const char *wrong = check_header(m, items);
    if (wrong != NULL)
        return refuse(m, KMIP_REASON_INVALID_MESSAGE, wrong, out);
    const enum err err = login(m);
    if (err == ERR_NO_MEMORY)
        return err;
    if (err != ERR_OK)
        return refuse(m, kmip_reason_of(err, m->request.version), "authentication not successful",
                      out);
    return run(m, items, out);
}

enum err kmip_process(struct kmip_env *env, struct kmip_session *session,
                      const struct vault_client *client, enum kmip_format format,
                      struct arena *arena, struct bytes in, struct buf *out,
                      struct kmip_processed *ret_processed)
{
    struct kmip_processed ignored = {0};
    struct kmip_processed *processed = ret_processed != NULL ? ret_processed : &ignored;
    *processed = (struct kmip_processed){0};
    struct message *m = arena_take(arena, sizeof(*m));
    if (m == NULL)
        return ERR_NO_MEMORY;
    *m = (struct message){
        .env = env,
        .session = session,
        .certificate = client,
        .format = format,
        .arena = arena,
        .processed = processed,
        .request = {.env = env,
                    .session = session,
                    .arena = arena,
                    .build = {.arena = arena},
                    .now = clock_now(),
                    .version = env->config->version_min},
    };
    const size_t before = out->len;
    const enum err err = process(m, in, out);
    if (err != ERR_OK)
        out->len = before;
    return err;
}
