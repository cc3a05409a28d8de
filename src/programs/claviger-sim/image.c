#include "programs/claviger-sim/image.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "crypto/cmac.h"
#include "crypto/random.h"

#define SUFFIX ".flash"

static int flash_read(void *ctx, uint32_t at, void *to, uint32_t len)
{
    const struct image *image = ctx;
    return pread(image->fd, to, len, (off_t)at) == (ssize_t)len ? 0 : -1;
}

static int flash_write(void *ctx, uint32_t at, const void *data, uint32_t len)
{
    const struct image *image = ctx;
    return pwrite(image->fd, data, len, (off_t)at) == (ssize_t)len ? 0 : -1;
}

static int flash_erase(void *ctx, uint32_t at)
{
    uint8_t sector[DEVICE_SECTOR];
    memset(sector, 0xff, sizeof sector);
    return flash_write(ctx, at, sector, sizeof sector);
}

static int random_of(void *ctx, void *to, uint32_t len)
{
    (void)ctx;
    return random_bytes(to, len) == ERR_OK ? 0 : -1;
}

static int cmac_of(void *ctx, const uint8_t key[16], const uint8_t *data, uint32_t len,
                   uint8_t ret_mac[DEVICE_MAC])
{
    const struct image *image = ctx;
    AUTO(cmac_freep) struct cmac *cmac = NULL;
    struct bytes part = bytes_of(data, len);
    if (cmac_new(bytes_of(key, 16), &cmac) != ERR_OK ||
        cmac_parts(cmac, &part, 1, ret_mac) != ERR_OK)
        return -1;
    if (image->bad_key)
        ret_mac[0] ^= 1;
    return 0;
}

static int hash_begin_of(void *ctx)
{
    const struct image *image = ctx;
    return hash_begin(image->hash) == ERR_OK ? 0 : -1;
}

static int hash_update_of(void *ctx, const uint8_t *data, uint32_t len)
{
    const struct image *image = ctx;
    return hash_update(image->hash, bytes_of(data, len)) == ERR_OK ? 0 : -1;
}

static int hash_end_of(void *ctx, uint8_t ret_hash[DEVICE_HASH])
{
    const struct image *image = ctx;
    return hash_end(image->hash, ret_hash) == ERR_OK ? 0 : -1;
}

static enum err open_file(struct image *image, const char *directory, bool look,
                          struct err_detail *detail)
{
    char path[PATH_MAX];
    if (directory == NULL) {
        image->fd = memfd_create("flash", MFD_CLOEXEC);
        return image->fd >= 0 ? ERR_OK : err_errno(detail, "no memory for flash");
    }
    (void)snprintf(path, sizeof path, "%s/0x%08" PRIx64 SUFFIX, directory, image->profile.node_id);
    image->fd =
        look ? open(path, O_RDONLY | O_CLOEXEC) : open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (image->fd < 0)
        return err_errno(detail, "%s", path);
    if (!look && flock(image->fd, LOCK_EX | LOCK_NB) != 0)
        return err_set(detail, ERR_LOCKED, "%s: another program plays this device", path);
    return ERR_OK;
}

enum err image_open(struct image *image, const char *directory, bool look,
                    struct err_detail *detail)
{
    image->profile.firmware_max = IMAGE_FIRMWARE_MAX;
    if (directory != NULL && !look)
        TRY(file_mkdirs(directory, 0700, detail));
    TRY(open_file(image, directory, look, detail));
    TRY(hash_new(&image->hash));
    if (!look && ftruncate(image->fd, (off_t)device_flash_size(&image->profile)) != 0)
        return err_errno(detail, "the flash of a device");
    image->ops.ctx = image;
    image->ops.flash_read = flash_read;
    image->ops.flash_write = flash_write;
    image->ops.flash_erase = flash_erase;
    image->ops.random = random_of;
    image->ops.cmac = cmac_of;
    image->ops.sha256_begin = hash_begin_of;
    image->ops.sha256_update = hash_update_of;
    image->ops.sha256_end = hash_end_of;
    if (!device_init(&image->device, &image->ops, &image->profile))
        return err_set(detail, ERR_IO, "the flash of a device can't be read");
    return ERR_OK;
}

void image_close(struct image *image)
{
    hash_freep(&image->hash);
    file_closep(&image->fd);
    explicit_bzero(&image->device, sizeof image->device);
}

/* ---------------------------------------------------------------- a folder of them */

static int is_image(const struct dirent *entry)
{
    const char *dot = strstr(entry->d_name, SUFFIX);
    return strncmp(entry->d_name, "0x", 2) == 0 && dot != NULL && strcmp(dot, SUFFIX) == 0;
}

static int by_id(const struct dirent **a, const struct dirent **b)
{
    uint64_t left = strtoull((*a)->d_name, NULL, 16), right = strtoull((*b)->d_name, NULL, 16);
    return left < right ? -1 : left > right;
}

static enum err use_one(const char *directory, const char *name, image_fn *fn, void *ctx,
                        struct err_detail *detail)
{
    struct image *image = calloc(1, sizeof *image);
    if (image == NULL)
        return ERR_NO_MEMORY;
    image->fd = -1;
    image->profile.node_id = strtoull(name, NULL, 16);
    image->profile.type = image->profile.version = image->profile.hardware = "";
    enum err err = image_open(image, directory, true, detail);
    if (err == ERR_OK)
        err = fn(ctx, image, detail);
    image_close(image);
    free(image);
    return err;
}

enum err image_each(const char *directory, image_fn *fn, void *ctx, struct err_detail *detail)
{
    struct dirent **names = NULL;
    enum err err = ERR_OK;
    int len = scandir(directory, &names, is_image, by_id);
    if (len < 0)
        return err_errno(detail, "%s", directory);
    if (len == 0)
        err = err_set(detail, ERR_NOT_FOUND, "%s: no flash of a device is there", directory);
    for (int i = 0; i < len; i++) {
        if (err == ERR_OK)
            err = use_one(directory, names[i]->d_name, fn, ctx, detail);
        free(names[i]);
    }
    free(names);
    return err;
}
