#include "diameter/keyapp.h"

#include "messages.h"
#include "support/test.h"

/* A network "net.test" with node 0x10200, gateway key version 3 and cdld key version 5, behind the
 * application's own table of functions; faults are set by the test. */
static struct {
    enum err peer, find, release, keeper, verify;
    bool require_tls, has_secret;
    unsigned releases_ok; /* how many succeed before `release` strikes; 0: strikes at once */
    struct keeper_release *queued[8];
    unsigned queued_len;
    struct keyapp_request *verifying;
    uint8_t input[64];
    size_t input_len;
    unsigned refused;
    uint32_t refused_result;
    uint8_t answer[8192];
    size_t answer_len;
    unsigned ready;
} fake;

static struct keyapp *app;
static struct keyapp_link link_of = {.host = TEST_GW};
static uint8_t in[8192];
static uint8_t out_room[16384];
static struct diameter_message scratch;
static struct test_answer a;

static enum err fake_peer(void *ctx, struct bytes host, struct keyapp_peer *ret_peer)
{
    (void)ctx;
    assert_true(bytes_equal(host, bytes_str(TEST_GW)));
    *ret_peer =
        (struct keyapp_peer){.require_tls = fake.require_tls, .has_secret = fake.has_secret};
    return fake.peer;
}

static enum err fake_find(void *ctx, struct bytes host, const struct keyapp_ask *ask,
                          unsigned which, struct fleet_found *ret_found)
{
    (void)ctx;
    (void)host;
    if (fake.find != ERR_OK)
        return fake.find;
    if (!diameter_identity_equal(bytes_of(ask->realm, ask->realm_len), bytes_str("net.test")))
        return ERR_NOT_FOUND;
    if (ask->node && ask->id != 0x10200)
        return ERR_NOT_FOUND;
    if (!ask->node && ask->has_version && ask->version > 5)
        return ERR_STATE;
    uint16_t key_len = !ask->node && which == 0 ? 24 : 16;
    *ret_found = (struct fleet_found){
        .row = {.domain = 1, .row = ask->id, .epoch = key_len},
        .version = ask->node                               ? 0
                   : ask->has_version && ask->version != 0 ? ask->version
                   : which == 0                            ? 3
                                                           : 5,
        .lifetime_s = which == 0 ? 86400 : 3600,
        .key_len = key_len,
        .sealed_len = 47,
    };
    return ERR_OK;
}

static enum err fake_release(void *ctx, struct keeper_release *release, struct bytes actor,
                             struct bytes sealed)
{
    (void)ctx;
    (void)actor;
    assert_int_equal(sealed.len, 47);
    assert_int_equal(release->purpose, KEEPER_DIAMETER);
    if (fake.release != ERR_OK && fake.queued_len >= fake.releases_ok)
        return fake.release;
    fake.queued[fake.queued_len++] = release;
    return ERR_OK;
}

static enum err fake_verify(void *ctx, struct keyapp_request *request, struct bytes host,
                            struct bytes input, struct bytes mac)
{
    (void)ctx;
    (void)host;
    assert_int_equal(mac.len, 16);
    if (fake.verify != ERR_OK)
        return fake.verify;
    fake.verifying = request;
    memcpy(fake.input, input.data, input.len);
    fake.input_len = input.len;
    return ERR_OK;
}

static void fake_refused(void *ctx, const struct keyapp_link *link, struct bytes user,
                         uint32_t result, const char *why)
{
    (void)ctx;
    assert_ptr_equal(link, &link_of);
    assert_true(user.len != 0);
    assert_non_null(why);
    fake.refused++;
    fake.refused_result = result;
}

static void fake_ready(void *ctx, struct keyapp_request *request)
{
    (void)ctx;
    size_t max = keyapp_answer_max(request);
    assert_true(max <= sizeof fake.answer);
    struct writer out = writer_of(fake.answer, max);
    keyapp_answer(request, &out);
    assert_ok(writer_status(&out));
    fake.answer_len = out.len;
    fake.ready++;
    keyapp_request_free(request);
}

