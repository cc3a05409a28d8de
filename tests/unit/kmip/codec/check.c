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

/* One request: a header for `version` and one item, as XML. */
static struct kmip_node *request(struct arena *arena, const char *version, const char *header,
                                 const char *item)
{
    struct buf text = {0};
    assert_ok(buf_printf(&text,
                         "<RequestMessage><RequestHeader><ProtocolVersion>"
                         "<ProtocolVersionMajor type='Integer' value='%c'/>"
                         "<ProtocolVersionMinor type='Integer' value='%c'/></ProtocolVersion>%s"
                         "<BatchCount type='Integer' value='1'/></RequestHeader>"
                         "<BatchItem>%s</BatchItem></RequestMessage>",
                         version[0], version[2], header, item));
    struct kmip_node *root = decode_ok(KMIP_XML, buf_view(&text), arena, "own");
    buf_done(&text);
    return root;
}

static void refuse_header(const char *version, const char *header, uint32_t reason)
{
    AUTO(arena_freep) struct arena *arena = arena_for_test();
    struct kmip_fault fault = {0};
    struct kmip_node *root = request(arena, version, header, "");
    bool right = kmip_check_header(root, kmip_message_version(root), &fault);
    assert_int_equal(right, reason == 0);
    assert_int_equal(fault.reason, reason);
    assert_true(right || fault.message[0] != 0);
}

static void refuse(const char *version, const char *item, uint32_t reason, const char *message)
{
    AUTO(arena_freep) struct arena *arena = arena_for_test();
    struct kmip_fault fault = {0};
    struct kmip_node *root = request(arena, version, "", item);
    struct kmip_node *batch_item = kmip_child(root, KMIP_TAG_BATCH_ITEM);
    bool right = kmip_check_item(batch_item, kmip_message_version(root), &fault);
    assert_string_equal(fault.message, message);
    assert_int_equal(right, reason == 0);
    assert_int_equal(fault.reason, reason);
}

#define OPERATION(name) "<Operation type='Enumeration' value='" name "'/>"
#define PAYLOAD(fields) "<RequestPayload>" fields "</RequestPayload>"
#define UID             "<UniqueIdentifier type='TextString' value='1'/>"
#define ATTRIBUTE(name, value)                                                                     \
    "<Attribute><AttributeName type='TextString' value='" name "'/><AttributeValue " value         \
    "</Attribute>"
#define ADD(attribute) OPERATION("AddAttribute") PAYLOAD(UID attribute)

static void test_headers(void **state)
{
    (void)state;
    refuse_header("1.2", "", 0);
    refuse_header("1.2", "<MaximumResponseSize type='Integer' value='256'/>", 0);
    refuse_header("1.2",
                  "<MaximumResponseSize type='Integer' value='256'/>"
                  "<MaximumResponseSize type='Integer' value='256'/>",
                  KMIP_REASON_INVALID_MESSAGE);
    refuse_header("1.2", "<MaximumResponseSize type='LongInteger' value='256'/>",
                  KMIP_REASON_INVALID_FIELD);
    refuse_header("2.1", "<MaximumResponseSize type='LongInteger' value='256'/>",
                  KMIP_REASON_INVALID_DATA_TYPE);
    refuse_header("1.2", "<AsynchronousIndicator type='Boolean' value='true'/>", 0);
    refuse_header("2.0", "<AsynchronousIndicator type='Boolean' value='true'/>",
                  KMIP_REASON_INVALID_DATA_TYPE);
    refuse_header("2.0", "<AsynchronousIndicator type='Enumeration' value='Optional'/>", 0);
    refuse_header("1.3", "<ClientCorrelationValue type='TextString' value='a'/>",
                  KMIP_REASON_INVALID_FIELD);
    refuse_header("1.4", "<ClientCorrelationValue type='TextString' value='a'/>", 0);
    refuse_header("1.2", "<BatchErrorContinuationOption type='Enumeration' value='7'/>",
                  KMIP_REASON_INVALID_FIELD);
    refuse_header("1.2", "<Authentication/>", KMIP_REASON_INVALID_MESSAGE);
    refuse_header("1.2", "<TTLV tag='0x540001' type='Integer' value='1'/>",
                  KMIP_REASON_INVALID_FIELD);
    refuse_header("2.1", "<TTLV tag='0x540001' type='Integer' value='1'/>",
                  KMIP_REASON_UNKNOWN_TAG);
}

