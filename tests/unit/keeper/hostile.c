#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "crypto/random.h"
#include "keeper/object_wrap.h"
#include "rig.h"

/* An engine that somebody has taken over, against a keeper: whatever it sends, it gets an error,
 * the keeper lives, and what matters stands in the chain. */

struct talk {
    uint8_t out[KEEPER_MESSAGE_MAX + 64];
    size_t len;
    uint8_t in[KEEPER_MESSAGE_MAX];
    size_t got;
};

/* Send what is in `talk` and wait for the answer; its code. ERR_COUNT: the connection is over. */
static unsigned exchange(int fd, struct talk *talk)
{
    if (send(fd, talk->out, talk->len, MSG_NOSIGNAL) < 0)
        return ERR_COUNT;
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&wait, 1, 10000), 1);
    ssize_t got = recv(fd, talk->in, sizeof talk->in, 0);
    if (got <= 0)
        return ERR_COUNT;
    talk->got = (size_t)got;
    assert_true(got >= KEEPER_HEAD_SIZE);
    assert_true(talk->in[1] & KEEPER_ANSWER || talk->len < 2);
    return be16_load(talk->in + 2);
}

static struct writer begin(struct talk *talk, uint8_t verb, uint16_t count)
{
    struct writer w = writer_of(talk->out, sizeof talk->out);
    message_put_head(&w, verb, count, 42);
    return w;
}

static unsigned finish(int fd, struct talk *talk, const struct writer *w)
{
    assert_ok(writer_status(w));
    talk->len = w->len;
    return exchange(fd, talk);
}

static struct writer actor_begin(struct talk *talk, uint8_t verb, uint16_t count)
{
    struct writer w = begin(talk, verb, count);
    message_put_actor(&w, bytes_str("evil"));
    return w;
}

/* Of a managed object; none of them opens. */
static void sample_object(struct writer *w, uint8_t verb)
{
    static const uint8_t zeros[64];
    const struct keeper_object made = {.row = {RIG_DOMAIN, KEEPER_OBJECT, 1, 1},
                                       .name = bytes_str("object")};
    struct keeper_object there = made;
    there.sealed = BYTES(zeros);
    const struct keeper_object_spec spec = {CRYPTO_SYMMETRIC, ALG_AES, 128, 0, 0, 0};
    const struct crypto_input input = {.op = CRYPTO_ENCRYPT, .params.mode = MODE_GCM};
    switch (verb) {
    case KEEPER_OBJECT_GENERATE:
    case KEEPER_OBJECT_PAIR:
    case KEEPER_OBJECT_RESERVE:
    case KEEPER_OBJECT_SEAL:
        message_put_object(w, &made);
        message_put_spec(w, &spec);
        if (verb == KEEPER_OBJECT_SEAL)
            writer_bytes32(w, bytes_of(zeros, 16));
        break;
    case KEEPER_OBJECT_RELEASE: message_put_object(w, &there); break;
    case KEEPER_OBJECT_DESTROY: message_put_object(w, &there); break;
    case KEEPER_OBJECT_DIGEST:
        message_put_object(w, &there);
        writer_u32(w, HASH_SHA_256);
        break;
    case KEEPER_OBJECT_REFLAG:
        message_put_object(w, &there);
        writer_u32(w, KEEPER_NO_RELEASE);
        message_put_row(w, &there.row);
        break;
    case KEEPER_OBJECT_RESEAL:
        for (unsigned i = 0; i < 2; i++) {
            message_put_row(w, &there.row);
            writer_bytes32(w, there.sealed);
        }
        break;
    case KEEPER_OBJECT_USE:
    case KEEPER_STREAM_BEGIN:
        message_put_object(w, &there);
        message_put_input(w, &input);
        break;
    case KEEPER_STREAM_END:
        writer_bytes16(w, bytes_of(zeros, 0));
        writer_bytes32(w, BYTES(zeros));
        break;
    case KEEPER_STREAM_UPDATE: writer_bytes32(w, BYTES(zeros)); break;
    case KEEPER_OBJECT_DERIVE:
        message_put_object(w, &made);
        message_put_object(w, &there);
        writer_u8(w, 0);
        writer_u32(w, DERIVE_HMAC);
        message_put_params(w, &input.params);
        writer_bytes16(w, bytes_of(zeros, 0));
        writer_bytes16(w, bytes_of(zeros, 0));
        writer_u32(w, 0);
        writer_bytes16(w, bytes_of(zeros, 0));
        writer_bytes32(w, BYTES(zeros));
        message_put_spec(w, &spec);
        break;
    case KEEPER_OBJECT_WRAP:
        message_put_object(w, &there);
        wrap_put_fields(w, &(struct keeper_wrap){.encrypt = &there, .mac = &there});
        break;
    case KEEPER_OBJECT_UNWRAP:
        message_put_object(w, &made);
        wrap_put_fields(w, &(struct keeper_wrap){.encrypt = &there, .ttlv = true});
        writer_bytes32(w, BYTES(zeros));
        message_put_spec(w, &spec);
        break;
    case KEEPER_OBJECT_SPLIT:
    case KEEPER_OBJECT_JOIN:
        message_put_object(w, verb == KEEPER_OBJECT_SPLIT ? &there : &made);
        writer_u32(w, 1);
        writer_u32(w, 2);
        writer_bytes16(w, bytes_of(zeros, 0));
        if (verb == KEEPER_OBJECT_JOIN)
            message_put_spec(w, &spec);
        for (uint32_t i = 0; i < 2; i++) {
            message_put_object(w, verb == KEEPER_OBJECT_SPLIT ? &made : &there);
            if (verb == KEEPER_OBJECT_JOIN)
                writer_u32(w, i + 1);
        }
        break;
    case KEEPER_RANDOM: writer_u32(w, 32); break;
    case KEEPER_RANDOM_SEED: writer_bytes16(w, BYTES(zeros)); break;
    default: break;
    }
}

