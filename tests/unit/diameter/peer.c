#include "diameter/peer.h"

#include "diameter/capabilities.h"
#include "diameter/registry.h"
#include "messages.h"
#include "support/test.h"

static uint8_t in[8192];
static uint8_t out_room[16384];
static struct writer out;
static struct diameter_message scratch;
static struct diameter_peer peer;

static struct diameter_node *node_of(const char *host, bool tls, bool plain)
{
    struct diameter_properties props = {.watchdog_ms = 30000,
                                        .handshake_timeout_ms = 10000,
                                        .inband_tls = tls,
                                        .inband_plain = plain};
    strcpy(props.uri.host, host);
    strcpy(props.realm, TEST_REALM);
    strcpy(props.product_name, "test");
    struct diameter_node *node = NULL;
    assert_ok(diameter_node_new(&props, 77, tls, &node));
    return node;
}

static void begin(bool responder, bool secure, bool tls, bool plain)
{
    struct diameter_node *node = node_of(responder ? TEST_SERVER : TEST_GW, tls, plain);
    diameter_peer_init(&peer, node, responder, secure, 5, 1000);
    diameter_node_unref(node);
}

static struct writer input(void)
{
    return writer_of(in, sizeof in);
}

static enum diameter_event feed(const struct writer *w, uint64_t now_ms)
{
    assert_ok(writer_status(w));
    out = writer_of(out_room, sizeof out_room);
    return diameter_peer_frame(&peer, writer_view(w), now_ms, &scratch, &out);
}

static uint32_t answer(enum diameter_grammar_id grammar, struct test_answer *a)
{
    test_read_answer(writer_view(&out), grammar, a);
    return a->result;
}

static struct test_answer a;

static void open_responder(bool secure)
{
    begin(true, secure, false, true);
    struct writer w = input();
    test_put_cer(&w, TEST_GW);
    assert_int_equal(feed(&w, 1000), DIAMETER_EVENT_ADMIT);
    assert_string_equal(peer.host, TEST_GW);
    assert_int_equal(diameter_peer_admit(&peer, DIAMETER_SUCCESS, NULL, 1000, &scratch, &out),
                     DIAMETER_EVENT_OPEN);
    assert_int_equal(answer(GRAMMAR_CEA, &a), DIAMETER_SUCCESS);
}

static void capabilities_are_exchanged(void **state)
{
    (void)state;
    open_responder(false);
    assert_int_equal(a.header.hop_by_hop, 1);
    assert_int_equal(a.header.end_to_end, 2);
    assert_int_equal(avp_u32(a.m.avp[AVP_ORIGIN_STATE_ID]), 77);
    assert_int_equal(avp_u32(a.m.avp[AVP_AUTH_APPLICATION_ID]), 2);
    assert_false(diameter_has(&a.m, AVP_INBAND_SECURITY_ID));
    assert_true(diameter_has(&a.m, AVP_HOST_IP_ADDRESS));
    diameter_peer_done(&peer);
}

static void put_cer_with(struct writer *w, uint32_t app, bool acct, bool vendor, int plain, int tls)
{
    static const uint8_t address[] = {127, 0, 0, 1};
    size_t begins = diameter_begin(w, DIAMETER_FLAG_R, DIAMETER_CE, 0, 1, 2);
    avp_put_str(w, AVP_ORIGIN_HOST, TEST_GW);
    avp_put_str(w, AVP_ORIGIN_REALM, TEST_REALM);
    avp_put_address(w, AVP_HOST_IP_ADDRESS, BYTES(address));
    avp_put_u32(w, AVP_VENDOR_ID, 0);
    avp_put_str(w, AVP_PRODUCT_NAME, "gateway");
    size_t group = vendor ? avp_group_begin(w, AVP_VENDOR_SPECIFIC_APPLICATION_ID) : 0;
    if (vendor)
        avp_put_u32(w, AVP_VENDOR_ID, 10415);
    avp_put_u32(w, acct ? AVP_ACCT_APPLICATION_ID : AVP_AUTH_APPLICATION_ID, app);
    if (vendor)
        avp_group_end(w, group);
    if (plain)
        avp_put_u32(w, AVP_INBAND_SECURITY_ID, 0);
    if (tls)
        avp_put_u32(w, AVP_INBAND_SECURITY_ID, 1);
    diameter_end(w, begins);
}

