#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* KMIP 1.4 requests of the load generator, built as bytes without the project's codec. */

#define KMIP_UID_MAX     64
#define KMIP_REQUEST_MAX ((size_t)256 * 1024)
#define KMIP_DATA        1024 /* bytes that are encrypted */

enum kmip_kind {
    KMIP_KIND_GET,
    KMIP_KIND_DISCOVER,
    KMIP_KIND_QUERY,
    KMIP_KIND_CREATE,
    KMIP_KIND_LOCATE,
    KMIP_KIND_ENCRYPT,
    KMIP_KIND_SIGN,
    KMIP_KIND_ACTIVATE,
    KMIP_KINDS
};
/* KMIP_KINDS for an unknown name. */
enum kmip_kind kmip_kind_of(const char *name);

/* One request with `batch` items. GET, ENCRYPT, SIGN, ACTIVATE take uids[i]; CREATE and LOCATE name
 * the object bench-NNNNNNNNNN, from `number` up. Returns its length. */
size_t kmip_request(uint8_t *to, enum kmip_kind kind, unsigned batch, const char *const *uids,
                    uint64_t number);
/* Length of the message at `data`; 0 while it isn't known or not all there. */
size_t kmip_message_len(const uint8_t *data, size_t have);
/* Items that did not succeed. */
unsigned kmip_failures(const uint8_t *message, size_t len);
/* Calls `each` with every Unique Identifier. */
void kmip_each_uid(const uint8_t *message, size_t len,
                   void (*each)(const uint8_t *uid, size_t len));