/* One right message of every verb, made so that it succeeds or fails for a reason of its own; the
 * slow Argon2id is kept cheap. */
static struct writer sample(struct talk *talk, uint8_t verb, const struct rig_key *node)
{
    static const struct keeper_pwhash pwhash = {.t_cost = 1, .m_kib = 8192, .lanes = 1};
    static const struct keeper_versions versions = {1, 1, 1, 1};
    static const uint8_t zeros[64];
    bool rows = verb == KEEPER_GENERATE_NODES || verb == KEEPER_RELEASE || verb == KEEPER_RESEAL ||
                verb == KEEPER_EXPORT_NODES || verb == KEEPER_OBJECT_RESEAL ||
                verb == KEEPER_OBJECT_SPLIT || verb == KEEPER_OBJECT_JOIN || verb == KEEPER_DEVICES;
    bool session =
        verb == KEEPER_MAC_UPDATE || verb == KEEPER_MAC_END || verb == KEEPER_MAC_VERIFY ||
        verb == KEEPER_EXPORT_HEAD || verb == KEEPER_EXPORT_NODES || verb == KEEPER_EXPORT_END ||
        verb == KEEPER_IMPORT_CHECK || verb == KEEPER_IMPORT_CHECKED ||
        verb == KEEPER_IMPORT_CHUNK || verb == KEEPER_IMPORT_END || verb == KEEPER_SESSION_DROP ||
        verb == KEEPER_STREAM_UPDATE || verb == KEEPER_STREAM_END || verb == KEEPER_STREAM_DROP ||
        verb == KEEPER_SIGN_DEVICES_UPDATE || verb == KEEPER_SIGN_DEVICES_END;
    struct writer w = begin(talk, verb, rows ? 2 : 0);
    struct bytes sealed = keeper_sealed_view(&node->made.sealed);
    if (session)
        writer_u32(&w, 1);
    else if (verb == KEEPER_RELEASE)
        writer_u8(&w, KEEPER_DIAMETER);
    else if (verb != KEEPER_STATUS && verb != KEEPER_PUBLIC)
        message_put_actor(&w, bytes_str("evil"));
    switch (verb) {
    case KEEPER_DOMAIN_CREATE:
    case KEEPER_DOMAIN_ROTATE:
    case KEEPER_DOMAIN_LOAD:
        writer_u32(&w, RIG_DOMAIN);
        writer_bytes16(&w, bytes_str(RIG_NAME));
        if (verb == KEEPER_DOMAIN_LOAD) {
            writer_u16(&w, 2);
            writer_bytes16(&w, BYTES(zeros));
        }
        break;
    case KEEPER_DOMAIN_DROP:
        writer_u32(&w, 99);
        writer_u16(&w, 1);
        break;
    case KEEPER_GENERATE: message_put_row(&w, &node->row); break;
    case KEEPER_GENERATE_NODES:
        writer_u32(&w, RIG_DOMAIN);
        writer_u32(&w, 1);
        writer_u8(&w, 0);
        for (uint64_t id = 5; id < 7; id++) {
            writer_u64(&w, id);
            writer_u32(&w, 0);
        }
        break;
    case KEEPER_SEAL:
        message_put_row(&w, &(struct keeper_row){RIG_DOMAIN, KEEPER_PEER_SECRET, 1, 1});
        writer_u8(&w, 16);
        writer_bytes(&w, bytes_of(zeros, 16));
        break;
    case KEEPER_RELEASE:
    case KEEPER_RESEAL:
        for (unsigned i = 0; i < 2; i++) {
            if (verb == KEEPER_RELEASE && i == 0)
                message_put_actor(&w, bytes_str("evil"));
            else if (verb == KEEPER_RELEASE)
                writer_u8(&w, 0);
            message_put_row(&w, &node->row);
            message_put_sealed(&w, sealed);
        }
        break;
    case KEEPER_PASSPHRASE_SET:
        writer_u32(&w, RIG_DOMAIN);
        writer_u32(&w, 1);
        writer_u32(&w, 1);
        message_put_pwhash(&w, &pwhash);
        writer_bytes16(&w, bytes_str("p"));
        break;
    case KEEPER_PASSPHRASE_CHECK:
        message_put_row(&w, &node->row);
        message_put_sealed(&w, sealed);
        message_put_pwhash(&w, &pwhash);
        writer_bytes16(&w, bytes_str("p"));
        break;
    case KEEPER_MAC_BEGIN:
        message_put_row(&w, &node->row);
        message_put_sealed(&w, sealed);
        break;
    case KEEPER_MAC_UPDATE:
    case KEEPER_IMPORT_CHECK: writer_bytes16(&w, BYTES(zeros)); break;
    case KEEPER_IMPORT_CHUNK:
        writer_bytes(&w, bytes_of(zeros, KEEPER_MARK_SIZE));
        writer_bytes16(&w, BYTES(zeros));
        break;
    case KEEPER_MAC_VERIFY:
    case KEEPER_IMPORT_CHECKED:
        writer_u8(&w, 16);
        writer_bytes(&w, bytes_of(zeros, 16));
        break;
    case KEEPER_EXPORT_BEGIN:
        writer_u8(&w, KEEPER_BACKUP);
        writer_u32(&w, RIG_DOMAIN);
        writer_u16(&w, 0);
        break;
    case KEEPER_EXPORT_HEAD:
        message_put_versions(&w, &versions);
        for (unsigned i = 0; i < 4; i++) {
            writer_u32(&w, 1);
            message_put_sealed(&w, sealed);
        }
        break;
    case KEEPER_EXPORT_NODES:
        for (unsigned i = 0; i < 2; i++) {
            writer_u64(&w, node->row.row);
            writer_bytes(&w, bytes_of(zeros, 12));
            message_put_sealed(&w, sealed);
        }
        break;
    case KEEPER_GATEWAY_EXPORT:
        writer_u32(&w, RIG_DOMAIN);
        writer_bytes16(&w, bytes_str("n"));
        writer_bytes16(&w, bytes_str("r"));
        message_put_pwhash(&w, &pwhash);
        message_put_versions(&w, &versions);
        writer_u8(&w, 32);
        for (unsigned i = 0; i < 5; i++) {
            writer_u32(&w, 1);
            message_put_sealed(&w, sealed);
        }
        break;
    case KEEPER_GATEWAY_IMPORT:
        writer_u32(&w, RIG_DOMAIN);
        writer_u32(&w, 1);
        writer_bytes16(&w, bytes_str("p"));
        writer_bytes16(&w, BYTES(zeros));
        break;
    case KEEPER_IMPORT_BEGIN:
        writer_u32(&w, RIG_DOMAIN);
        writer_u32(&w, 1);
        writer_u8(&w, 0);
        message_put_versions(&w, &versions);
        writer_u8(&w, 32);
        writer_u8(&w, 0);
        writer_bytes(&w, bytes_of(zeros, 12));
        writer_bytes16(&w, BYTES(zeros));
        break;
    case KEEPER_SIGN_CERTIFICATE:
        writer_bytes16(&w, bytes_str("what"));
        writer_bytes(&w, bytes_of(zeros, 32));
        break;
    case KEEPER_SIGN_DEVICES_BEGIN: writer_bytes16(&w, bytes_str("export 1")); break;
    case KEEPER_SIGN_DEVICES_UPDATE: writer_bytes16(&w, bytes_str("<?xml")); break;
    case KEEPER_LINE_KEYS:
        writer_u32(&w, RIG_DOMAIN);
        for (unsigned i = 0; i < 2; i++) {
            writer_u32(&w, 1);
            writer_u32(&w, 1);
            message_put_sealed(&w, sealed);
        }
        writer_bytes16(&w, BYTES(zeros));
        writer_bytes16(&w, bytes_str("config 0x1"));
        break;
    case KEEPER_DEVICES:
        writer_u32(&w, RIG_DOMAIN);
        writer_u32(&w, 1);
        writer_u16(&w, 256);
        for (uint64_t id = 5; id < 7; id++) {
            writer_u64(&w, id);
            for (unsigned i = 0; i < 8 + 256; i += 8)
                writer_bytes(&w, bytes_of(zeros, 8));
        }
        break;
    case KEEPER_PUBLIC: writer_u8(&w, KEEPER_KEY_CA); break;
    case KEEPER_NOTE:
        writer_u16(&w, AUDIT_NOTE);
        writer_u16(&w, 0);
        message_put_row(&w, &(struct keeper_row){0, 0, 0, 0});
        writer_bytes16(&w, bytes_str("note"));
        break;
    default: sample_object(&w, verb); break;
    }
    return w;
}

