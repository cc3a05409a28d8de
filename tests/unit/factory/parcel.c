#include "unit/factory/parcel.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "base/file.h"
#include "crypto/hash.h"
#include "crypto/rsa.h"
#include "factory/package_tar.h"
#include "keeper/gwfile.h"
#include "support/test.h"

const char parcel_manifest[] = "config_id = 0x12345678abc\n"
                               "version = 3\n"
                               "created = \"2026-11-21T02:39:00Z\"\n"
                               "label = \"kite 170 <node & host>\"\n"
                               "comment = \"first \\\"line\\\"\\nsecond\"\n"
                               "packager = \"acme\"\n"
                               "aliases = [\"kite_170_node_637_dev_net\", \"82JX570141\"]\n"
                               "[keys]\n"
                               "kms = \"kms_key.pub.pem\"\n"
                               "gateway = \"gw_keys.csv.aes\"\n"
                               "signature = \"gw_keys.csv.aes.sig\"\n"
                               "[node]\n"
                               "type = \"UNODE\"\n"
                               "version = \"1.2.3.4\"\n"
                               "hardware = \"u2\"\n"
                               "firmware = \"node.bin\"\n"
                               "field_configuration = \"field.cfg\"\n"
                               "factory_configuration = \"factory.cfg\"\n"
                               "[[application]]\n"
                               "name = \"emcm\"\n"
                               "version = \"5.6.7.8\"\n"
                               "firmware = \"host.bin\"\n"
                               "field_configuration = \"field.cfg\"\n"
                               "public_key = \"backend.pem\"\n"
                               "[[application]]\n"
                               "name = \"zigbee\"\n"
                               "version = \"1.2.3.4\"\n";

const char *parcel_path(struct parcel *p, const char *name)
{
    char *path = test_path(p->dir, name);
    const char *kept = arena_strndup(p->arena, path, strlen(path));
    free(path);
    assert_non_null(kept);
    return kept;
}

void parcel_write(struct parcel *p, const char *name, struct bytes content)
{
    assert_ok(file_write(parcel_path(p, name), content, 0600, NULL));
}

void parcel_read(struct parcel *p, const char *name, struct buf *to)
{
    to->len = 0;
    assert_ok(file_read(parcel_path(p, name), (size_t)64 * 1024 * 1024, to, NULL));
}

static void write_keys(struct parcel *p)
{
    static struct rsa_private *kms; /* one for all cases: it takes its time */
    AUTO(buf_done) struct buf pem = {0}, file = {0}, signature = {0};
    uint8_t derived[64], digest[32];
    struct keeper_gateway_file head = {
        .network = "metro-east",
        .realm = "metro-east.example",
        .pwhash = {.t_cost = 3, .m_kib = 65536, .lanes = 4},
        .versions = {.gateway = 2, .cdld = 5, .base = 1, .passphrase = 1},
        .id_width = 32};
    struct gwfile_keys keys = {.pwdh = {.table = KEEPER_PWDH, .key_len = 16},
                               .base = {.table = KEEPER_BASE, .key_len = 16},
                               .gateway = {.table = KEEPER_GATEWAY, .key_len = 24},
                               .cdld = {.table = KEEPER_CDLD, .key_len = 16}};
    memset(derived, 0x11, sizeof derived);
    if (kms == NULL)
        assert_ok(rsa_private_generate(2048, &kms, NULL));
    assert_ok(rsa_public_to_pem(rsa_private_public(kms), &pem));
    parcel_write(p, "kms_key.pub.pem", buf_view(&pem));
    parcel_write(p, "backend.pem", buf_view(&pem));
    assert_ok(gwfile_make(&head, BYTES(derived), &keys, &file, NULL));
    parcel_write(p, "gw_keys.csv.aes", buf_view(&file));
    struct bytes all = buf_view(&file);
    assert_ok(hash_sha256(&all, 1, digest));
    assert_ok(rsa_sign_sha256(kms, digest, &signature, NULL));
    parcel_write(p, "gw_keys.csv.aes.sig", buf_view(&signature));
}

int parcel_setup(void **state)
{
    struct parcel *p = calloc(1, sizeof *p);
    assert_non_null(p);
    AUTO(secret_freep) struct secret *pem = NULL;
    AUTO(buf_done) struct buf public_pem = {0};
    uint8_t firmware[3000];
    p->dir = test_tempdir();
    assert_ok(arena_new((size_t)64 * 1024 * 1024, &p->arena));
    assert_ok(package_key_make(&pem, &public_pem, NULL));
    assert_ok(package_signer_open(secret_view(pem), &p->signer, NULL));
    p->packager =
        (struct package_packager){.name = "acme", .public_key = package_signer_spki(p->signer)};
    write_keys(p);
    for (size_t i = 0; i < sizeof firmware; i++)
        firmware[i] = (uint8_t)(i * i >> 3);
    parcel_write(p, "node.bin", BYTES(firmware));
    parcel_write(p, "host.bin", bytes_of(firmware, 513));
    parcel_write(p, "field.cfg", bytes_str("ap_list=1,2,3\n"));
    parcel_write(p, "factory.cfg", bytes_of("", 0));
    *state = p;
    return 0;
}

