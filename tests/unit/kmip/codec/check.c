#include "kmip/codec/check.h"

#include <string.h>

#include "kmip/codec/filter.h"
#include "kmip/codec/schema.h"
#include "kmip/codec/table.h"
#include "vectors.h"

/* What the transcripts send and receive is right by the tables of their version, and holds nothing
 * that the version doesn't know. */
static void is_right(const char *where, const struct kmip_node *message)
{
    struct kmip_fault fault = {0};
    uint16_t version = kmip_message_version(message);
    bool right = true;
    if (message->tag == KMIP_TAG_RESPONSE_MESSAGE) {
        right = kmip_check_response(message, version, &fault);
    } else {
        right = kmip_check_header(message, version, &fault);
        for (const struct kmip_node *item = kmip_child(message, KMIP_TAG_BATCH_ITEM);
             right && item != NULL; item = kmip_again(item))
            right = kmip_check_item(item, version, &fault);
    }
    if (!right)
        print_message("%s: version %04x: %s (0x%x)\n", where, version, fault.message, fault.reason);
    if (!right && getenv("CHECK_ALL") == NULL)
        fail();
}

static void xml_is_right(const char *where, struct bytes message)
{
    AUTO(arena_freep) struct arena *arena = arena_for_test();
    struct kmip_node *root = decode_ok(KMIP_XML, message, arena, where);
    struct kmip_node *again = decode_ok(KMIP_XML, message, arena, where);
    is_right(where, root);
    if (root->tag != KMIP_TAG_RESPONSE_MESSAGE)
        return;
    kmip_filter(root, kmip_message_version(root));
    assert_true(kmip_equal(root, again));
}

static void ttlv_is_right(const char *where, struct bytes message)
{
    AUTO(arena_freep) struct arena *arena = arena_for_test();
    struct kmip_node *root = decode_ok(KMIP_TTLV, message, arena, where);
    is_right(where, root);
}

static void test_transcripts(void **state)
{
    (void)state;
    vectors_xml("oasis-1.4", xml_is_right);
    vectors_xml("oasis-2.1", xml_is_right);
    vectors_hex("oasis-1.1-test-cases", ttlv_is_right);
}

TEST_MAIN(cmocka_unit_test(test_transcripts))
