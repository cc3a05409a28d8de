#include "world.h"

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

/* 1.x */
#define ATTRIBUTE(name, type, value)                                                               \
    "<Attribute><AttributeName type=\"TextString\" value=\"" name                                  \
    "\"/><AttributeValue type=\"" type "\" value=\"" value "\"/></Attribute>"
#define INDEXED(name, index, type, value)                                                          \
    "<Attribute><AttributeName type=\"TextString\" value=\"" name                                  \
    "\"/><AttributeIndex type=\"Integer\" value=\"" index "\"/><AttributeValue type=\"" type       \
    "\" value=\"" value "\"/></Attribute>"
#define NAMED(name) "<AttributeName type=\"TextString\" value=\"" name "\"/>"
/* 2.x */
#define NEW(attribute)     "<NewAttribute>" attribute "</NewAttribute>"
#define CURRENT(attribute) "<CurrentAttribute>" attribute "</CurrentAttribute>"
#define GROUP_(text)       "<ObjectGroup type=\"TextString\" value=\"" text "\"/>"

static const char *with(const char *uid, const char *more)
{
    return world_text("%s%s", UID(uid), more);
}

static struct bytes value_of(const struct kmip_node *payload)
{
    return kmip_bytes(kmip_child(payload, KMIP_TAG_ATTRIBUTE), KMIP_TAG_ATTRIBUTE_VALUE);
}

static void custom_ones_come_change_and_go(void **state)
{
    (void)state;
    world.version = KMIP_1_4;
    const char *uid = world_aes(&world, "k", "");
    struct kmip_node *out =
        world_must(&world, "AddAttribute", with(uid, ATTRIBUTE("x-a", "TextString", "one")));
    assert_true(bytes_equal(value_of(out), bytes_str("one")));
    out = world_must(&world, "ModifyAttribute", with(uid, ATTRIBUTE("x-a", "TextString", "two")));
    assert_true(bytes_equal(value_of(out), bytes_str("two")));
    out = world_must(&world, "GetAttributes", with(uid, NAMED("x-a")));
    assert_true(bytes_equal(value_of(out), bytes_str("two")));
    out = world_must(&world, "DeleteAttribute", with(uid, NAMED("x-a")));
    assert_true(bytes_equal(value_of(out), bytes_str("two")));
    out = world_must(&world, "GetAttributes", with(uid, NAMED("x-a")));
    assert_null(kmip_child(out, KMIP_TAG_ATTRIBUTE));
    world_refused(&world, KMIP_REASON_ITEM_NOT_FOUND, "DeleteAttribute", with(uid, NAMED("x-a")));
    world_refused(&world, KMIP_REASON_INVALID_FIELD, "ModifyAttribute",
                  with(uid, ATTRIBUTE("x-a", "TextString", "three")));
}

static void instances_have_indexes(void **state)
{
    (void)state;
    world.version = KMIP_1_2;
    const char *uid = world_aes(&world, "k", "");
    for (int i = 0; i < 3; i++)
        world_must(&world, "AddAttribute",
                   with(uid, world_text(ATTRIBUTE("Object Group", "TextString", "g%d"), i)));
    world_must(&world, "DeleteAttribute",
               with(uid, NAMED("Object Group") "<AttributeIndex type=\"Integer\" value=\"1\"/>"));
    world_must(&world, "ModifyAttribute",
               with(uid, INDEXED("Object Group", "2", "TextString", "last")));
    world_refused(&world, KMIP_REASON_ITEM_NOT_FOUND, "ModifyAttribute",
                  with(uid, INDEXED("Object Group", "1", "TextString", "gone")));
    world_refused(&world, KMIP_REASON_INVALID_FIELD, "AddAttribute",
                  with(uid, INDEXED("Object Group", "7", "TextString", "index")));
    struct kmip_node *out = world_must(&world, "GetAttributes", with(uid, NAMED("Object Group")));
    const struct kmip_node *a = kmip_child(out, KMIP_TAG_ATTRIBUTE);
    assert_null(kmip_child(a, KMIP_TAG_ATTRIBUTE_INDEX));
    assert_true(bytes_equal(kmip_bytes(a, KMIP_TAG_ATTRIBUTE_VALUE), bytes_str("g0")));
    a = kmip_again(a);
    assert_int_equal(kmip_num(a, KMIP_TAG_ATTRIBUTE_INDEX, -1), 2);
    assert_true(bytes_equal(kmip_bytes(a, KMIP_TAG_ATTRIBUTE_VALUE), bytes_str("last")));
    assert_null(kmip_again(a));
}

