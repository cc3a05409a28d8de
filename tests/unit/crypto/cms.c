#include "crypto/cms.h"

#include "crypto/random.h"
#include "tools.h"

static struct rsa_private *key;
static struct rsa_private *other;

static int make_keys(void **state)
{
    (void)state;
    return rsa_private_generate(2048, &key, NULL) == ERR_OK &&
                   rsa_private_generate(2048, &other, NULL) == ERR_OK
               ? 0
               : -1;
}

static int drop_keys(void **state)
{
    (void)state;
    rsa_private_free(key);
    rsa_private_free(other);
    return 0;
}

/* A source that gives at most `step` bytes at once, and a sink that collects. */
struct pipe {
    struct bytes in;
    size_t step;
    struct buf out;
};

static enum err from_pipe(void *arg, uint8_t *to, size_t cap, size_t *ret_len,
                          struct err_detail *detail)
{
    (void)detail;
    struct pipe *pipe = arg;
    size_t now = pipe->in.len < cap ? pipe->in.len : cap;
    if (pipe->step != 0 && now > pipe->step)
        now = pipe->step;
    if (now != 0)
        memcpy(to, pipe->in.data, now);
    pipe->in = bytes_of(pipe->in.data + now, pipe->in.len - now);
    *ret_len = now;
    return ERR_OK;
}

static enum err to_pipe(void *arg, struct bytes data, struct err_detail *detail)
{
    (void)detail;
    struct pipe *pipe = arg;
    return buf_append(&pipe->out, data);
}

static void encrypt(struct bytes plain, enum oaep_hash hash, size_t step, struct pipe *pipe)
{
    *pipe = (struct pipe){.in = plain, .step = step};
    const struct cms_io io = {.arg = pipe, .source = from_pipe, .sink = to_pipe};
    assert_ok(cms_encrypt(rsa_private_public(key), hash, &io, NULL));
}

static enum err decrypt(const struct rsa_private *with, struct bytes cms, size_t step,
                        struct pipe *pipe)
{
    *pipe = (struct pipe){.in = cms, .step = step};
    const struct cms_io io = {.arg = pipe, .source = from_pipe, .sink = to_pipe};
    return cms_decrypt(with, &io, NULL);
}

static void round_trip(void **state)
{
    (void)state;
    static uint8_t plain[100000];
    static const size_t lens[] = {0, 1, 127, 128, 300, 32768, 32769, sizeof plain};
    assert_ok(random_bytes(plain, sizeof plain));
    for (size_t i = 0; i < ARRAY_LEN(lens); i++)
        for (int hash = OAEP_SHA1; hash <= OAEP_SHA256; hash++) {
            struct pipe sealed;
            struct pipe back;
            encrypt(bytes_of(plain, lens[i]), (enum oaep_hash)hash, 0, &sealed);
            for (size_t step = 0; step < 20; step += 1 + step * 3) {
                assert_ok(decrypt(key, buf_view(&sealed.out), step, &back));
                assert_true(bytes_equal(buf_view(&back.out), bytes_of(plain, lens[i])));
                buf_done(&back.out);
            }
            assert_err(decrypt(other, buf_view(&sealed.out), 0, &back), ERR_NOT_FOUND);
            assert_int_equal(back.out.len, 0);
            buf_done(&sealed.out);
        }
}

static void write_keys(const char *dir)
{
    struct secret *pem = NULL;
    assert_ok(rsa_private_to_pem(key, &pem));
    put_file(dir, "key", secret_view(pem));
    secret_free(pem);
    assert_ok(rsa_private_to_pem(other, &pem));
    put_file(dir, "other", secret_view(pem));
    secret_free(pem);
    assert_int_equal(shell("cd %s && for k in key other; do openssl req -x509 -new -key $k -subj "
                           "/CN=$k -days 30 -out $k.crt 2>err || exit 1; done",
                           dir),
                     0);
}