static const struct keyapp_ops fake_ops = {
    .peer = fake_peer,
    .find = fake_find,
    .release = fake_release,
    .verify = fake_verify,
    .refused = fake_refused,
    .ready = fake_ready,
};

static void configure(bool require_protection, unsigned queue_max)
{
    assert_ok(
        keyapp_configure(app, &(struct keyapp_settings){.origin_host = TEST_SERVER,
                                                        .origin_realm = TEST_REALM,
                                                        .state_id = 77,
                                                        .require_protection = require_protection,
                                                        .queue_max = queue_max}));
}

static int set_up(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof fake);
    link_of.secure = false;
    link_of.actor = bytes_str(TEST_GW);
    assert_ok(keyapp_new(&(struct keyapp_config){.ops = &fake_ops}, &app));
    configure(false, 100);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    assert_int_equal(keyapp_outstanding(app), 0);
    keyapp_free(app);
    return 0;
}

static bool send_frame(struct bytes frame)
{
    struct writer out = writer_of(out_room, frame.len + DIAMETER_ANSWER_EXTRA);
    assert_ok(diameter_header_read(frame, &scratch.header));
    bool answered = keyapp_request(app, &link_of, frame, &scratch, &out);
    assert_ok(writer_status(&out));
    if (answered) {
        memcpy(fake.answer, out_room, out.len);
        fake.answer_len = out.len;
    } else {
        assert_int_equal(out.len, 0);
    }
    return answered;
}

static bool send_amr(const struct test_amr *amr)
{
    struct writer w = writer_of(in, sizeof in);
    test_put_amr(&w, amr);
    assert_ok(writer_status(&w));
    bool answered = send_frame(writer_view(&w));
    memset(in, 0xee, sizeof in); /* nothing of the frame may be needed any more */
    return answered;
}

static void keeper_answers(enum err err)
{
    static const uint8_t key[24] = "0123456789abcdefghijklm";
    unsigned len = fake.queued_len;
    fake.queued_len = 0;
    for (unsigned i = 0; i < len; i++) {
        struct keeper_release *release = fake.queued[i];
        size_t key_len = (size_t)release->row.epoch; /* where the fake put it */
        release->done(release, err, bytes_of(key, err != ERR_OK ? 0 : key_len));
    }
}

static uint32_t result_of(void)
{
    struct diameter_header h;
    assert_ok(diameter_header_read(bytes_of(fake.answer, fake.answer_len), &h));
    bool error = (h.flags & DIAMETER_FLAG_E) != 0;
    test_read_answer(bytes_of(fake.answer, fake.answer_len), error ? GRAMMAR_ANSWER : GRAMMAR_AMA,
                     &a);
    assert_int_equal(a.header.command, 260);
    assert_int_equal(a.header.application, 2);
    assert_int_equal(a.header.flags & DIAMETER_FLAG_P, DIAMETER_FLAG_P);
    assert_int_equal(a.header.hop_by_hop, 0x55);
    assert_int_equal(a.header.end_to_end, 0x66);
    return a.result;
}

static uint32_t ask(const struct test_amr *amr)
{
    if (!send_amr(amr))
        keeper_answers(fake.keeper);
    return result_of();
}

struct got_key {
    bool there;
    uint32_t spi;
    size_t len;
};
static struct got_key key_of(enum avp_id group, enum avp_id spi)
{
    struct got_key got = {.there = diameter_has(&a.m, group)};
    struct bytes at = got.there ? a.m.avp[group] : bytes_of(NULL, 0);
    struct avp avp;
    while (at.len != 0 && avp_next(&at, &avp) == ERR_OK) {
        if (avp.id == spi)
            got.spi = avp_u32(avp.value);
        if (avp.id == AVP_MIP_ALGORITHM_TYPE)
            assert_int_equal(avp_u32(avp.value), 2);
        if (avp.id == AVP_MIP_SESSION_KEY) {
            got.len = avp.value.len;
            assert_memory_equal(avp.value.data, "0123456789abcdef", 16);
        }
    }
    return got;
}
#define MN_KEY() key_of(AVP_MIP_FA_TO_MN_MSA, AVP_MIP_FA_TO_MN_SPI)
#define HA_KEY() key_of(AVP_MIP_FA_TO_HA_MSA, AVP_MIP_FA_TO_HA_SPI)

