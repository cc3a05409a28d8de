#include "kmip/op/crypto_ops.h"
#include "kmip/op/streams.h"
#include "kmip/server/config.h"
#include "kmip_enums.h"
#include "kmip_tags.h"

/* PKCS#11 (KMIP 2.1, 6.1.37) in the encoding of the PKCS#11 profile: parameters in order, a CK_BYTE
 * is one byte, a CK_ULONG eight, a count in front of an array four, big-endian; text is padded with
 * blanks. Keys are used by KMIP's own operations: served here is what a library needs to see a
 * token and its sessions, and random numbers. The rest answers CKR_FUNCTION_NOT_SUPPORTED. */

#define SLOT           1u
#define SESSIONS_MAX   64
#define RANDOM_MAX     65536
#define CRYPTOKI_MAJOR 2
#define CRYPTOKI_MINOR 40
/* PKCS#11 2.40, 5.5 and 5.6 */
#define CKF_TOKEN_PRESENT     0x1u
#define CKF_RNG               0x1u
#define CKF_TOKEN_INITIALIZED 0x400u
#define CKF_SERIAL_SESSION    0x4u
#define CK_UNAVAILABLE        UINT64_MAX

struct p11 {
    struct kmip_call *call;
    struct kmip_stream *library; /* what C_Initialize began; NULL: nothing */
    struct reader in;
    struct writer out;
    uint8_t room[512];
    struct buf random;
    bool ends; /* C_Finalize */
};

typedef uint32_t p11_fn(struct p11 *p);

static void put_text(struct writer *w, const char *text, size_t width)
{
    size_t len = strlen(text);
    for (size_t i = 0; i < width; i++)
        writer_u8(w, i < len ? (uint8_t)text[i] : ' ');
}

static void put_version(struct writer *w, uint8_t major, uint8_t minor)
{
    writer_u8(w, major);
    writer_u8(w, minor);
}

static const char *vendor_of(const struct p11 *p)
{
    const char *vendor = p->call->request->env->config->vendor;
    return vendor != NULL ? vendor : "Claviger";
}

static uint32_t initialize(struct p11 *p)
{
    (void)p;
    return KMIP_PKCS_11_RETURN_CODE_OK;
}

static uint32_t finalize(struct p11 *p)
{
    p->ends = true;
    return KMIP_PKCS_11_RETURN_CODE_OK;
}

static uint32_t get_info(struct p11 *p)
{
    put_version(&p->out, CRYPTOKI_MAJOR, CRYPTOKI_MINOR);
    put_text(&p->out, vendor_of(p), 32);
    writer_u64(&p->out, 0);
    put_text(&p->out, "Claviger KMIP", 32);
    put_version(&p->out, 1, 0);
    return KMIP_PKCS_11_RETURN_CODE_OK;
}

static uint32_t get_slot_list(struct p11 *p)
{
    (void)reader_u8(&p->in); /* tokenPresent: there always is one */
    writer_u32(&p->out, 1);
    writer_u64(&p->out, SLOT);
    return KMIP_PKCS_11_RETURN_CODE_OK;
}

static bool bad_slot(struct p11 *p)
{
    return reader_u64(&p->in) != SLOT;
}

static uint32_t get_slot_info(struct p11 *p)
{
    if (bad_slot(p))
        return KMIP_PKCS_11_RETURN_CODE_SLOT_ID_INVALID;
    put_text(&p->out, "Claviger KMIP", 64);
    put_text(&p->out, vendor_of(p), 32);
    writer_u64(&p->out, CKF_TOKEN_PRESENT);
    put_version(&p->out, 1, 0);
    put_version(&p->out, 1, 0);
    return KMIP_PKCS_11_RETURN_CODE_OK;
}

static unsigned open_sessions(const struct p11 *p)
{
    return (unsigned)__builtin_popcountll(p->library->sessions);
}

static uint32_t get_token_info(struct p11 *p)
{
    if (bad_slot(p))
        return KMIP_PKCS_11_RETURN_CODE_SLOT_ID_INVALID;
    struct writer *w = &p->out;
    put_text(w, p->call->request->client->name, 32);
    put_text(w, vendor_of(p), 32);
    put_text(w, "KMIP", 16);
    put_text(w, "1", 16);
    writer_u64(w, CKF_RNG | CKF_TOKEN_INITIALIZED);
    writer_u64(w, SESSIONS_MAX);
    writer_u64(w, open_sessions(p));
    writer_u64(w, SESSIONS_MAX);
    writer_u64(w, open_sessions(p));
    writer_u64(w, 0); /* PIN lengths: there is none */
    writer_u64(w, 0);
    for (unsigned i = 0; i < 4; i++) /* memory */
        writer_u64(w, CK_UNAVAILABLE);
    put_version(w, 1, 0);
    put_version(w, 1, 0);
    put_text(w, "", 16); /* utcTime: no clock of its own */
    return KMIP_PKCS_11_RETURN_CODE_OK;
}