static void openssl_opens_ours(void **state)
{
    (void)state;
    if (!have("openssl"))
        skip();
    char *dir = test_tempdir();
    write_keys(dir);
    static uint8_t plain[70001];
    assert_ok(random_bytes(plain, sizeof plain));
    put_file(dir, "plain", BYTES(plain));
    for (int hash = OAEP_SHA1; hash <= OAEP_SHA256; hash++) {
        struct pipe sealed;
        encrypt(BYTES(plain), (enum oaep_hash)hash, 1000, &sealed);
        put_file(dir, "sealed", buf_view(&sealed.out));
        assert_int_equal(
            shell("cd %s && openssl cms -decrypt -inform DER -inkey key -in sealed -out back "
                  "2>err && cmp plain back",
                  dir),
            0);
        assert_int_equal(
            shell("cd %s && openssl cms -decrypt -inform DER -inkey key -recip key.crt -in "
                  "sealed -out back 2>err && cmp plain back",
                  dir),
            0);
        sealed.out.data[sealed.out.len / 2] ^= 1;
        put_file(dir, "sealed", buf_view(&sealed.out));
        assert_int_not_equal(shell("cd %s && openssl cms -decrypt -inform DER -inkey key -in "
                                   "sealed -out back >err 2>&1",
                                   dir),
                             0);
        buf_done(&sealed.out);
    }
    test_tempdir_remove(dir);
}

static void ours_opens_openssl(void **state)
{
    (void)state;
    if (!have("openssl"))
        skip();
    char *dir = test_tempdir();
    write_keys(dir);
    static uint8_t plain[70001];
    assert_ok(random_bytes(plain, sizeof plain));
    put_file(dir, "plain", BYTES(plain));
#define OAEP "-keyopt rsa_padding_mode:oaep"
    static const char *const options[] = {
        "-recip key.crt " OAEP,
        "-keyid -recip key.crt " OAEP,
        "-stream -keyid -recip key.crt " OAEP,
        "-stream -recip key.crt " OAEP " -keyopt rsa_oaep_md:sha256",
        "-recip other.crt " OAEP " -recip key.crt " OAEP,
        "-keyid -recip other.crt -recip key.crt " OAEP,
    };
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        assert_int_equal(
            shell("cd %s && openssl cms -encrypt -binary -aes-256-gcm -in plain -outform DER "
                  "-out sealed %s 2>err",
                  dir, options[i]),
            0);
        struct buf sealed = {0};
        get_file(dir, "sealed", &sealed);
        for (size_t step = 0; step < 200; step += 1 + step * 7) {
            struct pipe back;
            assert_ok(decrypt(key, buf_view(&sealed), step, &back));
            assert_true(bytes_equal(buf_view(&back.out), BYTES(plain)));
            buf_done(&back.out);
        }
        buf_done(&sealed);
    }
    /* What isn't ours: PKCS#1 v1.5 key transport, another cipher, EnvelopedData. */
    static const struct {
        const char *options;
        enum err want;
    } bad[] = {
        {"-aes-256-gcm -recip key.crt", ERR_NOT_FOUND},
        {"-aes-128-gcm -recip key.crt -keyopt rsa_padding_mode:oaep", ERR_UNSUPPORTED},
        {"-aes-256-cbc -recip key.crt -keyopt rsa_padding_mode:oaep", ERR_UNSUPPORTED},
        {"-aes-256-gcm -recip other.crt -keyopt rsa_padding_mode:oaep", ERR_NOT_FOUND},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(
            shell("cd %s && openssl cms -encrypt -binary -in plain -outform DER -out sealed "
                  "%s 2>err",
                  dir, bad[i].options),
            0);
        struct buf sealed = {0};
        struct pipe back;
        get_file(dir, "sealed", &sealed);
        assert_err(decrypt(key, buf_view(&sealed), 0, &back), bad[i].want);
        assert_int_equal(back.out.len, 0);
        buf_done(&sealed);
    }
    test_tempdir_remove(dir);
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    struct pipe sealed;
    struct pipe back;
    encrypt(bytes_str("0x00010200,0,7,00112233445566778899aabbccddeeff\n"), OAEP_SHA1, 0, &sealed);
    for (size_t len = 0; len < sealed.out.len; len++) {
        assert_err(decrypt(key, bytes_of(sealed.out.data, len), 0, &back), ERR_TRUNCATED);
        buf_done(&back.out);
    }
    assert_ok(buf_append(&sealed.out, bytes_str("x")));
    assert_err(decrypt(key, buf_view(&sealed.out), 0, &back), ERR_SYNTAX);
    buf_done(&back.out);
    assert_err(decrypt(key, buf_view(&sealed.out), 1, &back), ERR_SYNTAX);
    buf_done(&back.out);
    buf_done(&sealed.out);
}