static void the_gateway_key(void **state)
{
    (void)state;
    static const uint32_t features[] = {0, 32, 1 | 32};
    for (size_t i = 0; i < ARRAY_LEN(features); i++) {
        assert_int_equal(
            ask(&(struct test_amr){.user = "gateway@net.test", .features = features[i]}), 2001);
        struct got_key got = MN_KEY();
        assert_true(got.there && got.spi == 256 + 3 && got.len == 24);
        assert_false(HA_KEY().there);
        assert_int_equal(avp_u32(a.m.avp[AVP_MIP_MSA_LIFETIME]), 86400);
        assert_int_equal(avp_u32(a.m.avp[AVP_AUTH_SESSION_STATE]), 1);
        assert_int_equal(avp_u32(a.m.avp[AVP_AUTH_APPLICATION_ID]), 2);
        assert_int_equal(a.m.avp[AVP_MIP_REG_REPLY].len, 1);
        assert_memory_equal(a.m.avp[AVP_MIP_HOME_AGENT_ADDRESS].data, "\0\1\0\0\0\0", 6);
        assert_memory_equal(a.m.avp[AVP_SESSION_ID].data, "gw1.test;1;2;3", 14);
        assert_memory_equal(a.m.avp[AVP_USER_NAME].data, "gateway@net.test", 16);
    }
    assert_int_equal(fake.refused, 0);
}

static void the_code_download_key(void **state)
{
    (void)state;
    assert_int_equal(ask(&(struct test_amr){.user = "Gateway@NET.test", .features = 64}), 2001);
    struct got_key got = HA_KEY();
    assert_true(got.there && got.spi == 261 && got.len == 16);
    assert_false(MN_KEY().there);
}

static void both_in_one_round_trip(void **state)
{
    (void)state;
    assert_int_equal(ask(&(struct test_amr){.user = "gateway@net.test", .features = 96}), 2001);
    struct got_key mn = MN_KEY();
    struct got_key ha = HA_KEY();
    assert_true(mn.there && mn.spi == 259 && mn.len == 24);
    assert_true(ha.there && ha.spi == 261 && ha.len == 16);
    assert_int_equal(avp_u32(a.m.avp[AVP_MIP_MSA_LIFETIME]), 3600); /* the shorter one */
}

static void a_node_s_key(void **state)
{
    (void)state;
    static const char *const names[] = {"00010200@node.net.test", "0x00010200@node.net.test",
                                        "10200@Node.Net.Test", "0X0000000000010200@node.net.test"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        assert_int_equal(ask(&(struct test_amr){.user = names[i], .features = 32}), 2001);
        struct got_key got = MN_KEY();
        assert_true(got.there && got.spi == 256 && got.len == 16);
    }
}

static void what_is_sent_back(void **state)
{
    (void)state;
    assert_int_equal(ask(&(struct test_amr){.user = "00010200@node.net.test",
                                            .features = 32 | 256,
                                            .proxies = true,
                                            .addresses = true,
                                            .host = "KMS.test",
                                            .realm = "TEST"}),
                     2001);
    assert_false(diameter_has(&a.m, AVP_MIP_REG_REPLY)); /* co-located */
    assert_memory_equal(a.m.avp[AVP_MIP_MOBILE_NODE_ADDRESS].data, "\0\1\12\0\0\7", 6);
    assert_memory_equal(a.m.avp[AVP_MIP_HOME_AGENT_ADDRESS].data, "\0\1\12\0\0\7", 6);
    assert_int_equal(avp_u32(a.m.avp[AVP_MIP_FEATURE_VECTOR]), 32 | 256);
    assert_int_equal(a.m.count[AVP_PROXY_INFO], 2);
    struct bytes at = a.m.body;
    struct avp first;
    assert_true(diameter_each(&at, AVP_PROXY_INFO, &first));
    assert_memory_equal(first.value.data + 8, "proxy1.test", 11);
    /* longer than a request's own room */
    assert_int_equal(ask(&(struct test_amr){
                         .user = "00010200@node.net.test", .proxies = true, .long_session = 2000}),
                     2001);
    assert_int_equal(a.m.avp[AVP_SESSION_ID].len, 2000);
    assert_int_equal(a.m.count[AVP_PROXY_INFO], 2);
}