static enum diameter_event try_cer(uint32_t app, bool acct, bool vendor, int plain, int tls)
{
    struct writer w = input();
    put_cer_with(&w, app, acct, vendor, plain, tls);
    return feed(&w, 1000);
}

static void common_applications(void **state)
{
    (void)state;
    static const struct {
        uint32_t app;
        bool acct, vendor, common;
    } cases[] = {{2, false, false, true},  {2, false, true, true},
                 {2, true, false, false},  {0xffffffff, false, false, true},
                 {4, false, false, false}, {0xffffffff, true, false, true}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        begin(true, false, false, true);
        enum diameter_event event =
            try_cer(cases[i].app, cases[i].acct, cases[i].vendor, false, false);
        assert_int_equal(event, cases[i].common ? DIAMETER_EVENT_ADMIT : DIAMETER_EVENT_CLOSE);
        if (!cases[i].common)
            assert_int_equal(answer(GRAMMAR_CEA, &a), DIAMETER_NO_COMMON_APPLICATION);
        diameter_peer_done(&peer);
    }
}

static void refusals_at_the_door(void **state)
{
    (void)state;
    struct writer w = input();
    /* unknown peer: 3010 with the E bit */
    begin(true, false, false, true);
    test_put_cer(&w, TEST_GW);
    assert_int_equal(feed(&w, 1000), DIAMETER_EVENT_ADMIT);
    assert_int_equal(
        diameter_peer_admit(&peer, DIAMETER_UNKNOWN_PEER, "who?", 1000, &scratch, &out),
        DIAMETER_EVENT_CLOSE);
    assert_int_equal(answer(GRAMMAR_ANSWER, &a), DIAMETER_UNKNOWN_PEER);
    assert_int_equal(peer.state, DIAMETER_PEER_CLOSED);
    diameter_peer_done(&peer);
    /* a second connection */
    begin(true, false, false, true);
    assert_int_equal(feed(&w, 1000), DIAMETER_EVENT_ADMIT);
    assert_int_equal(
        diameter_peer_admit(&peer, DIAMETER_UNABLE_TO_COMPLY, NULL, 1000, &scratch, &out),
        DIAMETER_EVENT_CLOSE);
    assert_int_equal(answer(GRAMMAR_CEA, &a), DIAMETER_UNABLE_TO_COMPLY);
    diameter_peer_done(&peer);
    /* our own name: the guide's default files, server and gateway on one machine */
    begin(true, false, false, true);
    w = input();
    test_put_cer(&w, TEST_SERVER);
    assert_int_equal(feed(&w, 1000), DIAMETER_EVENT_ADMIT);
    diameter_peer_done(&peer);
    /* a missing AVP: 5005, closed */
    begin(true, false, false, true);
    w = input();
    test_put_request(&w, DIAMETER_CE, 0);
    assert_int_equal(feed(&w, 1000), DIAMETER_EVENT_CLOSE);
    assert_int_equal(answer(GRAMMAR_CEA, &a), DIAMETER_MISSING_AVP);
    assert_int_equal(test_failed_code(&a), AVP_CODE_VENDOR_ID);
    diameter_peer_done(&peer);
}

