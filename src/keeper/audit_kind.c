#include <string.h>

#include "keeper/audit.h"

const struct audit_kind_row *audit_kind_row(unsigned number)
{
    if (number >= AUDIT_KIND_END || audit_kind_rows[number].name == NULL)
        return NULL;
    return &audit_kind_rows[number];
}

enum err audit_kind_find(const char *name, enum audit_kind *ret_kind)
{
    for (unsigned i = 0; i < AUDIT_KIND_END; i++) {
        const struct audit_kind_row *row = audit_kind_row(i);
        if (row != NULL && strcmp(row->name, name) == 0) {
            *ret_kind = (enum audit_kind)i;
            return ERR_OK;
        }
    }
    return ERR_NOT_FOUND;
}