static void versions(void **state)
{
    (void)state;
    assert_int_equal(ask(&(struct test_amr){.user = "gateway@net.test", .spi = 256 + 2}), 2001);
    assert_int_equal(MN_KEY().spi, 258);
    assert_int_equal(ask(&(struct test_amr){.user = "gateway@net.test", .spi = 256 + 9}), 4007);
    assert_int_equal(ask(&(struct test_amr){.user = "gateway@net.test", .spi = 256}), 4007);
    assert_int_equal(ask(&(struct test_amr){.user = "10200@node.net.test", .spi = 256}), 2001);
    assert_int_equal(ask(&(struct test_amr){.user = "10200@node.net.test", .spi = 257}), 4007);
    assert_int_equal(ask(&(struct test_amr){.user = "gateway@net.test", .spi = 255}), 5004);
    assert_int_equal(test_failed_code(&a), AVP_CODE_MIP_HA_TO_FA_SPI);
}

/* No oracle: unknown, revoked and not allowed can't be told apart. */
static void the_three_refusals_are_one(void **state)
{
    (void)state;
    static const enum err reasons[] = {ERR_NOT_FOUND, ERR_DENIED, ERR_LIMIT};
    uint8_t first[1024];
    size_t first_len = 0;
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
        fake.find = reasons[i];
        assert_int_equal(ask(&(struct test_amr){.user = "10200@node.net.test"}), 5003);
        assert_int_equal(fake.refused, i + 1);
        assert_int_equal(fake.refused_result, 5003);
        if (i == 0)
            memcpy(first, fake.answer, first_len = fake.answer_len);
        assert_int_equal(fake.answer_len, first_len);
        assert_memory_equal(fake.answer, first, first_len);
    }
    fake.find = ERR_OK;
    assert_int_equal(ask(&(struct test_amr){.user = "10200@node.other.test"}), 5003);
    fake.peer = ERR_DENIED; /* disabled since it connected */
    assert_int_equal(ask(&(struct test_amr){.user = "10200@node.net.test"}), 5003);
    fake.peer = ERR_OK;
    assert_int_equal(ask(&(struct test_amr){.user = "10200@node.net.test", .origin = "gw2.test"}),
                     5003);
}

static void keys_that_are_no_more(void **state)
{
    (void)state;
    fake.find = ERR_STATE;
    assert_int_equal(ask(&(struct test_amr){.user = "10200@node.net.test"}), 4007);
    assert_false(MN_KEY().there);
}

static void protection(void **state)
{
    (void)state;
    fake.require_tls = true;
    assert_int_equal(ask(&(struct test_amr){.user = "gateway@net.test"}), 5025);
    link_of.secure = true;
    assert_int_equal(ask(&(struct test_amr){.user = "gateway@net.test"}), 2001);
    fake.require_tls = false;
    configure(true, 100);
    assert_int_equal(ask(&(struct test_amr){.user = "gateway@net.test"}), 2001);
    link_of.secure = false;
    assert_int_equal(ask(&(struct test_amr){.user = "gateway@net.test"}), 5025);
}

