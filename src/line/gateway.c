#include "line/gateway.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "line/claviger-line-gateway.h"

#define TIMEOUT_MS 5000

struct line_ota {
    struct line_gateway own;
    struct claviger_line_gateway_address address;
    const struct claviger_line_gateway *library; /* NULL: our own messages */
};

static enum err check_certs(const char *dir, struct line_fault *fault)
{
    static const char *const names[] = {"cert.pem", "key.pem", "ca.pem"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char path[PATH_MAX];
        int n = snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        if (n < 0 || (size_t)n >= sizeof path || access(path, R_OK) != 0)
            return line_fail(fault, LINE_GATEWAY_CERTIFICATES, "%s/%s can't be read", dir,
                             names[i]);
    }
    return ERR_OK;
}

/* Stays loaded: its table is used until the process ends. */
static enum err load(const char *path, const struct claviger_line_gateway **ret_library,
                     struct line_fault *fault)
{
    const struct claviger_line_gateway *(*get)(void);
    void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (object == NULL)
        return line_fail(fault, LINE_GATEWAY_LIBRARY, "%s", dlerror());
    void *symbol = dlsym(object, "claviger_line_gateway");
    memcpy(&get, &symbol, sizeof get);
    const struct claviger_line_gateway *library = symbol != NULL ? get() : NULL;
    if (library == NULL || library->abi != CLAVIGER_LINE_GATEWAY_ABI || library->status == NULL ||
        library->clear == NULL) {
        (void)dlclose(object);
        return line_fail(fault, LINE_GATEWAY_LIBRARY, "%s: no library of gateway messages", path);
    }
    *ret_library = library;
    return ERR_OK;
}

enum err line_ota_new(const struct line_ota_config *config, struct line_ota **ret_ota,
                      struct line_fault *fault)
{
    AUTO(line_ota_freep) struct line_ota *ota = calloc(1, sizeof *ota);
    if (ota == NULL)
        return line_fail(fault, LINE_UNKNOWN, "out of memory");
    const char *host = config->host != NULL ? config->host : "localhost";
    uint16_t port = config->port != 0 ? config->port : LINE_GATEWAY_PORT;
    ota->own = (struct line_gateway){
        .host = host, .port = port, .timeout_ms = TIMEOUT_MS, .one_x = config->one_x};
    ota->address = (struct claviger_line_gateway_address){.host = host,
                                                          .certs = config->certs,
                                                          .port = port,
                                                          .one_x = config->one_x,
                                                          .timeout_ms = TIMEOUT_MS};
    if (config->library != NULL)
        TRY(load(config->library, &ota->library, fault));
    if (config->certs != NULL)
        TRY(check_certs(config->certs, fault));
    *ret_ota = TAKE(ota);
    return ERR_OK;
}

void line_ota_free(struct line_ota *ota)
{
    free(ota);
}

void line_ota_freep(struct line_ota **ota)
{
    line_ota_free(*ota);
}

static enum err own_fault(const struct line_ota *ota, enum err err, const struct err_detail *detail,
                          struct line_fault *fault)
{
    char where[300];
    bool away = err == ERR_UNREACHABLE || err == ERR_TIMEOUT || err == ERR_NOT_FOUND;
    (void)snprintf(where, sizeof where, "gateway %s:%u", ota->own.host, ota->own.port);
    return line_fail_err(fault, away ? LINE_GATEWAY_UNREACHABLE : LINE_GATEWAY_ERROR, where, err,
                         detail);
}

static enum err library_fault(const struct line_ota *ota, int result, struct line_fault *fault)
{
    if (result == CLAVIGER_LINE_GATEWAY_OK)
        return ERR_OK;
    bool away = result == CLAVIGER_LINE_GATEWAY_AWAY;
    return line_fail(fault, away ? LINE_GATEWAY_UNREACHABLE : LINE_GATEWAY_ERROR,
                     "gateway %s:%u, asked through a library of its own: result %d",
                     ota->address.host, ota->address.port, result);
}

enum err line_ota_clear(const struct line_ota *ota, uint64_t node, struct line_fault *fault)
{
    struct err_detail detail = {0};
    if (ota->library != NULL)
        return library_fault(ota, ota->library->clear(&ota->address, node), fault);
    return own_fault(ota, line_gateway_clear(&ota->own, node, &detail), &detail, fault);
}

enum err line_ota_status(const struct line_ota *ota, uint64_t node,
                         enum line_gateway_join *ret_join, struct line_fault *fault)
{
    struct err_detail detail = {0};
    struct line_gateway_status status = {0};
    if (ota->library != NULL) {
        int join = 0;
        TRY(library_fault(ota, ota->library->status(&ota->address, node, &join), fault));
        if (join < CLAVIGER_LINE_GATEWAY_UNKNOWN || join > CLAVIGER_LINE_GATEWAY_REFUSED)
            return library_fault(ota, CLAVIGER_LINE_GATEWAY_ERROR, fault);
        *ret_join = (enum line_gateway_join)join;
        return ERR_OK;
    }
    TRY(own_fault(ota, line_gateway_status(&ota->own, node, &status, &detail), &detail, fault));
    *ret_join = status.join;
    return ERR_OK;
}
