#include "keeper/object.h"

#include "crypto/der.h"
#include "crypto/hash.h"
#include "crypto/keyform.h"
#include "crypto/keygen.h"

#define TEXT_FLAGS (KEEPER_NO_RELEASE | KEEPER_NO_EXTRACT | KEEPER_IN_TOKEN)

void call_note_object(struct core_call *call, const struct keeper_object *object)
{
    if (call->in.err != ERR_OK)
        return;
    call->event.domain = object->row.domain;
    call->event.table = object->row.table;
    call->event.row = object->row.row;
    call->event.epoch = object->row.epoch;
    memcpy(call->text, object->name.data, object->name.len);
    call->event.text = bytes_of(call->text, object->name.len);
}

static void note_text(struct core_call *call, struct bytes text)
{
    size_t at = call->event.text.len;
    if (at + 1 + text.len > sizeof call->text)
        return;
    call->text[at] = ' ';
    memcpy(call->text + at + 1, text.data, text.len);
    call->event.text = bytes_of(call->text, at + 1 + text.len);
}

void call_note_word(struct core_call *call, const char *word)
{
    note_text(call, bytes_str(word));
}

void call_note_other(struct core_call *call, const char *word, const struct keeper_object *object)
{
    note_text(call, bytes_str(word));
    note_text(call, object->name);
}

void call_note_use(struct core_call *call, const struct object *object,
                   const struct crypto_input *input)
{
    call_note_word(call, object_op_name(input->op));
    call_note_word(call, object_alg_name(object->alg));
    if (input->params.mode != 0)
        call_note_word(call, object_mode_name(input->params.mode));
}

static enum err header_read(struct bytes plain, struct object *ret_object)
{
    struct reader r = reader_of(plain);
    uint8_t version = reader_u8(&r);
    struct object object = {.class = (enum crypto_class)reader_u8(&r)};
    object.alg = reader_u32(&r);
    object.bits = reader_u32(&r);
    object.flags = reader_u32(&r);
    object.material = reader_bytes(&r, reader_left(&r));
    if (version != OBJECT_HEADER_VERSION)
        reader_fail(&r, ERR_UNSUPPORTED);
    /* one that a later keeper made, with a restriction that this one doesn't know */
    if ((object.flags & ~(uint32_t)(TEXT_FLAGS | OBJECT_RESERVED)) != 0)
        reader_fail(&r, ERR_UNSUPPORTED);
    if ((object.flags & KEEPER_IN_TOKEN) != 0 && object.material.len != KEEPER_TOKEN_ID)
        reader_fail(&r, ERR_SEAL);
    TRY(reader_end(&r));
    *ret_object = object;
    return ERR_OK;
}

static enum err room_ready(struct core *core, enum object_room room)
{
    return core->rooms[room] != NULL
               ? ERR_OK
               : secret_new(SEAL_OBJECT_HEADER + KEEPER_OBJECT_MAX, &core->rooms[room]);
}

enum err call_object_open_reserved(struct core_call *call, const struct keeper_object *object,
                                   enum object_room room, struct object *ret_object)
{
    struct core *core = call->core;
    TRY(room_ready(core, room));
    uint8_t *to = secret_data(core->rooms[room]);
    size_t len = 0;
    core->room_used[room] = SEAL_OBJECT_HEADER + object->sealed.len;
    TRY(domains_open_object(core->domains, &object->row, object->sealed, to, &len));
    core->room_used[room] = len;
    return header_read(bytes_of(to, len), ret_object);
}

enum err call_object_open(struct core_call *call, const struct keeper_object *object,
                          enum object_room room, struct object *ret_object)
{
    struct object opened;
    TRY(call_object_open_reserved(call, object, room, &opened));
    if ((opened.flags & OBJECT_RESERVED) != 0)
        return ERR_STATE;
    *ret_object = opened;
    return ERR_OK;
}

void core_wipe_rooms(struct core *core)
{
    for (unsigned i = 0; i < OBJECT_ROOMS; i++) {
        if (core->room_used[i] == 0)
            continue;
        size_t len = secret_len(core->rooms[i]);
        explicit_bzero(secret_data(core->rooms[i]),
                       core->room_used[i] < len ? core->room_used[i] : len);
        core->room_used[i] = 0;
    }
    if (core->work.len != 0)
        explicit_bzero(core->work.data, core->work.len);
    core->work.len = 0;
}

struct crypto_key object_key(const struct object *object)
{
    return (struct crypto_key){
        .class = object->class, .alg = object->alg, .material = object->material};
}