static void too_busy(void **state)
{
    (void)state;
    static const enum err reasons[] = {ERR_STORE, ERR_NO_MEMORY, ERR_IO};
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
        fake.find = reasons[i];
        assert_int_equal(ask(&(struct test_amr){.user = "gateway@net.test", .proxies = true}),
                         3004);
        assert_int_equal(a.m.count[AVP_PROXY_INFO], 2);
    }
    fake.find = ERR_OK;
    fake.release = ERR_KEEPER_GONE;
    assert_int_equal(ask(&(struct test_amr){.user = "gateway@net.test"}), 3004);
    fake.releases_ok = 1; /* the second of two */
    assert_int_equal(ask(&(struct test_amr){.user = "gateway@net.test", .features = 96}), 3004);
    fake.release = ERR_OK;
    fake.keeper = ERR_KEEPER_GONE;
    assert_int_equal(ask(&(struct test_amr){.user = "gateway@net.test"}), 3004);
    fake.keeper = ERR_RATE;
    assert_int_equal(ask(&(struct test_amr){.user = "gateway@net.test", .features = 96}), 3004);
    fake.keeper = ERR_DENIED;
    assert_int_equal(ask(&(struct test_amr){.user = "gateway@net.test"}), 5003);
    fake.keeper = ERR_OK;
    configure(false, 2);
    assert_false(send_amr(&(struct test_amr){.user = "gateway@net.test"}));
    assert_false(send_amr(&(struct test_amr){.user = "10200@node.net.test"}));
    assert_true(send_amr(&(struct test_amr){.user = "gateway@net.test"}));
    assert_int_equal(result_of(), 3004);
    keeper_answers(ERR_BUSY);
    assert_int_equal(fake.ready > 1, 1);
}

static void selectors(void **state)
{
    (void)state;
    static const char *const bad[] = {"gateway",
                                      "gateway@",
                                      "@net.test",
                                      "10200@net.test",
                                      "xyz@node.net",
                                      "0x@node.net.test",
                                      "10200@node.",
                                      "gateway@net test",
                                      "node@net.test",
                                      "00000000000010200@node.net.test",
                                      "gateway2@net.test",
                                      "gateway@a/b",
                                      "10200 @node.net.test"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(ask(&(struct test_amr){.user = bad[i]}), 5004);
        assert_int_equal(test_failed_code(&a), AVP_CODE_USER_NAME);
    }
    /* the gateway key of a realm that looks like a node's */
    struct keyapp_ask parsed;
    assert_true(keyapp_selector_parse(bytes_str("gateway@node.x"), &parsed));
    assert_false(parsed.node);
    assert_int_equal(parsed.realm_len, 6);
    assert_true(keyapp_selector_parse(bytes_str("FFFFFFFFFFFFFFFF@node.x"), &parsed));
    assert_true(parsed.node && parsed.id == UINT64_MAX && parsed.realm_len == 1);
}

static void other_bad_requests(void **state)
{
    (void)state;
    assert_int_equal(ask(&(struct test_amr){.user = "10200@node.net.test", .features = 64}), 5007);
    assert_int_equal(test_failed_code(&a), AVP_CODE_USER_NAME);
    assert_int_equal(ask(&(struct test_amr){.user = "gateway@net.test", .reg = bytes_of("", 0)}),
                     5004);
    assert_int_equal(test_failed_code(&a), AVP_CODE_MIP_REG_REQUEST);
    assert_int_equal(ask(&(struct test_amr){.user = "gateway@net.test", .realm = "other"}), 3003);
    assert_int_equal(ask(&(struct test_amr){.user = "gateway@net.test", .host = "x.test"}), 3002);
    assert_int_equal(
        ask(&(struct test_amr){.user = "gateway@net.test", .leave_out = AVP_MIP_MN_AAA_AUTH}),
        5005);
    assert_int_equal(test_failed_code(&a), AVP_CODE_MIP_MN_AAA_AUTH);
    /* Auth-Application-Id of another application: the AVP right behind the Session-Id */
    struct writer w = writer_of(in, sizeof in);
    test_put_amr(&w, &(struct test_amr){.user = "gateway@net.test"});
    in[20 + 24 + 11] = 4;
    assert_true(send_frame(writer_view(&w)));
    assert_int_equal(result_of(), 5004);
    assert_int_equal(test_failed_code(&a), AVP_CODE_AUTH_APPLICATION_ID);
}

