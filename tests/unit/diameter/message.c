#include "diameter/message.h"

#include "messages.h"
#include "support/test.h"

static uint8_t frame[4096];

static struct bytes good_amr(void)
{
    struct writer w = writer_of(frame, sizeof frame);
    test_put_amr(&w, &(struct test_amr){.user = "00010200@node.net.test",
                                        .features = 32,
                                        .proxies = true,
                                        .addresses = true});
    assert_ok(writer_status(&w));
    return writer_view(&w);
}

static uint32_t read_as(struct bytes whole, enum diameter_grammar_id grammar,
                        struct diameter_message *m, struct diameter_fault *fault)
{
    struct diameter_header h;
    *fault = (struct diameter_fault){0};
    assert_ok(diameter_header_read(whole, &h));
    if (!diameter_header_check(&h, fault))
        return fault->result;
    return diameter_message_read(whole, &h, grammar, m, fault) ? 0 : fault->result;
}

static uint32_t read_amr(struct bytes whole, struct diameter_fault *fault)
{
    static struct diameter_message m;
    return read_as(whole, GRAMMAR_AMR, &m, fault);
}

/* Append raw bytes to a good AMR and fix its length. */
static uint32_t with_avp(const void *raw, size_t len, struct diameter_fault *fault)
{
    struct bytes whole = good_amr();
    memcpy(frame + whole.len, raw, len);
    whole.len += len;
    be32_store(frame, 1u << 24 | (uint32_t)whole.len);
    return read_amr(whole, fault);
}

static void a_good_message_is_indexed(void **state)
{
    (void)state;
    struct diameter_message m;
    struct diameter_fault fault;
    struct bytes whole = good_amr();
    assert_int_equal(read_as(whole, GRAMMAR_AMR, &m, &fault), 0);
    assert_int_equal(m.header.command, 260);
    assert_int_equal(m.header.application, 2);
    assert_int_equal(m.header.flags, DIAMETER_FLAG_R | DIAMETER_FLAG_P);
    assert_int_equal(m.count[AVP_PROXY_INFO], 2);
    assert_int_equal(avp_u32(m.avp[AVP_MIP_FEATURE_VECTOR]), 32);
    assert_memory_equal(m.avp[AVP_USER_NAME].data, "00010200@node.net.test", 22);
    assert_false(diameter_has(&m, AVP_DESTINATION_HOST));
    struct bytes at = m.body;
    struct avp avp;
    assert_true(diameter_each(&at, AVP_PROXY_INFO, &avp));
    assert_true(diameter_each(&at, AVP_PROXY_INFO, &avp));
    assert_false(diameter_each(&at, AVP_PROXY_INFO, &avp));
}

static void header_faults(void **state)
{
    (void)state;
    struct diameter_fault fault;
    struct bytes whole = good_amr();
    frame[0] = 2;
    assert_int_equal(read_amr(whole, &fault), DIAMETER_UNSUPPORTED_VERSION);
    whole = good_amr();
    for (uint8_t bit = 1; bit < 16; bit = (uint8_t)(bit << 1)) {
        frame[4] = 0xc0 | bit;
        assert_int_equal(read_amr(whole, &fault), DIAMETER_INVALID_HDR_BITS);
    }
    frame[4] = 0xe0; /* E on a request */
    assert_int_equal(read_amr(whole, &fault), DIAMETER_INVALID_HDR_BITS);
    frame[4] = 0x10; /* T on an answer */
    assert_int_equal(read_amr(whole, &fault), DIAMETER_INVALID_HDR_BITS);
    frame[4] = 0xd0; /* T on a request is fine */
    assert_int_equal(read_amr(whole, &fault), 0);
}

static void frames_that_cannot_be_cut_out(void **state)
{
    (void)state;
    size_t need = 0;
    static const uint8_t start[] = {1, 0, 0, 24};
    assert_ok(diameter_frame_len(start, 1, &need));
    assert_int_equal(need, 4);
    assert_ok(diameter_frame_len(start, 4, &need));
    assert_int_equal(need, 24);
    static const uint8_t odd[] = {1, 0, 0, 26};
    static const uint8_t small[] = {1, 0, 0, 16};
    assert_err(diameter_frame_len(odd, 4, &need), ERR_SYNTAX);
    assert_err(diameter_frame_len(small, 4, &need), ERR_SYNTAX);
}

