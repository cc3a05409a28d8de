#include "../op/world.h"

#include <stdio.h>

static struct world world;

static int begin(void **state)
{
    (void)state;
    world_begin(&world);
    return 0;
}

static int end(void **state)
{
    (void)state;
    world_end(&world);
    return 0;
}

#define ITEM(operation, payload)                                                                   \
    "<BatchItem><Operation type=\"Enumeration\" value=\"" operation "\"/><RequestPayload>" payload \
    "</RequestPayload></BatchItem>"
#define QUERY ITEM("Query", "<QueryFunction type=\"Enumeration\" value=\"QueryOperations\"/>")
#define CREATE                                                                                     \
    ITEM("Create", "<ObjectType type=\"Enumeration\" value=\"SymmetricKey\"/><Attributes>"         \
                   "<CryptographicAlgorithm type=\"Enumeration\" value=\"AES\"/>"                  \
                   "<CryptographicLength type=\"Integer\" value=\"256\"/>"                         \
                   "<CryptographicUsageMask type=\"Integer\" value=\"Encrypt\"/></Attributes>")
#define GET_NOTHING ITEM("Get", "<UniqueIdentifier type=\"TextString\" value=\"nothing\"/>")

static unsigned version_of(const struct kmip_node *message)
{
    const struct kmip_node *v =
        kmip_child(kmip_child(message, KMIP_TAG_RESPONSE_HEADER), KMIP_TAG_PROTOCOL_VERSION);
    return (unsigned)(kmip_num(v, KMIP_TAG_PROTOCOL_VERSION_MAJOR, 0) << 8 |
                      kmip_num(v, KMIP_TAG_PROTOCOL_VERSION_MINOR, 0));
}

static struct kmip_node *nth(unsigned n)
{
    struct kmip_node *item = kmip_child(world.response, KMIP_TAG_BATCH_ITEM);
    while (n-- > 0 && item != NULL)
        item = kmip_again(item);
    return item;
}

static uint32_t status_of(const struct kmip_node *item)
{
    return kmip_enum(item, KMIP_TAG_RESULT_STATUS, 99);
}

static void every_version_is_answered_in_itself(void **state)
{
    (void)state;
    static const uint16_t versions[] = {KMIP_1_0, KMIP_1_1, KMIP_1_2, KMIP_1_3,
                                        KMIP_1_4, KMIP_2_0, KMIP_2_1};
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        world.version = versions[i];
        world_batch(&world, 1, QUERY);
        assert_int_equal(world_status(&world), KMIP_STATUS_SUCCESS);
        assert_int_equal(version_of(world.response), versions[i]);
        /* no operation that the version does not know */
        const struct kmip_node *out = kmip_child(world.item, KMIP_TAG_RESPONSE_PAYLOAD);
        for (const struct kmip_node *op = kmip_child(out, KMIP_TAG_OPERATION); op != NULL;
             op = kmip_again(op))
            assert_true(kmip_enum_known(KMIP_TAG_OPERATION, (uint32_t)op->num, versions[i]));
    }
}

static void versions_that_are_not_served(void **state)
{
    (void)state;
    static const uint16_t versions[][2] = {
        {0x0300, KMIP_2_1}, {0x0109, KMIP_1_4}, {0x0001, KMIP_1_0}};
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        world.version = versions[i][0];
        world_batch(&world, 1, QUERY);
        assert_int_equal(world_status(&world), KMIP_STATUS_OPERATION_FAILED);
        assert_null(kmip_child(world.item, KMIP_TAG_OPERATION));
        assert_int_equal(version_of(world.response), versions[i][1]);
    }
    world.config.version_max = KMIP_1_2;
    world.version = KMIP_2_1;
    world_batch(&world, 1, QUERY);
    assert_int_equal(world_reason(&world), KMIP_REASON_INVALID_MESSAGE);
    assert_int_equal(version_of(world.response), KMIP_1_2);
}

static void too_large_an_answer(void **state)
{
    (void)state;
    world.header = "<MaximumResponseSize type=\"Integer\" value=\"256\"/>";
    world_batch(&world, 1, QUERY);
    assert_int_equal(world_reason(&world), KMIP_REASON_RESPONSE_TOO_LARGE);
    assert_null(kmip_child(world.item, KMIP_TAG_RESPONSE_PAYLOAD));
    world.header = "<MaximumResponseSize type=\"Integer\" value=\"2048\"/>";
    world_batch(&world, 1, QUERY);
    assert_int_equal(world_status(&world), KMIP_STATUS_SUCCESS);
}

static void counts_and_clocks(void **state)
{
    (void)state;
    world_batch(&world, 2, QUERY);
    assert_int_equal(world_reason(&world), KMIP_REASON_INVALID_MESSAGE);
    world.config.clock_skew_s = 60;
    world.header = "<TimeStamp type=\"DateTime\" value=\"2001-01-01T00:00:00+00:00\"/>";
    world_batch(&world, 1, QUERY);
    assert_int_equal(world_reason(&world), KMIP_REASON_INVALID_MESSAGE);
    world.config.clock_skew_s = 0;
    world_batch(&world, 1, QUERY);
    assert_int_equal(world_status(&world), KMIP_STATUS_SUCCESS);
    world.header = NULL;
    world.config.batch_max = 1;
    world_batch(&world, 2, QUERY QUERY);
    assert_int_equal(world_reason(&world), KMIP_REASON_INVALID_MESSAGE);
}

