#include "programs/claviger-sim/protocol.h"

#include <stdio.h>

#include "base/hex.h"
#include "crypto/cmac.h"
#include "support/test.h"

#define NODE 0x00010200u

static const uint8_t key_good[JOIN_KEY] = {1, 2, 3};
static const uint8_t key_other[JOIN_KEY] = {1, 2, 4};
static enum err key_err;
static unsigned key_asked;
static const uint8_t *key_newer; /* what there is when asked again */

static enum err key_of(void *ctx, uint64_t node, bool again, uint8_t ret_key[JOIN_KEY])
{
    (void)ctx;
    key_asked++;
    if (again && key_newer != NULL)
        memcpy(ret_key, key_newer, JOIN_KEY);
    if (again)
        return key_newer != NULL ? ERR_OK : ERR_NOT_FOUND;
    if (key_err != ERR_OK)
        return key_err;
    if (node != NODE)
        return ERR_DENIED;
    memcpy(ret_key, key_good, JOIN_KEY);
    return ERR_OK;
}

/* A frame on its way. */
struct wire {
    uint8_t data[JOIN_FRAME_MAX];
    struct writer w;
};

static struct writer *empty(struct wire *wire)
{
    wire->w = writer_of(wire->data, sizeof wire->data);
    return &wire->w;
}

static struct bytes sent(const struct wire *wire)
{
    return writer_view(&wire->w);
}

static enum join_outcome to_gateway(struct join_gateway *side, struct bytes frame,
                                    struct wire *answer)
{
    enum join_outcome outcome = JOIN_VIOLATION;
    assert_ok(join_gateway_frame(side, frame, key_of, NULL, empty(answer), &outcome));
    return outcome;
}

static enum join_outcome to_node(struct join_node *side, const uint8_t *key, struct bytes frame,
                                 struct wire *answer)
{
    enum join_outcome outcome = JOIN_VIOLATION;
    assert_ok(join_node_frame(side, key, frame, empty(answer), &outcome));
    return outcome;
}

/* Up to the proof, which is left in `up`. */
static void until_proof(struct join_gateway *gateway, struct join_node *node, uint64_t id,
                        const uint8_t *key, struct wire *up)
{
    struct wire down;
    assert_ok(join_node_begin(node, id, empty(up)));
    assert_int_equal(to_gateway(gateway, sent(up), &down), JOIN_GOES_ON);
    assert_int_equal(to_node(node, key, sent(&down), up), JOIN_GOES_ON);
}

static void a_node_with_its_key_joins(void **state)
{
    (void)state;
    struct join_gateway gateway = {0};
    struct join_node node;
    struct wire up, down;
    key_err = ERR_OK;
    for (unsigned i = 0; i < 3; i++) { /* one connection carries many */
        key_asked = 0;
        until_proof(&gateway, &node, NODE, key_good, &up);
        assert_int_equal(key_asked, 0);
        assert_int_equal(to_gateway(&gateway, sent(&up), &down), JOIN_JOINED);
        assert_int_equal(key_asked, 1);
        assert_int_equal(to_node(&node, key_good, sent(&down), &up), JOIN_JOINED);
        assert_int_equal(sent(&up).len, 0);
    }
}

static void the_proof_is_what_the_document_says(void **state)
{
    (void)state;
    struct join_gateway gateway = {0};
    struct join_node node;
    struct wire up;
    uint8_t text[21 + 8 + 16 + 16] = "claviger join 1 node", mac[JOIN_MAC];
    AUTO(cmac_freep) struct cmac *cmac = NULL;
    key_err = ERR_OK;
    until_proof(&gateway, &node, NODE, key_good, &up);
    be64_store(text + 21, NODE);
    memcpy(text + 29, node.nonce, 16);
    memcpy(text + 45, gateway.nonce, 16);
    struct bytes part = BYTES(text);
    assert_ok(cmac_new(BYTES(key_good), &cmac));
    assert_ok(cmac_parts(cmac, &part, 1, mac));
    assert_int_equal(sent(&up).len, 20);
    assert_memory_equal(up.data, "\x00\x12\x01\x03", 4);
    assert_memory_equal(up.data + 4, mac, sizeof mac);
}

