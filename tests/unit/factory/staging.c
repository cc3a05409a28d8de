#include "factory/staging.h"

#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

#include "../fleet/site.h"
#include "base/clock.h"
#include "base/file.h"
#include "crypto/pem.h"
#include "crypto/rsa.h"
#include "factory/gateway_keys.h"
#include "factory/internal.h"
#include "fleet/network.h"
#include "unit/factory/parcel.h"

#define CONFIG UINT64_C(0x12345678abc)

/* Operator and factory in one: the package's keys are of a network of the same site. */
static struct site site;
static struct parcel *parcel;
static void *parcel_state;
static struct factory *factory;
static struct arena *arena;
static char *packages;

static void open_factory(void)
{
    struct err_detail detail = {0};
    const struct factory_config config = {.directory = packages,
                                          .package_max = (uint64_t)64 * 1024 * 1024};
    if (factory_open(site.store, site.vault, &config, &detail, &factory) != ERR_OK)
        fail_msg("%s", detail.text);
}

static void write_keys(void)
{
    struct buf pem = site_pem(&site), file = {0}, signature = {0};
    assert_ok(
        fleet_gateway_export(&site.call, "metro-east", bytes_of("", 0), &file, &signature, NULL));
    parcel_write(parcel, "kms_key.pub.pem", buf_view(&pem));
    parcel_write(parcel, "gw_keys.csv.aes", buf_view(&file));
    parcel_write(parcel, "gw_keys.csv.aes.sig", buf_view(&signature));
    buf_done(&pem);
    buf_done(&file);
    buf_done(&signature);
}

static struct buf packager_pem(void)
{
    struct buf pem = {0};
    assert_ok(pem_encode("PUBLIC KEY", parcel->packager.public_key, &pem));
    return pem;
}

static enum err trust(const char *name)
{
    uint8_t fingerprint[32];
    struct buf pem = packager_pem();
    enum err err = factory_packager_add(factory, "uid:0", name, buf_view(&pem), fingerprint, NULL);
    buf_done(&pem);
    return err;
}

static int begin(void **state)
{
    (void)state;
    site_begin(&site, NULL);
    site_network(&site, "metro-east", "metro-east.example", 32);
    assert_int_equal(parcel_setup(&parcel_state), 0);
    parcel = parcel_state;
    packages = test_path(site.dir, "packages");
    assert_ok(arena_new((size_t)64 * 1024 * 1024, &arena));
    vault_add_source(site.vault, factory_reseal_source(site.store));
    open_factory();
    write_keys();
    parcel_build(parcel);
    return 0;
}

static int end(void **state)
{
    (void)state;
    factory_close(factory);
    factory = NULL;
    arena_free(arena);
    (void)parcel_teardown(&parcel_state);
    site_end(&site);
    free(packages);
    return 0;
}

static enum err stage(const char *passphrase, uint64_t *ret_import, uint32_t *ret_replaces)
{
    struct factory_package package;
    const struct factory_import request = {.path = parcel_path(parcel, "package.tar.gz"),
                                           .name = "package.tar.gz",
                                           .passphrase = bytes_str(passphrase),
                                           .comment = ""};
    enum err err = factory_stage(factory, &site.call, &request, arena, ret_import, &package,
                                 ret_replaces, NULL);
    if (err == ERR_OK) {
        assert_true(package.config_id == CONFIG);
        assert_string_equal(package.network, "metro-east");
        assert_int_equal(package.applications_len, 2);
        assert_string_equal(package.packager, "acme");
    }
    return err;
}

static unsigned folders(void)
{
    unsigned count = 0;
    DIR *dir = opendir(packages);
    assert_non_null(dir);
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    (void)closedir(dir);
    return count;
}

static enum err get(uint32_t revision, struct factory_package *ret)
{
    return factory_package_get(factory, CONFIG, revision, arena, ret, NULL);
}