enum err object_here(const struct object *object, struct err_detail *detail)
{
    if ((object->flags & KEEPER_IN_TOKEN) == 0)
        return ERR_OK;
    return err_set(detail, ERR_TOKEN_UNABLE,
                   "the key is in the token, which has no way to do this");
}

struct keeper_token_object object_in_token(const struct object *object)
{
    struct keeper_token_object in_token = {
        .class = object->class, .alg = object->alg, .bits = object->bits, .flags = object->flags};
    memcpy(in_token.id, object->material.data, sizeof in_token.id);
    return in_token;
}

enum err call_object_put(struct core_call *call, const struct keeper_row *row,
                         const struct object *object)
{
    struct core *core = call->core;
    if (object->material.len == 0 || object->material.len > KEEPER_OBJECT_MAX)
        return ERR_LIMIT;
    TRY(room_ready(core, OBJECT_ROOM_OUT));
    struct secret *room = core->rooms[OBJECT_ROOM_OUT];
    struct writer plain = writer_of(secret_data(room), secret_len(room));
    writer_u8(&plain, OBJECT_HEADER_VERSION);
    writer_u8(&plain, (uint8_t)object->class);
    writer_u32(&plain, object->alg);
    writer_u32(&plain, object->bits);
    writer_u32(&plain, object->flags);
    writer_bytes(&plain, object->material);
    core->room_used[OBJECT_ROOM_OUT] = plain.len;
    TRY(writer_status(&plain));
    size_t len = plain.len + KEEPER_SEALED_OVERHEAD;
    writer_u32(call->out, (uint32_t)len);
    uint8_t *to = writer_reserve(call->out, len);
    if (to == NULL)
        return err_set(&call->detail, ERR_LIMIT, "more than an answer of the keeper holds");
    return domains_seal_object(core->domains, row, writer_view(&plain), to);
}

/* PrivateKeyInfo ::= SEQUENCE { version, algorithm, OCTET STRING ... } (RFC 5208, 5) */
enum err object_digested(const struct object *object, struct bytes *ret_bytes)
{
    struct der outer = der_of(object->material), inner;
    if (object->class != CRYPTO_PRIVATE || object->alg != ALG_RSA) {
        *ret_bytes = object->material;
        return ERR_OK;
    }
    TRY(der_enter(&outer, DER_SEQUENCE, &inner));
    TRY(der_any(&inner, NULL, NULL, NULL));
    TRY(der_any(&inner, NULL, NULL, NULL));
    return der_take(&inner, DER_OCTET_STRING, ret_bytes);
}

enum err call_object_make(struct core_call *call, const struct keeper_row *row,
                          const struct object *object, struct bytes spki, const uint8_t *digest)
{
    uint8_t own[HASH_SHA256_SIZE];
    if (digest == NULL) {
        struct bytes digested = {0};
        TRY(object_digested(object, &digested));
        TRY(hash_parts(call->core->hash, &digested, 1, own));
        digest = own;
    }
    TRY(call_object_put(call, row, object));
    writer_bytes16(call->out, spki);
    writer_bytes(call->out, bytes_of(digest, HASH_SHA256_SIZE));
    writer_u32(call->out, object->bits);
    writer_u32(call->out, object->alg);
    writer_u32(call->out, (uint32_t)object->material.len);
    return writer_status(call->out);
}

static enum err check_private(const struct keeper_object_spec *spec, uint32_t format,
                              struct bytes material, struct secret **ret_canonical,
                              struct object *ret_object, struct err_detail *detail)
{
    struct keyform_info info;
    TRY(keyform_private_in(format != 0 ? format : FORMAT_PKCS8, spec->alg, spec->curve, material,
                           ret_canonical, &info, detail));
    ret_object->alg = spec->alg != 0 ? spec->alg : info.alg;
    ret_object->bits = info.bits;
    ret_object->material = secret_view(*ret_canonical);
    return ERR_OK;
}

enum err object_check(const struct keeper_object_spec *spec, uint32_t format, struct bytes material,
                      struct secret **ret_canonical, struct object *ret_object,
                      struct err_detail *detail)
{
    struct object object = {.class = spec->class, .flags = spec->flags, .material = material};
    if (material.len == 0 || material.len > KEEPER_OBJECT_MAX)
        return err_set(detail, ERR_KEY_FORM, "a key of %zu bytes", material.len);
    if (spec->class == CRYPTO_PRIVATE) {
        TRY(check_private(spec, format, material, ret_canonical, &object, detail));
    } else {
        object.alg = spec->alg;
        object.bits = (uint32_t)(8 * material.len);
        if (spec->class == CRYPTO_SYMMETRIC || spec->alg != 0)
            TRY(keygen_check(spec->alg, material, &object.bits, detail));
    }
    *ret_object = object;
    return ERR_OK;
}
