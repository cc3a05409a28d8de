#include <stdio.h>

#include "api/json.h"
#include "kmip/attr/stored.h"
#include "kmip/codec/codec.h"
#include "kmip/codec/table.h"
#include "rig.h"
#include "vault/object_tx.h"
#include "vault/vault.h"

/* KMIP objects over the API: what their attributes say to administrators, and never what is in
 * them. */

#define SECRET_BYTE 0xa7 /* of sealed keys, values and digests that must not be seen */
#define HOSTILE     "<script>alert(1)</script>\x1b[2J\"'"

static struct api_rig rig;
static struct vault_objects *objects;
static uint32_t group; /* of the client db-cluster */
static uint64_t owner;

static int begin(void **state)
{
    (void)state;
    struct vault_client client;
    api_rig_begin(&rig);
    assert_ok(
        vault_objects_open(rig.site.vault, rig.site.store, rig.site.call.keeper, NULL, &objects));
    const struct vault_client_new spec = {.name = "db-cluster",
                                          .kind = VAULT_CLIENT_KMIP,
                                          .may = VAULT_MAY_ALL,
                                          .placement = VAULT_IN_STORE,
                                          .password_verifier = "x"};
    assert_ok(vault_client_create(rig.clients, &spec, &client, NULL));
    group = client.eyes.groups[0];
    owner = client.id;
    return 0;
}

static int end(void **state)
{
    (void)state;
    vault_objects_close(objects);
    api_rig_end(&rig);
    return 0;
}

static json_t *get(const char *path)
{
    return api_rig_get(&rig, NET_HTTP_GET, path, NULL);
}

static const char *text(const json_t *json, const char *name)
{
    const char *value = json_string_value(json_object_get(json, name));
    return value != NULL ? value : "";
}

static struct vault_object new_object(uint32_t type)
{
    static uint8_t secret[64];
    memset(secret, SECRET_BYTE, sizeof secret);
    secret[0] = 1, secret[1] = 0, secret[2] = 1;
    struct vault_object object = {.type = type,
                                  .state = 2,
                                  .group = group,
                                  .owner = owner,
                                  .placement = VAULT_IN_STORE,
                                  .domain = vault_objects_domain(objects),
                                  .epoch = 1,
                                  .sealed = BYTES(secret),
                                  .value = BYTES(secret)};
    kmip_stored_clear(&object);
    object.alg = KMIP_CRYPTOGRAPHIC_ALGORITHM_AES;
    object.bits = 256;
    object.initial = 1700000000;
    object.last_change = 1700000600;
    assert_ok(vault_object_next(objects, &object.id, object.uid));
    return object;
}

/* The blob of attributes: a name, a digest, what is no attribute, a hostile one, and a link. */
static void put_attributes(struct arena *arena, struct vault_object *object, const char *name,
                           const char *linked)
{
    struct kmip_build b = {.arena = arena};
    struct buf blob = {0};
    static uint8_t digest[32];
    memset(digest, SECRET_BYTE, sizeof digest);
    struct kmip_node *root = kmip_put_struct(&b, NULL, KMIP_TAG_ATTRIBUTES);
    struct kmip_node *node = kmip_put_struct(&b, root, KMIP_TAG_NAME);
    kmip_put_text(&b, node, KMIP_TAG_NAME_VALUE, name);
    kmip_put_enum(&b, node, KMIP_TAG_NAME_TYPE, KMIP_NAME_TYPE_UNINTERPRETED_TEXT_STRING);
    node = kmip_put_struct(&b, root, KMIP_TAG_DIGEST);
    kmip_put_enum(&b, node, KMIP_TAG_HASHING_ALGORITHM, KMIP_HASHING_ALGORITHM_SHA_256);
    kmip_put_bytes(&b, node, KMIP_TAG_DIGEST_VALUE, KMIP_BYTE_STRING, BYTES(digest));
    kmip_put_enum(&b, root, KMIP_TAG_SECRET_DATA_TYPE, 1);
    node = kmip_put_struct(&b, root, KMIP_TAG_ATTRIBUTE);
    kmip_put_text(&b, node, KMIP_TAG_VENDOR_IDENTIFICATION, "x");
    kmip_put_text(&b, node, KMIP_TAG_ATTRIBUTE_NAME, "rack");
    kmip_put_int(&b, node, KMIP_TAG_ATTRIBUTE_INDEX, 0);
    kmip_put_text(&b, node, KMIP_TAG_ATTRIBUTE_VALUE, HOSTILE);
    if (linked != NULL) {
        node = kmip_put_struct(&b, root, KMIP_TAG_LINK);
        kmip_put_enum(&b, node, KMIP_TAG_LINK_TYPE, KMIP_LINK_TYPE_PUBLIC_KEY_LINK);
        kmip_put_text(&b, node, KMIP_TAG_LINKED_OBJECT_IDENTIFIER, linked);
    }
    assert_ok(b.err);
    assert_ok(kmip_encode(KMIP_TTLV, root, &blob));
    object->attributes = bytes_of(arena_strndup(arena, blob.data, blob.len), blob.len);
    buf_done(&blob);
}

