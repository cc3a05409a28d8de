#include <stdio.h>
#include <string.h>

#include "hsm/session.h"

void hsm_trim(const CK_UTF8CHAR *from, size_t len, char *to)
{
    /* Some tokens end the text with a NUL although the standard says blanks. */
    len = strnlen((const char *)from, len);
    while (len > 0 && from[len - 1] == ' ')
        len--;
    memcpy(to, from, len);
    to[len] = '\0';
}

static void fill(CK_FUNCTION_LIST *f, CK_SLOT_ID slot, const CK_TOKEN_INFO *token,
                 struct hsm_token_info *to)
{
    hsm_trim(token->label, sizeof token->label, to->label);
    hsm_trim(token->serialNumber, sizeof token->serialNumber, to->serial);
    hsm_trim(token->manufacturerID, sizeof token->manufacturerID, to->manufacturer);
    hsm_trim(token->model, sizeof token->model, to->model);
    (void)snprintf(to->firmware, sizeof to->firmware, "%u.%u", token->firmwareVersion.major,
                   token->firmwareVersion.minor);
    (void)snprintf(to->hardware, sizeof to->hardware, "%u.%u", token->hardwareVersion.major,
                   token->hardwareVersion.minor);
    CK_INFO info = {0};
    if (f->C_GetInfo(&info) == CKR_OK)
        hsm_trim(info.libraryDescription, sizeof info.libraryDescription, to->library);
    to->slot = slot;
    to->flags = token->flags;
    to->memory_free = token->ulFreePrivateMemory;
    to->memory_total = token->ulTotalPrivateMemory;
}

static bool wanted(const char *want, const char *got)
{
    return want == NULL || want[0] == '\0' || strcmp(want, got) == 0;
}

enum err hsm_slot_find(CK_FUNCTION_LIST *f, const char *label, const char *serial, long slot,
                       CK_SLOT_ID *ret_slot, struct hsm_token_info *ret_info,
                       struct err_detail *detail)
{
    CK_SLOT_ID slots[HSM_SLOTS_MAX];
    CK_ULONG count = HSM_SLOTS_MAX;
    CK_RV rv = f->C_GetSlotList(CK_TRUE, slots, &count);
    if (rv != CKR_OK || count > HSM_SLOTS_MAX) {
        (void)err_set(detail, ERR_TOKEN_GONE, "C_GetSlotList: %s", hsm_ckr_name(rv));
        if (detail != NULL)
            detail->ckr = rv;
        return ERR_TOKEN_GONE;
    }
    unsigned found = 0;
    for (CK_ULONG i = 0; i < count; i++) {
        CK_TOKEN_INFO token;
        struct hsm_token_info info = {0};
        if ((slot >= 0 && slots[i] != (CK_SLOT_ID)slot) ||
            f->C_GetTokenInfo(slots[i], &token) != CKR_OK || !(token.flags & CKF_TOKEN_INITIALIZED))
            continue;
        fill(f, slots[i], &token, &info);
        if (!wanted(label, info.label) || !wanted(serial, info.serial))
            continue;
        if (found++ == 0) {
            *ret_slot = slots[i];
            *ret_info = info;
        }
    }
    if (found == 1)
        return ERR_OK;
    if (found > 1)
        return err_set(detail, ERR_CONFIG,
                       "%u tokens fit: name label, serial or slot of the one that is meant", found);
    return err_set(detail, ERR_TOKEN_GONE, "no initialised token with label \"%s\"%s%s is present",
                   label != NULL ? label : "",
                   serial != NULL && serial[0] != '\0' ? ", serial " : "",
                   serial != NULL ? serial : "");
}
