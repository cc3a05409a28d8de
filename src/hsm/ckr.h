#pragma once

/* Names of CK_RV values and what each means for the session that met it; data/ckr.toml. */

enum ckr_group {
    CKR_GROUP_NONE,    /* a failure without consequence */
    CKR_GROUP_SESSION, /* the session is lost */
    CKR_GROUP_LOGIN,   /* the login is lost */
    CKR_GROUP_DEVICE,  /* the token may be gone */
    CKR_GROUP_HANDLE,  /* the object handle is stale */
    CKR_GROUP_PIN,     /* the PIN was refused */
    CKR_GROUP_DATA,    /* the input was refused */
    CKR_GROUP_UNABLE,  /* the token doesn't do this */
};

struct ckr_row {
    unsigned long value;
    const char *name;
    enum ckr_group group;
};

/* Sorted by value. */
extern const struct ckr_row ckr_rows[];
extern const unsigned ckr_row_count;

enum ckr_group ckr_group(unsigned long ckr);
