#pragma once

#include "crypto/hash.h"
#include "line/device/device.h"

/* A simulated device's flash: a file, mode 0600, or memory where it has none; and the device's
 * callbacks for it and for cryptography. What moves (send, reset, host) is the owner's. */
struct image {
    struct device device;
    struct device_profile profile;
    struct device_ops ops;
    struct hash *hash;
    int fd;
    bool bad_key; /* a fault: check values come out wrong */
};

#define IMAGE_FIRMWARE_MAX (512u * 1024)

/* Set `profile` and `fd` = -1 first (its firmware_max is set here); the image stays where it is.
 * `directory` NULL: memory. ERR_LOCKED: another program plays this device. With `look` nothing is
 * made, locked or written. */
MUST_CHECK enum err image_open(struct image *image, const char *directory, bool look,
                               struct err_detail *detail);
void image_close(struct image *image); /* wipes; one that was never opened is allowed */

/* Every device of a folder in turn, by rising id, to be looked at; it may be played meanwhile. */
typedef enum err image_fn(void *ctx, struct image *image, struct err_detail *detail);
MUST_CHECK enum err image_each(const char *directory, image_fn *fn, void *ctx,
                               struct err_detail *detail);
