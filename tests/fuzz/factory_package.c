#include <assert.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "base/file.h"
#include "factory/package_import.h"
#include "fuzz/target.h"

/* An upload: a tar.gz, or else a tar that is packed here, so that the fuzzer gets past gzip's
 * check. The signature is that of the key which the package names; nothing is written. */

static int opened(const uint8_t *data, size_t size)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    assert(fd >= 0);
    enum err err = file_write_all(fd, bytes_of(data, size), NULL);
    assert(err == ERR_OK);
    off_t at = lseek(fd, 0, SEEK_SET);
    assert(at == 0);
    return fd;
}

static int packed(const uint8_t *data, size_t size)
{
    z_stream z = {0};
    int status = deflateInit2(&z, 1, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
    assert(status == Z_OK);
    size_t room = deflateBound(&z, size);
    uint8_t *out = malloc(room);
    assert(out != NULL);
    z.next_in = (Bytef *)(uintptr_t)data;
    z.avail_in = (uInt)size;
    z.next_out = out;
    z.avail_out = (uInt)room;
    status = deflate(&z, Z_FINISH);
    assert(status == Z_STREAM_END);
    int fd = opened(out, z.total_out);
    deflateEnd(&z);
    free(out);
    return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool gzip = size >= 2 && data[0] == 0x1f && data[1] == 0x8b;
    int fd = gzip ? opened(data, size) : packed(data, size);
    struct arena *arena = NULL;
    struct package_imported imported;
    struct err_detail detail = {.code = ERR_OK};
    struct package_import request = {
        .fd = fd, .name = "fuzz", .size_max = (uint64_t)1 << 20, .unproven = true};
    enum err err = arena_new(PACKAGE_MEMORY, &arena);
    assert(err == ERR_OK);
    err = package_import(&request, arena, &imported, &detail);
    assert(err == ERR_OK || err == ERR_NO_MEMORY || detail.text[0] != '\0');
    if (err == ERR_OK) {
        err = package_check(&imported.package, NULL);
        assert(err == ERR_OK && imported.package.files_len >= 3);
    }
    arena_free(arena);
    (void)close(fd);
    return 0;
}