static void the_first_message_must_be_a_cer(void **state)
{
    (void)state;
    static const uint32_t others[] = {DIAMETER_DW, DIAMETER_DP, DIAMETER_AMR};
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        begin(true, false, false, true);
        struct writer w = input();
        test_put_request(&w, others[i], others[i] == DIAMETER_AMR ? 2 : 0);
        assert_int_equal(feed(&w, 1000), DIAMETER_EVENT_ABORT);
        assert_int_equal(out.len, 0);
        diameter_peer_done(&peer);
    }
    begin(true, false, false, true);
    assert_int_equal(diameter_peer_tick(&peer, 10999, &out), DIAMETER_EVENT_NONE);
    assert_int_equal(diameter_peer_tick(&peer, 11000, &out), DIAMETER_EVENT_ABORT);
    diameter_peer_done(&peer);
}

static void requests_of_an_open_connection(void **state)
{
    (void)state;
    open_responder(false);
    static const struct {
        uint32_t command, application;
        uint32_t result;
    } cases[] = {
        {DIAMETER_CE, 0, DIAMETER_UNABLE_TO_COMPLY},
        {DIAMETER_DW, 0, DIAMETER_SUCCESS},
        {274, 0, DIAMETER_COMMAND_UNSUPPORTED},
        {262, 2, DIAMETER_COMMAND_UNSUPPORTED},
        {DIAMETER_AMR, 4, DIAMETER_APPLICATION_UNSUPPORTED},
        {DIAMETER_DP, 0, DIAMETER_MISSING_AVP},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct writer w = input();
        test_put_request(&w, cases[i].command, cases[i].application);
        assert_int_equal(feed(&w, 2000), DIAMETER_EVENT_NONE);
        assert_int_equal(answer(GRAMMAR_ANSWER, &a), cases[i].result);
        assert_int_equal(a.header.hop_by_hop, 0x11);
        assert_int_equal(a.header.end_to_end, 0x22);
        assert_int_equal(peer.state, DIAMETER_PEER_OPEN);
    }
    struct writer w = input();
    test_put_request(&w, DIAMETER_DW, 0);
    in[0] = 3;
    assert_int_equal(feed(&w, 2000), DIAMETER_EVENT_NONE);
    assert_int_equal(answer(GRAMMAR_ANSWER, &a), DIAMETER_UNSUPPORTED_VERSION);
    in[0] = 1;
    in[4] |= DIAMETER_FLAG_E;
    assert_int_equal(feed(&w, 2000), DIAMETER_EVENT_NONE);
    assert_int_equal(answer(GRAMMAR_ANSWER, &a), DIAMETER_INVALID_HDR_BITS);
    w = input();
    test_put_request(&w, DIAMETER_AMR, 2);
    assert_int_equal(feed(&w, 2000), DIAMETER_EVENT_REQUEST);
    assert_int_equal(out.len, 0);
    assert_int_equal(scratch.header.command, DIAMETER_AMR);
    w = input();
    test_put_dpr(&w);
    assert_int_equal(feed(&w, 2000), DIAMETER_EVENT_CLOSE);
    assert_int_equal(answer(GRAMMAR_ANSWER, &a), DIAMETER_SUCCESS);
    assert_int_equal(feed(&w, 2000), DIAMETER_EVENT_NONE);
    assert_int_equal(out.len, 0);
    diameter_peer_done(&peer);
}

