#include <stdarg.h>
#include <stdio.h>

#include "kmc/kmc.h"

static const char *const texts[] = {
    [CKMC_OK] = "success",
    [CKMC_ARGUMENT] = "argument out of range",
    [CKMC_CONFIG] = "configuration is wrong",
    [CKMC_RESOURCES] = "out of memory",
    [CKMC_CACHE] = "the key cache can't be used",
    [CKMC_OFFLINE] = "not in the cache, and no server may be asked",
    [CKMC_UNREACHABLE] = "no server can be reached",
    [CKMC_BUSY] = "the server is too busy",
    [CKMC_TLS] = "TLS failed",
    [CKMC_REFUSED] = "the server refuses the key",
    [CKMC_NO_KEY] = "the server has no such version of the key",
    [CKMC_UNPROTECTED] = "the server gives keys over TLS only",
    [CKMC_UNAUTHENTICATED] = "the server does not accept the shared secret",
    [CKMC_SERVER] = "the server answered with an error",
    [CKMC_INTERNAL] = "internal error",
};

const char *ckmc_status_text(int status)
{
    if (status < 0 || (size_t)status >= ARRAY_LEN(texts))
        return "unknown status";
    return texts[status];
}

unsigned ckmc_api_version(void)
{
    return CKMC_API_VERSION;
}

int kmc_status_of(enum err err)
{
    switch (err) {
    case ERR_OK: return CKMC_OK;
    case ERR_ARGUMENT: return CKMC_ARGUMENT;
    case ERR_CONFIG: return CKMC_CONFIG;
    case ERR_NO_MEMORY: return CKMC_RESOURCES;
    case ERR_DENIED: return CKMC_REFUSED;
    case ERR_STATE: return CKMC_NO_KEY;
    case ERR_UNPROTECTED: return CKMC_UNPROTECTED;
    case ERR_UNAUTHENTICATED: return CKMC_UNAUTHENTICATED;
    case ERR_BUSY: return CKMC_BUSY;
    case ERR_TLS: return CKMC_TLS;
    case ERR_PEER: return CKMC_SERVER;
    case ERR_TIMEOUT:
    case ERR_CLOSED:
    case ERR_IO:
    case ERR_NOT_FOUND: return CKMC_UNREACHABLE;
    default: return CKMC_INTERNAL;
    }
}

int kmc_fail(struct ckmc_error *error, int status, const char *format, ...)
{
    if (error != NULL) {
        va_list args;
        va_start(args, format);
        error->status = status;
        (void)vsnprintf(error->text, sizeof error->text, format, args);
        va_end(args);
    }
    return status;
}

int kmc_fail_err(struct ckmc_error *error, const char *what, enum err err,
                 const struct err_detail *detail)
{
    const char *more = detail != NULL && detail->text[0] != '\0' ? detail->text : err_text(err);
    return kmc_fail(error, kmc_status_of(err), "%s%s%s", what, what[0] != '\0' ? ": " : "", more);
}
