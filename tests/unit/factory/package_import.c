#include "factory/package_import.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "factory/package_xml.h"
#include "support/test.h"
#include "unit/factory/parcel.h"

#define ENTRIES 16

/* The parcel's package taken apart, to be put together wrongly. */
struct parts {
    struct parcel *p;
    struct buf tar, archive, signature;
    struct parcel_entry entries[ENTRIES];
    size_t count;
};

static void parts_done(struct parts *t)
{
    buf_done(&t->tar);
    buf_done(&t->archive);
    buf_done(&t->signature);
}

static void take_apart(struct parcel *p, struct parts *t)
{
    t->p = p;
    parcel_build(p);
    parcel_read(p, "package.tar.gz", &t->archive);
    parcel_gunzip(buf_view(&t->archive), &t->tar);
    t->count = parcel_entries(buf_view(&t->tar), t->entries, ENTRIES);
    assert_int_equal(t->count, 2 + 8);
}

static size_t find(const struct parts *t, const char *name)
{
    size_t i = 0;
    while (strcmp(t->entries[i].name, name) != 0)
        assert_true(++i < t->count);
    return i;
}

static bool there(struct parcel *p, const char *name)
{
    struct stat st;
    return lstat(parcel_path(p, name), &st) == 0;
}

/* Nothing is left, and the error says `word`. */
static void refused(struct parcel *p, struct bytes archive, enum err want, const char *word)
{
    struct err_detail detail = {.code = ERR_OK};
    struct package_imported imported;
    enum err err = parcel_import(p, archive, false, &imported, &detail);
    if (err != want || strstr(detail.text, word) == NULL)
        fail_msg("%s (%s), wanted %s with '%s'", err_text(err), detail.text, err_text(want), word);
    assert_int_equal(detail.code, err);
    assert_false(there(p, "staged"));
}

static void refused_parts(struct parts *t, enum err want, const char *word)
{
    AUTO(buf_done) struct buf archive = {0};
    parcel_pack(t->entries, t->count, &archive);
    refused(t->p, buf_view(&archive), want, word);
}

/* Another description, signed by the packager. */
static void set_xml(struct parts *t, struct bytes xml)
{
    parcel_sign(t->p, xml, &t->signature);
    t->entries[0].content = xml;
    t->entries[1].content = buf_view(&t->signature);
}

/* The description with the first `from` made `to`. */
static void edit_xml(struct parts *t, const char *from, const char *to, struct buf *room)
{
    struct bytes xml = t->entries[0].content;
    const uint8_t *at = memmem(xml.data, xml.len, from, strlen(from));
    assert_non_null(at);
    room->len = 0;
    assert_ok(buf_append(room, bytes_of(xml.data, (size_t)(at - xml.data))));
    assert_ok(buf_append(room, bytes_str(to)));
    at += strlen(from);
    assert_ok(buf_append(room, bytes_of(at, xml.len - (size_t)(at - xml.data))));
    set_xml(t, buf_view(room));
}