struct one {
    const struct vault_object *object;
    struct vault_key keys[4];
};

static enum err insert(struct vault_tx *tx, void *ctx, struct err_detail *detail)
{
    const struct one *one = ctx;
    return vault_tx_insert(tx, one->object, one->keys, ARRAY_LEN(one->keys), detail);
}

/* Its identifier is the caller's. */
static void store(struct vault_object *object, const char *name, const char *linked)
{
    char typed[64] = "", untyped[64] = "";
    struct arena *arena = NULL;
    assert_ok(arena_new(1 << 20, &arena));
    put_attributes(arena, object, name, linked);
    (void)snprintf(typed + 1, sizeof typed - 1, "%s", name);
    (void)snprintf(untyped + 1, sizeof untyped - 1, "%s", name);
    typed[0] = 1;
    struct one one = {
        .object = object,
        .keys = {vault_key_number(KMIP_TAG_OBJECT_TYPE, object->type),
                 vault_key_number(KMIP_TAG_CRYPTOGRAPHIC_ALGORITHM, object->alg),
                 vault_key_bytes(KMIP_TAG_NAME, bytes_of(typed, strlen(name) + 1)),
                 vault_key_bytes(KMIP_TAG_NAME, bytes_of(untyped, strlen(name) + 1))}};
    struct err_detail detail = {0};
    if (vault_objects_run(objects, NULL, NULL, insert, &one, &detail) != ERR_OK)
        fail_msg("%s", detail.text);
    arena_free(arena);
}

static size_t rows(const char *path)
{
    AUTO(json_freep) json_t *answer = get(path);
    return json_array_size(json_object_get(answer, "objects"));
}

static void nothing_secret(void)
{
    const char *body = (const char *)rig.answer.body.data;
    assert_null(memmem(body, rig.answer.body.len, "a7a7", 4));
    assert_null(memmem(body, rig.answer.body.len, "A7A7", 4));
    assert_null(memmem(body, rig.answer.body.len, "\xa7\xa7", 2));
    assert_null(memmem(body, rig.answer.body.len, "Secret Data Type", 16));
}

static void nothing_is_an_answer_too(void **state)
{
    (void)state;
    AUTO(json_freep) json_t *answer = get("/v1/objects?counts");
    assert_int_equal(json_array_size(json_object_get(answer, "objects")), 0);
    assert_true(json_is_null(json_object_get(answer, "next")));
    json_t *counts = json_object_get(answer, "counts");
    assert_int_equal(json_integer_value(json_object_get(counts, "total")), 0);
    assert_err(api_rig_call(&rig, NET_HTTP_GET, "/v1/objects/none", NULL), ERR_NOT_FOUND);
    assert_err(api_rig_call(&rig, NET_HTTP_GET, "/v1/objects/rotate", NULL), ERR_NOT_FOUND);
}

static void they_are_listed_filtered_and_paged(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 9; i++) {
        char name[32];
        struct vault_object object =
            new_object(i == 4 ? KMIP_OBJECT_CERTIFICATE : KMIP_OBJECT_SYMMETRIC_KEY);
        object.state = i == 2 ? 5 : 2;
        object.placement = i == 7 ? VAULT_IN_TOKEN : VAULT_IN_STORE;
        if (i == 2)
            object.sealed = (struct bytes){0};
        (void)snprintf(name, sizeof name, "disk-%u", i);
        store(&object, name, NULL);
    }
    AUTO(json_freep) json_t *answer = get("/v1/objects?limit=4&counts");
    json_t *list = json_object_get(answer, "objects"), *row = json_array_get(list, 0);
    assert_int_equal(json_array_size(list), 4);
    assert_string_equal(text(row, "type"), "Symmetric Key");
    assert_string_equal(text(row, "algorithm"), "AES");
    assert_string_equal(text(row, "state"), "Active");
    assert_string_equal(text(row, "group"), "db-cluster");
    assert_string_equal(text(row, "placement"), "vault");
    assert_string_equal(text(row, "created"), "2023-11-14T22:13:20Z");
    json_t *names = json_object_get(row, "names");
    assert_int_equal(json_array_size(names), 1);
    assert_string_equal(json_string_value(json_array_get(names, 0)), "disk-8");
    nothing_secret();
    char next[128];
    (void)snprintf(next, sizeof next, "/v1/objects?limit=4&from=%lld",
                   (long long)json_integer_value(json_object_get(answer, "next")));
    AUTO(json_freep) json_t *second = get(next);
    row = json_array_get(json_object_get(second, "objects"), 0);
    assert_string_equal(json_string_value(json_array_get(json_object_get(row, "names"), 0)),
                        "disk-4");
    json_t *counts = json_object_get(answer, "counts");
    assert_int_equal(json_integer_value(json_object_get(counts, "total")), 9);
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(counts, "types"), "Certificate")), 1);
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(counts, "states"), "Destroyed")), 1);
    assert_int_equal(rows("/v1/objects?limit=0"), 0);
    assert_int_equal(rows("/v1/objects?type=symmetric-key"), 8);
    assert_int_equal(rows("/v1/objects?type=Certificate"), 1);
    assert_int_equal(rows("/v1/objects?state=destroyed&type=symmetric+key"), 1);
    assert_int_equal(rows("/v1/objects?algorithm=aes&placement=token"), 1);
    assert_int_equal(rows("/v1/objects?algorithm=RSA"), 0);
    assert_int_equal(rows("/v1/objects?group=db-cluster&q=disk-"), 9);
    assert_int_equal(rows("/v1/objects?q=disk-3"), 1);
    assert_int_equal(rows("/v1/objects?q=isk-3"), 0);
    (void)snprintf(next, sizeof next, "/v1/objects?q=%.20s", text(row, "id"));
    assert_true(rows(next) >= 1);
}

