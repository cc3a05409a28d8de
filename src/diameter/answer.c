#include "diameter/message.h"

size_t diameter_begin(struct writer *w, uint8_t flags, uint32_t command, uint32_t application,
                      uint32_t hop_by_hop, uint32_t end_to_end)
{
    size_t begin = w->len;
    uint8_t *p = writer_reserve(w, DIAMETER_HEADER_LEN);
    if (p == NULL)
        return begin;
    be32_store(p, (uint32_t)DIAMETER_VERSION << 24);
    be32_store(p + 4, (uint32_t)flags << 24 | command);
    be32_store(p + 8, application);
    be32_store(p + 12, hop_by_hop);
    be32_store(p + 16, end_to_end);
    return begin;
}

size_t diameter_begin_answer(struct writer *w, const struct diameter_header *request, bool error)
{
    uint8_t flags = request->flags & DIAMETER_FLAG_P;
    if (error)
        flags |= DIAMETER_FLAG_E;
    return diameter_begin(w, flags, request->command, request->application, request->hop_by_hop,
                          request->end_to_end);
}

void diameter_end(struct writer *w, size_t begin)
{
    if (writer_status(w) != ERR_OK)
        return;
    size_t len = w->len - begin;
    uint8_t *p = w->buf + begin;
    p[1] = (uint8_t)(len >> 16);
    be16_store(p + 2, (uint16_t)len);
}

/* An AVP as it came, its padding zeroed; one too long to send back is cut and its length with it.
 */
static void put_offending(struct writer *w, struct bytes avp)
{
    size_t len = avp.len < DIAMETER_FAILED_MAX ? avp.len : DIAMETER_FAILED_MAX;
    uint8_t *p = writer_reserve(w, avp_padded(len));
    if (p == NULL)
        return;
    memcpy(p, avp.data, len);
    p[5] = (uint8_t)(len >> 16);
    be16_store(p + 6, (uint16_t)len);
    for (size_t i = len; i < avp_padded(len); i++)
        p[i] = 0;
}

static void put_made(struct writer *w, const struct diameter_fault *fault)
{
    bool vendor = (fault->flags & AVP_FLAG_V) != 0;
    size_t len = (vendor ? AVP_HEADER_LEN + 4u : AVP_HEADER_LEN) + fault->zeros;
    uint8_t *p = writer_reserve(w, avp_padded(len));
    if (p == NULL)
        return;
    memset(p, 0, avp_padded(len));
    be32_store(p, fault->code);
    be32_store(p + 4, (uint32_t)len);
    p[4] = fault->flags;
    if (vendor)
        be32_store(p + 8, fault->vendor);
}

void diameter_put_fault(struct writer *w, const struct diameter_fault *fault)
{
    if (fault->text != NULL)
        avp_put_str(w, AVP_ERROR_MESSAGE, fault->text);
    if (fault->avp.len == 0 && !fault->made)
        return;
    size_t group = avp_group_begin(w, AVP_FAILED_AVP);
    if (fault->avp.len != 0)
        put_offending(w, fault->avp);
    else
        put_made(w, fault);
    if (fault->avp2.len != 0)
        put_offending(w, fault->avp2);
    avp_group_end(w, group);
}

void diameter_put_proxy_infos(struct writer *w, const struct diameter_message *request)
{
    if (!diameter_has(request, AVP_PROXY_INFO))
        return;
    struct bytes at = request->body;
    struct avp avp;
    while (diameter_each(&at, AVP_PROXY_INFO, &avp))
        avp_put(w, AVP_PROXY_INFO, avp.value);
}

void diameter_put_error(struct writer *w, const struct diameter_message *request,
                        const struct diameter_fault *fault, struct bytes origin_host,
                        struct bytes origin_realm)
{
    size_t begin =
        diameter_begin_answer(w, &request->header, diameter_is_protocol_error(fault->result));
    if (diameter_has(request, AVP_SESSION_ID))
        avp_put(w, AVP_SESSION_ID, request->avp[AVP_SESSION_ID]);
    avp_put(w, AVP_ORIGIN_HOST, origin_host);
    avp_put(w, AVP_ORIGIN_REALM, origin_realm);
    avp_put_u32(w, AVP_RESULT_CODE, fault->result);
    diameter_put_fault(w, fault);
    diameter_put_proxy_infos(w, request);
    diameter_end(w, begin);
}
