#include <assert.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fake/token.h"
#include "fuzz/target.h"
#include "keeper/bundle.h"
#include "keeper/core.h"
#include "keeper/object_message.h"
#include "keeper/segment.h"

/* What an engine may send, through the keeper's dispatch: u16 length | message, again and again, on
 * two connections in turn. One domain is loaded, under a key that is always the same, so that a
 * corpus can hold records that open. */

#define DOMAIN 7
#define NAME   "network/7"

static struct fake_token token;
static struct audit *audit;

static int segment_file(void)
{
    int fd = memfd_create("segment", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, (off_t)1 << 20) != 0)
        abort();
    return fd;
}

static void start(void)
{
    if (audit == NULL) {
        struct audit_setup setup = {
            .current = -1, .spare = segment_file(), .sign_interval_us = (uint64_t)3600000000};
        if (fake_token_init(&token) != ERR_OK || audit_open(&setup, &audit, NULL) != ERR_OK)
            abort();
    }
    if (audit_wants_spare(audit) && audit_add_spare(audit, segment_file(), NULL) != ERR_OK)
        abort();
}

static void check(const struct writer *out, const uint8_t *message, size_t len)
{
    assert(out->err == ERR_OK && out->len >= KEEPER_HEAD_SIZE && out->len <= KEEPER_MESSAGE_MAX);
    assert(out->buf[0] == KEEPER_PROTOCOL && (out->buf[1] & KEEPER_ANSWER) != 0);
    assert(be16_load(out->buf + 2) < ERR_COUNT);
    if (len >= KEEPER_HEAD_SIZE)
        assert(memcmp(out->buf + 4, message + 4, 8) == 0);
}

static void execute(struct core *core, unsigned conn, struct bytes message, bool bundled)
{
    static uint8_t room[KEEPER_MESSAGE_MAX];
    struct writer out = writer_of(room, sizeof room);
    if (core_request(core, conn, message, bundled, &out)) {
        check(&out, message.data, message.len);
        return;
    }
    unsigned answers = 0;
    struct core_job *job;
    while ((job = core_job_take(core)) != NULL) {
        assert(core_job_bundled(job) == bundled);
        out = writer_of(room, sizeof room);
        core_job_finish(core, job, &out);
        check(&out, message.data, message.len);
        answers++;
    }
    assert(answers == 1);
}

/* Argon2id with costs that the input chose is allowed, and slow; so are large key pairs and many
 * iterations: not here. */
static bool slow(struct bytes message)
{
    if (message.len < 2)
        return false;
    uint8_t verb = message.data[1];
    if (verb == KEEPER_PASSPHRASE_SET || verb == KEEPER_PASSPHRASE_CHECK ||
        verb == KEEPER_GATEWAY_IMPORT || verb == KEEPER_OBJECT_PAIR)
        return true;
    if (verb != KEEPER_OBJECT_DERIVE)
        return false;
    struct reader r = reader_of(message);
    (void)message_get_head(&r);
    (void)message_get_actor(&r);
    (void)message_get_object(&r);
    (void)message_get_object(&r);
    if (reader_u8(&r) == 1)
        (void)message_get_object(&r);
    return reader_u32(&r) == DERIVE_PBKDF2;
}

/* As the server takes it apart. */
static void send_one(struct core *core, unsigned conn, struct bytes message)
{
    if (!bundle_is(message, KEEPER_BUNDLE)) {
        if (!slow(message))
            execute(core, conn, message, false);
        return;
    }
    struct reader r = reader_of(message);
    unsigned count = message_get_head(&r).count;
    for (unsigned i = 0; i < count && i < KEEPER_BUNDLE_MAX; i++) {
        struct bytes one = bundle_next(&r);
        if (r.err != ERR_OK)
            return;
        if (!slow(one))
            execute(core, conn, one, true);
    }
}

/* DOMAIN_LOAD of the well-known key. */
static void load_domain(struct core *core)
{
    static const uint8_t key[32] = {1}, print_key[16] = {2};
    struct secret *secret = NULL;
    struct buf blob = {0};
    struct keeper_token ops = fake_token_of(&token);
    if (domain_secret_make(DOMAIN, 1, bytes_str(NAME), BYTES(key), BYTES(print_key), &secret) !=
            ERR_OK ||
        ops.ops->wrap(ops.ctx, secret_view(secret), &blob, NULL) != ERR_OK)
        abort();
    uint8_t message[512];
    struct writer w = writer_of(message, sizeof message);
    message_put_head(&w, KEEPER_DOMAIN_LOAD, 0, 1);
    message_put_actor(&w, bytes_str("fuzz"));
    writer_u32(&w, DOMAIN);
    writer_bytes16(&w, bytes_str(NAME));
    writer_u16(&w, 1);
    writer_bytes16(&w, buf_view(&blob));
    send_one(core, 0, writer_view(&w));
    secret_free(secret);
    buf_done(&blob);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    start();
    struct core_config config = {.token = fake_token_of(&token),
                                 .policy = keeper_policy_default(),
                                 .audit = audit,
                                 .conns = 2};
    struct core *core = NULL;
    if (core_new(&config, &core) != ERR_OK)
        abort();
    load_domain(core);
    struct reader r = reader_of(bytes_of(data, size));
    for (unsigned i = 0; reader_left(&r) != 0 && i < 64; i++) {
        struct bytes message = reader_bytes16(&r);
        if (r.err == ERR_OK)
            send_one(core, i % 2, message);
    }
    core_conn_closed(core, 1);
    core_tick(core);
    struct core_job *job;
    uint8_t room[512];
    while ((job = core_job_take(core)) != NULL) {
        struct writer out = writer_of(room, sizeof room);
        core_job_finish(core, job, &out);
    }
    core_free(core);
    if (audit_commit(audit, NULL) != ERR_OK)
        abort();
    return 0;
}