static void avp_faults(void **state)
{
    (void)state;
    static const struct {
        uint8_t raw[20];
        size_t len;
        uint32_t result;
        uint32_t failed; /* code */
        size_t zeros;    /* of the one that is made */
    } cases[] = {
        /* unknown with M; without M it is passed over */
        {{0, 0, 0x0f, 0, 0x40, 0, 0, 8}, 8, DIAMETER_AVP_UNSUPPORTED, 0xf00, 0},
        {{0, 0, 0x0f, 0, 0, 0, 0, 8}, 8, 0, 0, 0},
        {{0, 0, 0, 1, 0xc0, 0, 0, 12, 0, 0, 0, 9}, 12, DIAMETER_AVP_UNSUPPORTED, 1, 0},
        {{0, 0, 0, 1, 0x80, 0, 0, 12, 0, 0, 0, 9}, 12, 0, 0, 0},
        /* bits */
        {{0, 0, 1, 27, 0x41, 0, 0, 12, 0, 0, 0, 9}, 12, DIAMETER_INVALID_AVP_BITS, 283, 0},
        {{0, 0, 1, 22, 0x00, 0, 0, 12, 0, 0, 0, 9}, 12, DIAMETER_INVALID_AVP_BITS, 278, 0},
        {{0, 0, 1, 22, 0xc0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 1},
         16,
         DIAMETER_INVALID_AVP_BITS,
         278,
         0},
        {{0, 0, 1, 22, 0x60, 0, 0, 12, 0, 0, 0, 9}, 12, 0, 0, 0}, /* P of RFC 3588 */
        /* lengths */
        {{0, 0, 1, 22, 0x40, 0, 0, 7}, 8, DIAMETER_INVALID_AVP_LENGTH, 278, 4},
        {{0, 0, 1, 22, 0x40, 0, 0, 40}, 8, DIAMETER_INVALID_AVP_LENGTH, 278, 4},
        {{0, 0, 1, 22, 0x40, 0, 0, 11, 1, 2, 3}, 12, DIAMETER_INVALID_AVP_LENGTH, 278, 4},
        {{0, 0, 1, 22}, 4, DIAMETER_INVALID_AVP_LENGTH, 278, 4},
        {{0, 0, 1, 22, 0xc0, 0, 0, 8}, 8, DIAMETER_INVALID_AVP_LENGTH, 278, 4},
        /* values */
        {{0, 0, 1, 37, 0x40, 0, 0, 12, 0, 0, 0, 9}, 12, DIAMETER_INVALID_AVP_VALUE, 293, 0},
        {{0, 0, 1, 37, 0x40, 0, 0, 9, ' '}, 12, DIAMETER_INVALID_AVP_VALUE, 293, 0},
        {{0, 0, 0, 50, 0x40, 0, 0, 9, 0xff}, 12, DIAMETER_INVALID_AVP_VALUE, 50, 0},
        {{0, 0, 0, 50, 0x40, 0, 0, 10, 0xc0, 0x80}, 12, DIAMETER_INVALID_AVP_VALUE, 50, 0},
        {{0, 0, 0, 50, 0x40, 0, 0, 11, 0xed, 0xa0, 0x80}, 12, DIAMETER_INVALID_AVP_VALUE, 50, 0},
        {{0, 0, 0, 50, 0x40, 0, 0, 11, 0xe2, 0x82, 0xac}, 12, 0, 0, 0},
        {{0, 0, 1, 1, 0x40, 0, 0, 15, 0, 1, 1, 2, 3, 4, 5}, 16, DIAMETER_INVALID_AVP_VALUE, 257, 0},
        {{0, 0, 1, 1, 0x40, 0, 0, 12, 0, 1, 1, 2}, 12, DIAMETER_INVALID_AVP_LENGTH, 257, 6},
        /* too often, not here */
        {{0, 0, 0, 1, 0x40, 0, 0, 9, 'x'}, 12, DIAMETER_AVP_OCCURS_TOO_MANY_TIMES, 1, 0},
        {{0, 0, 1, 12, 0x40, 0, 0, 12, 0, 0, 7, 209}, 12, DIAMETER_AVP_NOT_ALLOWED, 268, 0},
        /* within a group: an empty Proxy-Info */
        {{0, 0, 1, 28, 0x40, 0, 0, 8}, 8, DIAMETER_MISSING_AVP, 280, 1},
        {{0, 0, 1, 28, 0x40, 0, 0, 12, 1, 2, 3, 4}, 12, DIAMETER_INVALID_AVP_LENGTH, 0x1020304, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct diameter_fault fault;
        uint32_t result = with_avp(cases[i].raw, cases[i].len, &fault);
        if (result != cases[i].result)
            fail_msg("case %zu: %u, wanted %u", i, result, cases[i].result);
        if (result == 0)
            continue;
        assert_non_null(fault.text);
        uint32_t code = fault.made ? fault.code : be32_load(fault.avp.data);
        if (code != cases[i].failed || (fault.made && fault.zeros != cases[i].zeros))
            fail_msg("case %zu: Failed-AVP %u", i, code);
    }
}

static void each_missing_avp_is_named(void **state)
{
    (void)state;
    static const enum avp_id wanted[] = {
        AVP_SESSION_ID,  AVP_AUTH_APPLICATION_ID, AVP_USER_NAME,       AVP_DESTINATION_REALM,
        AVP_ORIGIN_HOST, AVP_ORIGIN_REALM,        AVP_MIP_REG_REQUEST, AVP_MIP_MN_AAA_AUTH,
    };
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        struct writer w = writer_of(frame, sizeof frame);
        struct diameter_fault fault;
        test_put_amr(&w, &(struct test_amr){.user = "gateway@x", .leave_out = wanted[i]});
        assert_int_equal(read_amr(writer_view(&w), &fault), DIAMETER_MISSING_AVP);
        assert_true(fault.made);
        assert_int_equal(fault.code, avp_defs[wanted[i]].code);
        uint8_t answer[512];
        struct writer out = writer_of(answer, sizeof answer);
        diameter_put_fault(&out, &fault);
        assert_ok(writer_status(&out));
        struct bytes at = writer_view(&out);
        struct avp failed;
        assert_true(diameter_each(&at, AVP_FAILED_AVP, &failed));
        assert_int_equal(be32_load(failed.value.data), avp_defs[wanted[i]].code);
        for (size_t k = AVP_HEADER_LEN; k < failed.value.len; k++)
            assert_int_equal(failed.value.data[k], 0);
    }
}

