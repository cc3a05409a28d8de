#include "messages.h"

#include "support/test.h"

void test_put_cer(struct writer *w, const char *host)
{
    static const uint8_t address[] = {127, 0, 0, 1};
    size_t begin = diameter_begin(w, DIAMETER_FLAG_R, DIAMETER_CE, 0, 1, 2);
    avp_put_str(w, AVP_ORIGIN_HOST, host);
    avp_put_str(w, AVP_ORIGIN_REALM, TEST_REALM);
    avp_put_address(w, AVP_HOST_IP_ADDRESS, BYTES(address));
    avp_put_u32(w, AVP_VENDOR_ID, 0);
    avp_put_str(w, AVP_PRODUCT_NAME, "gateway");
    avp_put_u32(w, AVP_AUTH_APPLICATION_ID, 2);
    diameter_end(w, begin);
}

static void put_origin(struct writer *w)
{
    avp_put_str(w, AVP_ORIGIN_HOST, TEST_GW);
    avp_put_str(w, AVP_ORIGIN_REALM, TEST_REALM);
}

void test_put_request(struct writer *w, uint32_t command, uint32_t application)
{
    size_t begin = diameter_begin(w, DIAMETER_FLAG_R, command, application, 0x11, 0x22);
    put_origin(w);
    diameter_end(w, begin);
}

void test_put_dpr(struct writer *w)
{
    size_t begin = diameter_begin(w, DIAMETER_FLAG_R, DIAMETER_DP, 0, 0x33, 0x44);
    put_origin(w);
    avp_put_u32(w, AVP_DISCONNECT_CAUSE, 0);
    diameter_end(w, begin);
}

static void put_auth(struct writer *w, const struct test_amr *amr)
{
    size_t group = avp_group_begin(w, AVP_MIP_MN_AAA_AUTH);
    avp_put_u32(w, AVP_MIP_MN_AAA_SPI, 256);
    avp_put_u32(w, AVP_MIP_AUTH_INPUT_DATA_LENGTH, amr->input);
    avp_put_u32(w, AVP_MIP_AUTHENTICATOR_LENGTH, amr->length);
    avp_put_u32(w, AVP_MIP_AUTHENTICATOR_OFFSET, amr->offset);
    avp_group_end(w, group);
}

static void put_proxy(struct writer *w, const char *host, const char *state)
{
    size_t group = avp_group_begin(w, AVP_PROXY_INFO);
    avp_put_str(w, AVP_PROXY_HOST, host);
    avp_put_str(w, AVP_PROXY_STATE, state);
    avp_group_end(w, group);
}

void test_put_amr(struct writer *w, const struct test_amr *amr)
{
    static const uint8_t address[] = {10, 0, 0, 7};
    char session[3000] = "gw1.test;1;2;3";
    if (amr->long_session != 0) {
        memset(session, 's', amr->long_session);
        session[amr->long_session] = '\0';
    }
    size_t begin =
        diameter_begin(w, DIAMETER_FLAG_R | DIAMETER_FLAG_P, DIAMETER_AMR, 2, 0x55, 0x66);
#define UNLESS(id, put)                                                                            \
    do {                                                                                           \
        if (amr->leave_out != (id))                                                                \
            put;                                                                                   \
    } while (0)
    UNLESS(AVP_SESSION_ID, avp_put_str(w, AVP_SESSION_ID, session));
    UNLESS(AVP_AUTH_APPLICATION_ID, avp_put_u32(w, AVP_AUTH_APPLICATION_ID, 2));
    UNLESS(AVP_USER_NAME, avp_put_str(w, AVP_USER_NAME, amr->user));
    UNLESS(AVP_DESTINATION_REALM,
           avp_put_str(w, AVP_DESTINATION_REALM, amr->realm != NULL ? amr->realm : TEST_REALM));
    if (amr->host != NULL)
        avp_put_str(w, AVP_DESTINATION_HOST, amr->host);
    UNLESS(AVP_ORIGIN_HOST,
           avp_put_str(w, AVP_ORIGIN_HOST, amr->origin != NULL ? amr->origin : TEST_GW));
    UNLESS(AVP_ORIGIN_REALM, avp_put_str(w, AVP_ORIGIN_REALM, TEST_REALM));
    UNLESS(AVP_MIP_REG_REQUEST,
           avp_put(w, AVP_MIP_REG_REQUEST, amr->reg.data != NULL ? amr->reg : bytes_str("KMS1")));
    UNLESS(AVP_MIP_MN_AAA_AUTH, put_auth(w, amr));
#undef UNLESS
    if (amr->features != 0)
        avp_put_u32(w, AVP_MIP_FEATURE_VECTOR, amr->features);
    avp_put_u32(w, AVP_AUTH_SESSION_STATE, 1);
    if (amr->spi != 0)
        avp_put_u32(w, AVP_MIP_HA_TO_FA_SPI, amr->spi);
    if (amr->addresses) {
        avp_put_address(w, AVP_MIP_MOBILE_NODE_ADDRESS, BYTES(address));
        avp_put_address(w, AVP_MIP_HOME_AGENT_ADDRESS, BYTES(address));
    }
    if (amr->proxies) {
        put_proxy(w, "proxy1.test", "state one");
        put_proxy(w, "proxy2.test", "two");
    }
    diameter_end(w, begin);
}

void test_put_str(struct writer *w)
{
    size_t begin =
        diameter_begin(w, DIAMETER_FLAG_R | DIAMETER_FLAG_P, DIAMETER_STR, 2, 0x77, 0x88);
    avp_put_str(w, AVP_SESSION_ID, "gw1.test;1;2;3");
    put_origin(w);
    avp_put_str(w, AVP_DESTINATION_REALM, TEST_REALM);
    avp_put_u32(w, AVP_AUTH_APPLICATION_ID, 2);
    avp_put_u32(w, AVP_TERMINATION_CAUSE, 1);
    diameter_end(w, begin);
}

void test_read_answer(struct bytes frame, enum diameter_grammar_id grammar,
                      struct test_answer *ret_answer)
{
    struct diameter_fault fault = {0};
    size_t need = 0;
    assert_ok(diameter_frame_len(frame.data, frame.len, &need));
    assert_int_equal(need, frame.len);
    assert_ok(diameter_header_read(frame, &ret_answer->header));
    assert_int_equal(ret_answer->header.flags & DIAMETER_FLAG_R, 0);
    assert_true(diameter_header_check(&ret_answer->header, &fault));
    if (!diameter_message_read(frame, &ret_answer->header, grammar, &ret_answer->m, &fault))
        fail_msg("answer is malformed: %u %s", fault.result, fault.text);
    ret_answer->result = avp_u32(ret_answer->m.avp[AVP_RESULT_CODE]);
    assert_int_equal((ret_answer->header.flags & DIAMETER_FLAG_E) != 0,
                     diameter_is_protocol_error(ret_answer->result));
}

uint32_t test_failed_code(const struct test_answer *answer)
{
    if (!diameter_has(&answer->m, AVP_FAILED_AVP))
        return 0;
    struct bytes at = answer->m.avp[AVP_FAILED_AVP];
    struct avp avp;
    assert_ok(avp_next(&at, &avp));
    return avp.code;
}