static void in_2_x_the_present_value_names_the_instance(void **state)
{
    (void)state;
    const char *uid = world_aes(&world, "k", GROUP_("a") GROUP_("b"));
    world_refused(&world, KMIP_REASON_MULTI_VALUED_ATTRIBUTE, "ModifyAttribute",
                  with(uid, NEW(GROUP_("c"))));
    world_must(&world, "ModifyAttribute", with(uid, CURRENT(GROUP_("b")) NEW(GROUP_("c"))));
    world_refused(&world, KMIP_REASON_ATTRIBUTE_INSTANCE_NOT_FOUND, "DeleteAttribute",
                  with(uid, CURRENT(GROUP_("b"))));
    world_must(&world, "DeleteAttribute", with(uid, CURRENT(GROUP_("a"))));
    const struct kmip_node *left =
        world_attribute(&world, uid, "ObjectGroup", KMIP_TAG_OBJECT_GROUP);
    assert_true(bytes_equal(left->bytes, bytes_str("c")));
    assert_null(kmip_again(left));
    world_must(&world, "DeleteAttribute",
               with(uid, "<AttributeReference type=\"Enumeration\" value=\"ObjectGroup\"/>"));
    assert_null(world_attribute(&world, uid, "ObjectGroup", KMIP_TAG_OBJECT_GROUP));
}

static void single_ones_and_the_servers_own(void **state)
{
    (void)state;
#define TEXT(text) "<Description type=\"TextString\" value=\"" text "\"/>"
    const char *uid = world_aes(&world, "k", TEXT("first"));
    world_refused(&world, KMIP_REASON_ATTRIBUTE_SINGLE_VALUED, "AddAttribute",
                  with(uid, NEW(TEXT("second"))));
    world_must(&world, "SetAttribute", with(uid, NEW(TEXT("second"))));
    world_refused(&world, KMIP_REASON_ATTRIBUTE_READ_ONLY, "ModifyAttribute",
                  with(uid, NEW("<State type=\"Enumeration\" value=\"Active\"/>")));
    world_refused(&world, KMIP_REASON_READ_ONLY_ATTRIBUTE, "AddAttribute",
                  with(uid, NEW("<State type=\"Enumeration\" value=\"Active\"/>")));
    world_refused(&world, KMIP_REASON_ATTRIBUTE_READ_ONLY, "DeleteAttribute",
                  with(uid, "<AttributeReference type=\"Enumeration\" "
                            "value=\"CryptographicAlgorithm\"/>"));
    world_refused(&world, KMIP_REASON_MULTI_VALUED_ATTRIBUTE, "SetAttribute",
                  with(uid, NEW(GROUP_("g"))));
    world_refused(&world, KMIP_REASON_OBJECT_NOT_FOUND, "SetAttribute",
                  with("no-such-object", NEW(TEXT("x"))));
    world.who = 1;
    world_refused(&world, KMIP_REASON_OBJECT_NOT_FOUND, "SetAttribute", with(uid, NEW(TEXT("x"))));
}

static void a_name_is_given_once(void **state)
{
    (void)state;
#define NAME_                                                                                      \
    "<Name><NameValue type=\"TextString\" value=\"again\"/><NameType type=\"Enumeration\" "        \
    "value=\"UninterpretedTextString\"/></Name>"
    const char *uid = world_aes(&world, "k", "");
    world_must(&world, "AddAttribute", with(uid, NEW(NAME_)));
    world_refused(&world, KMIP_REASON_NON_UNIQUE_NAME_ATTRIBUTE, "AddAttribute",
                  with(uid, NEW(NAME_)));
}

static void dates_only_while_they_are_to_come(void **state)
{
    (void)state;
#define ACTIVATION(text) "<ActivationDate type=\"DateTime\" value=\"" text "T00:00:00+00:00\"/>"
    const char *uid = world_aes(&world, "k", ACTIVATION("2040-01-01"));
    assert_int_equal(world_state(&world, uid), KMIP_STATE_PRE_ACTIVE);
    world_must(&world, "ModifyAttribute", with(uid, NEW(ACTIVATION("2001-01-01"))));
    assert_int_equal(world_state(&world, uid), KMIP_STATE_ACTIVE);
    world_refused(&world, KMIP_REASON_WRONG_KEY_LIFECYCLE_STATE, "ModifyAttribute",
                  with(uid, NEW(ACTIVATION("2002-01-01"))));
    world.version = KMIP_1_4;
    world_refused(&world, KMIP_REASON_PERMISSION_DENIED, "ModifyAttribute",
                  with(uid, ATTRIBUTE("Activation Date", "DateTime", "2002-01-01T00:00:00+00:00")));
}

static void adjusting(void **state)
{
    (void)state;
#define COUNTER                                                                                    \
    "<Attribute><VendorIdentification type=\"TextString\" value=\"acme\"/><AttributeName "         \
    "type=\"TextString\" value=\"n\"/><AttributeValue type=\"Integer\" "                           \
    "value=\"2147483646\"/></Attribute>"
#define COUNTER_REF                                                                                \
    "<AttributeReference><VendorIdentification type=\"TextString\" "                               \
    "value=\"acme\"/><AttributeName type=\"TextString\" value=\"n\"/></AttributeReference>"
#define UP "<AdjustmentType type=\"Enumeration\" value=\"Increment\"/>"
    const char *uid = world_aes(&world, "k", COUNTER);
    world_must(&world, "AdjustAttribute", with(uid, COUNTER_REF UP));
    world_refused(&world, KMIP_REASON_NUMERIC_RANGE, "AdjustAttribute", with(uid, COUNTER_REF UP));
    world_refused(&world, KMIP_REASON_INVALID_DATA_TYPE, "AdjustAttribute",
                  with(uid, COUNTER_REF UP "<AdjustmentValue type=\"Boolean\" value=\"true\"/>"));
    world_refused(&world, KMIP_REASON_READ_ONLY_ATTRIBUTE, "AdjustAttribute",
                  with(uid, "<AttributeReference type=\"Enumeration\" "
                            "value=\"CryptographicLength\"/>" UP));
}