static void limits_hold(void **state)
{
    (void)state;
    static uint8_t big[DIAMETER_MESSAGE_MAX];
    static struct diameter_message m;
    struct diameter_fault fault;
    struct writer w = writer_of(big, sizeof big);
    size_t begin = diameter_begin(&w, DIAMETER_FLAG_R, 1, 0, 1, 1);
    for (int i = 0; i <= DIAMETER_AVPS_MAX; i++)
        avp_put_str(&w, AVP_CLASS, "x");
    diameter_end(&w, begin);
    assert_int_equal(read_as(writer_view(&w), GRAMMAR_NONE, &m, &fault), DIAMETER_UNABLE_TO_COMPLY);
    /* groups within groups */
    w = writer_of(big, sizeof big);
    begin = diameter_begin(&w, DIAMETER_FLAG_R, 1, 0, 1, 1);
    size_t open[16];
    for (size_t i = 0; i < ARRAY_LEN(open); i++)
        open[i] = avp_group_begin(&w, AVP_PROXY_INFO);
    for (size_t i = ARRAY_LEN(open); i > 0; i--)
        avp_group_end(&w, open[i - 1]);
    diameter_end(&w, begin);
    assert_int_equal(read_as(writer_view(&w), GRAMMAR_NONE, &m, &fault), DIAMETER_UNABLE_TO_COMPLY);
}