static void every_flipped_bit_is_refused(void **state)
{
    (void)state;
    struct pipe sealed;
    encrypt(bytes_str("0x00010200,0,7,00112233445566778899aabbccddeeff\n"), OAEP_SHA256, 7,
            &sealed);
    for (size_t bit = 0; bit < sealed.out.len * 8; bit++) {
        struct pipe back;
        sealed.out.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_true(decrypt(key, buf_view(&sealed.out), 0, &back) != ERR_OK);
        sealed.out.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        buf_done(&back.out);
    }
    buf_done(&sealed.out);
}

static enum err read_all(struct bytes cms)
{
    static struct cms_reader reader;
    struct cms_item item;
    cms_reader_init(&reader);
    do
        TRY(cms_reader_next(&reader, &cms, &item, NULL));
    while (item.event != CMS_MORE && item.event != CMS_END);
    return cms_reader_finish(&reader, NULL);
}

static void hostile_framing(void **state)
{
    (void)state;
    static const struct {
        const char *cms;
        enum err want;
    } rows[] = {
        {"", ERR_TRUNCATED},
        {"3080", ERR_TRUNCATED},
        {"3000", ERR_SYNTAX},
        {"0000", ERR_SYNTAX},
        {"0480", ERR_SYNTAX},
        {"308900000000000000000102", ERR_SYNTAX},
        {"3088ffffffffffffffff", ERR_SYNTAX},
        {"30800680", ERR_SYNTAX},
        {"308006820100", ERR_LIMIT},
        {"3080060301020300", ERR_UNSUPPORTED},
        {"3005060b2a864886f70d0109100117", ERR_SYNTAX},
        {"3080060b2a864886f70d0109100117a00030", ERR_SYNTAX},
        {"3080060b2a864886f70d0109100117a0803080020100a000", ERR_UNSUPPORTED},
        {"3080060b2a864886f70d0109100117a0803080020101", ERR_UNSUPPORTED},
        {"3080060b2a864886f70d0109100117a08030800201003100", ERR_SYNTAX},
        {"3080060b2a864886f70d0109100117a080308002010031800000", ERR_SYNTAX},
        {"3080060b2a864886f70d0109100117a080308002010031803080", ERR_UNSUPPORTED},
        {"3080060b2a864886f70d0109100117a0803080020100318030821001", ERR_LIMIT},
        {"3080060b2a864886f70d0109100117a080308002010031803003020105", ERR_SYNTAX},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_err(read_all(unhex(rows[i].cms)), rows[i].want);
    struct buf many = {0};
    assert_ok(buf_append(&many, unhex("3080060b2a864886f70d0109100117a08030800201003180")));
    for (int i = 0; i <= CMS_RECIPIENTS_MAX; i++)
        assert_ok(buf_append(&many, unhex("a100")));
    assert_err(read_all(buf_view(&many)), ERR_LIMIT);
    buf_done(&many);
}

static void writer_checks_its_arguments(void **state)
{
    (void)state;
    static const uint8_t bytes[512];
    struct buf out = {0};
    struct cms_header header = {.key_id = bytes_of(bytes, 20),
                                .encrypted_key = bytes_of(bytes, 256),
                                .hash = OAEP_SHA1,
                                .nonce = bytes_of(bytes, 12)};
    assert_ok(cms_write_header(&header, &out));
    header.key_id.len = 19;
    assert_err(cms_write_header(&header, &out), ERR_ARGUMENT);
    header.key_id.len = 20;
    header.nonce.len = 16;
    assert_err(cms_write_header(&header, &out), ERR_ARGUMENT);
    header.nonce.len = 12;
    header.encrypted_key.len = 128;
    assert_err(cms_write_header(&header, &out), ERR_ARGUMENT);
    assert_err(cms_write_chunk(bytes_of(bytes, CMS_CHUNK_MAX + 1), &out), ERR_LIMIT);
    buf_done(&out);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(openssl_opens_ours),
        cmocka_unit_test(ours_opens_openssl),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(every_flipped_bit_is_refused),
        cmocka_unit_test(hostile_framing),
        cmocka_unit_test(writer_checks_its_arguments),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, make_keys, drop_keys);
}