static void the_watchdog(void **state)
{
    (void)state;
    open_responder(false);
    out = writer_of(out_room, sizeof out_room);
    /* 30 s, give or take two (RFC 3539, 3.4.1) */
    assert_int_equal(diameter_peer_tick(&peer, 1000 + 27999, &out), DIAMETER_EVENT_NONE);
    assert_int_equal(out.len, 0);
    struct writer w = input();
    test_put_request(&w, DIAMETER_DW, 0);
    assert_int_equal(feed(&w, 20000), DIAMETER_EVENT_NONE); /* traffic resets */
    out.len = 0;
    assert_int_equal(diameter_peer_tick(&peer, 20000 + 27999, &out), DIAMETER_EVENT_NONE);
    assert_int_equal(out.len, 0);
    uint64_t now = 20000 + 32000;
    for (int i = 0; i < 2; i++) {
        out.len = 0;
        assert_int_equal(diameter_peer_tick(&peer, now, &out), DIAMETER_EVENT_NONE);
        assert_true(out.len > 20);
        assert_int_equal(be32_load(out_room + 4), 0x80000000u | DIAMETER_DW);
        now += 32000;
    }
    out.len = 0;
    assert_int_equal(diameter_peer_tick(&peer, now, &out), DIAMETER_EVENT_ABORT);
    diameter_peer_done(&peer);
    /* an answer saves it */
    open_responder(false);
    out.len = 0;
    assert_int_equal(diameter_peer_tick(&peer, 40000, &out), DIAMETER_EVENT_NONE);
    assert_int_equal(peer.missed, 1);
    w = input();
    size_t begins = diameter_begin(&w, 0, DIAMETER_DW, 0, 9, 9);
    avp_put_u32(&w, AVP_RESULT_CODE, 2001);
    diameter_end(&w, begins);
    assert_int_equal(feed(&w, 41000), DIAMETER_EVENT_NONE);
    assert_int_equal(peer.missed, 0);
    /* a probe has six seconds */
    diameter_peer_probe(&peer, 50000, &out);
    assert_true(out.len > 20);
    assert_int_equal(diameter_peer_tick(&peer, 55999, &out), DIAMETER_EVENT_NONE);
    assert_int_equal(diameter_peer_tick(&peer, 56000, &out), DIAMETER_EVENT_ABORT);
    diameter_peer_done(&peer);
}

static void in_band_security(void **state)
{
    (void)state;
    enum { OPEN = DIAMETER_EVENT_OPEN, SECURE = DIAMETER_EVENT_SECURE };
    static const struct {
        bool can, plain_ok;
        int offers_plain, offers_tls;
        int want; /* 0: 5017 */
    } cases[] = {
        {true, true, 0, 0, OPEN}, {true, true, 0, 1, SECURE}, {true, true, 1, 1, SECURE},
        {true, true, 1, 0, OPEN}, {false, true, 0, 1, 0},     {false, true, 1, 1, OPEN},
        {true, false, 0, 0, 0},   {true, false, 1, 0, 0},     {true, false, 0, 1, SECURE},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        begin(true, false, cases[i].can, cases[i].plain_ok);
        enum diameter_event event =
            try_cer(2, false, false, cases[i].offers_plain, cases[i].offers_tls);
        if (cases[i].want == 0) {
            assert_int_equal(event, DIAMETER_EVENT_CLOSE);
            assert_int_equal(answer(GRAMMAR_CEA, &a), DIAMETER_NO_COMMON_SECURITY);
            diameter_peer_done(&peer);
            continue;
        }
        assert_int_equal(event, DIAMETER_EVENT_ADMIT);
        event = diameter_peer_admit(&peer, DIAMETER_SUCCESS, NULL, 1000, &scratch, &out);
        assert_int_equal(event, cases[i].want);
        assert_int_equal(answer(GRAMMAR_CEA, &a), DIAMETER_SUCCESS);
        assert_int_equal(diameter_has(&a.m, AVP_INBAND_SECURITY_ID),
                         event == DIAMETER_EVENT_SECURE);
        if (event == DIAMETER_EVENT_SECURE) {
            struct writer w = input();
            bool named = i % 2 == 0;
            assert_int_equal(diameter_peer_secured(&peer, named, 2000),
                             named ? DIAMETER_EVENT_OPEN : DIAMETER_EVENT_ABORT);
            assert_int_equal(peer.secure, named);
            test_put_request(&w, DIAMETER_DW, 0);
            (void)feed(&w, 2000);
        }
        diameter_peer_done(&peer);
    }
    /* nothing in clear while TLS is to begin */
    begin(true, false, true, true);
    assert_int_equal(try_cer(2, false, false, 0, 1), DIAMETER_EVENT_ADMIT);
    (void)diameter_peer_admit(&peer, DIAMETER_SUCCESS, NULL, 1000, &scratch, &out);
    struct writer w = input();
    test_put_request(&w, DIAMETER_DW, 0);
    assert_int_equal(feed(&w, 1100), DIAMETER_EVENT_ABORT);
    diameter_peer_done(&peer);
    /* with TLS from the start nothing of this matters */
    begin(true, true, false, false);
    assert_int_equal(try_cer(2, false, false, 0, 1), DIAMETER_EVENT_ADMIT);
    diameter_peer_done(&peer);
}