static void test_messages(void **state)
{
    (void)state;
    AUTO(arena_freep) struct arena *arena = arena_for_test();
    struct kmip_fault fault = {0};
    struct kmip_node *root = request(arena, "1.2", "", "");
    kmip_remove(root, kmip_child(root, KMIP_TAG_BATCH_ITEM));
    assert_false(kmip_check_header(root, 0x0102, &fault)); /* no item */
    assert_int_equal(fault.reason, KMIP_REASON_INVALID_MESSAGE);
    root = request(arena, "1.2", "", "");
    struct kmip_build b = {.arena = arena};
    kmip_put_struct(&b, root, KMIP_TAG_BATCH_ITEM);
    assert_false(kmip_check_header(root, 0x0102, &fault)); /* one more than Batch Count */
    assert_int_equal(fault.tag, KMIP_TAG_BATCH_COUNT);
    root = request(arena, "1.2", "", "");
    kmip_remove(root, root->first);
    assert_false(kmip_check_header(root, 0x0102, &fault)); /* no header */
    assert_int_equal(kmip_message_version(root), 0);
    root->tag = KMIP_TAG_BATCH_ITEM;
    assert_false(kmip_check_header(root, 0x0102, &fault)); /* something else */
    assert_int_equal(kmip_message_version(NULL), 0);
}

static void test_items(void **state)
{
    (void)state;
    refuse("1.0", "", KMIP_REASON_INVALID_MESSAGE, "Batch Item: Operation is missing");
    refuse("1.1", OPERATION("Encrypt") PAYLOAD(UID), KMIP_REASON_OPERATION_NOT_SUPPORTED,
           "operation 0x1f is not one of this version");
    refuse("1.2", OPERATION("Encrypt") PAYLOAD(UID), 0, "");
    refuse("1.2", OPERATION("0x80000001") PAYLOAD(UID), KMIP_REASON_OPERATION_NOT_SUPPORTED,
           "operation 0x80000001 is not one of this version");
    refuse("1.2", OPERATION("0") PAYLOAD(UID), KMIP_REASON_OPERATION_NOT_SUPPORTED,
           "operation 0x0 is not one of this version");
    refuse("1.2", OPERATION("Put") PAYLOAD(UID), KMIP_REASON_OPERATION_NOT_SUPPORTED,
           "operation 0x1c is not one of this version");
    refuse("1.2", "<Operation type='Integer' value='1'/>" PAYLOAD(UID), KMIP_REASON_INVALID_FIELD,
           "Operation: Integer is of the wrong type");
    refuse("1.2", OPERATION("Create"), KMIP_REASON_INVALID_MESSAGE,
           "Request Payload: Object Type is missing");
    refuse("1.2", OPERATION("Activate"), 0, "");
    refuse("1.2", OPERATION("Activate") PAYLOAD(UID UID), KMIP_REASON_INVALID_MESSAGE,
           "Unique Identifier is there twice");
    refuse("1.2", OPERATION("Activate") PAYLOAD("<UniqueIdentifier type='Integer' value='1'/>"),
           KMIP_REASON_INVALID_FIELD, "Unique Identifier: Integer is of the wrong type");
    refuse("2.1",
           OPERATION("Activate") PAYLOAD("<UniqueIdentifier type='Enumeration' value='Create'/>"),
           0, "");
    refuse("2.1",
           OPERATION("Activate") PAYLOAD("<UniqueIdentifier type='Enumeration' value='77'/>"),
           KMIP_REASON_UNKNOWN_ENUMERATION, "Unique Identifier: unknown value 0x0000004d");
    refuse("1.2", OPERATION("Activate") PAYLOAD("<Username type='TextString' value='1'/>"),
           KMIP_REASON_INVALID_FIELD, "Username is no field of Request Payload");
    refuse("1.2", OPERATION("Activate") "<RequestPayload type='Integer' value='1'/>",
           KMIP_REASON_INVALID_FIELD, "Request Payload: Integer is of the wrong type");
}

static void test_extensions(void **state)
{
    (void)state;
#define EXTENSION(critical)                                                                        \
    "<MessageExtension><VendorIdentification type='TextString' value='v'/>"                        \
    "<CriticalityIndicator type='Boolean' value='" critical "'/><VendorExtension>"                 \
    "<TTLV tag='0x540001' type='Integer' value='1'/></VendorExtension></MessageExtension>"
    refuse("1.2", OPERATION("Activate") PAYLOAD(UID) EXTENSION("false"), 0, "");
    refuse("1.2", OPERATION("Activate") PAYLOAD(UID) EXTENSION("true"),
           KMIP_REASON_FEATURE_NOT_SUPPORTED, "a critical Message Extension is not understood");
    refuse("2.1", OPERATION("Activate") PAYLOAD(UID) EXTENSION("true"),
           KMIP_REASON_UNKNOWN_MESSAGE_EXTENSION, "a critical Message Extension is not understood");
}

