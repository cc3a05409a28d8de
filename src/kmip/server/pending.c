/* Until certificates and asynchronous operations have landed; goes with them. */
#include "crypto/certs.h"
#include "kmip/op/async.h"

__attribute__((weak)) enum err certs_parse(struct bytes der, struct certs_info *ret_info,
                                           struct err_detail *detail)
{
    (void)der;
    (void)ret_info;
    return err_set(detail, ERR_UNSUPPORTED, "certificates");
}
__attribute__((weak)) enum err kmip_async_new(struct store *store, int64_t now,
                                              struct kmip_async **ret_async,
                                              struct err_detail *detail)
{
    (void)store;
    (void)now;
    (void)detail;
    *ret_async = NULL;
    return ERR_OK;
}
__attribute__((weak)) void kmip_async_free(struct kmip_async *async)
{
    (void)async;
}