static void a_node_that_was_keyed_anew_joins(void **state)
{
    (void)state;
    struct join_gateway gateway = {0};
    struct join_node node;
    struct wire up, down;
    key_err = ERR_OK;
    key_newer = key_other;
    key_asked = 0;
    until_proof(&gateway, &node, NODE, key_other, &up);
    assert_int_equal(to_gateway(&gateway, sent(&up), &down), JOIN_JOINED);
    assert_int_equal(key_asked, 2);
    assert_int_equal(to_node(&node, key_other, sent(&down), &up), JOIN_JOINED);
    /* asked once, and an unknown node not at all */
    static const uint8_t key_third[JOIN_KEY] = {7};
    key_asked = 0;
    until_proof(&gateway, &node, NODE, key_third, &up);
    assert_int_equal(to_gateway(&gateway, sent(&up), &down), JOIN_WRONG_PROOF);
    assert_int_equal(key_asked, 2);
    key_asked = 0;
    until_proof(&gateway, &node, NODE + 1, key_other, &up);
    assert_int_equal(to_gateway(&gateway, sent(&up), &down), JOIN_UNKNOWN_NODE);
    assert_int_equal(key_asked, 1);
    key_newer = NULL;
}

static void wrong_key_and_unknown_node_look_the_same(void **state)
{
    (void)state;
    struct join_gateway gateway = {0};
    struct join_node node;
    struct wire up, wrong, unknown;
    key_err = ERR_OK;
    until_proof(&gateway, &node, NODE, key_other, &up);
    assert_int_equal(to_gateway(&gateway, sent(&up), &wrong), JOIN_WRONG_PROOF);
    assert_int_equal(to_node(&node, key_other, sent(&wrong), &up), JOIN_REFUSED);
    until_proof(&gateway, &node, NODE + 1, key_good, &up);
    assert_int_equal(to_gateway(&gateway, sent(&up), &unknown), JOIN_UNKNOWN_NODE);
    assert_int_equal(to_node(&node, key_good, sent(&unknown), &up), JOIN_REFUSED);
    assert_true(bytes_equal(sent(&wrong), sent(&unknown)));
    key_err = ERR_BUSY;
    until_proof(&gateway, &node, NODE, key_good, &up);
    assert_int_equal(to_gateway(&gateway, sent(&up), &wrong), JOIN_NO_KEYS);
    assert_int_equal(to_node(&node, key_good, sent(&wrong), &up), JOIN_RETRY_LATER);
}

static void a_proof_serves_once(void **state)
{
    (void)state;
    struct join_gateway gateway = {0}, second = {0};
    struct join_node node;
    struct wire join, down, proof, again;
    key_err = ERR_OK;
    assert_ok(join_node_begin(&node, NODE, empty(&join)));
    assert_int_equal(to_gateway(&gateway, sent(&join), &down), JOIN_GOES_ON);
    assert_int_equal(to_node(&node, key_good, sent(&down), &proof), JOIN_GOES_ON);
    assert_int_equal(to_gateway(&gateway, sent(&proof), &down), JOIN_JOINED);
    /* At once, on the same connection: it is nobody's turn to prove. */
    assert_int_equal(to_gateway(&gateway, sent(&proof), &again), JOIN_VIOLATION);
    /* With the recorded JOIN: the challenge is another. */
    assert_int_equal(to_gateway(&gateway, sent(&join), &again), JOIN_GOES_ON);
    assert_int_equal(to_gateway(&gateway, sent(&proof), &again), JOIN_WRONG_PROOF);
    assert_int_equal(to_gateway(&second, sent(&join), &again), JOIN_GOES_ON);
    assert_int_equal(to_gateway(&second, sent(&proof), &again), JOIN_WRONG_PROOF);
}