static void what_is_built_is_imported(void **state)
{
    struct parcel *p = *state;
    AUTO(parts_done) struct parts t = {0};
    struct package_imported got;
    struct stat st;
    take_apart(p, &t);
    assert_ok(parcel_import(p, buf_view(&t.archive), true, &got, NULL));
    assert_int_equal(got.package.config_id, 0x12345678abc);
    assert_int_equal(got.package.version, 3);
    assert_string_equal(got.package.label, "kite 170 <node & host>");
    assert_string_equal(got.package.comment, "first \"line\"\nsecond");
    assert_string_equal(got.package.aliases[1], "82JX570141");
    assert_string_equal(got.package.node.hardware, "u2");
    assert_int_equal(got.package.applications_len, 2);
    assert_string_equal(got.package.applications[0].public_key, "backend.pem");
    assert_null(got.package.applications[1].files.firmware);
    assert_int_equal(got.package.files_len, 8);
    assert_int_equal(got.packager, 0);
    assert_int_equal(got.size, t.archive.len);
    assert_int_equal(got.kms_bits, 2048);
    assert_string_equal(got.network, "metro-east");
    assert_string_equal(got.realm, "metro-east.example");
    assert_int_equal(got.gateway_version, 2);
    assert_int_equal(got.cdld_version, 5);
    assert_memory_equal(got.sha256, p->built.sha256, 32);

    assert_int_equal(stat(parcel_path(p, "staged"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    for (size_t i = 0; i < t.count; i++) {
        AUTO(buf_done) struct buf content = {0};
        char name[256];
        snprintf(name, sizeof name, "staged/%s", t.entries[i].name);
        parcel_read(p, name, &content);
        assert_true(bytes_equal(buf_view(&content), t.entries[i].content));
        assert_int_equal(stat(parcel_path(p, name), &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
    }
    /* not over what is there */
    struct err_detail detail;
    assert_err(parcel_import(p, buf_view(&t.archive), true, &got, &detail), ERR_EXISTS);
    assert_true(there(p, "staged/node.bin"));
}

static void the_same_files_make_the_same_archive(void **state)
{
    struct parcel *p = *state;
    AUTO(parts_done) struct parts one = {0}, two = {0};
    take_apart(p, &one);
    take_apart(p, &two);
    assert_true(bytes_equal(one.entries[0].content, two.entries[0].content));
    size_t own = (size_t)(two.entries[2].content.data - two.tar.data);
    assert_int_equal(one.tar.len, two.tar.len); /* the signature is random, and of varying length */
    assert_memory_equal(one.tar.data + own, two.tar.data + own, one.tar.len - own);
}

static void any_order_of_the_files_is_taken(void **state)
{
    AUTO(parts_done) struct parts t = {0};
    AUTO(buf_done) struct buf archive = {0};
    struct package_imported got;
    take_apart(*state, &t);
    for (size_t i = 2; i < 2 + (t.count - 2) / 2; i++) {
        struct parcel_entry other = t.entries[i];
        t.entries[i] = t.entries[t.count + 1 - i];
        t.entries[t.count + 1 - i] = other;
    }
    parcel_pack(t.entries, t.count, &archive);
    assert_ok(parcel_import(*state, buf_view(&archive), false, &got, NULL));
}

static void truncated_at_any_byte(void **state)
{
    AUTO(parts_done) struct parts t = {0};
    struct parcel *p = *state;
    take_apart(p, &t);
    for (size_t len = 0; len < t.archive.len; len++) {
        p->dry = len % 50 != 0;
        refused(p, bytes_of(t.archive.data, len), ERR_TRUNCATED, "package.tar.gz");
    }
}

static void archive_cut_within(void **state)
{
    AUTO(parts_done) struct parts t = {0};
    take_apart(*state, &t);
    size_t end = t.tar.len;
    while (t.tar.data[end - 1] == 0)
        end--;
    for (size_t len = 0; len < end; len += 97) {
        AUTO(buf_done) struct buf archive = {0};
        parcel_gzip(bytes_of(t.tar.data, len), &archive);
        refused(*state, buf_view(&archive), ERR_TRUNCATED, "ends too early");
    }
}

static void any_byte_altered(void **state)
{
    AUTO(parts_done) struct parts t = {0};
    struct parcel *p = *state;
    take_apart(p, &t);
    for (size_t i = 0; i < t.archive.len; i++) {
        struct package_imported got;
        if (i >= 3 && i < 10) /* gzip's flags, time and system are of no meaning */
            continue;
        p->dry = i % 50 != 0;
        t.archive.data[i] ^= 0x10;
        if (parcel_import(p, buf_view(&t.archive), false, &got, NULL) == ERR_OK) {
            /* another way to say the same: a run of zeros copied from further back */
            AUTO(buf_done) struct buf tar = {0};
            parcel_gunzip(buf_view(&t.archive), &tar);
            assert_true(bytes_equal(buf_view(&tar), buf_view(&t.tar)));
        }
        assert_false(there(p, "staged"));
        t.archive.data[i] ^= 0x10;
    }
}

static void something_behind(void **state)
{
    AUTO(parts_done) struct parts t = {0};
    AUTO(buf_done) struct buf archive = {0}, tar = {0};
    take_apart(*state, &t);
    assert_ok(buf_append(&archive, buf_view(&t.archive)));
    assert_ok(buf_append(&archive, bytes_of("\0", 1)));
    refused(*state, buf_view(&archive), ERR_SYNTAX, "behind the gzip");
    archive.len = t.archive.len; /* a second member */
    assert_ok(buf_append(&archive, buf_view(&t.archive)));
    refused(*state, buf_view(&archive), ERR_SYNTAX, "behind the gzip");
    archive.len = 0;
    assert_ok(buf_append(&tar, buf_view(&t.tar)));
    assert_ok(buf_append(&tar, bytes_str("x")));
    parcel_gzip(buf_view(&tar), &archive);
    refused(*state, buf_view(&archive), ERR_SYNTAX, "behind the archive");
    uint8_t zeros[20000] = {0};
    archive.len = 0;
    tar.len = t.tar.len;
    assert_ok(buf_append(&tar, BYTES(zeros)));
    parcel_gzip(buf_view(&tar), &archive);
    refused(*state, buf_view(&archive), ERR_SYNTAX, "behind the archive");
}

static void behind_a_file_in_its_block(void **state)
{
    AUTO(parts_done) struct parts t = {0};
    AUTO(buf_done) struct buf archive = {0};
    take_apart(*state, &t);
    size_t at = (size_t)(t.entries[find(&t, "field.cfg")].content.data - t.tar.data);
    t.tar.data[at + 511] = 1;
    parcel_gzip(buf_view(&t.tar), &archive);
    refused(*state, buf_view(&archive), ERR_SYNTAX, "field.cfg: something stands behind");
}

static void wrong_signatures(void **state)
{
    struct parcel *p = *state;
    AUTO(parts_done) struct parts t = {0};
    AUTO(secret_freep) struct secret *pem = NULL;
    AUTO(buf_done) struct buf public_pem = {0}, spki = {0};
    take_apart(p, &t);
    assert_ok(package_key_make(&pem, &public_pem, NULL));
    assert_ok(package_public_key(buf_view(&public_pem), &spki, NULL));
    struct package_packager right = p->packager;
    p->packager.public_key = buf_view(&spki);
    refused(p, buf_view(&t.archive), ERR_SIGNATURE, "signed by 'acme', who is none of the 1");
    p->packager = right;

    uint8_t xml[8192];
    size_t len = t.entries[0].content.len;
    assert_true(len < sizeof xml);
    memcpy(xml, t.entries[0].content.data, len);
    *(char *)memmem(xml, len, "1.2.3.4", 7) = '2';
    t.entries[0].content = bytes_of(xml, len);
    refused_parts(&t, ERR_SIGNATURE, "does not hold");
    t.entries[0].content = bytes_str("<package/>");
    refused_parts(&t, ERR_SIGNATURE, "signed by none of the 1");
    t.entries[1].content = bytes_of("", 0);
    refused_parts(&t, ERR_SIGNATURE, "signed by none of the 1");
}

static void order_of_the_first_two(void **state)
{
    AUTO(parts_done) struct parts t = {0};
    take_apart(*state, &t);
    struct parcel_entry first = t.entries[0];
    t.entries[0] = t.entries[1];
    t.entries[1] = first;
    refused_parts(&t, ERR_SYNTAX, "'package.xml' is wanted");
    t.entries[1] = t.entries[2];
    t.entries[0] = first;
    refused_parts(&t, ERR_SYNTAX, "'package.xml.sig' is wanted");
    t.count = 0;
    refused_parts(&t, ERR_SYNTAX, "the archive's end");
}

static void files_missing_and_too_many(void **state)
{
    AUTO(parts_done) struct parts t = {0};
    take_apart(*state, &t);
    for (size_t i = 2; i < t.count; i++) {
        struct parts less = {.p = t.p, .count = t.count - 1};
        memcpy(less.entries, t.entries, sizeof less.entries);
        less.entries[i] = t.entries[t.count - 1];
        if (i + 1 == t.count)
            less.entries[i] = t.entries[i];
        refused_parts(&less, ERR_MISMATCH, t.entries[i].name);
    }
    t.entries[t.count] = (struct parcel_entry){.name = "more.bin", .content = bytes_str("x")};
    t.count++;
    refused_parts(&t, ERR_SYNTAX, "more.bin: not listed");
    t.entries[t.count - 1] = t.entries[4];
    refused_parts(&t, ERR_SYNTAX, "twice in the archive");
    t.entries[t.count - 1] = t.entries[0];
    refused_parts(&t, ERR_SYNTAX, "package.xml: twice");
    t.entries[t.count - 1] = t.entries[1];
    refused_parts(&t, ERR_SYNTAX, "package.xml.sig: twice");
}

static void hashes_off_by_a_bit(void **state)
{
    AUTO(parts_done) struct parts t = {0};
    AUTO(buf_done) struct buf xml = {0};
    take_apart(*state, &t);
    for (size_t i = 2; i < t.count; i++) {
        uint8_t content[4096];
        struct bytes right = t.entries[i].content;
        if (right.len == 0)
            continue;
        memcpy(content, right.data, right.len);
        content[right.len - 1] ^= 1;
        t.entries[i].content = bytes_of(content, right.len);
        refused_parts(&t, ERR_MISMATCH, "SHA-256 is not the one listed");
        t.entries[i].content = bytes_of(right.data, right.len - 1);
        refused_parts(&t, ERR_MISMATCH, "listed are");
        t.entries[i].content = right;
    }
    const char *md5 = memmem(t.entries[0].content.data, t.entries[0].content.len, "md5=\"", 5);
    char from[16] = "", to[16];
    memcpy(from, md5, 6);
    memcpy(to, from, sizeof to);
    to[5] = from[5] == '0' ? '1' : '0';
    edit_xml(&t, from, to, &xml);
    refused_parts(&t, ERR_MISMATCH, "MD5");
}

static void names_that_lead_out(void **state)
{
    static const char *const names[] = {"../node.bin", "/etc/passwd",  "a/node.bin", "./node.bin",
                                        "..",          ".hidden",      "",           "no\nde.bin",
                                        "node bin",    "n\xc3\xb6.bin"};
    AUTO(parts_done) struct parts t = {0};
    AUTO(buf_done) struct buf xml = {0};
    take_apart(*state, &t);
    size_t at = find(&t, "node.bin");
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        t.entries[at].name = names[i];
        refused_parts(&t, ERR_SYNTAX, "without a folder");
    }
    t.entries[at].name = "node.bin";
    struct bytes right = t.entries[0].content;
    for (size_t i = 0; i < 4; i++) { /* the same in the description */
        char file[64];
        snprintf(file, sizeof file, "<file name=\"%s\"", names[i]);
        t.entries[0].content = right;
        edit_xml(&t, "<file name=\"node.bin\"", file, &xml);
        refused_parts(&t, ERR_SYNTAX, "can't be the name of a file");
    }
    assert_false(there(*state, "node.bin.out"));
}

static void links_and_devices(void **state)
{
    static const struct {
        char type;
        const char *word;
    } kinds[] = {{'1', "hard link"}, {'2', "symbolic link"}, {'3', "device"},   {'4', "device"},
                 {'5', "folder"},    {'6', "pipe"},          {'x', "extended"}, {'g', "extended"},
                 {'L', "extended"},  {'K', "extended"},      {'S', "sparse"},   {'7', "unknown"}};
    AUTO(parts_done) struct parts t = {0};
    take_apart(*state, &t);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        t.entries[find(&t, "node.bin")].type = kinds[i].type;
        refused_parts(&t, ERR_SYNTAX, kinds[i].word);
    }
}

/* The folder is one that a link stands for: not followed. */
static void folder_is_a_link(void **state)
{
    struct parcel *p = *state;
    AUTO(parts_done) struct parts t = {0};
    struct package_imported got;
    take_apart(p, &t);
    assert_int_equal(symlink("elsewhere", parcel_path(p, "staged")), 0);
    assert_err(parcel_import(p, buf_view(&t.archive), true, &got, NULL), ERR_EXISTS);
    assert_false(there(p, "elsewhere"));
}

static void bombs(void **state)
{
    struct parcel *p = *state;
    AUTO(parts_done) struct parts t = {0};
    AUTO(buf_done) struct buf zeros = {0}, archive = {0}, xml = {0};
    take_apart(p, &t);
    /* more than is listed: nothing of it is unpacked */
    assert_ok(buf_reserve(&zeros, (size_t)100 << 20));
    memset(zeros.data, 0, (size_t)100 << 20);
    zeros.len = (size_t)100 << 20;
    size_t at = find(&t, "node.bin");
    t.entries[at].content = buf_view(&zeros);
    parcel_pack(t.entries, t.count, &archive);
    assert_true(archive.len < 1 << 20);
    refused(p, buf_view(&archive), ERR_MISMATCH, "node.bin: has 104857600 bytes, listed are 3000");
    /* the listed size, and more behind it: there is no header in zeros */
    t.entries[at].size = 3000;
    refused_parts(&t, ERR_MISMATCH, "SHA-256");
    /* listed as large as it is: past the limit of one file, of the import, of tar */
    t.entries[at].size = 0;
    edit_xml(&t, "size=\"3000\"", "size=\"10737418240\"", &xml);
    refused_parts(&t, ERR_LIMIT, "node.bin: 10737418240 bytes");
    edit_xml(&t, "size=\"10737418240\"", "size=\"2000000\"", &zeros);
    refused_parts(&t, ERR_LIMIT, "at most 1048576");
    /* a description that does not end */
    t.entries[0].content = bytes_str("<package");
    t.entries[0].size = PACKAGE_XML_MAX + 1;
    refused_parts(&t, ERR_LIMIT, "package.xml: 262145 bytes");
}

static void ratio_of_a_stream(void **state)
{
    AUTO(buf_done) struct buf zeros = {0};
    struct parcel *p = *state;
    const size_t large = (size_t)60 << 20;
    assert_ok(buf_reserve(&zeros, large));
    memset(zeros.data, 0, large);
    zeros.len = large;
    parcel_write(p, "node.bin", buf_view(&zeros));
    parcel_write(p, "host.bin", buf_view(&zeros));
    struct err_detail detail = {.code = ERR_OK};
    assert_err(parcel_try(p, parcel_manifest, &detail), ERR_LIMIT);
    assert_non_null(strstr(detail.text, "200 times"));
    assert_false(there(p, "package.tar.gz"));
}

static void entities_and_doctypes(void **state)
{
    static const char *const bad[] = {
        "<!DOCTYPE package [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]>",
        "<!DOCTYPE package SYSTEM \"file:///etc/passwd\">", "<?php x?>"};
    AUTO(parts_done) struct parts t = {0};
    AUTO(buf_done) struct buf xml = {0};
    take_apart(*state, &t);
    struct bytes right = t.entries[0].content;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char to[200];
        snprintf(to, sizeof to, "%s\n<package ", bad[i]);
        t.entries[0].content = right;
        edit_xml(&t, "<package ", to, &xml);
        refused_parts(&t, ERR_SYNTAX, i == 2 ? "instruction" : "document type");
    }
    t.entries[0].content = right;
    edit_xml(&t, "<comment>", "<comment>&unknown;", &xml);
    refused_parts(&t, ERR_SYNTAX, "undefined entity");
}

static void keys_that_do_not_belong(void **state)
{
    struct parcel *p = *state;
    struct err_detail detail = {.code = ERR_OK};
    AUTO(buf_done) struct buf file = {0};
    parcel_read(p, "gw_keys.csv.aes", &file);
    file.data[file.len - 1] ^= 1;
    parcel_write(p, "gw_keys.csv.aes", buf_view(&file));
    assert_err(parcel_try(p, parcel_manifest, &detail), ERR_SIGNATURE);
    assert_non_null(strstr(detail.text, "gw_keys.csv.aes.sig: not a signature"));
    file.data[file.len - 1] ^= 1;
    parcel_write(p, "gw_keys.csv.aes", buf_view(&file));
    parcel_write(p, "backend.pem", bytes_str("-----BEGIN PUBLIC KEY-----\n"));
    assert_err(parcel_try(p, parcel_manifest, &detail), ERR_KEY_FORM);
    assert_non_null(strstr(detail.text, "backend.pem: "));
    parcel_write(p, "kms_key.pub.pem", bytes_of("", 0));
    assert_err(parcel_try(p, parcel_manifest, &detail), ERR_KEY_FORM);
    assert_non_null(strstr(detail.text, "kms_key.pub.pem: "));
    assert_false(there(p, "package.tar.gz"));
}

/* As a full disk does: writing fails half way. */
static void no_room_for_a_file(void **state)
{
    struct parcel *p = *state;
    AUTO(parts_done) struct parts t = {0};
    struct package_imported got;
    struct err_detail detail = {.code = ERR_OK};
    struct rlimit old, small;
    take_apart(p, &t);
    FILE *file = fopen(parcel_path(p, "package.tar.gz"), "r");
    assert_non_null(file);
    struct package_import request = {.fd = fileno(file),
                                     .name = "package.tar.gz",
                                     .folder = parcel_path(p, "staged"),
                                     .size_max = (uint64_t)1024 * 1024,
                                     .packagers = &p->packager,
                                     .packagers_len = 1};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 2900; /* of the node's firmware less than all */
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    enum err err = package_import(&request, p->arena, &got, &detail);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    (void)fclose(file);
    assert_int_equal(err, ERR_DISK_FULL);
    assert_non_null(strstr(detail.text, "node.bin: "));
    assert_false(there(p, "staged"));
}

struct watch {
    uint64_t last, total;
    unsigned calls, cancel_at;
};

static enum err watch(void *ctx, const char *file, uint64_t done, uint64_t total)
{
    struct watch *w = ctx;
    assert_non_null(file);
    assert_true(done >= w->last && done < total);
    w->last = done;
    w->total = total;
    return ++w->calls == w->cancel_at ? ERR_CANCELLED : ERR_OK;
}

static void progress_and_cancelling(void **state)
{
    struct parcel *p = *state;
    parcel_build(p);
    for (unsigned cancel = 0; cancel <= 7; cancel++) {
        struct watch w = {.cancel_at = cancel};
        struct package_imported got;
        FILE *file = fopen(parcel_path(p, "package.tar.gz"), "r");
        assert_non_null(file);
        struct package_import request = {.fd = fileno(file),
                                         .name = "package.tar.gz",
                                         .folder = parcel_path(p, "staged"),
                                         .size_max = package_size(&p->built.package),
                                         .packagers = &p->packager,
                                         .packagers_len = 1,
                                         .progress = watch,
                                         .ctx = &w};
        enum err err = package_import(&request, p->arena, &got, NULL);
        (void)fclose(file);
        assert_int_equal(err, cancel == 0 ? ERR_OK : ERR_CANCELLED);
        assert_int_equal(w.total, package_size(&p->built.package));
        if (cancel == 0)
            test_tempdir_remove(strdup(parcel_path(p, "staged")));
        else
            assert_false(there(p, "staged"));
    }
}

#define PARCEL_TEST(test) cmocka_unit_test_setup_teardown(test, parcel_setup, parcel_teardown)
TEST_MAIN(PARCEL_TEST(what_is_built_is_imported), PARCEL_TEST(the_same_files_make_the_same_archive),
          PARCEL_TEST(any_order_of_the_files_is_taken), PARCEL_TEST(truncated_at_any_byte),
          PARCEL_TEST(archive_cut_within), PARCEL_TEST(any_byte_altered),
          PARCEL_TEST(something_behind), PARCEL_TEST(behind_a_file_in_its_block),
          PARCEL_TEST(wrong_signatures), PARCEL_TEST(order_of_the_first_two),
          PARCEL_TEST(files_missing_and_too_many), PARCEL_TEST(hashes_off_by_a_bit),
          PARCEL_TEST(names_that_lead_out), PARCEL_TEST(links_and_devices),
          PARCEL_TEST(folder_is_a_link), PARCEL_TEST(bombs), PARCEL_TEST(ratio_of_a_stream),
          PARCEL_TEST(entities_and_doctypes), PARCEL_TEST(keys_that_do_not_belong),
          PARCEL_TEST(no_room_for_a_file), PARCEL_TEST(progress_and_cancelling))
