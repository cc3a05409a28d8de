#include <assert.h>

#include "crypto/der.h"
#include "crypto/rsa.h"
#include "fuzz/target.h"

static void walk(struct der r)
{
    while (der_left(&r)) {
        struct der at = r;
        uint8_t tag;
        struct bytes content;
        struct bytes whole;
        if (der_any(&r, &tag, &content, &whole) != ERR_OK)
            return;
        assert(whole.len >= content.len + 2 && whole.data + whole.len <= at.end);
        struct der_writer w = {0};
        der_put(&w, tag, content);
        /* What was read is the one form DER has for it. */
        assert(der_status(&w) == ERR_OK && bytes_equal(buf_view(&w.out), whole));
        der_done(&w);
        struct bytes v;
        int64_t when;
        struct der again = at;
        (void)!der_uint(&again, &v);
        again = at;
        (void)!der_bits(&again, &v);
        again = at;
        (void)!der_time(&again, &when);
        struct der inner;
        if ((tag & 0x20) != 0 && der_enter(&at, tag, &inner) == ERR_OK)
            walk(inner);
    }
}

static void check(struct rsa_public *key)
{
    struct rsa_public *again = NULL;
    assert(rsa_public_from_spki(rsa_public_spki(key), &again, NULL) == ERR_OK);
    assert(bytes_equal(rsa_public_key_id(key), rsa_public_key_id(again)));
    rsa_public_free(again);
    rsa_public_free(key);
}

/* Public keys as DER and as PEM. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rsa_public *key = NULL;
    struct err_detail detail = {0};
    struct bytes input = bytes_of(data, size);
    walk(der_of(input));
    if (rsa_public_from_spki(input, &key, &detail) == ERR_OK)
        check(key);
    if (rsa_public_from_pem(input, &key, &detail) == ERR_OK)
        check(key);
    return 0;
}
