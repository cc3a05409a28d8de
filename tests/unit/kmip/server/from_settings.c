#include <stdio.h>
#include <string.h>

#include "base/settings.h"
#include "kmip/codec/table.h"
#include "kmip/op/op.h"
#include "kmip/server/server.h"
#include "support/test.h"

static struct settings settings;
static struct arena *arena;
static struct kmip_config config;
static struct err_detail detail;

static enum err read_kmip(const char *lines)
{
    char text[1024];
    int len = snprintf(text, sizeof text, "[kmip]\n%s\n", lines);
    settings_done(&settings);
    arena_freep(&arena);
    assert_ok(arena_new((size_t)64 * 1024, &arena));
    assert_ok(settings_parse("/x/y.conf", text, (size_t)len, &settings, NULL));
    return kmip_config_from_settings(&settings, arena, &config, &detail);
}

static bool hidden(uint32_t operation)
{
    return (config.hidden_operations >> operation & 1) != 0;
}

static void nothing_said_hides_nothing(void **state)
{
    (void)state;
    assert_ok(read_kmip(""));
    assert_int_equal(config.hidden_operations, 0);
    assert_int_equal(config.hidden_objects, 0);
    assert_string_equal(config.vendor, "Claviger");
    assert_null(config.server_name);
    assert_int_equal(config.version_min, KMIP_1_0);
    assert_int_equal(config.version_max, KMIP_2_1);
    assert_true(config.streaming);
    assert_false(config.require_login);
    assert_int_equal(config.rng_seed, KMIP_SEED_TAKEN);
}

static void lists_show_what_is_in_them(void **state)
{
    (void)state;
    assert_ok(read_kmip("operations = 1, 10 Locate\nobjects = SymmetricKey 7"));
    assert_false(hidden(KMIP_OP_CREATE));
    assert_false(hidden(KMIP_OP_GET));
    assert_false(hidden(KMIP_OP_LOCATE));
    assert_true(hidden(KMIP_OP_DESTROY));
    assert_int_equal(config.hidden_objects, ~((1u << 2) | (1u << 7)));
    assert_ok(read_kmip("profiles = none"));
    assert_int_equal(config.profile_count, 0);
    assert_ok(read_kmip("profiles = 1 2 3"));
    assert_int_equal(config.profile_count, 3);
    assert_int_equal(config.profiles[2].name, 3);
}

static void choices_are_the_enumerations_numbers(void **state)
{
    (void)state;
    assert_ok(read_kmip("rng_mode = non-shared\nunwrap_mode = processed\nshredding = unsupported\n"
                        "destroy_action = shredded\nrng_seed = ignored\nversion_min = 1.2\n"
                        "version_max = 2.0\nmessage_max = 20000\nlease = 60\n"
                        "streaming = no\nvendor ="));
    assert_int_equal(config.rng_mode, KMIP_RNG_MODE_NON_SHARED_INSTANTIATION);
    assert_int_equal(config.unwrap_mode, KMIP_UNWRAP_MODE_PROCESSED);
    assert_int_equal(config.shredding, KMIP_SHREDDING_ALGORITHM_UNSUPPORTED);
    assert_int_equal(config.destroy_action, KMIP_DESTROY_ACTION_SHREDDED);
    assert_int_equal(config.rng_seed, KMIP_SEED_IGNORED);
    assert_int_equal(config.version_min, KMIP_1_2);
    assert_int_equal(config.version_max, KMIP_2_0);
    assert_int_equal(config.message_max, 20000);
    assert_int_equal(config.lease_s, 60);
    assert_false(config.streaming);
    assert_null(config.vendor);
}

static void what_is_no_name_is_named(void **state)
{
    (void)state;
    static const char *const wrong[] = {"operations = Crate", "operations = 64", "operations = 0",
                                        "operations = -1",    "objects = 32",    "profiles = 1 x",
                                        "operations = ,"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_err(read_kmip(wrong[i]), ERR_CONFIG);
        assert_memory_equal(detail.text, "[kmip] ", 7);
    }
    assert_err(read_kmip("version_min = 2.0\nversion_max = 1.4"), ERR_CONFIG);
    assert_non_null(strstr(detail.text, "version_min"));
    settings_done(&settings);
    arena_freep(&arena);
}

TEST_MAIN(cmocka_unit_test(nothing_said_hides_nothing),
          cmocka_unit_test(lists_show_what_is_in_them),
          cmocka_unit_test(choices_are_the_enumerations_numbers),
          cmocka_unit_test(what_is_no_name_is_named))
