#include "net/tls_staple.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/file.h"

#define RESPONSE_MAX ((size_t)64 * 1024)

struct staple {
    int64_t until; /* nextUpdate; 0: the response does not say */
    size_t len;
    uint8_t der[];
};

static int ctx_index = -1;

static void free_staple(void *parent, void *pointer, CRYPTO_EX_DATA *ad, int index, long argl,
                        void *argp)
{
    (void)parent;
    (void)ad;
    (void)index;
    (void)argl;
    (void)argp;
    free(pointer);
}

static void make_index(void)
{
    ctx_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_staple);
}

static int on_status(SSL *ssl, void *arg)
{
    const struct staple *staple = arg;
    /* An outdated one makes a strict client turn away; without one it may ask by itself. */
    if (staple->until != 0 && clock_now_s() >= staple->until)
        return SSL_TLSEXT_ERR_NOACK;
    unsigned char *copy = OPENSSL_memdup(staple->der, staple->len);
    if (copy == NULL)
        return SSL_TLSEXT_ERR_NOACK;
    (void)SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)staple->len);
    return SSL_TLSEXT_ERR_OK;
}

/* The earliest nextUpdate of what it says. */
static bool read_until(OCSP_RESPONSE *response, int64_t *ret_until)
{
    OCSP_BASICRESP *basic = OCSP_response_get1_basic(response);
    if (basic == NULL)
        return false;
    int64_t until = 0;
    for (int i = 0; i < OCSP_resp_count(basic); i++) {
        ASN1_GENERALIZEDTIME *next = NULL;
        struct tm tm;
        (void)OCSP_single_get0_status(OCSP_resp_get0(basic, i), NULL, NULL, NULL, &next);
        if (next == NULL || ASN1_TIME_to_tm(next, &tm) != 1)
            continue;
        int64_t at = timegm(&tm);
        until = until == 0 || at < until ? at : until;
    }
    OCSP_BASICRESP_free(basic);
    *ret_until = until;
    return true;
}

static bool is_response(struct bytes der, int64_t *ret_until)
{
    const unsigned char *at = der.data;
    OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &at, (long)der.len);
    bool good = response != NULL && at == der.data + der.len &&
                OCSP_response_status(response) == OCSP_RESPONSE_STATUS_SUCCESSFUL &&
                read_until(response, ret_until);
    OCSP_RESPONSE_free(response);
    ERR_clear_error();
    return good;
}

enum err tls_staple(SSL_CTX *ctx, const char *path, struct err_detail *detail)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, make_index);
    AUTO(buf_done) struct buf der = {0};
    TRY(file_read(path, RESPONSE_MAX, &der, detail));
    int64_t until = 0;
    if (!is_response(buf_view(&der), &until))
        return err_set(detail, ERR_CONFIG, "%s: not a successful OCSP response in DER", path);
    struct staple *staple = malloc(sizeof *staple + der.len);
    if (staple == NULL)
        return ERR_NO_MEMORY;
    staple->until = until;
    staple->len = der.len;
    memcpy(staple->der, der.data, der.len);
    if (ctx_index < 0 || SSL_CTX_set_ex_data(ctx, ctx_index, staple) != 1) {
        free(staple);
        return ERR_NO_MEMORY;
    }
    (void)SSL_CTX_set_tlsext_status_cb(ctx, on_status);
    (void)SSL_CTX_set_tlsext_status_arg(ctx, staple);
    return ERR_OK;
}
