#include <stdlib.h>

#include "diameter/keyapp_request.h"

#define ALGORITHM_TYPE 2u   /* RFC 4004, 9.8: HMAC-SHA-1, the only value */
#define SPI_BASE       256u /* 0..255 are reserved */

static const uint8_t any_address[] = {0, 1, 0, 0, 0, 0}; /* IPv4 0.0.0.0 */

enum err keyapp_make_head(struct keyapp *app, uint32_t state_id)
{
    struct writer w = writer_of(app->head, sizeof app->head);
    avp_put_u32(&w, AVP_AUTH_APPLICATION_ID, DIAMETER_APP_MIP4);
    app->result_at = w.len + AVP_HEADER_LEN;
    avp_put_u32(&w, AVP_RESULT_CODE, DIAMETER_SUCCESS);
    avp_put_str(&w, AVP_ORIGIN_HOST, app->origin_host);
    avp_put_str(&w, AVP_ORIGIN_REALM, app->origin_realm);
    avp_put_u32(&w, AVP_AUTH_SESSION_STATE, 1); /* NO_STATE_MAINTAINED: no STR is owed */
    if (state_id != 0)
        avp_put_u32(&w, AVP_ORIGIN_STATE_ID, state_id);
    TRY(writer_status(&w));
    app->head_len = w.len;
    return ERR_OK;
}

static void put_head(const struct keyapp *app, uint32_t result, struct writer *out)
{
    uint8_t *p = writer_reserve(out, app->head_len);
    if (p == NULL)
        return;
    memcpy(p, app->head, app->head_len);
    be32_store(p + app->result_at, result);
}

static size_t room_of(const struct diameter_message *m)
{
    /* Every AVP that is sent back stands in the request, and a few constant ones are added. */
    return m->body.len + 64;
}

static void put_back(struct writer *w, const struct diameter_message *m, enum avp_id id)
{
    if (diameter_has(m, id))
        avp_put(w, id, m->avp[id]);
}

static void put_address(struct writer *w, const struct diameter_message *m, enum avp_id id)
{
    avp_put(w, id, diameter_has(m, id) ? m->avp[id] : BYTES(any_address));
}

enum err keyapp_echo(struct keyapp_request *request, const struct diameter_message *m,
                     uint32_t features)
{
    static const uint8_t reg_reply[1] = {0};
    size_t cap = sizeof request->echo_room;
    request->echo = request->echo_room;
    for (int attempt = 0; attempt < 2; attempt++) {
        struct writer w = writer_of(request->echo, cap);
        put_back(&w, m, AVP_SESSION_ID);
        request->session_len = w.len;
        put_back(&w, m, AVP_USER_NAME);
        diameter_put_proxy_infos(&w, m);
        request->common_len = w.len;
        put_back(&w, m, AVP_MIP_FEATURE_VECTOR);
        /* RFC 4004, 5.2 and 7.5: present unless the mobile node is co-located. */
        if ((features & KEYAPP_FEATURE_COLOCATED) == 0)
            avp_put(&w, AVP_MIP_REG_REPLY, BYTES(reg_reply));
        put_address(&w, m, AVP_MIP_HOME_AGENT_ADDRESS);
        put_address(&w, m, AVP_MIP_MOBILE_NODE_ADDRESS);
        request->echo_len = w.len;
        if (writer_status(&w) == ERR_OK)
            return ERR_OK;
        cap = room_of(m);
        request->echo = attempt == 0 ? malloc(cap) : NULL;
        if (request->echo == NULL)
            break;
    }
    request->echo = request->echo_room;
    return ERR_NO_MEMORY;
}

void keyapp_put_refusal(struct keyapp *app, const struct diameter_message *m,
                        const struct diameter_fault *fault, struct writer *out)
{
    if (diameter_is_protocol_error(fault->result)) {
        diameter_put_error(out, m, fault, bytes_str(app->origin_host),
                           bytes_str(app->origin_realm));
    } else {
        size_t begin = diameter_begin_answer(out, &m->header, false);
        put_back(out, m, AVP_SESSION_ID);
        put_head(app, fault->result, out);
        put_back(out, m, AVP_USER_NAME);
        diameter_put_fault(out, fault);
        diameter_put_proxy_infos(out, m);
        diameter_end(out, begin);
    }
    keyapp_count(fault->result, 0);
}

uint32_t keyapp_result_of(enum err err)
{
    switch (err) {
    case ERR_OK: return DIAMETER_SUCCESS;
    case ERR_NOT_FOUND:
    case ERR_DENIED:
    case ERR_LIMIT: return DIAMETER_AUTHORIZATION_REJECTED; /* unknown, not allowed, too wide */
    case ERR_STATE: return DIAMETER_BAD_KEY;
    default: return DIAMETER_TOO_BUSY;
    }
}

size_t keyapp_answer_max(const struct keyapp_request *request)
{
    return request->echo_len + KEYAPP_ANSWER_EXTRA;
}

static void put_key(const struct keyapp_request *request, unsigned which, struct writer *out)
{
    size_t group = avp_group_begin(out, which == 0 ? AVP_MIP_FA_TO_MN_MSA : AVP_MIP_FA_TO_HA_MSA);
    avp_put_u32(out, which == 0 ? AVP_MIP_FA_TO_MN_SPI : AVP_MIP_FA_TO_HA_SPI,
                SPI_BASE + request->version[which]);
    avp_put_u32(out, AVP_MIP_ALGORITHM_TYPE, ALGORITHM_TYPE);
    avp_put(out, AVP_MIP_SESSION_KEY, bytes_of(request->key[which], request->key_len[which]));
    avp_group_end(out, group);
}

static struct bytes echo_part(const struct keyapp_request *request, size_t from, size_t to)
{
    return bytes_of(request->echo + from, to - from);
}

static void put_failure(const struct keyapp_request *request, uint32_t result, struct writer *out)
{
    struct keyapp *app = request->app;
    bool error = diameter_is_protocol_error(result);
    size_t begin = diameter_begin_answer(out, &request->header, error);
    writer_bytes(out, echo_part(request, 0, request->session_len));
    if (error) {
        avp_put_str(out, AVP_ORIGIN_HOST, app->origin_host);
        avp_put_str(out, AVP_ORIGIN_REALM, app->origin_realm);
        avp_put_u32(out, AVP_RESULT_CODE, result);
    } else {
        put_head(app, result, out);
    }
    writer_bytes(out, echo_part(request, request->session_len, request->common_len));
    avp_put_str(out, AVP_ERROR_MESSAGE, keyapp_result_text(result));
    diameter_end(out, begin);
}

void keyapp_answer(struct keyapp_request *request, struct writer *out)
{
    uint32_t result = request->result != 0 ? request->result : keyapp_result_of(request->err);
    if (result != DIAMETER_SUCCESS) {
        put_failure(request, result, out);
    } else {
        size_t begin = diameter_begin_answer(out, &request->header, false);
        writer_bytes(out, echo_part(request, 0, request->session_len));
        put_head(request->app, result, out);
        writer_bytes(out, echo_part(request, request->session_len, request->echo_len));
        for (unsigned i = 0; i < 2; i++) {
            if (request->ask.want[i])
                put_key(request, i, out);
        }
        avp_put_u32(out, AVP_MIP_MSA_LIFETIME, request->lifetime);
        diameter_end(out, begin);
    }
    keyapp_count(result, request->began_ns);
}
