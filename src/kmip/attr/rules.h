#pragma once

#include "kmip/attr/attr.h"

/* Who may do what to an attribute: the rows of data/kmip-attributes.toml, and custom attributes,
 * which are all the client's. */

enum kmip_attr_flag {
    KMIP_ATTR_SET = 1,    /* a client gives it to a new object */
    KMIP_ATTR_ADD = 2,    /* Add Attribute, Set Attribute */
    KMIP_ATTR_MODIFY = 4, /* of an existing value; dates only in some states */
    KMIP_ATTR_DELETE = 8,
    KMIP_ATTR_MULTI = 16, /* several instances */
};

/* Whether there is such an attribute in any version. */
bool kmip_attr_exists(uint32_t tag);
/* enum kmip_attr_flag; 0 for what is the server's alone. */
unsigned kmip_attr_flags(uint32_t tag);
/* May a client change the value it has while the object is in this state? */
bool kmip_attr_modifiable(uint32_t tag, uint32_t state);