static void test_attributes(void **state)
{
    (void)state;
    refuse("1.2", ADD(ATTRIBUTE("x-1", "type='Interval' value='1'/>")), 0, "");
    refuse("1.2",
           ADD(ATTRIBUTE("x-1", "><Username type='TextString' value='1'/></AttributeValue>")), 0,
           "");
    refuse("1.2", ADD(ATTRIBUTE("Cryptographic Length", "type='Integer' value='1'/>")), 0, "");
    refuse("1.2", ADD(ATTRIBUTE("Cryptographic Length", "type='TextString' value='1'/>")),
           KMIP_REASON_INVALID_FIELD, "Cryptographic Length: TextString is of the wrong type");
    refuse("1.2",
           ADD(ATTRIBUTE("Cryptographic Algorithm", "type='Enumeration' value='ChaCha20'/>")),
           KMIP_REASON_INVALID_FIELD, "Cryptographic Algorithm: unknown value 0x0000001c");
    refuse("1.4",
           ADD(ATTRIBUTE("Cryptographic Algorithm", "type='Enumeration' value='ChaCha20'/>")), 0,
           "");
    refuse("1.2", ADD(ATTRIBUTE("Name", "/>")), KMIP_REASON_INVALID_MESSAGE,
           "Attribute Value: Name Value is missing");
    refuse("2.1", /* a vendor's own, whatever its name */
           OPERATION("SetAttribute") PAYLOAD(
               UID "<NewAttribute><Attribute><VendorIdentification type='TextString' value='v'/>"
                   "<AttributeName type='TextString' value='Name'/>"
                   "<AttributeValue type='Integer' value='1'/></Attribute></NewAttribute>"),
           0, "");
    refuse("2.1",
           OPERATION("SetAttribute")
               PAYLOAD(UID "<NewAttribute><Sensitive type='Boolean' value='1'/></NewAttribute>"),
           0, "");
    refuse("2.1", OPERATION("SetAttribute") PAYLOAD(UID "<NewAttribute/>"),
           KMIP_REASON_INVALID_MESSAGE, "New Attribute: an attribute is missing");
    refuse("2.1", OPERATION("SetAttribute") PAYLOAD(UID "<NewAttribute><KeyBlock/></NewAttribute>"),
           KMIP_REASON_INVALID_FIELD, "Key Block is no field of New Attribute");
    refuse("2.0",
           OPERATION("SetAttribute") PAYLOAD(
               UID "<NewAttribute><RotateInterval type='Interval' value='1'/></NewAttribute>"),
           KMIP_REASON_UNKNOWN_TAG, "Rotate Interval is no field of New Attribute");
}

static void test_objects(void **state)
{
    (void)state;
#define REGISTER(object)                                                                           \
    OPERATION("Register")                                                                          \
    PAYLOAD("<ObjectType type='Enumeration' value='OpaqueObject'/><TemplateAttribute/>" object)
#define OPAQUE                                                                                     \
    "<OpaqueObject><OpaqueDataType type='Enumeration' value='0x80000001'/>"                        \
    "<OpaqueDataValue type='ByteString' value='00'/></OpaqueObject>"
    refuse("1.2", REGISTER(OPAQUE), 0, "");
    refuse("1.2", REGISTER(""), KMIP_REASON_INVALID_MESSAGE,
           "Request Payload: an object is missing");
    refuse("1.2", REGISTER(OPAQUE OPAQUE), KMIP_REASON_INVALID_MESSAGE,
           "Opaque Object is there twice");
    refuse("1.2", REGISTER("<OpaqueObject/>"), KMIP_REASON_INVALID_MESSAGE,
           "Opaque Object: Opaque Data Type is missing");
}

/* Get Attributes, as 2.1 would be answered, for older ones. */
static void test_filter(void **state)
{
    (void)state;
    AUTO(arena_freep) struct arena *arena = arena_for_test();
    struct kmip_build b = {.arena = arena};
    struct kmip_node *payload = kmip_put_struct(&b, NULL, KMIP_TAG_RESPONSE_PAYLOAD);
    kmip_put_text(&b, payload, KMIP_TAG_UNIQUE_IDENTIFIER, "1");
    struct kmip_node *attributes = kmip_put_struct(&b, payload, KMIP_TAG_ATTRIBUTES);
    kmip_put_bool(&b, attributes, KMIP_TAG_SENSITIVE, true);
    kmip_put_bool(&b, attributes, KMIP_TAG_ROTATE_LATEST, true);
    kmip_put_int(&b, attributes, KMIP_TAG_CRYPTOGRAPHIC_USAGE_MASK, KMIP_MASK_FPE_ENCRYPT | 1);
    struct kmip_node *link = kmip_put_struct(&b, attributes, KMIP_TAG_LINK);
    kmip_put_enum(&b, link, KMIP_TAG_LINK_TYPE, 0x77);
    kmip_put_text(&b, link, KMIP_TAG_LINKED_OBJECT_IDENTIFIER, "2");
    assert_ok(b.err);
    kmip_filter_payload(payload, KMIP_OP_GET_ATTRIBUTES, 0x0201);
    assert_int_equal(attributes->count, 3); /* the link's type is none */
    kmip_filter_payload(payload, KMIP_OP_GET_ATTRIBUTES, 0x0200);
    assert_int_equal(attributes->count, 2);
    assert_null(kmip_child(attributes, KMIP_TAG_ROTATE_LATEST));
    kmip_filter_payload(payload, KMIP_OP_GET_ATTRIBUTES, 0x0104);
    assert_int_equal(payload->count, 1);
    kmip_filter_payload(payload, 0, 0x0104);
    kmip_filter_payload(NULL, KMIP_OP_GET, 0x0104);
}