static void a_package_becomes_a_revision(void **state)
{
    (void)state;
    uint64_t import = 0, config = 0;
    uint32_t replaces = 9, revision = 0;
    struct factory_package package;
    struct factory_gateway_keys keys;
    char path[FACTORY_PATH_MAX];
    assert_ok(trust("acme"));
    assert_ok(stage(PASSPHRASE, &import, &replaces));
    assert_int_equal(replaces, 0);
    assert_err(get(0, &package), ERR_NOT_FOUND);
    assert_ok(factory_stage_commit(factory, &site.call, import, &config, &revision, NULL));
    assert_int_equal(revision, 1);
    assert_err(factory_stage_commit(factory, &site.call, import, &config, &revision, NULL),
               ERR_NOT_FOUND);
    assert_ok(get(0, &package));
    assert_int_equal(package.kms_bits, 2048);
    assert_int_equal(package.aliases_len, 2);
    assert_string_equal(package.comment, "first \"line\"\nsecond"); /* the package's own */
    assert_ok(factory_package_keys(factory, CONFIG, 1, &keys, NULL));
    assert_int_equal(keys.gateway_version, 1);
    assert_true(keys.gateway.sealed.len > 24);
    assert_err(factory_package_keys(factory, CONFIG, 2, &keys, NULL), ERR_NOT_FOUND);
    assert_ok(factory_package_path(factory, CONFIG, 1, "node.bin", path, NULL));
    assert_int_equal(access(path, R_OK), 0);
    assert_err(factory_package_path(factory, CONFIG, 1, "../x", path, NULL), ERR_ARGUMENT);
    /* once more: a revision, and the first one stays */
    assert_ok(stage(PASSPHRASE, &import, &replaces));
    assert_int_equal(replaces, 1);
    assert_ok(factory_stage_commit(factory, &site.call, import, &config, &revision, NULL));
    assert_int_equal(revision, 2);
    assert_ok(get(0, &package));
    assert_int_equal(package.revision, 2);
    assert_ok(get(1, &package));
    assert_int_equal(folders(), 1);
}

static void what_is_refused_leaves_nothing(void **state)
{
    (void)state;
    uint64_t import = 0;
    uint32_t replaces = 0;
    assert_err(stage(PASSPHRASE, &import, &replaces), ERR_SIGNATURE);
    assert_ok(trust("acme"));
    assert_err(stage("wrong horse battery", &import, &replaces), ERR_DECRYPT);
    assert_ok(factory_packager_remove(factory, "acme", NULL));
    assert_err(stage(PASSPHRASE, &import, &replaces), ERR_SIGNATURE);
    assert_ok(trust("acme"));
    parcel_write(parcel, "package.tar.gz", bytes_str("this is no package"));
    assert_err(stage(PASSPHRASE, &import, &replaces), ERR_SYNTAX);
    assert_int_equal(unlink(parcel_path(parcel, "package.tar.gz")), 0);
    assert_err(stage(PASSPHRASE, &import, &replaces), ERR_NOT_FOUND);
    assert_int_equal(folders(), 0);
}

static void an_alias_has_one_owner(void **state)
{
    (void)state;
    uint64_t import = 0, config = 0;
    uint32_t replaces = 0, revision = 0;
    assert_ok(trust("acme"));
    assert_ok(stage(PASSPHRASE, &import, &replaces));
    assert_ok(factory_stage_commit(factory, &site.call, import, &config, &revision, NULL));
    assert_ok(factory_alias_find(factory, "82JX570141", &config, NULL));
    assert_true(config == CONFIG);
    assert_err(factory_alias_find(factory, "82jx570141", &config, NULL), ERR_NOT_FOUND);
    assert_err(factory_alias_find(factory, "a b", &config, NULL), ERR_ARGUMENT);
    assert_err(factory_alias_set(factory, "uid:0", "kite", 5, false, NULL), ERR_NOT_FOUND);
    assert_ok(factory_alias_set(factory, "uid:0", "kite", CONFIG, false, NULL));
    /* another configuration that brings the same aliases */
    char manifest[4096];
    (void)snprintf(manifest, sizeof manifest, "%s", parcel_manifest);
    memcpy(strstr(manifest, "0x12345678abc"), "0x12345678abd", 13);
    assert_ok(parcel_try(parcel, manifest, NULL));
    assert_err(stage(PASSPHRASE, &import, &replaces), ERR_EXISTS);
    assert_int_equal(folders(), 1);
    assert_ok(factory_alias_remove(factory, "kite", NULL));
    assert_err(factory_alias_remove(factory, "kite", NULL), ERR_NOT_FOUND);
}

