#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "kmip/codec/check.h"
#include "kmip/codec/codec.h"
#include "kmip/codec/filter.h"
#include "kmip/codec/table.h"

/* Nanoseconds of processor time to read, check and write the messages of a Get in each encoding.
 * usage: bench_kmip_codec [rounds] */

static const char *const format_names[] = {"TTLV", "JSON", "XML"};
static unsigned rounds = 200000;

static double now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void want(bool good)
{
    if (!good) {
        fprintf(stderr, "bench_kmip_codec: failed\n");
        exit(1);
    }
}

static void put_version(struct kmip_build *b, struct kmip_node *header)
{
    struct kmip_node *version = kmip_put_struct(b, header, KMIP_TAG_PROTOCOL_VERSION);
    kmip_put_int(b, version, KMIP_TAG_PROTOCOL_VERSION_MAJOR, 1);
    kmip_put_int(b, version, KMIP_TAG_PROTOCOL_VERSION_MINOR, 4);
}

static const char uid[] = "0190a1b2-0000-7000-8000-000000000001";

static struct kmip_node *make_request(struct kmip_build *b)
{
    struct kmip_node *root = kmip_put_struct(b, NULL, KMIP_TAG_REQUEST_MESSAGE);
    struct kmip_node *header = kmip_put_struct(b, root, KMIP_TAG_REQUEST_HEADER);
    put_version(b, header);
    kmip_put_int(b, header, KMIP_TAG_BATCH_COUNT, 1);
    struct kmip_node *item = kmip_put_struct(b, root, KMIP_TAG_BATCH_ITEM);
    kmip_put_enum(b, item, KMIP_TAG_OPERATION, KMIP_OP_GET);
    struct kmip_node *payload = kmip_put_struct(b, item, KMIP_TAG_REQUEST_PAYLOAD);
    kmip_put_text(b, payload, KMIP_TAG_UNIQUE_IDENTIFIER, uid);
    return root;
}

static struct kmip_node *make_response(struct kmip_build *b)
{
    static const uint8_t key[32] = {1, 2, 3};
    struct kmip_node *root = kmip_put_struct(b, NULL, KMIP_TAG_RESPONSE_MESSAGE);
    struct kmip_node *header = kmip_put_struct(b, root, KMIP_TAG_RESPONSE_HEADER);
    put_version(b, header);
    kmip_put_date(b, header, KMIP_TAG_TIME_STAMP, 1700000000);
    kmip_put_int(b, header, KMIP_TAG_BATCH_COUNT, 1);
    struct kmip_node *item = kmip_put_struct(b, root, KMIP_TAG_BATCH_ITEM);
    kmip_put_enum(b, item, KMIP_TAG_OPERATION, KMIP_OP_GET);
    kmip_put_enum(b, item, KMIP_TAG_RESULT_STATUS, KMIP_STATUS_SUCCESS);
    struct kmip_node *payload = kmip_put_struct(b, item, KMIP_TAG_RESPONSE_PAYLOAD);
    kmip_put_enum(b, payload, KMIP_TAG_OBJECT_TYPE, KMIP_OBJECT_SYMMETRIC_KEY);
    kmip_put_text(b, payload, KMIP_TAG_UNIQUE_IDENTIFIER, uid);
    struct kmip_node *object = kmip_put_struct(b, payload, KMIP_TAG_SYMMETRIC_KEY);
    struct kmip_node *block = kmip_put_struct(b, object, KMIP_TAG_KEY_BLOCK);
    kmip_put_enum(b, block, KMIP_TAG_KEY_FORMAT_TYPE, KMIP_KEY_FORMAT_TYPE_RAW);
    struct kmip_node *value = kmip_put_struct(b, block, KMIP_TAG_KEY_VALUE);
    kmip_put_bytes(b, value, KMIP_TAG_KEY_MATERIAL, KMIP_BYTE_STRING, BYTES(key));
    kmip_put_enum(b, block, KMIP_TAG_CRYPTOGRAPHIC_ALGORITHM, KMIP_CRYPTOGRAPHIC_ALGORITHM_AES);
    kmip_put_int(b, block, KMIP_TAG_CRYPTOGRAPHIC_LENGTH, 256);
    return root;
}

/* What the server does of it: read and check a request, build, filter and write the answer. */
static void bench_get(enum kmip_format format, struct arena *arena, struct bytes request)
{
    struct buf out = {0};
    struct kmip_fault fault;
    double start = now();
    for (unsigned i = 0; i < rounds; i++) {
        struct kmip_node *root = NULL;
        struct kmip_build b = {.arena = arena};
        want(kmip_decode(format, request, NULL, arena, &root, NULL) == ERR_OK);
        want(kmip_check_header(root, 0x0104, &fault) &&
             kmip_check_item(kmip_child(root, KMIP_TAG_BATCH_ITEM), 0x0104, &fault));
        struct kmip_node *answer = make_response(&b);
        kmip_filter(answer, 0x0104);
        out.len = 0;
        want(b.err == ERR_OK && kmip_encode(format, answer, &out) == ERR_OK);
        arena_reset(arena);
    }
    double each = (now() - start) / rounds;
    printf("%-4s  %4zu bytes in, %4zu out  %7.0f ns a Get  %9.0f/s\n", format_names[format],
           request.len, out.len, each, 1e9 / each);
    buf_done(&out);
}

/* Reading and writing alone, of the answer. */
static void bench_codec(enum kmip_format format, struct arena *arena, struct bytes message)
{
    struct buf out = {0};
    double start = now();
    for (unsigned i = 0; i < rounds; i++) {
        struct kmip_node *root = NULL;
        out.len = 0;
        want(kmip_decode(format, message, NULL, arena, &root, NULL) == ERR_OK &&
             kmip_encode(format, root, &out) == ERR_OK);
        arena_reset(arena);
    }
    double each = (now() - start) / rounds;
    printf("%-4s  %4zu bytes  %7.0f ns to read and write\n", format_names[format], message.len,
           each);
    buf_done(&out);
}

int main(int argc, char **argv)
{
    struct arena *arena = NULL;
    if (argc > 1)
        rounds = (unsigned)strtoul(argv[1], NULL, 10);
    want(rounds > 0 && arena_new((size_t)1 << 20, &arena) == ERR_OK);
    for (int format = KMIP_TTLV; format <= KMIP_XML; format++) {
        struct kmip_build b = {.arena = arena};
        struct buf request = {0};
        struct buf response = {0};
        want(kmip_encode((enum kmip_format)format, make_request(&b), &request) == ERR_OK);
        want(kmip_encode((enum kmip_format)format, make_response(&b), &response) == ERR_OK);
        arena_reset(arena);
        bench_codec((enum kmip_format)format, arena, buf_view(&response));
        bench_get((enum kmip_format)format, arena, buf_view(&request));
        buf_done(&request);
        buf_done(&response);
    }
    arena_free(arena);
    return 0;
}
