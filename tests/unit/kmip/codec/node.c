#include "kmip/codec/node.h"

#include "kmip/codec/table.h"
#include "vectors.h"

static void test_read(void **state)
{
    (void)state;
    AUTO(arena_freep) struct arena *arena = arena_for_test();
    struct kmip_build b = {.arena = arena};
    struct kmip_node *root = kmip_put_struct(&b, NULL, KMIP_TAG_REQUEST_PAYLOAD);
    struct kmip_node *one = kmip_put_text(&b, root, KMIP_TAG_UNIQUE_IDENTIFIER, "one");
    kmip_put_int(&b, root, KMIP_TAG_MAXIMUM_ITEMS, -5);
    struct kmip_node *two = kmip_put_text(&b, root, KMIP_TAG_UNIQUE_IDENTIFIER, "");
    kmip_put_bool(&b, root, KMIP_TAG_FRESH, true);
    kmip_put_enum(&b, root, KMIP_TAG_OBJECT_TYPE, 0x80000001);
    kmip_put_bytes(&b, root, KMIP_TAG_DATA, KMIP_BYTE_STRING, (struct bytes){0});
    assert_ok(b.err);
    assert_int_equal(root->count, 6);
    assert_ptr_equal(kmip_child(root, KMIP_TAG_UNIQUE_IDENTIFIER), one);
    assert_ptr_equal(kmip_again(one), two);
    assert_null(kmip_again(two));
    assert_int_equal(kmip_num(root, KMIP_TAG_MAXIMUM_ITEMS, 1), -5);
    assert_int_equal(kmip_num(root, KMIP_TAG_UNIQUE_IDENTIFIER, 7), 7);
    assert_int_equal(kmip_num(root, KMIP_TAG_OFFSET_ITEMS, 8), 8);
    assert_true(kmip_bool(root, KMIP_TAG_FRESH, false));
    assert_true(kmip_bool(root, KMIP_TAG_SENSITIVE, true));
    assert_int_equal(kmip_enum(root, KMIP_TAG_OBJECT_TYPE, 0), 0x80000001);
    assert_int_equal(kmip_enum(root, KMIP_TAG_FRESH, 9), 9);
    assert_non_null(kmip_bytes(root, KMIP_TAG_DATA).data);
    assert_null(kmip_bytes(root, KMIP_TAG_MAC_DATA).data);
    assert_null(kmip_bytes(root, KMIP_TAG_FRESH).data);
    assert_null(kmip_child(NULL, KMIP_TAG_DATA));
    assert_null(kmip_again(NULL));
    assert_int_equal(kmip_num(NULL, KMIP_TAG_DATA, 3), 3);
}

static void test_copies(void **state)
{
    (void)state;
    AUTO(arena_freep) struct arena *arena = arena_for_test();
    struct kmip_build b = {.arena = arena};
    char text[] = "text";
    struct kmip_node *root = kmip_put_struct(&b, NULL, KMIP_TAG_NAME);
    kmip_put_bytes(&b, root, KMIP_TAG_NAME_VALUE, KMIP_TEXT_STRING, bytes_str(text));
    kmip_put_enum(&b, root, KMIP_TAG_NAME_TYPE, 1);
    struct kmip_node *copy = kmip_put_copy(&b, NULL, KMIP_TAG_ATTRIBUTE_VALUE, root);
    assert_int_equal(copy->tag, KMIP_TAG_ATTRIBUTE_VALUE);
    assert_false(kmip_equal(copy, root));
    copy->tag = KMIP_TAG_NAME;
    assert_true(kmip_equal(copy, root));
    text[0] = 'T'; /* borrowed there, copied here */
    assert_false(kmip_equal(copy, root));
    assert_true(bytes_equal(copy->first->bytes, bytes_str("text")));
    assert_true(kmip_equal(NULL, NULL));
    assert_false(kmip_equal(root, NULL));
}

static void test_remove(void **state)
{
    (void)state;
    AUTO(arena_freep) struct arena *arena = arena_for_test();
    struct kmip_build b = {.arena = arena};
    struct kmip_node *root = kmip_put_struct(&b, NULL, KMIP_TAG_REQUEST_PAYLOAD);
    struct kmip_node *first = kmip_put_int(&b, root, KMIP_TAG_MAXIMUM_ITEMS, 1);
    struct kmip_node *second = kmip_put_int(&b, root, KMIP_TAG_MAXIMUM_ITEMS, 2);
    struct kmip_node *third = kmip_put_int(&b, root, KMIP_TAG_MAXIMUM_ITEMS, 3);
    kmip_remove(root, third);
    assert_ptr_equal(root->last, second);
    kmip_append(root, third);
    kmip_remove(root, first);
    kmip_remove(root, first); /* not there any more */
    assert_ptr_equal(root->first, second);
    assert_int_equal(root->count, 2);
    kmip_remove(root, second);
    kmip_remove(root, third);
    assert_true(root->first == NULL && root->last == NULL && root->count == 0);
}

/* The first failure sticks and nothing is built behind it, not even what would fit. */
static void test_exhausted(void **state)
{
    (void)state;
    AUTO(arena_freep) struct arena *arena = NULL;
    assert_ok(arena_new(256, &arena));
    struct kmip_build b = {.arena = arena};
    struct kmip_node *root = kmip_put_struct(&b, NULL, KMIP_TAG_REQUEST_PAYLOAD);
    assert_non_null(root);
    assert_null(
        kmip_put_bytes_copy(&b, root, KMIP_TAG_DATA, KMIP_BYTE_STRING, bytes_of(root, 1 << 10)));
    assert_err(b.err, ERR_NO_MEMORY);
    assert_null(kmip_put_int(&b, root, KMIP_TAG_MAXIMUM_ITEMS, 1));
    assert_null(kmip_put_struct(&b, NULL, KMIP_TAG_REQUEST_PAYLOAD));
    assert_null(kmip_put_copy(&b, NULL, 0, root));
    assert_int_equal(root->count, 0);
}

TEST_MAIN(cmocka_unit_test(test_read), cmocka_unit_test(test_copies), cmocka_unit_test(test_remove),
          cmocka_unit_test(test_exhausted))