static void the_gateway_proves_itself_too(void **state)
{
    (void)state;
    struct join_gateway gateway = {0};
    struct join_node node;
    struct wire up, down;
    struct join_message message = {.type = JOIN_ACCEPT};
    key_err = ERR_OK;
    until_proof(&gateway, &node, NODE, key_good, &up);
    /* An accept before, one made up, and the node's own proof sent back. */
    join_encode(&message, empty(&down));
    assert_int_equal(to_node(&node, key_good, sent(&down), &up), JOIN_FALSE_PEER);
    gateway = (struct join_gateway){0};
    until_proof(&gateway, &node, NODE, key_good, &up);
    up.data[3] = JOIN_ACCEPT;
    assert_int_equal(to_node(&node, key_good, sent(&up), &down), JOIN_FALSE_PEER);
    assert_ok(join_node_begin(&node, NODE, empty(&up)));
    join_encode(&message, empty(&down));
    assert_int_equal(to_node(&node, key_good, sent(&down), &up), JOIN_VIOLATION);
}

/* The state machine is put back before each trial. */
static void only_exact_frames_in_their_turn(void **state)
{
    (void)state;
    struct join_gateway gateway = {0}, copy;
    struct join_node node;
    struct wire up, down;
    key_err = ERR_OK;
    until_proof(&gateway, &node, NODE, key_good, &up);
    for (size_t bit = 0; bit < 8 * sent(&up).len; bit++) {
        copy = gateway;
        up.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        enum join_outcome outcome = to_gateway(&copy, sent(&up), &down);
        assert_int_equal(outcome, bit < 32 ? JOIN_VIOLATION : JOIN_WRONG_PROOF);
        up.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t len = 0; len < sent(&up).len; len++) {
        copy = gateway;
        assert_int_equal(to_gateway(&copy, bytes_of(up.data, len), &down), JOIN_VIOLATION);
    }
    copy = gateway;
    up.data[1]++; /* one byte more, and the length says so */
    assert_int_equal(to_gateway(&copy, bytes_of(up.data, sent(&up).len + 1), &down),
                     JOIN_VIOLATION);
    for (unsigned type = 0; type <= 255; type++) {
        struct join_message message;
        up.data[1] = 18;
        up.data[3] = (uint8_t)type;
        enum err err = join_decode(sent(&up), &message);
        bool fits = type == JOIN_CHALLENGE || type == JOIN_PROOF || type == JOIN_ACCEPT;
        assert_int_equal(err == ERR_OK, fits);
        if (fits && type != JOIN_PROOF) {
            copy = gateway;
            assert_int_equal(to_gateway(&copy, sent(&up), &down), JOIN_VIOLATION);
        }
    }
}

static void lengths_are_limited(void **state)
{
    (void)state;
    size_t need = 0;
    uint8_t head[2] = {0};
    assert_ok(join_frame_len(head, 1, &need));
    assert_int_equal(need, 2);
    for (unsigned len = 0; len <= UINT16_MAX; len++) {
        be16_store(head, (uint16_t)len);
        enum err err = join_frame_len(head, 2, &need);
        assert_int_equal(err == ERR_OK, len > 2 && len <= JOIN_FRAME_MAX - 2);
        if (err == ERR_OK)
            assert_int_equal(need, len + 2);
    }
    struct join_message zero = {.type = JOIN_JOIN};
    struct wire wire;
    join_encode(&zero, empty(&wire));
    assert_err(join_decode(sent(&wire), &zero), ERR_SYNTAX); /* node 0 */
    for (unsigned reason = 0; reason <= 255; reason++) {
        struct join_message refuse = {.type = JOIN_REFUSE, .reason = (enum join_reason)reason};
        join_encode(&refuse, empty(&wire));
        enum err err = join_decode(sent(&wire), &refuse);
        assert_int_equal(err == ERR_OK, reason == 1 || reason == 2);
    }
}

TEST_MAIN(cmocka_unit_test(a_node_with_its_key_joins),
          cmocka_unit_test(a_node_that_was_keyed_anew_joins),
          cmocka_unit_test(the_proof_is_what_the_document_says),
          cmocka_unit_test(wrong_key_and_unknown_node_look_the_same),
          cmocka_unit_test(a_proof_serves_once), cmocka_unit_test(the_gateway_proves_itself_too),
          cmocka_unit_test(only_exact_frames_in_their_turn), cmocka_unit_test(lengths_are_limited))
