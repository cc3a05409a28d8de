#include "hsm/init.h"

#include <string.h>

#include "hsm/module.h"
#include "hsm/session.h"

static void closep(struct module **module)
{
    module_put(*module);
}

static uint8_t *in(struct bytes view)
{
    return (uint8_t *)(uintptr_t)view.data;
}

/* The first free slot, while no token has the label already. */
static enum err choose(CK_FUNCTION_LIST *f, long wanted, const char *label, CK_SLOT_ID *ret_slot,
                       struct err_detail *detail)
{
    CK_SLOT_ID slots[HSM_SLOTS_MAX];
    CK_ULONG count = HSM_SLOTS_MAX;
    CK_RV rv = f->C_GetSlotList(CK_TRUE, slots, &count);
    if (rv != CKR_OK)
        return hsm_fail(rv, "C_GetSlotList", detail);
    bool found = false;
    for (CK_ULONG i = 0; i < count; i++) {
        CK_TOKEN_INFO info;
        char got[sizeof info.label + 1];
        if (f->C_GetTokenInfo(slots[i], &info) != CKR_OK)
            continue;
        hsm_trim(info.label, sizeof info.label, got);
        bool initialised = (info.flags & CKF_TOKEN_INITIALIZED) != 0;
        if (initialised && strcmp(got, label) == 0)
            return err_set(detail, ERR_EXISTS, "a token with label \"%s\" is there already", label);
        if (!initialised && !found && (wanted < 0 || slots[i] == (CK_SLOT_ID)wanted)) {
            *ret_slot = slots[i];
            found = true;
        }
    }
    if (!found)
        return err_set(detail, ERR_TOKEN_GONE, "no slot with an uninitialised token");
    return ERR_OK;
}

static enum err set_user_pin(CK_FUNCTION_LIST *f, CK_SLOT_ID slot, struct bytes so_pin,
                             struct bytes user_pin, struct err_detail *detail)
{
    CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
    CK_RV rv = f->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session);
    if (rv != CKR_OK)
        return hsm_fail(rv, "C_OpenSession", detail);
    const char *what = "C_Login of the security officer";
    rv = f->C_Login(session, CKU_SO, in(so_pin), so_pin.len);
    if (rv == CKR_OK) {
        what = "C_InitPIN";
        rv = f->C_InitPIN(session, in(user_pin), user_pin.len);
        (void)f->C_Logout(session);
    }
    (void)f->C_CloseSession(session);
    return rv == CKR_OK ? ERR_OK : hsm_fail(rv, what, detail);
}

enum err hsm_init_token(const struct hsm_config *config, const char *label, struct bytes so_pin,
                        struct bytes user_pin, struct err_detail *detail)
{
    size_t len = strlen(label);
    if (len == 0 || len > HSM_LABEL_MAX)
        return err_set(detail, ERR_ARGUMENT, "a token's label has 1 to %d bytes", HSM_LABEL_MAX);
    AUTO(closep) struct module *module = NULL;
    TRY(module_get(config->module, config->init_args, &module, detail));
    if (module_users(module) != 1)
        return err_set(detail, ERR_BUSY, "%s is in use", config->module);
    CK_FUNCTION_LIST *f = module->f;
    CK_UTF8CHAR padded[HSM_LABEL_MAX];
    memset(padded, ' ', sizeof padded);
    /* a label has no NUL: NOLINTNEXTLINE(bugprone-not-null-terminated-result) */
    memcpy(padded, label, len);
    CK_SLOT_ID slot = 0;
    TRY(choose(f, config->slot, label, &slot, detail));
    CK_RV rv = f->C_InitToken(slot, in(so_pin), so_pin.len, padded);
    if (rv != CKR_OK)
        return hsm_fail(rv, "C_InitToken", detail);
    /* The token may have moved to another slot by becoming one (SoftHSM2: after C_Initialize). */
    struct hsm_token_info info;
    if (hsm_slot_find(f, label, NULL, -1, &slot, &info, NULL) != ERR_OK) {
        rv = module_restart(module);
        if (rv != CKR_OK)
            return hsm_fail(rv, "C_Initialize", detail);
        TRY(hsm_slot_find(f, label, NULL, -1, &slot, &info, detail));
    }
    return set_user_pin(f, slot, so_pin, user_pin, detail);
}
