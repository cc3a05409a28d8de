#pragma once

#include "fleet/fleet.h"

/* device_keys.xml (docs/device-keys.xsd) as a stream: bytes in, devices out, in flat memory. What
 * stands in <application> is for others and is passed over; anything else that the schema does not
 * know is refused, and so are DOCTYPE and entities. */
struct device_xml;

#define DEVICE_KEY_MAX       512                  /* bytes of a ciphertext: RSA with 4,096 bits */
#define DEVICE_FINGERPRINT   64                   /* hex digits of SHA-256 */
#define DEVICE_XML_MEMORY    ((size_t)1 << 20)    /* of the parser: names, one tag */
#define DEVICE_XML_DEPTH_MAX 8                    /* elements in each other within <application> */
#define DEVICE_XML_TEXT_MAX  (4 * DEVICE_KEY_MAX) /* characters in <key>, blanks included */
#define DEVICE_XML_PIECE     65536                /* bytes to feed at a time */

/* One <device>. Borrowed for the call. */
struct fleet_device {
    uint64_t line; /* where it begins */
    uint64_t id;
    uint32_t batch;
    uint8_t kcv[KEEPER_KCV];
    char recipient[DEVICE_FINGERPRINT + 1]; /* lower case */
    struct bytes key;                       /* the ciphertext */
};
/* An error stops reading and is the reader's. */
typedef enum err fleet_device_fn(void *ctx, const struct fleet_device *device,
                                 struct err_detail *detail);

MUST_CHECK enum err device_xml_new(fleet_device_fn *each, void *ctx, struct device_xml **ret_xml);
void device_xml_free(struct device_xml *xml); /* NULL is allowed */
void device_xml_freep(struct device_xml **xml);
/* At most DEVICE_XML_PIECE bytes, split anywhere; `last`: nothing follows. ERR_SYNTAX (with line
 * and column), ERR_LIMIT, ERR_TRUNCATED where the file ends too early. An error sticks. */
MUST_CHECK enum err device_xml_feed(struct device_xml *xml, struct bytes piece, bool last,
                                    struct err_detail *detail);
