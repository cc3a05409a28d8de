#pragma once

#include "base/bytes.h"
#include "fleet/fleet.h"

/* Texts that name things, and node ids. */

/* [a-z0-9-]{1,63} without "-" at either end. */
MUST_CHECK enum err fleet_name_check(struct bytes name, struct err_detail *detail);
/* Labels of letters, digits and "-", of at most 63 bytes, joined by dots; FLEET_REALM_MAX in all
 * (RFC 1035, 2.3.1, digits may lead). `to` gets it in lower case. */
MUST_CHECK enum err fleet_realm_parse(struct bytes text, char to[FLEET_REALM_MAX + 1],
                                      struct err_detail *detail);
/* A Diameter identity (RFC 6733, 4.3.1): the same up to FLEET_HOST_MAX. */
MUST_CHECK enum err fleet_host_parse(struct bytes text, char to[FLEET_HOST_MAX + 1],
                                     struct err_detail *detail);

/* "0x00010200": hexadecimal, the prefix optional, 1 to 8 (16) digits for 32 (64) bits. ERR_SYNTAX,
 * ERR_LIMIT where it is wider than the network's ids. */
MUST_CHECK enum err fleet_node_id_parse(struct bytes text, unsigned id_bits, uint64_t *ret_id);
/* "0x%08x" or "0x%016x"; `to` has room for FLEET_NODE_ID_TEXT. Returns its length. */
#define FLEET_NODE_ID_TEXT 19
size_t fleet_node_id_format(uint64_t id, unsigned id_bits, char *to);

/* "0x00010200-0x000105e7" or a single id; both ends belong to the range. ERR_ARGUMENT where the
 * first is greater than the last, ERR_LIMIT past FLEET_NODES_MAX. */
struct fleet_range {
    uint64_t first;
    uint64_t last;
};
MUST_CHECK enum err fleet_range_parse(struct bytes text, unsigned id_bits,
                                      struct fleet_range *ret_range, struct err_detail *detail);
static inline uint64_t fleet_range_count(struct fleet_range range)
{
    return range.last - range.first + 1; /* FLEET_NODES_MAX at most */
}
