#pragma once

#include "kmip/op/op.h"

/* The operations that manage objects, for the table of operations. */

kmip_op_fn kmip_op_create, kmip_op_create_key_pair, kmip_op_register, kmip_op_import,
    kmip_op_export, kmip_op_get, kmip_op_locate, kmip_op_check, kmip_op_re_key,
    kmip_op_re_key_key_pair;
kmip_op_fn kmip_op_activate, kmip_op_revoke, kmip_op_destroy, kmip_op_archive, kmip_op_recover;
kmip_op_fn kmip_op_get_attributes, kmip_op_get_attribute_list, kmip_op_add_attribute,
    kmip_op_modify_attribute, kmip_op_delete_attribute, kmip_op_set_attribute,
    kmip_op_adjust_attribute;
kmip_op_fn kmip_op_obtain_lease, kmip_op_get_usage_allocation;
kmip_op_fn kmip_op_query, kmip_op_discover_versions, kmip_op_log, kmip_op_interop, kmip_op_ping,
    kmip_op_set_endpoint_role, kmip_op_set_defaults, kmip_op_set_constraints,
    kmip_op_get_constraints;
