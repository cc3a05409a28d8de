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

#define NAME(text)                                                                                 \
    "<Name><NameValue type=\"TextString\" value=\"" text                                           \
    "\"/><NameType type=\"Enumeration\" value=\"UninterpretedTextString\"/></Name>"

static unsigned count(const char *filters, const char *more)
{
    const struct kmip_node *out =
        world_must(&world, "Locate", world_text("%s<Attributes>%s</Attributes>", more, filters));
    unsigned n = 0;
    for (const struct kmip_node *u = kmip_child(out, KMIP_TAG_UNIQUE_IDENTIFIER); u != NULL;
         u = kmip_again(u))
        n++;
    return n;
}

static void by_name_type_and_state(void **state)
{
    (void)state;
    const char *uid =
        world_aes(&world, "disk-7", "<ContactInformation type=\"TextString\" value=\"Joe\"/>");
    world_aes(&world, "disk-8", "");
    assert_int_equal(count(NAME("disk-7"), ""), 1);
    assert_int_equal(
        count("<ObjectType type=\"Enumeration\" value=\"SymmetricKey\"/>" NAME("disk-7"), ""), 1);
    assert_int_equal(count(NAME("disk-9"), ""), 0);
    assert_int_equal(count("<ObjectType type=\"Enumeration\" value=\"SymmetricKey\"/>", ""), 2);
    assert_int_equal(count("<ObjectType type=\"Enumeration\" value=\"Certificate\"/>", ""), 0);
    assert_int_equal(count("", ""), 2);
    assert_int_equal(count("<ContactInformation type=\"TextString\" value=\"Joe\"/>", ""), 1);
    assert_int_equal(count("<State type=\"Enumeration\" value=\"PreActive\"/>", ""), 2);
    world_must(&world, "Activate", UID(uid));
    assert_int_equal(count("<State type=\"Enumeration\" value=\"Active\"/>", ""), 1);
}

static void what_has_no_entry_is_compared(void **state)
{
    (void)state;
    world_aes(&world, "a", "");
    world_aes(&world, "b", "<Sensitive type=\"Boolean\" value=\"true\"/>");
    assert_int_equal(count("<CryptographicLength type=\"Integer\" value=\"256\"/>", ""), 2);
    assert_int_equal(count("<CryptographicLength type=\"Integer\" value=\"128\"/>", ""), 0);
    /* a mask with at least these bits */
    assert_int_equal(count("<CryptographicUsageMask type=\"Integer\" value=\"Encrypt\"/>", ""), 2);
    assert_int_equal(count("<CryptographicUsageMask type=\"Integer\" value=\"Sign\"/>", ""), 0);
    assert_int_equal(count("<Sensitive type=\"Boolean\" value=\"true\"/>", ""), 1);
    assert_int_equal(count("<Sensitive type=\"Boolean\" value=\"true\"/>" NAME("a"), ""), 0);
}

static void dates_are_ranges_in_pairs(void **state)
{
    (void)state;
    world_aes(&world, "a",
              "<ActivationDate type=\"DateTime\" value=\"2030-06-01T00:00:00+00:00\"/>");
#define DATE(text) "<ActivationDate type=\"DateTime\" value=\"" text "T00:00:00+00:00\"/>"
    assert_int_equal(count(DATE("2030-06-01"), ""), 1);
    assert_int_equal(count(DATE("2030-06-02"), ""), 0);
    assert_int_equal(count(DATE("2030-01-01") DATE("2031-01-01"), ""), 1);
    assert_int_equal(count(DATE("2031-01-01") DATE("2030-01-01"), ""), 1);
    assert_int_equal(count(DATE("2031-01-01") DATE("2032-01-01"), ""), 0);
    assert_int_equal(count(DATE("2030-01-01") DATE("2031-01-01") DATE("2032-01-01"), ""), 0);
}

static void offset_and_maximum_page(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++)
        world_aes(&world, "same", "");
    assert_int_equal(count(NAME("same"), "<MaximumItems type=\"Integer\" value=\"2\"/>"), 2);
    assert_int_equal(count(NAME("same"), "<OffsetItems type=\"Integer\" value=\"4\"/>"), 1);
    assert_int_equal(
        kmip_num(kmip_child(world.item, KMIP_TAG_RESPONSE_PAYLOAD), KMIP_TAG_LOCATED_ITEMS, -1), 5);
    assert_int_equal(count("<CryptographicLength type=\"Integer\" value=\"256\"/>",
                           "<MaximumItems type=\"Integer\" value=\"2\"/>"
                           "<OffsetItems type=\"Integer\" value=\"4\"/>"),
                     1);
    world_refused(&world, KMIP_REASON_INVALID_FIELD, "Locate",
                  "<MaximumItems type=\"Integer\" value=\"-2\"/><Attributes></Attributes>");
}

static void destroyed_and_archived_only_where_asked_for(void **state)
{
    (void)state;
    const char *gone = world_aes(&world, "gone", ""), *away = world_aes(&world, "away", "");
    world_must(&world, "Destroy", UID(gone));
    world_must(&world, "Archive", UID(away));
    assert_int_equal(count("", ""), 0);
    assert_int_equal(count("", "<StorageStatusMask type=\"Integer\" value=\"ArchivalStorage\"/>"),
                     1);
    assert_int_equal(count("", "<StorageStatusMask type=\"Integer\" value=\"DestroyedStorage\"/>"),
                     1);
    assert_int_equal(count("", "<StorageStatusMask type=\"Integer\" value=\"7\"/>"), 2);
    assert_int_equal(
        count(world_text("<UniqueIdentifier type=\"TextString\" value=\"%s\"/>", gone), ""), 0);
}

static void custom_attributes_and_other_eyes(void **state)
{
    (void)state;
#define TAPE(value)                                                                                \
    "<Attribute><VendorIdentification type=\"TextString\" value=\"x\"/><AttributeName "            \
    "type=\"TextString\" value=\"Barcode\"/><AttributeValue type=\"TextString\" value=\"" value    \
    "\"/></Attribute>"
    world_aes(&world, "tape", TAPE("XXA012A1"));
    assert_int_equal(count(TAPE("XXA012A1"), ""), 1);
    assert_int_equal(count(TAPE("XXA012A2"), ""), 0);
    world.who = 1;
    assert_int_equal(count(TAPE("XXA012A1"), ""), 0);
    assert_int_equal(count("", ""), 0);
    world.who = 2;
    world_refused(&world, KMIP_REASON_AUTHENTICATION_NOT_SUCCESSFUL, "Locate",
                  "<Attributes></Attributes>");
}

static void fresh_members_of_a_group(void **state)
{
    (void)state;
#define POOL  "<ObjectGroup type=\"TextString\" value=\"pool\"/>"
#define FRESH "<ObjectGroupMember type=\"Enumeration\" value=\"GroupMemberFresh\"/>"
    const char *uid = world_aes(&world, "p1", POOL);
    world_aes(&world, "p2", POOL);
    assert_int_equal(count(POOL, FRESH), 2);
    world_must(&world, "Get", UID(uid));
    assert_int_equal(count(POOL, FRESH), 1);
    assert_int_equal(count(POOL, ""), 2);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, begin, end)
TEST_MAIN(CASE(by_name_type_and_state), CASE(what_has_no_entry_is_compared),
          CASE(dates_are_ranges_in_pairs), CASE(offset_and_maximum_page),
          CASE(destroyed_and_archived_only_where_asked_for), CASE(custom_attributes_and_other_eyes),
          CASE(fresh_members_of_a_group))
