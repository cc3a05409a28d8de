#include "kmip/op/ca.h"

#include <stdlib.h>

#include "base/file.h"
#include "crypto/certs.h"

static enum err load(const char *path, struct kmip_ca *ca, struct err_detail *detail)
{
    AUTO(buf_done) struct buf pem = {0};
    struct certs_info info;
    TRY(file_read(path, X509_DER_MAX, &pem, detail));
    if (certs_unpem(buf_view(&pem), false, &ca->certificate, detail) != ERR_OK ||
        certs_parse(buf_view(&ca->certificate), &info, detail) != ERR_OK || !info.is_ca)
        return err_set(detail, ERR_CONFIG, "%s: not the certificate of an authority", path);
    return ERR_OK;
}

enum err kmip_ca_load(const char *path, struct kmip_ca **ret_ca, struct err_detail *detail)
{
    struct kmip_ca *ca = calloc(1, sizeof(*ca));
    if (ca == NULL)
        return ERR_NO_MEMORY;
    enum err err = load(path, ca, detail);
    if (err != ERR_OK) {
        kmip_ca_free(ca);
        return err;
    }
    *ret_ca = ca;
    return ERR_OK;
}

void kmip_ca_free(struct kmip_ca *ca)
{
    if (ca == NULL)
        return;
    buf_done(&ca->certificate);
    free(ca);
}
