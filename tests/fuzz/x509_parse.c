#include <assert.h>

#include "crypto/x509.h"
#include "fuzz/target.h"

static void inside(struct bytes view, struct bytes of)
{
    assert(view.len == 0 || (view.data >= of.data && view.data + view.len <= of.data + of.len));
}

static void check(const struct x509_info *info, struct bytes input)
{
    inside(info->cn, input);
    inside(info->subject, input);
    inside(info->spki, input);
    inside(info->issuer, input);
    inside(info->serial, input);
    inside(info->key_id, input);
    assert(info->dns_count <= X509_NAMES_MAX && info->ip_count <= X509_NAMES_MAX);
    for (size_t i = 0; i < info->dns_count; i++)
        inside(info->dns[i], input);
    for (size_t i = 0; i < info->ip_count; i++)
        inside(info->ip[i], input);
}

/* Requests and certificates. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = bytes_of(data, size);
    struct x509_info info;
    struct err_detail detail = {0};
    if (x509_csr_parse(input, &info, &detail) == ERR_OK)
        check(&info, input);
    if (x509_cert_parse(input, &info, &detail) == ERR_OK)
        check(&info, input);
    return 0;
}