static void every_truncation_and_what_follows(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    struct rig_key node = rig_generate(&rig, KEEPER_NODE, 5);
    struct talk *talk = calloc(1, sizeof *talk);
    int fd = rig.fds[1];
    for (unsigned verb = 1; verb < KEEPER_VERBS; verb++) {
        struct writer w = sample(talk, (uint8_t)verb, &node);
        assert_ok(writer_status(&w));
        size_t whole = w.len;
        for (size_t len = 1; len < whole; len++) {
            talk->len = len;
            unsigned err = exchange(fd, talk);
            assert_true(err != ERR_OK && err != ERR_COUNT);
            assert_int_equal(err, len < KEEPER_HEAD_SIZE ? ERR_TRUNCATED : err);
        }
        talk->out[whole] = 0;
        talk->len = whole + 1;
        unsigned err = exchange(fd, talk);
        assert_true(err != ERR_OK && err != ERR_COUNT);
    }
    /* a message that is too long, and one that is empty of sense */
    memset(talk->out, 0xff, sizeof talk->out);
    talk->len = sizeof talk->out;
    assert_int_equal(exchange(fd, talk), ERR_TRUNCATED);
    talk->len = KEEPER_MESSAGE_MAX;
    assert_int_equal(exchange(fd, talk), ERR_UNSUPPORTED);
    struct keeper_status status;
    assert_ok(keeper_status(rig_client(&rig, 0), &status, NULL));
    assert_true(status.malformed > 1000);
    assert_int_equal(status.released, 0);
    free(talk);
    assert_ok(rig_end(&rig));
}