static void stop_continue_and_undo(void **state)
{
    (void)state;
    world_batch(&world, 3, CREATE GET_NOTHING CREATE);
    assert_int_equal(status_of(nth(0)), KMIP_STATUS_SUCCESS);
    assert_int_equal(status_of(nth(1)), KMIP_STATUS_OPERATION_FAILED);
    assert_null(nth(2));
    world.header = "<BatchErrorContinuationOption type=\"Enumeration\" value=\"Continue\"/>";
    world_batch(&world, 3, CREATE GET_NOTHING CREATE);
    assert_int_equal(status_of(nth(2)), KMIP_STATUS_SUCCESS);
    world.header = "<BatchErrorContinuationOption type=\"Enumeration\" value=\"Undo\"/>";
    world_batch(&world, 2, CREATE GET_NOTHING);
    assert_int_equal(status_of(nth(0)), KMIP_STATUS_OPERATION_UNDONE);
    const char *uid = world_uid(&world, kmip_child(nth(0), KMIP_TAG_RESPONSE_PAYLOAD));
    world_batch(&world, 2, CREATE CREATE);
    const char *stays = world_uid(&world, kmip_child(nth(1), KMIP_TAG_RESPONSE_PAYLOAD));
    world.header = NULL;
    world_refused(&world, KMIP_REASON_OBJECT_NOT_FOUND, "Get", UID(uid));
    world_must(&world, "Get", UID(stays));
}

static void the_placeholder_goes_from_item_to_item(void **state)
{
    (void)state;
    world_batch(&world, 3, CREATE ITEM("Activate", "") ITEM("GetAttributes", ""));
    assert_int_equal(status_of(nth(2)), KMIP_STATUS_SUCCESS);
    const struct kmip_node *made = kmip_child(nth(0), KMIP_TAG_RESPONSE_PAYLOAD);
    const struct kmip_node *shown = kmip_child(nth(2), KMIP_TAG_RESPONSE_PAYLOAD);
    assert_true(bytes_equal(kmip_bytes(made, KMIP_TAG_UNIQUE_IDENTIFIER),
                            kmip_bytes(shown, KMIP_TAG_UNIQUE_IDENTIFIER)));
    /* and ends with the message */
    world_refused(&world, KMIP_REASON_MISSING_DATA, "Activate", "");
}

static void extensions_and_unknown_operations(void **state)
{
    (void)state;
#define EXTENSION(critical)                                                                        \
    "<BatchItem><Operation type=\"Enumeration\" value=\"Query\"/><RequestPayload><QueryFunction "  \
    "type=\"Enumeration\" value=\"QueryOperations\"/></RequestPayload><MessageExtension>"          \
    "<VendorIdentification type=\"TextString\" value=\"acme\"/><CriticalityIndicator "             \
    "type=\"Boolean\" value=\"" critical "\"/><VendorExtension></VendorExtension>"                 \
    "</MessageExtension></BatchItem>"
    world_batch(&world, 1, EXTENSION("false"));
    assert_int_equal(world_status(&world), KMIP_STATUS_SUCCESS);
    world_batch(&world, 1, EXTENSION("true"));
    assert_int_equal(world_status(&world), KMIP_STATUS_OPERATION_FAILED);
    world_refused(&world, KMIP_REASON_OPERATION_NOT_SUPPORTED, "Put", "");
    world.version = KMIP_1_0;
    world_refused(&world, KMIP_REASON_OPERATION_NOT_SUPPORTED, "DiscoverVersions", "");
    world.version = KMIP_2_1;
    world.config.hidden_operations = (uint64_t)1 << KMIP_OP_CREATE;
    world_batch(&world, 1, CREATE);
    assert_int_equal(world_reason(&world), KMIP_REASON_OPERATION_NOT_SUPPORTED);
}

static void who_is_nobody_asks_little(void **state)
{
    (void)state;
    world.who = 2;
    world_batch(&world, 1, QUERY);
    assert_int_equal(world_status(&world), KMIP_STATUS_SUCCESS);
    world_must(&world, "DiscoverVersions", "");
    world_batch(&world, 1, CREATE);
    assert_int_equal(world_reason(&world), KMIP_REASON_AUTHENTICATION_NOT_SUCCESSFUL);
    world.who = 0;
    world.clients[0].may = VAULT_MAY_READ;
    world_batch(&world, 1, CREATE);
    assert_int_equal(world_reason(&world), KMIP_REASON_PERMISSION_DENIED);
}

static void broken_bytes(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf out = {0};
    /* a request message, cut off */
    static const uint8_t cut[] = {0x42, 0x00, 0x78, 0x01, 0x00, 0x00, 0x01, 0x00, 0x42};
    assert_ok(world_raw(&world, KMIP_TTLV, BYTES(cut), &out));
    assert_int_equal(world.processed.reason, KMIP_REASON_INVALID_MESSAGE);
    out.len = 0;
    assert_ok(world_raw(&world, KMIP_JSON, bytes_str("{\"tag\": "), &out));
    assert_int_equal(world.processed.reason, KMIP_REASON_INVALID_MESSAGE);
    /* a message, but no request */
    static const uint8_t other[] = {0x42, 0x00, 0x7b, 0x01, 0x00, 0x00, 0x00, 0x00};
    out.len = 0;
    assert_err(ERR_SYNTAX, world_raw(&world, KMIP_TTLV, BYTES(other), &out));
    assert_int_equal(out.len, 0);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, begin, end)
TEST_MAIN(CASE(every_version_is_answered_in_itself), CASE(versions_that_are_not_served),
          CASE(too_large_an_answer), CASE(counts_and_clocks), CASE(stop_continue_and_undo),
          CASE(the_placeholder_goes_from_item_to_item), CASE(extensions_and_unknown_operations),
          CASE(who_is_nobody_asks_little), CASE(broken_bytes))
