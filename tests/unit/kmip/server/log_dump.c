#include "kmip/server/log_dump.h"

#include "base/hex.h"
#include "kmip/codec/table.h"
#include "support/test.h"

/* A Batch Item with a Username and a Password. */
static struct bytes message(void)
{
    static const char hex[] = "42000f0100000020"
                              "42009907000000036162630000000000"
                              "4200a107000000077365637265743100";
    static uint8_t bytes[64];
    size_t len = 0;
    assert_ok(hex_decode(bytes_str(hex), bytes, sizeof bytes, &len));
    return bytes_of(bytes, len);
}

static void dumps(struct bytes in, enum kmip_format to, bool secrets, const char *want)
{
    AUTO(arena_freep) struct arena *arena = NULL;
    struct buf out = {0};
    assert_ok(arena_new(1 << 16, &arena));
    assert_ok(kmip_log_dump(KMIP_TTLV, in, to, secrets, arena, &out));
    assert_ok(buf_append(&out, bytes_of("", 1)));
    assert_string_equal((char *)out.data, want);
    buf_done(&out);
}

static void test_formats(void **state)
{
    (void)state;
    dumps(message(), KMIP_TTLV, false,
          "000000  42000f 01  BatchItem Structure\n"
          "000008  420099 07    Username TextString \"abc\"\n"
          "000018  4200a1 07    Password TextString *** (7 bytes)\n");
    dumps(message(), KMIP_TTLV, true,
          "000000  42000f 01  BatchItem Structure\n"
          "000008  420099 07    Username TextString \"abc\"\n"
          "000018  4200a1 07    Password TextString \"secret1\"\n");
    dumps(message(), KMIP_JSON, false,
          "{\"tag\":\"BatchItem\", \"value\":[{\"tag\":\"Username\", \"type\":\"TextString\", "
          "\"value\":\"abc\"}, {\"tag\":\"Password\", \"type\":\"TextString\", "
          "\"value\":\"***\"}]}\n");
    dumps(message(), KMIP_XML, true,
          "<BatchItem>\n"
          "  <Username type=\"TextString\" value=\"abc\"/>\n"
          "  <Password type=\"TextString\" value=\"secret1\"/>\n"
          "</BatchItem>\n\n");
}

/* A message with one bit wrong still holds its keys. */
static void test_unread(void **state)
{
    (void)state;
    struct bytes cut = message();
    cut.len--;
    dumps(cut, KMIP_XML, false,
          "not a message, 39 bytes: BatchItem at byte 0: reaches past the end (type 1, length 32)\n"
          "42000f01000000204200990700000003616263000000000042"
          "00a10700000007\n");
    dumps(cut, KMIP_TTLV, true,
          "not a message, 39 bytes: BatchItem at byte 0: reaches past the end (type 1, length 32)\n"
          "42000f01000000204200990700000003616263000000000042"
          "00a10700000007\n"
          "73656372657431\n");
}

static void test_too_much(void **state)
{
    (void)state;
    AUTO(arena_freep) struct arena *arena = NULL;
    struct buf out = {0};
    assert_ok(arena_new(64, &arena));
    assert_err(kmip_log_dump(KMIP_TTLV, message(), KMIP_JSON, false, arena, &out), ERR_NO_MEMORY);
    assert_int_equal(out.len, 0);
    buf_done(&out);
}

TEST_MAIN(cmocka_unit_test(test_formats), cmocka_unit_test(test_unread),
          cmocka_unit_test(test_too_much))