static void filters_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    const char *const wrong[] = {"type=key",       "state=alive", "algorithm=rot13",
                                 "placement=moon", "from=x",      "limit=501",
                                 "limit=-1",       "from=-1",     "type=%3Cscript%3E"};
    char path[512];
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        (void)snprintf(path, sizeof path, "/v1/objects?%s", wrong[i]);
        assert_err(api_rig_call(&rig, NET_HTTP_GET, path, NULL), ERR_ARGUMENT);
    }
    assert_err(api_rig_call(&rig, NET_HTTP_GET, "/v1/objects?group=strangers", NULL),
               ERR_NOT_FOUND);
    (void)snprintf(path, sizeof path, "/v1/objects?q=%0200d", 7);
    assert_err(api_rig_call(&rig, NET_HTTP_GET, path, NULL), ERR_ARGUMENT);
}

static const char *attribute(const json_t *answer, const char *name)
{
    size_t i;
    const json_t *one;
    json_array_foreach(json_object_get(answer, "attributes"), i, one)
    {
        if (strcmp(text(one, "name"), name) == 0)
            return text(one, "value");
    }
    return NULL;
}

static void one_shows_its_attributes_and_nothing_secret(void **state)
{
    (void)state;
    char path[256];
    struct vault_object public = new_object(KMIP_OBJECT_PUBLIC_KEY);
    struct vault_object private = new_object(KMIP_OBJECT_PRIVATE_KEY);
    private.usage_total = 1000;
    private.usage_left = 250;
    private.usage_unit = 1;
    private.activation = INT64_MAX; /* whatever a client says */
    private.deactivation = 0;
    store(&public, HOSTILE, NULL);
    store(&private, "signer", public.uid);
    (void)snprintf(path, sizeof path, "/v1/objects/%s", private.uid);
    AUTO(json_freep) json_t *answer = get(path);
    nothing_secret();
    assert_string_equal(text(answer, "owner"), "db-cluster");
    assert_string_equal(attribute(answer, "Name"), "signer");
    assert_string_equal(attribute(answer, "x-rack"), HOSTILE);
    assert_non_null(strstr(attribute(answer, "Digest"), "DigestValue=***"));
    assert_string_equal(attribute(answer, "Cryptographic Length"), "256");
    assert_null(attribute(answer, "Secret Data Type"));
    assert_true(json_is_null(json_object_get(answer, "activation")));
    assert_string_equal(text(answer, "deactivation"), "1970-01-01T00:00:00Z");
    assert_string_equal(text(answer, "state"), "Deactivated");
    json_t *usage = json_object_get(answer, "usage");
    assert_int_equal(json_integer_value(json_object_get(usage, "left")), 250);
    assert_string_equal(text(usage, "unit"), "Byte");
    json_t *link = json_array_get(json_object_get(answer, "links"), 0);
    assert_string_equal(text(link, "type"), "Public Key Link");
    assert_string_equal(text(link, "id"), public.uid);
    assert_int_equal(json_array_size(json_object_get(answer, "history")), 4);

    (void)snprintf(path, sizeof path, "/v1/objects/%s", public.uid);
    AUTO(json_freep) json_t *other = get(path);
    assert_non_null(strstr(attribute(other, "Digest"), "a7a7a7"));
    assert_string_equal(json_string_value(json_array_get(json_object_get(other, "names"), 0)),
                        HOSTILE);
}

static void nobody_sees_them(void **state)
{
    (void)state;
    api_rig_become_nobody(&rig);
    assert_err(api_rig_call(&rig, NET_HTTP_GET, "/v1/objects", NULL), ERR_DENIED);
    assert_err(api_rig_call(&rig, NET_HTTP_GET, "/v1/objects/none", NULL), ERR_DENIED);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, begin, end)
TEST_MAIN(CASE(nothing_is_an_answer_too), CASE(they_are_listed_filtered_and_paged),
          CASE(filters_that_make_no_sense_are_refused),
          CASE(one_shows_its_attributes_and_nothing_secret), CASE(nobody_sees_them))
