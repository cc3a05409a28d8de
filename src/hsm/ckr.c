#include "hsm/ckr.h"

#include <stdio.h>
#include <stdlib.h>

#include "hsm/hsm.h"

static int compare(const void *key, const void *row)
{
    unsigned long value = *(const unsigned long *)key;
    unsigned long at = ((const struct ckr_row *)row)->value;
    return value < at ? -1 : value > at;
}

static const struct ckr_row *find(unsigned long ckr)
{
    return bsearch(&ckr, ckr_rows, ckr_row_count, sizeof *ckr_rows, compare);
}

const char *hsm_ckr_name(unsigned long ckr)
{
    static _Thread_local char unnamed[32];
    const struct ckr_row *row = find(ckr);
    if (row != NULL)
        return row->name;
    (void)snprintf(unnamed, sizeof unnamed, "CKR_0x%08lx", ckr);
    return unnamed;
}

enum ckr_group ckr_group(unsigned long ckr)
{
    const struct ckr_row *row = find(ckr);
    return row == NULL ? CKR_GROUP_NONE : row->group;
}