static void authenticators(void **state)
{
    (void)state;
    static const char reg[33] = "0123456789abcdefMMMMMMMMMMMMMMMM";
    struct test_amr amr = {.user = "gateway@net.test",
                           .reg = bytes_of(reg, 32),
                           .input = 16,
                           .length = 16,
                           .offset = 16};
    /* without a secret nobody looks */
    amr.offset = 4000000000u;
    assert_int_equal(ask(&amr), 2001);
    amr.offset = 16;
    fake.has_secret = true;
    assert_false(send_amr(&amr));
    assert_int_equal(fake.input_len, 16);
    assert_memory_equal(fake.input, reg, 16);
    assert_int_equal(fake.queued_len, 0); /* nothing before it is verified */
    keyapp_verified(fake.verifying, ERR_OK);
    assert_int_equal(fake.queued_len, 1);
    keeper_answers(ERR_OK);
    assert_int_equal(result_of(), 2001);

    assert_false(send_amr(&amr));
    keyapp_verified(fake.verifying, ERR_SIGNATURE);
    assert_int_equal(result_of(), 4001);
    assert_int_equal(fake.refused_result, 4001);
    assert_false(send_amr(&amr));
    keyapp_verified(fake.verifying, ERR_KEEPER_GONE);
    assert_int_equal(result_of(), 3004);
    fake.find = ERR_NOT_FOUND;
    assert_false(send_amr(&amr));
    keyapp_verified(fake.verifying, ERR_OK);
    assert_int_equal(result_of(), 5003);
    fake.find = ERR_OK;
    fake.verify = ERR_BUSY;
    assert_int_equal(ask(&amr), 3004);

    static const struct {
        uint32_t input, length, offset;
    } bad[] = {{16, 0, 16},  {16, 15, 16}, {16, 16, 17},          {16, 16, 4294967295u},
               {33, 16, 16}, {0, 16, 16},  {4294967295u, 16, 16}, {32, 16, 16},
               {16, 17, 15}, {17, 16, 16}};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        amr.input = bad[i].input;
        amr.length = bad[i].length;
        amr.offset = bad[i].offset;
        assert_int_equal(ask(&amr), 4001);
    }
}

static void a_session_termination(void **state)
{
    (void)state;
    struct writer w = writer_of(in, sizeof in);
    test_put_str(&w);
    assert_true(send_frame(writer_view(&w)));
    test_read_answer(bytes_of(fake.answer, fake.answer_len), GRAMMAR_ANSWER, &a);
    assert_int_equal(a.result, 2001);
    assert_int_equal(a.header.command, DIAMETER_STR);
    assert_true(diameter_has(&a.m, AVP_SESSION_ID));
}

static void every_truncation_and_bit_flip(void **state)
{
    (void)state;
    uint8_t good[1024];
    struct writer w = writer_of(good, sizeof good);
    test_put_amr(&w, &(struct test_amr){.user = "10200@node.net.test",
                                        .features = 32,
                                        .spi = 256,
                                        .proxies = true,
                                        .addresses = true});
    fake.has_secret = true;
    for (size_t bit = 32; bit < w.len * 8; bit++) {
        memcpy(in, good, w.len);
        in[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        in[4] = 0xc0;
        be32_store(in + 4, 0xc0000000u | DIAMETER_AMR);
        if (!send_frame(bytes_of(in, w.len))) {
            if (fake.queued_len == 0)
                keyapp_verified(fake.verifying, ERR_OK);
            keeper_answers(ERR_OK);
        }
    }
    for (size_t len = DIAMETER_HEADER_LEN; len < w.len; len += 4) {
        memcpy(in, good, len);
        be32_store(in, 1u << 24 | (uint32_t)len);
        assert_true(send_frame(bytes_of(in, len)));
        assert_int_not_equal(fake.answer_len, 0);
    }
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
TEST_MAIN(CASE(the_gateway_key), CASE(the_code_download_key), CASE(both_in_one_round_trip),
          CASE(a_node_s_key), CASE(what_is_sent_back), CASE(versions),
          CASE(the_three_refusals_are_one), CASE(keys_that_are_no_more), CASE(protection),
          CASE(too_busy), CASE(selectors), CASE(other_bad_requests), CASE(authenticators),
          CASE(a_session_termination), CASE(every_truncation_and_bit_flip))
