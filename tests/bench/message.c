#include "message.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    AVP_USER_NAME = 1,
    AVP_HOST_IP_ADDRESS = 257,
    AVP_AUTH_APPLICATION_ID = 258,
    AVP_SESSION_ID = 263,
    AVP_ORIGIN_HOST = 264,
    AVP_VENDOR_ID = 266,
    AVP_RESULT_CODE = 268,
    AVP_PRODUCT_NAME = 269,
    AVP_DESTINATION_REALM = 283,
    AVP_ORIGIN_REALM = 296,
    AVP_MIP_REG_REQUEST = 320,
    AVP_MIP_MN_AAA_AUTH = 322,
    AVP_MIP_FEATURE_VECTOR = 337,
    AVP_MIP_AUTH_INPUT_DATA_LENGTH = 338,
    AVP_MIP_AUTHENTICATOR_LENGTH = 339,
    AVP_MIP_AUTHENTICATOR_OFFSET = 340,
    AVP_MIP_MN_AAA_SPI = 341,
};

void pattern_fill(const char *pattern, unsigned number, char *to, size_t cap)
{
    const char *mark = strchr(pattern, '#');
    if (mark == NULL)
        (void)snprintf(to, cap, "%s", pattern);
    else
        (void)snprintf(to, cap, "%.*s%u%s", (int)(mark - pattern), pattern, number, mark + 1);
}

static void put_avp(struct writer *w, uint32_t code, const void *data, size_t len)
{
    static const uint8_t zeros[4];
    writer_u32(w, code);
    writer_u32(w, 0x40000000U | (uint32_t)(8 + len));
    writer_bytes(w, bytes_of(data, len));
    writer_bytes(w, bytes_of(zeros, (4 - len % 4) % 4));
}

static void put_u32(struct writer *w, uint32_t code, uint32_t value)
{
    uint8_t bytes[4];
    be32_store(bytes, value);
    put_avp(w, code, bytes, 4);
}

static void put_text(struct writer *w, uint32_t code, const char *text)
{
    put_avp(w, code, text, strlen(text));
}

static struct writer begin(uint8_t *to, uint8_t flags, uint32_t command, uint32_t application,
                           uint32_t hop_id, uint32_t end_id)
{
    struct writer w = writer_of(to, MESSAGE_MAX);
    writer_u32(&w, 0x01000000U);
    writer_u32(&w, (uint32_t)flags << 24 | command);
    writer_u32(&w, application);
    writer_u32(&w, hop_id);
    writer_u32(&w, end_id);
    return w;
}

static size_t end(struct writer *w, uint8_t *to)
{
    be32_store(to, 0x01000000U | (uint32_t)w->len);
    return w->len;
}

size_t message_cer(const char *host, const char *realm, uint8_t *to)
{
    static const uint8_t loopback[6] = {0, 1, 127, 0, 0, 1};
    struct writer w = begin(to, 0x80, COMMAND_CAPABILITIES, 0, 1, 1);
    put_text(&w, AVP_ORIGIN_HOST, host);
    put_text(&w, AVP_ORIGIN_REALM, realm);
    put_avp(&w, AVP_HOST_IP_ADDRESS, loopback, sizeof loopback);
    put_u32(&w, AVP_VENDOR_ID, 0);
    put_text(&w, AVP_PRODUCT_NAME, "bench");
    put_u32(&w, AVP_AUTH_APPLICATION_ID, 2);
    return end(&w, to);
}

size_t message_amr(const char *host, const char *realm, uint32_t hop_id, uint64_t node, uint8_t *to)
{
    char text[300];
    uint8_t auth[64];
    struct writer group = writer_of(auth, sizeof auth);
    put_u32(&group, AVP_MIP_MN_AAA_SPI, 256);
    put_u32(&group, AVP_MIP_AUTH_INPUT_DATA_LENGTH, 4);
    put_u32(&group, AVP_MIP_AUTHENTICATOR_LENGTH, 0);
    put_u32(&group, AVP_MIP_AUTHENTICATOR_OFFSET, 4);
    struct writer w = begin(to, 0xc0, COMMAND_NODE, 2, hop_id, hop_id);
    (void)snprintf(text, sizeof text, "%s;1;%u", host, hop_id);
    put_text(&w, AVP_SESSION_ID, text);
    put_u32(&w, AVP_AUTH_APPLICATION_ID, 2);
    (void)snprintf(text, sizeof text, "%08" PRIx64 "@node.%s", node, realm);
    put_text(&w, AVP_USER_NAME, text);
    put_text(&w, AVP_DESTINATION_REALM, realm);
    put_text(&w, AVP_ORIGIN_HOST, host);
    put_text(&w, AVP_ORIGIN_REALM, realm);
    put_avp(&w, AVP_MIP_REG_REQUEST, "KMS1", 4);
    put_avp(&w, AVP_MIP_MN_AAA_AUTH, auth, group.len);
    put_u32(&w, AVP_MIP_FEATURE_VECTOR, 32);
    return end(&w, to);
}

size_t message_dwa(const char *host, const char *realm, const uint8_t *request, uint8_t *to)
{
    struct writer w =
        begin(to, 0, COMMAND_WATCHDOG, 0, be32_load(request + 12), be32_load(request + 16));
    put_u32(&w, AVP_RESULT_CODE, 2001);
    put_text(&w, AVP_ORIGIN_HOST, host);
    put_text(&w, AVP_ORIGIN_REALM, realm);
    return end(&w, to);
}

size_t message_len(const uint8_t *at, size_t have)
{
    if (have < MESSAGE_HEADER)
        return 0;
    size_t len = be32_load(at) & 0xffffff;
    return len >= MESSAGE_HEADER && len <= have ? len : 0;
}

bool message_is_request(const uint8_t *message)
{
    return (message[4] & 0x80) != 0;
}

uint32_t message_command(const uint8_t *message)
{
    return be32_load(message + 4) & 0xffffff;
}

uint32_t message_hop_id(const uint8_t *message)
{
    return be32_load(message + 12);
}

uint32_t message_result(const uint8_t *message, size_t len)
{
    for (size_t at = MESSAGE_HEADER; at + 12 <= len;) {
        uint32_t avp_len = be32_load(message + at + 4) & 0xffffff;
        if (be32_load(message + at) == AVP_RESULT_CODE)
            return be32_load(message + at + 8);
        if (avp_len < 8)
            break;
        at += (avp_len + 3) & ~3U;
    }
    return 0;
}