static enum err steal_alias(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    (void)ctx;
    return alias_put(conn, "uid:0", "82JX570141", CONFIG + 1, 1, detail);
}

static void an_alias_taken_meanwhile_stops_the_commit(void **state)
{
    (void)state;
    uint64_t import = 0, config = 0;
    uint32_t replaces = 0, revision = 0;
    struct factory_package package;
    assert_ok(trust("acme"));
    assert_ok(stage(PASSPHRASE, &import, &replaces));
    assert_ok(store_run(site.store, steal_alias, NULL, NULL));
    assert_err(factory_stage_commit(factory, &site.call, import, &config, &revision, NULL),
               ERR_EXISTS);
    assert_err(get(0, &package), ERR_NOT_FOUND);
    assert_ok(factory_alias_remove(factory, "82JX570141", NULL));
    assert_ok(factory_stage_commit(factory, &site.call, import, &config, &revision, NULL));
    assert_int_equal(revision, 1);
}

static void what_waits_is_bounded_and_ends(void **state)
{
    (void)state;
    uint64_t import = 0, last = 0, config = 0;
    uint32_t replaces = 0, revision = 0;
    assert_ok(trust("acme"));
    for (unsigned i = 0; i < FACTORY_STAGED_MAX; i++)
        assert_ok(stage(PASSPHRASE, &import, &replaces));
    assert_err(stage(PASSPHRASE, &last, &replaces), ERR_BUSY);
    assert_int_equal(folders(), FACTORY_STAGED_MAX);
    assert_ok(factory_stage_drop(factory, import, NULL));
    assert_err(factory_stage_drop(factory, import, NULL), ERR_NOT_FOUND);
    factory_stage_tidy(factory, clock_mono_ns());
    assert_int_equal(folders(), FACTORY_STAGED_MAX - 1);
    factory_stage_tidy(factory, clock_mono_ns() + UINT64_C(3601) * 1000000000);
    assert_int_equal(folders(), 0);
    /* a stop ends what waits; a crash leaves it to the next start */
    assert_ok(stage(PASSPHRASE, &import, &replaces));
    factory_close(factory);
    assert_int_equal(folders(), 0);
    char *left = test_path(packages, ".staged-5");
    assert_ok(file_mkdirs(left, 0700, NULL));
    free(left);
    left = test_path(packages, "0x0000000000000007/1");
    assert_ok(file_mkdirs(left, 0700, NULL));
    free(left);
    open_factory();
    assert_int_equal(folders(), 0);
    assert_err(factory_stage_commit(factory, &site.call, import, &config, &revision, NULL),
               ERR_NOT_FOUND);
}

static void packagers_are_known_by_name_and_key(void **state)
{
    (void)state;
    uint8_t fingerprint[32];
    assert_ok(trust("acme"));
    assert_err(trust("acme"), ERR_EXISTS);
    assert_err(trust("other"), ERR_EXISTS);
    assert_err(trust("no name"), ERR_ARGUMENT);
    assert_err(
        factory_packager_add(factory, "uid:0", "bad", bytes_str("no key"), fingerprint, NULL),
        ERR_ARGUMENT);
    assert_err(factory_packager_remove(factory, "other", NULL), ERR_NOT_FOUND);
    assert_ok(factory_packager_remove(factory, "acme", NULL));
    assert_ok(trust("other"));
}

/* ---- a new key for the domain ---- */

/* A station gets the keys of a revision. */
static enum err give(uint32_t revision)
{
    static struct rsa_private *station;
    struct factory_gateway_keys keys;
    uint8_t gateway[FACTORY_KCV], cdld[FACTORY_KCV];
    struct buf pem = {0}, cms = {0};
    if (station == NULL)
        assert_ok(rsa_private_generate(2048, &station, NULL));
    assert_ok(rsa_public_to_pem(rsa_private_public(station), &pem));
    assert_ok(factory_package_keys(factory, CONFIG, revision, &keys, NULL));
    enum err err = factory_gateway_keys_give(factory, &site.call, &keys, CONFIG, buf_view(&pem),
                                             &cms, gateway, cdld, NULL);
    buf_done(&pem);
    buf_done(&cms);
    return err;
}