static void put_attribute(struct kmip_build *b, struct kmip_node *parent, const char *name,
                          int32_t value)
{
    struct kmip_node *attribute = kmip_put_struct(b, parent, KMIP_TAG_ATTRIBUTE);
    kmip_put_text(b, attribute, KMIP_TAG_ATTRIBUTE_NAME, name);
    kmip_put_int(b, attribute, KMIP_TAG_ATTRIBUTE_VALUE, value);
}

static void test_filter_message(void **state)
{
    (void)state;
    AUTO(arena_freep) struct arena *arena = arena_for_test();
    struct kmip_build b = {.arena = arena};
    struct kmip_node *message = kmip_put_struct(&b, NULL, KMIP_TAG_RESPONSE_MESSAGE);
    struct kmip_node *header = kmip_put_struct(&b, message, KMIP_TAG_RESPONSE_HEADER);
    kmip_put_text(&b, header, KMIP_TAG_SERVER_CORRELATION_VALUE, "s");
    kmip_put_int(&b, header, KMIP_TAG_BATCH_COUNT, 2);
    struct kmip_node *item = kmip_put_struct(&b, message, KMIP_TAG_BATCH_ITEM);
    kmip_put_enum(&b, item, KMIP_TAG_OPERATION, KMIP_OP_GET_ATTRIBUTES);
    struct kmip_node *payload = kmip_put_struct(&b, item, KMIP_TAG_RESPONSE_PAYLOAD);
    put_attribute(&b, payload, "Cryptographic Length", 256);
    put_attribute(&b, payload, "Sensitive", 1);
    put_attribute(&b, payload, "x-mine", 1);
    put_attribute(&b, payload, "Cryptographic Usage Mask", KMIP_MASK_FPE_ENCRYPT | 4);
    struct kmip_node *failed = kmip_put_struct(&b, message, KMIP_TAG_BATCH_ITEM);
    kmip_put_enum(&b, failed, KMIP_TAG_RESULT_REASON, KMIP_REASON_WRONG_KEY_LIFECYCLE_STATE);
    assert_ok(b.err);
    kmip_filter(message, 0x0104);
    assert_int_equal(header->count, 2);
    assert_int_equal(payload->count, 4);
    kmip_filter(message, 0x0100);
    assert_int_equal(header->count, 1);
    assert_int_equal(payload->count, 3); /* Sensitive is of 1.4 */
    assert_int_equal(kmip_num(payload->last, KMIP_TAG_ATTRIBUTE_VALUE, 0), 4);
    assert_int_equal(kmip_enum(failed, KMIP_TAG_RESULT_REASON, 0), KMIP_REASON_PERMISSION_DENIED);
}

static void test_operations(void **state)
{
    (void)state;
    assert_null(kmip_operation_row(0));
    assert_null(kmip_operation_row(0x3c));
    assert_string_equal(kmip_operation_row(KMIP_OP_PING)->title, "Ping");
    assert_false(kmip_operation_in(KMIP_OP_PING, 0x0200));
    assert_true(kmip_operation_in(KMIP_OP_PING, 0x0201));
    assert_false(kmip_operation_in(KMIP_OP_NOTIFY, 0x0104));
    assert_null(kmip_structure_fields(KMIP_TAG_TEMPLATE, 0x0200));
    assert_non_null(kmip_structure_fields(KMIP_TAG_TEMPLATE, 0x0104));
    assert_null(kmip_structure_fields(KMIP_TAG_USERNAME, 0x0104));
    assert_null(kmip_structure_fields(0x540001, 0x0104));
    assert_true(kmip_is_object(KMIP_TAG_PGP_KEY) && !kmip_is_object(KMIP_TAG_KEY_BLOCK));
}

TEST_MAIN(cmocka_unit_test(test_transcripts), cmocka_unit_test(test_headers),
          cmocka_unit_test(test_messages), cmocka_unit_test(test_items),
          cmocka_unit_test(test_extensions), cmocka_unit_test(test_attributes),
          cmocka_unit_test(test_objects), cmocka_unit_test(test_filter),
          cmocka_unit_test(test_filter_message), cmocka_unit_test(test_operations))