static void every_bit_flipped(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    struct rig_key node = rig_generate(&rig, KEEPER_NODE, 5);
    struct talk *talk = calloc(1, sizeof *talk);
    int fd = rig.fds[1];
    for (unsigned verb = 1; verb < KEEPER_VERBS; verb++) {
        if (verb == KEEPER_PASSPHRASE_SET || verb == KEEPER_PASSPHRASE_CHECK)
            continue; /* flipped costs are real work; their limits have a test of their own */
        size_t whole = sample(talk, (uint8_t)verb, &node).len;
        for (size_t bit = 0; bit < whole * 8; bit++) {
            (void)sample(talk, (uint8_t)verb, &node);
            talk->out[bit / 8] ^= (uint8_t)(1u << bit % 8);
            talk->len = whole;
            assert_true(exchange(fd, talk) != ERR_COUNT);
        }
    }
    free(talk);
    struct rig_key more = rig_generate(&rig, KEEPER_NODE, 6);
    assert_ok(rig_release(&rig, &more.row, keeper_sealed_view(&more.made.sealed), NULL, NULL));
    assert_ok(rig_end(&rig));
}

static void replayed_records(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    struct keeper_client *client = rig_client(&rig, 0);
    struct buf wrapped = {0};
    assert_ok(keeper_domain_create(client, RIG_ACTOR, 8, "network/8", &wrapped, NULL));
    assert_ok(keeper_domain_load(client, RIG_ACTOR, 8, "network/8", 1, buf_view(&wrapped), NULL));
    buf_done(&wrapped);
    struct rig_key node = rig_generate(&rig, KEEPER_NODE, 5);
    struct bytes sealed = keeper_sealed_view(&node.made.sealed);
    struct keeper_row rows[] = {{8, KEEPER_NODE, 5, 1},
                                {RIG_DOMAIN, KEEPER_CDLD, 5, 1},
                                {RIG_DOMAIN, KEEPER_GATEWAY, 5, 1},
                                {RIG_DOMAIN, KEEPER_NODE, 6, 1},
                                {RIG_DOMAIN, KEEPER_NODE, 5, 2},
                                {RIG_DOMAIN, KEEPER_NODE, 5, 0}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_err(rig_release(&rig, &rows[i], sealed, NULL, NULL), ERR_SEAL);
    rows[0].domain = 9;
    assert_err(rig_release(&rig, &rows[0], sealed, NULL, NULL), ERR_NOT_FOUND);
    for (size_t i = 1; i < 4; i++) {
        struct keeper_reseal reseal = {.row = rows[i], .sealed = sealed};
        assert_ok(keeper_reseal(client, RIG_ACTOR, &reseal, 1, NULL));
        assert_err(reseal.err, ERR_SEAL);
    }
    struct audit_verify_result result;
    rig_chain(&rig, &result);
    struct audit_event event;
    assert_int_equal(rig_records(&rig, AUDIT_RELEASE, ERR_SEAL, &event), ARRAY_LEN(rows));
    assert_true(bytes_equal(event.actor, bytes_str("gw1.test")));
    assert_int_equal(event.row, 5);
    assert_int_equal(rig_records(&rig, AUDIT_RESEAL, ERR_SEAL, NULL), 3);
    assert_ok(rig_end(&rig));
}

static void without_right(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    struct rig_key base = rig_generate(&rig, KEEPER_BASE, 1);
    struct rig_key node = rig_generate(&rig, KEEPER_NODE, 1);
    assert_err(rig_release(&rig, &base.row, keeper_sealed_view(&base.made.sealed), NULL, NULL),
               ERR_DENIED);
    struct talk *talk = calloc(1, sizeof *talk);
    for (unsigned purpose = 0; purpose < 256; purpose++) {
        struct writer w = sample(talk, KEEPER_RELEASE, &node);
        talk->out[KEEPER_HEAD_SIZE] = (uint8_t)purpose;
        assert_int_equal(finish(rig.fds[1], talk, &w),
                         purpose == KEEPER_DIAMETER ? ERR_OK : ERR_DENIED);
    }
    free(talk);
    struct keeper_client *client = rig_client(&rig, 0);
    struct keeper_made made;
    static const uint8_t secret[16];
    assert_err(keeper_seal(client, RIG_ACTOR, node.row, BYTES(secret), &made, NULL), ERR_DENIED);
    struct keeper_row pwdh = {RIG_DOMAIN, KEEPER_PWDH, 1, 1};
    assert_err(keeper_generate(client, RIG_ACTOR, pwdh, &made, NULL), ERR_DENIED);
    uint32_t session;
    assert_err(keeper_mac_begin(client, RIG_ACTOR, node.row, keeper_sealed_view(&node.made.sealed),
                                &session, NULL),
               ERR_DENIED);
    struct audit_verify_result result;
    rig_chain(&rig, &result);
    assert_int_equal(rig_records(&rig, AUDIT_RELEASE, ERR_OK, NULL), 2);
    assert_true(rig_records(&rig, AUDIT_RELEASE, ERR_DENIED, NULL) > 100);
    assert_ok(rig_end(&rig));
}

/* Equal fingerprints tell a right guess: a dictionary takes its time. */
static void secrets_are_not_guessed_fast(void **state)
{
    (void)state;
    struct rig_options options = {.policy = rig_open_policy()};
    options.policy.rates[KEEPER_MAC] = (struct keeper_rate){1, 20};
    struct rig rig;
    rig_begin(&rig, &options);
    struct keeper_row row = {RIG_DOMAIN, KEEPER_PEER_SECRET, 1, 1};
    unsigned sealed = 0;
    for (unsigned i = 0; i < 300; i++) {
        uint8_t guess[16] = {(uint8_t)i, (uint8_t)(i >> 8)};
        struct keeper_made made;
        enum err err = keeper_seal(rig_client(&rig, 0), RIG_ACTOR, row, BYTES(guess), &made, NULL);
        assert_true(err == ERR_OK || err == ERR_RATE);
        sealed += err == ERR_OK;
    }
    assert_in_range(sealed, 20, 25);
    assert_ok(rig_end(&rig));
}

static void above_the_rate(void **state)
{
    (void)state;
    struct rig_options options = {.policy = rig_open_policy()};
    options.policy.rates[KEEPER_DIAMETER] = (struct keeper_rate){1, 20};
    struct rig rig;
    rig_begin(&rig, &options);
    struct rig_key node = rig_generate(&rig, KEEPER_NODE, 1);
    unsigned got = 0;
    for (unsigned i = 0; i < 3000; i++) {
        enum err err =
            rig_release(&rig, &node.row, keeper_sealed_view(&node.made.sealed), NULL, NULL);
        assert_true(err == ERR_OK || err == ERR_RATE);
        got += err == ERR_OK;
    }
    assert_in_range(got, 20, 25);
    (void)sleep(2); /* for the summary */
    struct audit_verify_result result;
    rig_chain(&rig, &result);
    /* every refusal is on the record, one by one or in a summary, but not 3,000 records */
    unsigned alone = rig_records(&rig, AUDIT_RELEASE, ERR_RATE, NULL);
    assert_in_range(alone, 200, 300);
    struct audit_event event;
    assert_true(rig_records(&rig, AUDIT_REFUSALS, ERR_OK, &event) >= 1);
    assert_non_null(memmem(event.text.data, event.text.len, "RATE ", 5));
    assert_ok(rig_end(&rig));
}

static void sessions_of_others(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    struct keeper_client *client = rig_client(&rig, 0);
    struct keeper_client *other = rig_client(&rig, 1);
    uint32_t sessions[KEEPER_SESSIONS_MAX + 1];
    struct keeper_cms cms;
    for (unsigned i = 0; i < KEEPER_SESSIONS_MAX; i++)
        assert_ok(keeper_export_begin(client, RIG_ACTOR, KEEPER_EXPORT_BATCH, RIG_DOMAIN,
                                      bytes_of(NULL, 0), &sessions[i], &cms, NULL));
    assert_err(keeper_export_begin(client, RIG_ACTOR, KEEPER_EXPORT_BATCH, RIG_DOMAIN,
                                   bytes_of(NULL, 0), &sessions[KEEPER_SESSIONS_MAX], &cms, NULL),
               ERR_BUSY);
    uint8_t tag[KEEPER_TAG_SIZE];
    assert_err(keeper_export_end(other, sessions[0], tag, NULL), ERR_NOT_FOUND);
    assert_err(keeper_session_drop(other, sessions[0], NULL), ERR_NOT_FOUND);
    /* of another kind */
    assert_err(keeper_mac_end(client, sessions[0], tag, NULL), ERR_NOT_FOUND);
    assert_ok(keeper_export_end(client, sessions[0], tag, NULL));
    /* a row that isn't of the session's domain ends it, and nothing comes out */
    struct rig_key node = rig_generate(&rig, KEEPER_NODE, 5);
    struct keeper_export_node row = {
        .id = 6, .epoch = 1, .sealed = keeper_sealed_view(&node.made.sealed)};
    struct buf out = {0};
    assert_err(keeper_export_nodes(client, sessions[1], &row, 1, &out, NULL), ERR_SEAL);
    assert_int_equal(out.len, 0);
    assert_err(keeper_export_end(client, sessions[1], tag, NULL), ERR_NOT_FOUND);
    /* closing the connection takes all with it */
    keeper_client_free(client);
    rig.clients[0] = NULL;
    struct keeper_status status = {.sessions = 1};
    for (unsigned i = 0; i < 100 && status.sessions != 0; i++) {
        (void)usleep(10000);
        assert_ok(keeper_status(other, &status, NULL));
    }
    assert_int_equal(status.sessions, 0);
    assert_ok(rig_end(&rig));
}

#define FLOOD (KEEPER_CALLS_MAX + 100)

static void floods_and_closing(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    struct rig_key node = rig_generate(&rig, KEEPER_NODE, 5);
    struct talk *talk = calloc(1, sizeof *talk);
    /* never reading: the keeper stops reading from this one and serves the others */
    unsigned sent = 0;
    struct writer w = begin(talk, KEEPER_RELEASE, 600);
    writer_u8(&w, KEEPER_DIAMETER);
    message_put_actor(&w, bytes_str("evil"));
    for (unsigned i = 0; i < 600; i++) {
        if (i != 0)
            writer_u8(&w, 0);
        message_put_row(&w, &node.row);
        message_put_sealed(&w, keeper_sealed_view(&node.made.sealed));
    }
    assert_ok(writer_status(&w));
    for (unsigned idle = 0; idle < 20 && sent < 2000;) {
        if (send(rig.fds[1], talk->out, w.len, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
            sent++;
            idle = 0;
            continue;
        }
        assert_int_equal(errno, EAGAIN);
        idle++;
        (void)usleep(10000);
    }
    assert_true(sent < 200);
    assert_ok(rig_release(&rig, &node.row, keeper_sealed_view(&node.made.sealed), NULL, NULL));
    /* slow operations in a flood: bounded, the rest is told to come again */
    rig.token.delay_ms = 5;
    unsigned busy = 0;
    for (unsigned i = 0; i < FLOOD; i++) {
        struct writer create = actor_begin(talk, KEEPER_DOMAIN_CREATE, 0);
        writer_u32(&create, 100 + i);
        writer_bytes16(&create, bytes_str("flood"));
        assert_true(send(rig.fds[2], talk->out, create.len, MSG_NOSIGNAL) > 0);
    }
    for (unsigned i = 0; i < FLOOD; i++) {
        assert_true(recv(rig.fds[2], talk->in, sizeof talk->in, 0) > 0);
        busy += be16_load(talk->in + 2) == ERR_BUSY;
    }
    assert_true(busy > 50 && busy <= FLOOD - KEEPER_CALLS_MAX);
    /* closing while one is under way, and while answers wait */
    w = actor_begin(talk, KEEPER_DOMAIN_CREATE, 0);
    writer_u32(&w, 500);
    writer_bytes16(&w, bytes_str("late"));
    assert_true(send(rig.fds[2], talk->out, w.len, MSG_NOSIGNAL) > 0);
    (void)close(rig.fds[2]);
    (void)close(rig.fds[1]);
    rig.fds[1] = rig.fds[2] = -1;
    free(talk);
    (void)usleep(100000);
    assert_ok(rig_release(&rig, &node.row, keeper_sealed_view(&node.made.sealed), NULL, NULL));
    assert_ok(rig_end(&rig));
}

static void noise(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    struct talk *talk = calloc(1, sizeof *talk);
    for (unsigned i = 0; i < 5000; i++) {
        uint16_t len;
        assert_ok(random_bytes(&len, sizeof len));
        talk->len = (size_t)len % 600 + 1;
        assert_ok(random_bytes(talk->out, talk->len));
        talk->out[0] = KEEPER_PROTOCOL;
        if (talk->len > 3)
            talk->out[2] = 0;
        assert_true(exchange(rig.fds[1], talk) != ERR_COUNT);
    }
    free(talk);
    struct rig_key node = rig_generate(&rig, KEEPER_NODE, 5);
    assert_ok(rig_release(&rig, &node.row, keeper_sealed_view(&node.made.sealed), NULL, NULL));
    assert_ok(rig_end(&rig));
}

TEST_MAIN(cmocka_unit_test(every_truncation_and_what_follows), cmocka_unit_test(every_bit_flipped),
          cmocka_unit_test(replayed_records), cmocka_unit_test(without_right),
          cmocka_unit_test(secrets_are_not_guessed_fast), cmocka_unit_test(above_the_rate),
          cmocka_unit_test(sessions_of_others), cmocka_unit_test(floods_and_closing),
          cmocka_unit_test(noise))