static uint32_t domain_id(void)
{
    uint32_t id = 0;
    assert_int_equal(vault_domain_list(site.vault, FACTORY_DOMAIN_GROUP, &id, 1), 1);
    return id;
}

static unsigned sealed_version(uint32_t revision)
{
    struct factory_gateway_keys keys;
    assert_ok(factory_package_keys(factory, CONFIG, revision, &keys, NULL));
    assert_memory_equal(keys.gateway.sealed.data + 1, keys.cdld.sealed.data + 1, 2);
    return be16_load(keys.gateway.sealed.data + 1);
}

static void import_again(void)
{
    uint64_t import = 0, config = 0;
    uint32_t replaces = 0, revision = 0;
    assert_ok(stage(PASSPHRASE, &import, &replaces));
    assert_ok(factory_stage_commit(factory, &site.call, import, &config, &revision, NULL));
}

static bool stop_at(void *ctx, uint64_t done)
{
    uint64_t *left = ctx;
    (void)done;
    return (*left)-- > 1;
}

/* As after SIGKILL: everything is opened anew, here without a factory at first. */
static void restart(bool with_factory)
{
    factory_close(factory);
    factory = NULL;
    site_close(&site);
    site_open(&site);
    vault_add_source(site.vault, factory_reseal_source(site.store));
    if (with_factory)
        open_factory();
}

static void the_key_of_packages_is_rotated(void **state)
{
    (void)state;
    uint64_t import = 0, config = 0;
    uint32_t replaces = 0, revision = 0;
    uint16_t version = 0;
    assert_ok(trust("acme"));
    import_again();
    import_again();
    assert_ok(stage(PASSPHRASE, &import, &replaces)); /* and one waits */
    assert_ok(
        vault_domain_rotate(site.vault, site.call.keeper, "uid:0", domain_id(), NULL, &version));
    assert_int_equal(version, 2);
    assert_ok(give(1));
    import_again(); /* sealed under the new one */
    assert_ok(
        vault_domain_reseal(site.vault, site.call.keeper, "uid:0", domain_id(), NULL, NULL, NULL));
    for (uint32_t i = 1; i <= 3; i++) {
        assert_int_equal(sealed_version(i), 2);
        assert_ok(give(i));
    }
    /* what waited was sealed anew where it waited */
    assert_ok(factory_stage_commit(factory, &site.call, import, &config, &revision, NULL));
    assert_int_equal(revision, 4);
    assert_int_equal(sealed_version(4), 2);
    assert_ok(give(4));
    struct vault_domain domain;
    assert_ok(vault_domain_get(site.vault, domain_id(), &domain));
    assert_int_equal(domain.oldest, 2);
}

/* Cut off after any chunk, the packages stay readable, and it is finished later. */
static void a_rotation_that_is_cut_off_goes_on(void **state)
{
    (void)state;
    assert_ok(trust("acme"));
    import_again();
    import_again();
    for (unsigned round = 1; round <= 3; round++) {
        uint16_t version = 0;
        uint64_t chunks = round;
        assert_ok(vault_domain_rotate(site.vault, site.call.keeper, "uid:0", domain_id(), NULL,
                                      &version));
        enum err err = vault_domain_reseal(site.vault, site.call.keeper, "uid:0", domain_id(),
                                           stop_at, &chunks, NULL);
        if (round < 3)
            assert_err(err, ERR_CANCELLED);
        assert_ok(give(1));
        assert_ok(give(2));
        /* the next start finishes it, whether it serves a factory or not */
        restart(round != 1);
        assert_ok(vault_domain_reseal(site.vault, site.call.keeper, "daemon", domain_id(), NULL,
                                      NULL, NULL));
        if (round == 1)
            open_factory();
        assert_int_equal(sealed_version(1), version);
        assert_int_equal(sealed_version(2), version);
        assert_ok(give(1));
        assert_ok(give(2));
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
TEST_MAIN(CASE(a_package_becomes_a_revision), CASE(what_is_refused_leaves_nothing),
          CASE(an_alias_has_one_owner), CASE(an_alias_taken_meanwhile_stops_the_commit),
          CASE(what_waits_is_bounded_and_ends), CASE(packagers_are_known_by_name_and_key),
          CASE(the_key_of_packages_is_rotated), CASE(a_rotation_that_is_cut_off_goes_on))