static void becoming_more_secret_only(void **state)
{
    (void)state;
#define SENSITIVE(text) "<Sensitive type=\"Boolean\" value=\"" text "\"/>"
    const char *uid = world_aes(&world, "k", "");
    world_must(&world, "Get", UID(uid));
    world_must(&world, "ModifyAttribute", with(uid, NEW(SENSITIVE("true"))));
    world_refused(&world, KMIP_REASON_SENSITIVE, "Get", UID(uid));
    world_refused(&world, KMIP_REASON_PERMISSION_DENIED, "ModifyAttribute",
                  with(uid, NEW(SENSITIVE("false"))));
    assert_int_equal(
        world_attribute(&world, uid, "AlwaysSensitive", KMIP_TAG_ALWAYS_SENSITIVE)->num, 0);
    world.version = KMIP_1_2;
    world_refused(&world, KMIP_REASON_PERMISSION_DENIED, "Get", UID(uid));
}

static void unknown_names_and_types(void **state)
{
    (void)state;
    world.version = KMIP_1_4;
    const char *uid = world_aes(&world, "k", "");
    assert_null(
        world_ask(&world, "AddAttribute", with(uid, ATTRIBUTE("Colour", "TextString", "red"))));
    assert_int_equal(world_reason(&world), KMIP_REASON_INVALID_FIELD);
    assert_null(world_ask(&world, "AddAttribute",
                          with(uid, ATTRIBUTE("Contact Information", "Integer", "7"))));
    world_refused(&world, KMIP_REASON_INVALID_MESSAGE, "GetAttributes",
                  with(uid, NAMED("State") NAMED("State")));
}

/* Whatever a client puts on an object, it can be read, revoked and destroyed. */
static void full_objects_can_still_be_destroyed(void **state)
{
    (void)state;
    world.version = KMIP_1_4;
    const char *uid = world_aes(&world, "k", "");
    unsigned added = 0;
    while (added < 600 &&
           world_ask(&world, "AddAttribute",
                     world_text("%s<Attribute><AttributeName type=\"TextString\" value=\"Name\"/>"
                                "<AttributeValue><NameValue type=\"TextString\" value=\"n%u\"/>"
                                "<NameType type=\"Enumeration\" "
                                "value=\"UninterpretedTextString\"/></AttributeValue></Attribute>",
                                UID(uid), added)) != NULL)
        added++;
    assert_in_range(added, 100, KMIP_ATTRIBUTES_MAX);
    world_must(&world, "Get", UID(uid));
    world_must(&world, "Revoke",
               with(uid, "<RevocationReason><RevocationReasonCode type=\"Enumeration\" "
                         "value=\"KeyCompromise\"/></RevocationReason>"));
    world_must(&world, "Destroy", UID(uid));
    assert_int_equal(world_state(&world, uid), KMIP_STATE_DESTROYED_COMPROMISED);
}

/* Many small fields take little room in the store, and more items than a message has when read. */
static void what_is_written_can_be_read(void **state)
{
    (void)state;
    world.version = KMIP_1_4;
    const char *uid = world_aes(&world, "k", "");
    AUTO(buf_done) struct buf item = {0};
    for (unsigned i = 0; i < 4; i++) {
        item.len = 0;
        assert_ok(buf_printf(&item,
                             "<BatchItem><Operation type=\"Enumeration\" value=\"AddAttribute\"/>"
                             "<RequestPayload>%s<Attribute><AttributeName type=\"TextString\" "
                             "value=\"x-%u\"/><AttributeValue>",
                             UID(uid), i));
        for (unsigned j = 0; j < 30000; j++)
            assert_ok(buf_append(&item, bytes_str("<Name/>")));
        assert_ok(buf_append(&item, bytes_str("</AttributeValue></Attribute></RequestPayload>"
                                              "</BatchItem>")));
        assert_ok(buf_append(&item, bytes_of("", 1)));
        world_batch(&world, 1, (const char *)item.data);
    }
    world_must(&world, "Get", UID(uid));
    world_must(&world, "Destroy", UID(uid));
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, begin, end)
TEST_MAIN(CASE(custom_ones_come_change_and_go), CASE(instances_have_indexes),
          CASE(in_2_x_the_present_value_names_the_instance), CASE(single_ones_and_the_servers_own),
          CASE(a_name_is_given_once), CASE(dates_only_while_they_are_to_come), CASE(adjusting),
          CASE(becoming_more_secret_only), CASE(unknown_names_and_types),
          CASE(full_objects_can_still_be_destroyed), CASE(what_is_written_can_be_read))