static uint32_t get_mechanism_list(struct p11 *p)
{
    if (bad_slot(p))
        return KMIP_PKCS_11_RETURN_CODE_SLOT_ID_INVALID;
    writer_u32(&p->out, 0);
    return KMIP_PKCS_11_RETURN_CODE_OK;
}

static uint32_t get_mechanism_info(struct p11 *p)
{
    return bad_slot(p) ? KMIP_PKCS_11_RETURN_CODE_SLOT_ID_INVALID
                       : KMIP_PKCS_11_RETURN_CODE_MECHANISM_INVALID;
}

static uint32_t open_session(struct p11 *p)
{
    bool bad = bad_slot(p);
    uint64_t flags = reader_u64(&p->in);
    if (bad)
        return KMIP_PKCS_11_RETURN_CODE_SLOT_ID_INVALID;
    if ((flags & CKF_SERIAL_SESSION) == 0)
        return KMIP_PKCS_11_RETURN_CODE_SESSION_PARALLEL_NOT_SUPPORTED;
    if (~p->library->sessions == 0)
        return KMIP_PKCS_11_RETURN_CODE_SESSION_COUNT;
    unsigned session = (unsigned)__builtin_ctzll(~p->library->sessions);
    p->library->sessions |= UINT64_C(1) << session;
    writer_u64(&p->out, session + 1);
    return KMIP_PKCS_11_RETURN_CODE_OK;
}

/* The bit of a session that is open; 0 for none. */
static uint64_t session_bit(struct p11 *p)
{
    uint64_t handle = reader_u64(&p->in);
    if (handle < 1 || handle > SESSIONS_MAX)
        return 0;
    return p->library->sessions & UINT64_C(1) << (handle - 1);
}

static uint32_t close_session(struct p11 *p)
{
    uint64_t bit = session_bit(p);
    p->library->sessions &= ~bit;
    return bit != 0 ? KMIP_PKCS_11_RETURN_CODE_OK : KMIP_PKCS_11_RETURN_CODE_SESSION_HANDLE_INVALID;
}

static uint32_t close_all_sessions(struct p11 *p)
{
    if (bad_slot(p))
        return KMIP_PKCS_11_RETURN_CODE_SLOT_ID_INVALID;
    p->library->sessions = 0;
    return KMIP_PKCS_11_RETURN_CODE_OK;
}

static uint32_t get_session_info(struct p11 *p)
{
    if (session_bit(p) == 0)
        return KMIP_PKCS_11_RETURN_CODE_SESSION_HANDLE_INVALID;
    writer_u64(&p->out, SLOT);
    writer_u64(&p->out, 0); /* CKS_RO_PUBLIC_SESSION */
    writer_u64(&p->out, CKF_SERIAL_SESSION);
    writer_u64(&p->out, 0);
    return KMIP_PKCS_11_RETURN_CODE_OK;
}

static uint32_t seed_random(struct p11 *p)
{
    struct kmip_request *request = p->call->request;
    if (session_bit(p) == 0)
        return KMIP_PKCS_11_RETURN_CODE_SESSION_HANDLE_INVALID;
    struct bytes seed = reader_bytes32(&p->in);
    if (reader_status(&p->in) != ERR_OK)
        return KMIP_PKCS_11_RETURN_CODE_ARGUMENTS_BAD;
    if (request->env->config->rng_seed != KMIP_SEED_TAKEN ||
        (request->client->may & VAULT_MAY_USE) == 0)
        return KMIP_PKCS_11_RETURN_CODE_RANDOM_SEED_NOT_SUPPORTED;
    return keeper_random_seed(request->env->keeper, request->client->name, seed,
                              &p->call->detail) == ERR_OK
               ? KMIP_PKCS_11_RETURN_CODE_OK
               : KMIP_PKCS_11_RETURN_CODE_DEVICE_ERROR;
}

static uint32_t generate_random(struct p11 *p)
{
    struct kmip_request *request = p->call->request;
    if (session_bit(p) == 0)
        return KMIP_PKCS_11_RETURN_CODE_SESSION_HANDLE_INVALID;
    uint32_t len = reader_u32(&p->in);
    if (len == 0 || len > RANDOM_MAX || (request->client->may & VAULT_MAY_USE) == 0)
        return KMIP_PKCS_11_RETURN_CODE_ARGUMENTS_BAD;
    return keeper_random(request->env->keeper, request->client->name, len, &p->random,
                         &p->call->detail) == ERR_OK
               ? KMIP_PKCS_11_RETURN_CODE_OK
               : KMIP_PKCS_11_RETURN_CODE_DEVICE_ERROR;
}

