#include "fleet/node.h"

#include "site.h"

static struct site a;

static int begin(void **state)
{
    (void)state;
    site_begin(&a, NULL);
    site_network(&a, "metro-east", "metro-east.example", 0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    site_end(&a);
    return 0;
}

struct listed {
    uint64_t count;
    uint64_t first, last;
};

static enum err collect(void *ctx, const struct fleet_node *node, unsigned id_bits,
                        struct err_detail *detail)
{
    struct listed *listed = ctx;
    (void)id_bits;
    (void)detail;
    if (listed->count > 0)
        assert_true(node->id > listed->last);
    else
        listed->first = node->id;
    listed->last = node->id;
    listed->count++;
    return ERR_OK;
}

static struct listed list(const struct fleet_node_filter *filter)
{
    struct listed listed = {0};
    assert_ok(fleet_node_list(&a.call, filter, collect, &listed, NULL));
    return listed;
}

static void generate_and_list(void **state)
{
    (void)state;
    site_generate(&a, "metro-east", 0x10200, 0x105e7, 7);
    site_generate(&a, "metro-east", 0x20000, 0x20009, 8);
    struct fleet_node_filter filter = {.network = "metro-east"};
    assert_int_equal(list(&filter).count, 1010);
    filter.by_batch = true;
    filter.batch = 7;
    struct listed listed = list(&filter);
    assert_int_equal(listed.count, 1000);
    assert_int_equal(listed.first, 0x10200);
    assert_int_equal(listed.last, 0x105e7);
    filter.first = 0x105e0;
    filter.max = 5;
    listed = list(&filter);
    assert_int_equal(listed.count, 5);
    assert_int_equal(listed.last, 0x105e4);
    filter = (struct fleet_node_filter){.network = "metro-east", .state = FLEET_NODE_REVOKED};
    assert_int_equal(list(&filter).count, 0);
    filter.network = "nowhere";
    assert_err(fleet_node_list(&a.call, &filter, collect, &listed, NULL), ERR_NOT_FOUND);
}

static void derived_keys_repeat_and_random_ones_differ(void **state)
{
    (void)state;
    struct fleet_node_generated result;
    uint8_t first[16], again[16], random[16];
    struct fleet_node_generate request = {
        .network = "metro-east", .range = {5, 5}, .batch = 1, .random = true};
    site_generate(&a, "metro-east", 1, 3, 1);
    assert_ok(fleet_node_generate(&a.call, &request, NULL, &result));
    assert_ok(site_node_key(&a, "metro-east.example", 1, first));
    assert_ok(site_node_key(&a, "metro-east.example", 5, random));
    assert_memory_not_equal(first, random, 16);
    /* The derivation is over realm, id and count alone, so a second site with the same base makes
     * the same keys. */
    struct site b = {0};
    site_begin(&b, NULL);
    site_hand_over(&a, &b, "metro-east");
    site_generate(&b, "metro-east", 1, 3, 1);
    assert_ok(site_node_key(&b, "metro-east.example", 1, again));
    assert_memory_equal(first, again, 16);
    site_end(&b);
}

static void existing_ids_are_refused_or_reprovisioned(void **state)
{
    (void)state;
    struct err_detail detail = {0};
    struct fleet_node_generated result;
    struct fleet_node_info info;
    uint8_t before[16], after[16];
    site_generate(&a, "metro-east", 100, 199, 1);
    assert_ok(site_node_key(&a, "metro-east.example", 150, before));
    struct fleet_node_generate request = {.network = "metro-east", .range = {150, 249}, .batch = 2};
    assert_err(fleet_node_generate(&a.call, &request, &detail, &result), ERR_EXISTS);
    assert_non_null(strstr(detail.text, "0x00000096"));
    assert_int_equal(site_nodes(&a, "metro-east"), 100);
    request.reprovision = true;
    assert_ok(fleet_node_generate(&a.call, &request, NULL, &result));
    assert_int_equal(result.created, 50);
    assert_int_equal(result.reprovisioned, 50);
    assert_ok(site_node_key(&a, "metro-east.example", 150, after));
    assert_memory_not_equal(before, after, 16);
    assert_ok(fleet_node_show(&a.call, "metro-east", 150, NULL, &info));
    assert_int_equal(info.node.reprovisioned, 1);
    assert_int_equal(info.node.batch, 2);
    assert_int_equal(info.versions, 1);
    assert_int_equal(info.history[0].reprovisioned, 0);
    assert_int_equal(info.history[0].batch, 1);
    assert_string_equal(info.operation, "generate");
    assert_string_equal(info.actor, "uid:0");
}

static void states(void **state)
{
    (void)state;
    uint8_t key[16];
    uint64_t changed = 0;
    struct err_detail detail = {0};
    const struct fleet_range ten = {10, 19}, eleven = {10, 20};
    site_generate(&a, "metro-east", 10, 19, 1);
    assert_err(
        fleet_node_change(&a.call, "metro-east", eleven, FLEET_NODE_REVOKE, &detail, &changed),
        ERR_NOT_FOUND);
    assert_non_null(strstr(detail.text, "0x00000014"));
    assert_ok(site_node_key(&a, "metro-east.example", 10, key));
    assert_ok(fleet_node_change(&a.call, "metro-east", ten, FLEET_NODE_REVOKE, NULL, &changed));
    assert_int_equal(changed, 10);
    assert_int_equal(site_nodes(&a, "metro-east"), 10);
    assert_ok(fleet_node_change(&a.call, "metro-east", ten, FLEET_NODE_REVOKE, NULL, &changed));
    assert_int_equal(changed, 0);
    assert_err(site_node_key(&a, "metro-east.example", 10, key), ERR_DENIED);
    assert_ok(fleet_node_change(&a.call, "metro-east", ten, FLEET_NODE_REINSTATE, NULL, &changed));
    assert_ok(site_node_key(&a, "metro-east.example", 10, key));
    assert_ok(fleet_node_change(&a.call, "metro-east", (struct fleet_range){12, 12},
                                FLEET_NODE_DESTROY, NULL, &changed));
    assert_err(site_node_key(&a, "metro-east.example", 12, key), ERR_STATE);
    assert_int_equal(site_nodes(&a, "metro-east"), 10);
    assert_err(fleet_node_change(&a.call, "metro-east", ten, FLEET_NODE_REINSTATE, NULL, &changed),
               ERR_STATE);
    assert_err(site_node_key(&a, "metro-east.example", 77, key), ERR_NOT_FOUND);
    struct fleet_node_generate request = {
        .network = "metro-east", .range = {12, 12}, .batch = 1, .reprovision = true};
    struct fleet_node_generated result;
    assert_err(fleet_node_generate(&a.call, &request, NULL, &result), ERR_STATE);
}

static void wide_ids(void **state)
{
    (void)state;
    uint8_t key[16];
    site_network(&a, "wide", "wide.example", 64);
    site_generate(&a, "wide", 1, 3, 1);
    site_generate(&a, "wide", 0x7ffffffffffffffe, 0x8000000000000001, 1);
    site_generate(&a, "wide", UINT64_MAX - 2, UINT64_MAX, 2);
    struct fleet_node_filter filter = {.network = "wide"};
    struct listed listed = list(&filter);
    assert_int_equal(listed.count, 10);
    assert_int_equal(listed.first, 1);
    assert_true(listed.last == UINT64_MAX);
    assert_ok(site_node_key(&a, "wide.example", UINT64_MAX, key));
    assert_ok(site_node_key(&a, "wide.example", 0x8000000000000000, key));
    struct fleet_node_generate request = {.network = "metro-east", .range = {1, 0x100000000}};
    struct fleet_node_generated result;
    assert_err(fleet_node_generate(&a.call, &request, NULL, &result), ERR_LIMIT);
    request.range = (struct fleet_range){0, 3};
    assert_err(fleet_node_generate(&a.call, &request, NULL, &result), ERR_ARGUMENT);
}

static bool stop_at_merge(void *ctx, const char *stage, uint64_t done, uint64_t total)
{
    (void)ctx;
    (void)done;
    (void)total;
    return strcmp(stage, "merge") != 0;
}

static void a_cancelled_one_changes_nothing(void **state)
{
    (void)state;
    struct fleet_call call = a.call;
    call.progress = stop_at_merge;
    struct fleet_node_generate request = {.network = "metro-east", .range = {1, 5000}};
    struct fleet_node_generated result;
    assert_err(fleet_node_generate(&call, &request, NULL, &result), ERR_CANCELLED);
    assert_int_equal(site_nodes(&a, "metro-east"), 0);
    site_generate(&a, "metro-east", 1, 10, 1);
}

static bool count_steps(void *ctx, uint64_t done)
{
    unsigned *left = ctx;
    (void)done;
    return (*left)-- > 0;
}

/* Every record is moved to the new domain key, in pieces, and stays readable all the while. */
static void domain_keys_rotate(void **state)
{
    (void)state;
    uint8_t before[16], after[16];
    struct fleet_network *shown = calloc(1, sizeof(*shown));
    struct fleet_node_generated result;
    site_generate(&a, "metro-east", 1, 1300, 1);
    struct fleet_node_generate again = {
        .network = "metro-east", .range = {1, 700}, .reprovision = true};
    assert_ok(fleet_node_generate(&a.call, &again, NULL, &result));
    assert_ok(site_node_key(&a, "metro-east.example", 650, before));
    assert_ok(fleet_network_rotate_domain(&a.call, "metro-east", NULL));
    assert_err(fleet_network_rotate_domain(&a.call, "metro-east", NULL), ERR_STATE);
    assert_ok(fleet_network_show(&a.call, "metro-east", NULL, shown));
    assert_true(shown->resealing);
    assert_ok(site_node_key(&a, "metro-east.example", 650, after));
    assert_memory_equal(before, after, 16);
    for (unsigned stop = 0; stop < 3; stop++) {
        unsigned left = stop;
        assert_err(vault_domain_reseal(a.vault, a.call.keeper, "test", shown->id, count_steps,
                                       &left, NULL),
                   ERR_CANCELLED);
        site_close(&a);
        site_open(&a);
        assert_ok(site_node_key(&a, "metro-east.example", 650, after));
    }
    assert_ok(fleet_network_reseal(&a.call, NULL, NULL));
    assert_ok(fleet_network_show(&a.call, "metro-east", NULL, shown));
    assert_false(shown->resealing);
    assert_int_equal(shown->domain_version, 2);
    for (uint64_t id = 1; id <= 1300; id += 7)
        assert_ok(site_node_key(&a, "metro-east.example", id, after));
    assert_ok(site_node_key(&a, "metro-east.example", 650, after));
    assert_memory_equal(before, after, 16);
    site_generate(&a, "metro-east", 2000, 2010, 1); /* the base was moved, too */
    site_close(&a);
    site_open(&a);
    assert_ok(fleet_network_rotate_domain(&a.call, "metro-east", NULL));
    assert_ok(fleet_network_reseal(&a.call, "metro-east", NULL));
    assert_ok(site_node_key(&a, "metro-east.example", 650, after));
    assert_memory_equal(before, after, 16);
    free(shown);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, begin, end)
TEST_MAIN(CASE(generate_and_list), CASE(derived_keys_repeat_and_random_ones_differ),
          CASE(existing_ids_are_refused_or_reprovisioned), CASE(states), CASE(wide_ids),
          CASE(a_cancelled_one_changes_nothing), CASE(domain_keys_rotate))