int parcel_teardown(void **state)
{
    struct parcel *p = *state;
    package_signer_free(p->signer);
    test_tempdir_remove(p->dir);
    arena_free(p->arena);
    free(p);
    return 0;
}

enum err parcel_try(struct parcel *p, const char *manifest, struct err_detail *detail)
{
    parcel_write(p, "manifest.toml", bytes_str(manifest));
    struct package_build build = {.manifest = parcel_path(p, "manifest.toml"),
                                  .output = parcel_path(p, "package.tar.gz"),
                                  .signer = p->signer,
                                  .now = 1795228740};
    return package_build(&build, p->arena, &p->built, detail);
}

void parcel_build(struct parcel *p)
{
    struct err_detail detail = {.code = ERR_OK};
    enum err err = parcel_try(p, parcel_manifest, &detail);
    if (err != ERR_OK)
        fail_msg("%s", detail.text);
}

void parcel_gzip(struct bytes tar, struct buf *to)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, 0), Z_OK);
    assert_ok(buf_reserve(to, deflateBound(&z, tar.len)));
    z.next_in = (Bytef *)(uintptr_t)tar.data;
    z.avail_in = (uInt)tar.len;
    z.next_out = to->data + to->len;
    z.avail_out = (uInt)(to->cap - to->len);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    to->len += z.total_out;
    deflateEnd(&z);
}

void parcel_gunzip(struct bytes gz, struct buf *to)
{
    z_stream z = {0};
    int status;
    assert_int_equal(inflateInit2(&z, 16 + MAX_WBITS), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)gz.data;
    z.avail_in = (uInt)gz.len;
    do {
        uint8_t piece[4096];
        z.next_out = piece;
        z.avail_out = sizeof piece;
        status = inflate(&z, Z_NO_FLUSH);
        assert_true(status == Z_OK || status == Z_STREAM_END);
        assert_ok(buf_append(to, bytes_of(piece, sizeof piece - z.avail_out)));
    } while (status != Z_STREAM_END);
    inflateEnd(&z);
}

void parcel_pack(const struct parcel_entry *entries, size_t count, struct buf *to)
{
    static const uint8_t zeros[2 * TAR_BLOCK];
    AUTO(buf_done) struct buf tar = {0};
    for (size_t i = 0; i < count; i++) {
        const struct parcel_entry *e = &entries[i];
        struct tar_header header = {.size = e->size != 0 ? e->size : e->content.len};
        uint8_t block[TAR_BLOCK];
        if (e->name != NULL) {
            snprintf(header.name, sizeof header.name, "%s", e->name);
            tar_header_write(&header, block);
            if (e->type != 0) {
                /* the sum has the type in it */
                unsigned sum = (unsigned)strtoul((char *)block + 148, NULL, 8);
                snprintf((char *)block + 148, 8, "%06o", sum - '0' + (unsigned)(uint8_t)e->type);
                block[155] = ' ';
                block[156] = (uint8_t)e->type;
            }
            assert_ok(buf_append(&tar, BYTES(block)));
        }
        assert_ok(buf_append(&tar, e->content));
        assert_ok(buf_append(&tar, bytes_of(zeros, tar_padding(e->content.len))));
    }
    assert_ok(buf_append(&tar, BYTES(zeros)));
    parcel_gzip(buf_view(&tar), to);
}

size_t parcel_entries(struct bytes tar, struct parcel_entry *entries, size_t max)
{
    static char names[16][101];
    size_t count = 0;
    for (size_t at = 0; at + TAR_BLOCK <= tar.len && !tar_block_is_zero(tar.data + at);) {
        struct tar_header header;
        assert_true(count < max && count < 16);
        assert_ok(tar_header_read(tar.data + at, &header, NULL));
        at += TAR_BLOCK;
        memcpy(names[count], header.name, sizeof header.name);
        entries[count] = (struct parcel_entry){.name = names[count],
                                               .content = bytes_of(tar.data + at, header.size)};
        at += header.size + tar_padding(header.size);
        count++;
    }
    return count;
}

enum err parcel_import(struct parcel *p, struct bytes archive, bool keep,
                       struct package_imported *ret_imported, struct err_detail *detail)
{
    const char *folder = parcel_path(p, "staged");
    AUTO(file_closep) int fd = memfd_create("package", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_ok(file_write_all(fd, archive, NULL));
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    struct package_import request = {.fd = fd,
                                     .name = "package.tar.gz",
                                     .folder = p->dry ? NULL : folder,
                                     .size_max = (uint64_t)1024 * 1024,
                                     .packagers = &p->packager,
                                     .packagers_len = 1};
    enum err err = package_import(&request, p->arena, ret_imported, detail);
    if (err == ERR_OK && !keep && !p->dry) {
        test_tempdir_remove(strdup(folder));
    }
    return err;
}

void parcel_sign(struct parcel *p, struct bytes xml, struct buf *to)
{
    to->len = 0;
    assert_ok(package_sign(p->signer, xml, to, NULL));
}