static p11_fn *const functions[] = {
    [KMIP_PKCS_11_FUNCTION_C_INITIALIZE] = initialize,
    [KMIP_PKCS_11_FUNCTION_C_FINALIZE] = finalize,
    [KMIP_PKCS_11_FUNCTION_C_GETINFO] = get_info,
    [KMIP_PKCS_11_FUNCTION_C_GETSLOTLIST] = get_slot_list,
    [KMIP_PKCS_11_FUNCTION_C_GETSLOTINFO] = get_slot_info,
    [KMIP_PKCS_11_FUNCTION_C_GETTOKENINFO] = get_token_info,
    [KMIP_PKCS_11_FUNCTION_C_GETMECHANISMLIST] = get_mechanism_list,
    [KMIP_PKCS_11_FUNCTION_C_GETMECHANISMINFO] = get_mechanism_info,
    [KMIP_PKCS_11_FUNCTION_C_OPENSESSION] = open_session,
    [KMIP_PKCS_11_FUNCTION_C_CLOSESESSION] = close_session,
    [KMIP_PKCS_11_FUNCTION_C_CLOSEALLSESSIONS] = close_all_sessions,
    [KMIP_PKCS_11_FUNCTION_C_GETSESSIONINFO] = get_session_info,
    [KMIP_PKCS_11_FUNCTION_C_SEEDRANDOM] = seed_random,
    [KMIP_PKCS_11_FUNCTION_C_GENERATERANDOM] = generate_random,
};

static enum err run(struct p11 *p, uint32_t function, uint32_t *ret_code)
{
    p11_fn *fn = function < ARRAY_LEN(functions) ? functions[function] : NULL;
    bool begins = function == KMIP_PKCS_11_FUNCTION_C_INITIALIZE;
    if (fn == NULL)
        *ret_code = KMIP_PKCS_11_RETURN_CODE_FUNCTION_NOT_SUPPORTED;
    else if (p->library == NULL && !begins)
        *ret_code = KMIP_PKCS_11_RETURN_CODE_CRYPTOKI_NOT_INITIALIZED;
    else
        *ret_code = fn(p);
    if (reader_status(&p->in) != ERR_OK)
        return kmip_fail(p->call, KMIP_REASON_PKCS_11_CODEC_ERROR,
                         "the input parameters are too short");
    return writer_status(&p->out);
}

static void answer(struct p11 *p, uint32_t function, uint32_t code, bool began)
{
    struct kmip_call *call = p->call;
    struct kmip_build *b = kmip_out(call);
    const struct kmip_node *interface = kmip_child(call->in, KMIP_TAG_PKCS_11_INTERFACE);
    if (interface != NULL)
        (void)kmip_put_copy(b, call->out, 0, interface);
    (void)kmip_put_enum(b, call->out, KMIP_TAG_PKCS_11_FUNCTION, function);
    if (began)
        (void)kmip_put_bytes_copy(b, call->out, KMIP_TAG_CORRELATION_VALUE, KMIP_BYTE_STRING,
                                  BYTES(p->library->value));
    struct bytes out = p->random.len > 0 ? buf_view(&p->random) : writer_view(&p->out);
    if (code == KMIP_PKCS_11_RETURN_CODE_OK && out.len > 0) {
        struct kmip_node *node = kmip_put_bytes_copy(
            b, call->out, KMIP_TAG_PKCS_11_OUTPUT_PARAMETERS, KMIP_BYTE_STRING, out);
        if (node != NULL)
            node->secret = p->random.len > 0;
    }
    (void)kmip_put_enum(b, call->out, KMIP_TAG_PKCS_11_RETURN_CODE, code);
}

static enum err serve(struct p11 *p, uint32_t function, struct bytes value)
{
    bool begins = function == KMIP_PKCS_11_FUNCTION_C_INITIALIZE;
    if (begins && value.data == NULL)
        TRY(kmip_stream_add(p->call, KMIP_STREAM_PKCS11, &p->library));
    else if (value.data != NULL)
        TRY(kmip_stream_find(p->call, value, &p->library));
    uint32_t code = 0;
    enum err err = run(p, function, &code);
    if (err == ERR_OK) {
        answer(p, function, code, begins && value.data == NULL);
        err = kmip_out(p->call)->err;
    }
    if (p->library != NULL && (p->ends || (begins && err != ERR_OK)))
        kmip_stream_drop(p->call, p->library, false);
    else if (p->library != NULL)
        kmip_stream_keep(p->call, p->library);
    return err;
}

enum err kmip_op_pkcs11(struct kmip_call *call)
{
    struct bytes interface = kmip_bytes(call->in, KMIP_TAG_PKCS_11_INTERFACE);
    const struct kmip_node *function = kmip_child(call->in, KMIP_TAG_PKCS_11_FUNCTION);
    if (interface.data != NULL && !bytes_equal(interface, bytes_str("PKCS 11")))
        return kmip_fail(call, KMIP_REASON_PKCS_11_INVALID_INTERFACE,
                         "only the interface \"PKCS 11\" is served");
    if (function == NULL || function->type != KMIP_ENUMERATION)
        return kmip_fail(call, KMIP_REASON_PKCS_11_INVALID_FUNCTION, "no PKCS#11 function");
    struct p11 p = {.call = call,
                    .in = reader_of(kmip_bytes(call->in, KMIP_TAG_PKCS_11_INPUT_PARAMETERS))};
    p.out = writer_of(p.room, sizeof(p.room));
    enum err err =
        serve(&p, (uint32_t)function->num, kmip_bytes(call->in, KMIP_TAG_CORRELATION_VALUE));
    buf_done(&p.random);
    return err;
}