/* Both machines against each other. */
static void two_machines_talk(bool tls)
{
    uint8_t a_room[4096];
    uint8_t b_room[16384];
    struct diameter_message m;
    struct diameter_peer gw;
    struct diameter_peer kms;
    struct diameter_node *gw_node = node_of(TEST_GW, tls, true);
    struct diameter_node *kms_node = node_of(TEST_SERVER, tls, true);
    diameter_peer_init(&gw, gw_node, false, false, 1, 0);
    diameter_peer_init(&kms, kms_node, true, false, 2, 0);
    struct writer x = writer_of(a_room, sizeof a_room);
    struct writer y = writer_of(b_room, sizeof b_room);
    diameter_peer_start(&gw, 0, &x);
    assert_int_equal(diameter_peer_frame(&kms, writer_view(&x), 1, &m, &y), DIAMETER_EVENT_ADMIT);
    enum diameter_event want = tls ? DIAMETER_EVENT_SECURE : DIAMETER_EVENT_OPEN;
    assert_int_equal(diameter_peer_admit(&kms, DIAMETER_SUCCESS, NULL, 1, &m, &y), want);
    x.len = 0;
    assert_int_equal(diameter_peer_frame(&gw, writer_view(&y), 2, &m, &x), want);
    if (tls) {
        assert_int_equal(diameter_peer_secured(&gw, true, 3), DIAMETER_EVENT_OPEN);
        assert_int_equal(diameter_peer_secured(&kms, true, 3), DIAMETER_EVENT_OPEN);
    }
    assert_string_equal(gw.host, TEST_SERVER);
    assert_string_equal(kms.host, TEST_GW);
    x.len = 0;
    y.len = 0;
    assert_int_equal(diameter_peer_disconnect(&kms, DIAMETER_DISCONNECT_REBOOTING, 4, &y),
                     DIAMETER_EVENT_NONE);
    assert_int_equal(diameter_peer_frame(&gw, writer_view(&y), 5, &m, &x), DIAMETER_EVENT_CLOSE);
    y.len = 0;
    assert_int_equal(diameter_peer_frame(&kms, writer_view(&x), 6, &m, &y), DIAMETER_EVENT_CLOSE);
    diameter_peer_done(&gw);
    diameter_peer_done(&kms);
    diameter_node_unref(gw_node);
    diameter_node_unref(kms_node);
}

static void initiator_and_responder(void **state)
{
    (void)state;
    two_machines_talk(false);
    two_machines_talk(true);
}

