#include "kmip/attr/attr.h"

#include "kmip/attr/index.h"
#include "kmip/attr/rules.h"
#include "kmip/codec/codec.h"
#include "kmip/codec/table.h"
#include "kmip/op/op.h"
#include "kmip/server/config.h"
#include "support/test.h"

static struct arena *arena;
static struct kmip_attrs attrs;

static int begin(void **state)
{
    (void)state;
    assert_ok(arena_new((size_t)4 * 1024 * 1024, &arena));
    attrs = (struct kmip_attrs){.arena = arena};
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static struct kmip_node *parse(const char *xml)
{
    struct kmip_node *root = NULL;
    struct err_detail detail = {0};
    if (kmip_decode(KMIP_XML, bytes_str(xml), NULL, arena, &root, &detail) != ERR_OK)
        fail_msg("%s", detail.text);
    return root;
}

#define OLD(name, type, value)                                                                     \
    "<Attribute><AttributeName type=\"TextString\" value=\"" name                                  \
    "\"/><AttributeValue type=\"" type "\" value=\"" value "\"/></Attribute>"
#define NAME                                                                                       \
    "<NameValue type=\"TextString\" value=\"n\"/><NameType type=\"Enumeration\" "                  \
    "value=\"UninterpretedTextString\"/>"

/* What `version` writes of the list's first attribute. */
static struct kmip_node *written(uint16_t version)
{
    struct kmip_build build = {.arena = arena};
    struct kmip_node *to = kmip_put_struct(&build, NULL, KMIP_TAG_ATTRIBUTES);
    kmip_attr_put(&build, to, version, attrs.first);
    assert_ok(build.err);
    return to->first;
}

static void two_ways_of_writing_are_one(void **state)
{
    (void)state;
    assert_ok(kmip_attr_read(&attrs,
                             parse("<Attribute><AttributeName type=\"TextString\" value=\"Name\"/>"
                                   "<AttributeValue>" NAME "</AttributeValue></Attribute>")));
    assert_int_equal(attrs.first->tag, KMIP_TAG_NAME);
    assert_true(kmip_equal(written(KMIP_2_1), parse("<Name>" NAME "</Name>")));
    attrs = (struct kmip_attrs){.arena = arena};
    assert_ok(kmip_attr_read(&attrs, parse("<Name>" NAME "</Name>")));
    const struct kmip_node *old = written(KMIP_1_0);
    assert_true(bytes_equal(kmip_bytes(old, KMIP_TAG_ATTRIBUTE_NAME), bytes_str("Name")));
    assert_true(
        bytes_equal(kmip_bytes(kmip_child(old, KMIP_TAG_ATTRIBUTE_VALUE), KMIP_TAG_NAME_VALUE),
                    bytes_str("n")));
}

static void custom_names(void **state)
{
    (void)state;
    assert_ok(kmip_attr_read(&attrs, parse(OLD("x-ID", "TextString", "7"))));
    assert_true(bytes_equal(attrs.first->vendor, bytes_str("x")));
    assert_true(bytes_equal(attrs.first->name, bytes_str("ID")));
    const struct kmip_node *new = written(KMIP_2_0);
    assert_true(bytes_equal(kmip_bytes(new, KMIP_TAG_VENDOR_IDENTIFICATION), bytes_str("x")));
    /* another vendor's has no name in 1.x */
    attrs = (struct kmip_attrs){.arena = arena};
    assert_ok(kmip_attr_read(
        &attrs, parse("<Attribute><VendorIdentification type=\"TextString\" value=\"acme\"/>"
                      "<AttributeName type=\"TextString\" value=\"n\"/><AttributeValue "
                      "type=\"Integer\" value=\"1\"/></Attribute>")));
    assert_null(written(KMIP_1_4));
    assert_non_null(written(KMIP_2_0));
}

static void what_is_no_attribute(void **state)
{
    (void)state;
    assert_err(kmip_attr_read(&attrs, parse(OLD("Colour", "TextString", "red"))), ERR_NOT_FOUND);
    assert_err(kmip_attr_read(&attrs, parse(OLD("x-", "TextString", "red"))), ERR_NOT_FOUND);
    assert_err(kmip_attr_read(&attrs, parse(OLD("Batch Count", "Integer", "1"))), ERR_NOT_FOUND);
    assert_err(kmip_attr_read(&attrs, parse("<BatchCount type=\"Integer\" value=\"1\"/>")),
               ERR_NOT_FOUND);
    assert_err(kmip_attr_read(&attrs, parse(OLD("Contact Information", "Integer", "1"))),
               ERR_SYNTAX);
    assert_err(kmip_attr_read(&attrs, parse(OLD("State", "Enumeration", "0x00000077"))),
               ERR_ARGUMENT);
    assert_err(kmip_attr_read(&attrs, parse("<Attribute><AttributeName type=\"TextString\" "
                                            "value=\"x-a\"/></Attribute>")),
               ERR_SYNTAX);
    assert_int_equal(attrs.count, 0);
}

static void indexes(void **state)
{
    (void)state;
    const struct kmip_attr_ref group = {.tag = KMIP_TAG_OBJECT_GROUP};
    struct kmip_build build = {.arena = arena};
    for (int i = 0; i < 3; i++)
        assert_ok(
            kmip_attr_add(&attrs, &group, kmip_put_text(&build, NULL, KMIP_TAG_OBJECT_GROUP, "g")));
    assert_int_equal(attrs.last->index, 2);
    kmip_attr_remove(&attrs, attrs.last);
    kmip_attr_remove(&attrs, attrs.first);
    assert_int_equal(attrs.first->index, 1);
    assert_ptr_equal(attrs.first, attrs.last);
    assert_ok(
        kmip_attr_add(&attrs, &group, kmip_put_text(&build, NULL, KMIP_TAG_OBJECT_GROUP, "h")));
    assert_int_equal(attrs.last->index, 2);
    kmip_attr_remove_all(&attrs, KMIP_TAG_OBJECT_GROUP);
    assert_null(attrs.first);
    assert_null(attrs.last);
    for (unsigned i = 0; i < KMIP_ATTRIBUTES_MAX; i++)
        assert_ok(
            kmip_attr_add(&attrs, &group, kmip_put_text(&build, NULL, KMIP_TAG_OBJECT_GROUP, "g")));
    assert_err(
        kmip_attr_add(&attrs, &group, kmip_put_text(&build, NULL, KMIP_TAG_OBJECT_GROUP, "g")),
        ERR_LIMIT);
}

static void links(void **state)
{
    (void)state;
    assert_ok(kmip_attr_add_link(&attrs, KMIP_LINK_TYPE_NEXT_LINK, "b"));
    assert_ok(kmip_attr_add_link(&attrs, KMIP_LINK_TYPE_PREVIOUS_LINK, "a"));
    assert_true(bytes_equal(kmip_attr_link(&attrs, KMIP_LINK_TYPE_PREVIOUS_LINK), bytes_str("a")));
    assert_int_equal(kmip_attr_link(&attrs, KMIP_LINK_TYPE_PARENT_LINK).len, 0);
}

static void numbers_of_other_types_are_absent(void **state)
{
    (void)state;
    struct kmip_build build = {.arena = arena};
    const struct kmip_attr_ref uid = {.tag = KMIP_TAG_UNIQUE_IDENTIFIER};
    assert_ok(
        kmip_attr_add(&attrs, &uid, kmip_put_enum(&build, NULL, KMIP_TAG_UNIQUE_IDENTIFIER, 1)));
    assert_null(kmip_attr_bytes(&attrs, KMIP_TAG_UNIQUE_IDENTIFIER).data);
    assert_int_equal(kmip_attr_num(&attrs, KMIP_TAG_STATE, 42), 42);
}

static void who_may_do_what(void **state)
{
    (void)state;
    assert_int_equal(kmip_attr_flags(KMIP_TAG_STATE), 0);
    assert_true((kmip_attr_flags(KMIP_TAG_NAME) & KMIP_ATTR_MULTI) != 0);
    assert_false((kmip_attr_flags(KMIP_TAG_DESCRIPTION) & KMIP_ATTR_MULTI) != 0);
    assert_true((kmip_attr_flags(KMIP_ATTR_CUSTOM) & KMIP_ATTR_DELETE) != 0);
    assert_false((kmip_attr_flags(KMIP_TAG_SENSITIVE) & KMIP_ATTR_DELETE) != 0);
    assert_false(kmip_attr_exists(KMIP_TAG_BATCH_COUNT));
    assert_true(kmip_attr_modifiable(KMIP_TAG_ACTIVATION_DATE, KMIP_STATE_PRE_ACTIVE));
    assert_false(kmip_attr_modifiable(KMIP_TAG_ACTIVATION_DATE, KMIP_STATE_ACTIVE));
}

static void filters_match(void **state)
{
    (void)state;
    struct kmip_attrs filter = {.arena = arena};
    struct vault_term terms[2 * KMIP_TERMS_MAX];
    size_t count = 0;
    assert_ok(kmip_attr_add_link(&attrs, KMIP_LINK_TYPE_NEXT_LINK, "b"));
    assert_ok(kmip_attr_add_link(&attrs, KMIP_LINK_TYPE_PREVIOUS_LINK, "a"));
    /* fields of two instances don't make one */
    assert_ok(kmip_attr_add_link(&filter, KMIP_LINK_TYPE_NEXT_LINK, "a"));
    assert_false(kmip_attr_matches(&attrs, filter.first));
    assert_false(kmip_attr_terms(filter.first, terms, &count));
    assert_int_equal(count, 1);
    struct vault_key *keys = NULL;
    size_t key_count = 0;
    assert_ok(kmip_attr_keys(&attrs, &keys, &key_count));
    assert_int_equal(key_count, 2);
    filter = (struct kmip_attrs){.arena = arena};
    assert_ok(kmip_attr_read(&filter, parse("<Link><LinkedObjectIdentifier type=\"TextString\" "
                                            "value=\"a\"/></Link>")));
    assert_true(kmip_attr_matches(&attrs, filter.first));
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, begin, end)
TEST_MAIN(CASE(two_ways_of_writing_are_one), CASE(custom_names), CASE(what_is_no_attribute),
          CASE(indexes), CASE(links), CASE(numbers_of_other_types_are_absent),
          CASE(who_may_do_what), CASE(filters_match))