static void an_offending_avp_is_cut_not_echoed_at_length(void **state)
{
    (void)state;
    static uint8_t big[DIAMETER_MESSAGE_MAX];
    static struct diameter_message m;
    static uint8_t answer[8192];
    struct diameter_fault fault;
    struct writer w = writer_of(big, sizeof big);
    size_t begin = diameter_begin(&w, DIAMETER_FLAG_R, 1, 0, 1, 1);
    uint8_t *p = avp_reserve(&w, AVP_CLASS, 60000);
    assert_non_null(p);
    be32_store(p - AVP_HEADER_LEN, 60001);
    diameter_end(&w, begin);
    assert_int_equal(read_as(writer_view(&w), GRAMMAR_NONE, &m, &fault), DIAMETER_AVP_UNSUPPORTED);
    struct writer out = writer_of(answer, sizeof answer);
    diameter_put_fault(&out, &fault);
    assert_ok(writer_status(&out));
    struct bytes at = writer_view(&out);
    struct avp failed;
    assert_true(diameter_each(&at, AVP_FAILED_AVP, &failed));
    assert_int_equal(failed.value.len, DIAMETER_FAILED_MAX);
    at = failed.value;
    assert_ok(avp_next(&at, &failed));
    assert_int_equal(failed.code, 60001);
}

/* Whatever comes: a verdict, and an answer that is itself well-formed. */
static void judge(struct bytes whole)
{
    static struct diameter_message m;
    static uint8_t answer[16384];
    struct diameter_fault fault = {0};
    struct diameter_header h;
    if (diameter_header_read(whole, &h) != ERR_OK)
        return;
    if (diameter_header_check(&h, &fault) &&
        diameter_message_read(whole, &h, GRAMMAR_AMR, &m, &fault))
        return;
    assert_true(fault.result >= 3000);
    m.header = h;
    diameter_message_scan(whole, &m);
    struct writer out = writer_of(answer, sizeof answer);
    diameter_put_error(&out, &m, &fault, bytes_str(TEST_SERVER), bytes_str(TEST_REALM));
    assert_ok(writer_status(&out));
    assert_true(out.len <= whole.len + 4096);
}

static void every_truncation_and_bit_flip(void **state)
{
    (void)state;
    struct bytes whole = good_amr();
    uint8_t *copy = malloc(whole.len);
    assert_non_null(copy);
    for (size_t bit = 0; bit < whole.len * 8; bit++) {
        memcpy(copy, whole.data, whole.len);
        copy[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        judge(bytes_of(copy, whole.len));
    }
    free(copy);
    for (size_t len = DIAMETER_HEADER_LEN; len < whole.len; len++) {
        /* on the heap, so that a sanitizer sees the end; once as it is, once with its length */
        copy = malloc(len);
        assert_non_null(copy);
        memcpy(copy, whole.data, len);
        judge(bytes_of(copy, len));
        be32_store(copy, 1u << 24 | (uint32_t)len);
        judge(bytes_of(copy, len));
        free(copy);
    }
}

static void writing_stops_at_the_end(void **state)
{
    (void)state;
    for (size_t cap = 0; cap < 260; cap += 7) {
        uint8_t *small = malloc(cap + 1);
        struct writer w = writer_of(small, cap);
        test_put_amr(&w, &(struct test_amr){.user = "gateway@x", .proxies = true});
        assert_err(writer_status(&w), ERR_LIMIT);
        free(small);
    }
}

static void identities(void **state)
{
    (void)state;
    assert_true(diameter_identity_equal(bytes_str("KMS.Test"), bytes_str("kms.tEST")));
    assert_false(diameter_identity_equal(bytes_str("kms.test"), bytes_str("kms.tes")));
    assert_true(diameter_identity_valid(bytes_str("127.0.0.1")));
    assert_false(diameter_identity_valid(bytes_str("")));
    assert_false(diameter_identity_valid(bytes_str("a b")));
    assert_string_equal(diameter_result_name(5003), "AUTHORIZATION_REJECTED");
    assert_string_equal(diameter_result_name(1), "?");
}

TEST_MAIN(cmocka_unit_test(a_good_message_is_indexed), cmocka_unit_test(header_faults),
          cmocka_unit_test(frames_that_cannot_be_cut_out), cmocka_unit_test(avp_faults),
          cmocka_unit_test(each_missing_avp_is_named), cmocka_unit_test(limits_hold),
          cmocka_unit_test(an_offending_avp_is_cut_not_echoed_at_length),
          cmocka_unit_test(every_truncation_and_bit_flip),
          cmocka_unit_test(writing_stops_at_the_end), cmocka_unit_test(identities))
