#include "crypto/hash_alg.h"

#include "tools.h"

/* FIPS 180-4 and FIPS 202 examples, RFC 1321, A.5, RIPEMD-160's own: all of "abc". */
static const struct {
    uint32_t alg;
    const char *digest;
} vectors[] = {
    {HASH_MD5, "900150983cd24fb0d6963f7d28e17f72"},
    {HASH_SHA_1, "a9993e364706816aba3e25717850c26c9cd0d89d"},
    {HASH_SHA_224, "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7"},
    {HASH_SHA_256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {HASH_SHA_384, "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
                   "8086072ba1e7cc2358baeca134c825a7"},
    {HASH_SHA_512, "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                   "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"},
    {HASH_SHA_512_224, "4634270f707b6a54daae7530460842e20e37ed265ceee9a43e8924aa"},
    {HASH_SHA_512_256, "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23"},
    {HASH_SHA3_224, "e642824c3f8cf24ad09234ee7d3c766fc9a3a5168d0c94ad73b46fdf"},
    {HASH_SHA3_256, "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532"},
    {HASH_SHA3_384, "ec01498288516fc926459f58e2c6ad8df9b473cb0fc08c2596da7cf0e49be4b2"
                    "98d88cea927ac7f539f1edf228376d25"},
    {HASH_SHA3_512, "b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e"
                    "10e116e9192af3c91a7ec57647e3934057340b4cf408d5a56592f8274eec53f0"},
};

static void known_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        const struct bytes parts[] = {bytes_str("a"), {NULL, 0}, bytes_str("bc")};
        struct bytes want = unhex(vectors[i].digest);
        uint8_t digest[HASH_ALG_MAX];
        size_t len = 0;
        assert_int_equal(hash_alg_size(vectors[i].alg), want.len);
        assert_ok(hash_alg(vectors[i].alg, parts, ARRAY_LEN(parts), digest, &len));
        assert_true(bytes_equal(bytes_of(digest, len), want));
        AUTO(hash_stream_freep) struct hash_stream *stream = NULL;
        assert_ok(hash_stream_new(vectors[i].alg, &stream));
        for (size_t k = 0; k < ARRAY_LEN(parts); k++)
            assert_ok(hash_stream_update(stream, parts[k]));
        memset(digest, 0, sizeof digest);
        assert_ok(hash_stream_end(stream, digest, &len));
        assert_true(bytes_equal(bytes_of(digest, len), want));
    }
}

static void others_are_not_served(void **state)
{
    (void)state;
    static const uint32_t algs[] = {0, HASH_MD2, HASH_MD4, HASH_TIGER, HASH_WHIRLPOOL, 0x12, ~0U};
    for (size_t i = 0; i < ARRAY_LEN(algs); i++) {
        uint8_t digest[HASH_ALG_MAX];
        size_t len = 0;
        struct hash_stream *stream = NULL;
        assert_int_equal(hash_alg_size(algs[i]), 0);
        assert_err(hash_alg(algs[i], NULL, 0, digest, &len), ERR_UNSUPPORTED);
        assert_err(hash_stream_new(algs[i], &stream), ERR_UNSUPPORTED);
    }
}

TEST_MAIN(cmocka_unit_test(known_answers), cmocka_unit_test(others_are_not_served))