static void an_initiator_takes_no_for_an_answer(void **state)
{
    (void)state;
    begin(false, false, false, true);
    out = writer_of(out_room, sizeof out_room);
    diameter_peer_start(&peer, 1000, &out);
    struct writer w = input();
    size_t begins = diameter_begin(&w, DIAMETER_FLAG_E, DIAMETER_CE, 0, 1, 2);
    avp_put_str(&w, AVP_ORIGIN_HOST, TEST_SERVER);
    avp_put_str(&w, AVP_ORIGIN_REALM, TEST_REALM);
    avp_put_u32(&w, AVP_RESULT_CODE, DIAMETER_UNKNOWN_PEER);
    diameter_end(&w, begins);
    assert_int_equal(feed(&w, 1000), DIAMETER_EVENT_ABORT);
    assert_int_equal(peer.result, DIAMETER_UNKNOWN_PEER);
    assert_string_equal(peer.why, "UNKNOWN_PEER");
    diameter_peer_done(&peer);
    /* goodbye without an answer */
    open_responder(false);
    assert_int_equal(diameter_peer_disconnect(&peer, DIAMETER_DISCONNECT_BUSY, 2000, &out),
                     DIAMETER_EVENT_NONE);
    assert_int_equal(diameter_peer_tick(&peer, 6999, &out), DIAMETER_EVENT_NONE);
    assert_int_equal(diameter_peer_tick(&peer, 7000, &out), DIAMETER_EVENT_CLOSE);
    diameter_peer_done(&peer);
}

static void one_connection_per_host(void **state)
{
    (void)state;
    struct diameter_registry *registry = NULL;
    struct diameter_claim first = {0};
    struct diameter_claim second = {0};
    assert_ok(diameter_registry_new(&registry));
    assert_ok(diameter_registry_claim(registry, &first, "gw1.test", false));
    assert_false(first.probe);
    assert_err(diameter_registry_claim(registry, &second, "GW1.Test", false), ERR_EXISTS);
    assert_true(first.probe);
    diameter_registry_release(registry, &second); /* holds nothing */
    assert_int_equal(diameter_registry_len(registry), 1);
    diameter_registry_release(registry, &first);
    assert_ok(diameter_registry_claim(registry, &second, "GW1.Test", false));
    diameter_registry_release(registry, &second);
    assert_int_equal(diameter_registry_len(registry), 0);
    /* a name that was only said goes to whoever proves it */
    struct diameter_claim third = {0};
    assert_ok(diameter_registry_claim(registry, &first, "gw1.test", false));
    assert_ok(diameter_registry_claim(registry, &second, "gw1.test", true));
    assert_true(first.lost && !second.lost && !first.probe);
    assert_err(diameter_registry_claim(registry, &third, "gw1.test", true), ERR_EXISTS);
    assert_err(diameter_registry_claim(registry, &third, "gw1.test", false), ERR_EXISTS);
    assert_true(second.probe);
    diameter_registry_release(registry, &first); /* no more in it */
    assert_int_equal(diameter_registry_len(registry), 1);
    diameter_registry_release(registry, &second);
    assert_int_equal(diameter_registry_len(registry), 0);
    diameter_registry_free(registry);
}

static void every_truncation_and_bit_flip_of_a_cer(void **state)
{
    (void)state;
    uint8_t good[512];
    struct writer w = writer_of(good, sizeof good);
    test_put_cer(&w, TEST_GW);
    for (size_t bit = 0; bit < w.len * 8; bit++) {
        begin(true, false, true, true);
        memcpy(in, good, w.len);
        in[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        struct writer bent = {.buf = in, .len = w.len, .cap = sizeof in};
        if (feed(&bent, 1000) == DIAMETER_EVENT_ADMIT)
            (void)diameter_peer_admit(&peer, DIAMETER_SUCCESS, NULL, 1000, &scratch, &out);
        assert_ok(writer_status(&out));
        diameter_peer_done(&peer);
    }
}

TEST_MAIN(cmocka_unit_test(capabilities_are_exchanged), cmocka_unit_test(common_applications),
          cmocka_unit_test(refusals_at_the_door), cmocka_unit_test(the_first_message_must_be_a_cer),
          cmocka_unit_test(requests_of_an_open_connection), cmocka_unit_test(the_watchdog),
          cmocka_unit_test(in_band_security), cmocka_unit_test(initiator_and_responder),
          cmocka_unit_test(an_initiator_takes_no_for_an_answer),
          cmocka_unit_test(one_connection_per_host),
          cmocka_unit_test(every_truncation_and_bit_flip_of_a_cer))
