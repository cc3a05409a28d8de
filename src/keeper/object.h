#pragma once

#include "base/arena.h"
#include "keeper/call.h"
#include "keeper/object_message.h"

/* Inside keeper only: what the verbs of managed objects share. The plaintext of a sealed object:
 *
 *   u8 header version = 1 | u8 class | u32 algorithm | u32 bits | u32 flags | material
 *
 * The material of an object in the token is its CKA_ID. A reservation is the same before the key is
 * made, with OBJECT_RESERVED: good for making that key and for destroying it. */
#define OBJECT_RESERVED 0x100u

#define OBJECT_HEADER_VERSION 1
_Static_assert(SEAL_OBJECT_HEADER == 1 + 1 + 4 + 4 + 4, "object header");

struct object {
    enum crypto_class class;
    uint32_t alg, bits, flags;
    struct bytes material; /* in a room of the core or in a job's secret */
};

/* Rooms of the core for opened objects, in locked memory. */
enum object_room { OBJECT_ROOM_A, OBJECT_ROOM_B, OBJECT_ROOM_C, OBJECT_ROOM_OUT };
_Static_assert(OBJECT_ROOM_OUT + 1 == OBJECT_ROOMS, "call.h");

/* Note an object for the record: its row, and its name as the text. */
void call_note_object(struct core_call *call, const struct keeper_object *object);
/* More words of the text, after a blank; what does not fit is left out. */
void call_note_word(struct core_call *call, const char *word);
/* "from NAME" of another object that plays a part. */
void call_note_other(struct core_call *call, const char *word, const struct keeper_object *object);
/* "encrypt aes gcm" of a use. */
void call_note_use(struct core_call *call, const struct object *object,
                   const struct crypto_input *input);

/* Open it; views stay until core_wipe_rooms. */
MUST_CHECK enum err call_object_open(struct core_call *call, const struct keeper_object *object,
                                     enum object_room room, struct object *ret_object);
/* The same for what may be a reservation. */
MUST_CHECK enum err call_object_open_reserved(struct core_call *call,
                                              const struct keeper_object *object,
                                              enum object_room room, struct object *ret_object);
/* Wipe what was opened. Every verb of objects runs through call_object_verb, which does. */
void core_wipe_rooms(struct core *core);

struct crypto_key object_key(const struct object *object);
/* ERR_TOKEN_UNABLE for one in the token, where a verb can't do anything with it. */
MUST_CHECK enum err object_here(const struct object *object, struct err_detail *detail);
struct keeper_token_object object_in_token(const struct object *object);

/* What a Digest is made of: the material, of an RSA private key its PKCS#1 form within. A view. */
MUST_CHECK enum err object_digested(const struct object *object, struct bytes *ret_bytes);
/* Seal object->material for the row, and write `made` into the answer. `digest`: NULL for SHA-256
 * of the material. */
MUST_CHECK enum err call_object_make(struct core_call *call, const struct keeper_row *row,
                                     const struct object *object, struct bytes spki,
                                     const uint8_t *digest);
/* Seal an object as it is for a row; appends u32 length | sealed to the answer. */
MUST_CHECK enum err call_object_put(struct core_call *call, const struct keeper_row *row,
                                    const struct object *object);

/* Is this the material it is said to be? Fills in class, alg and bits, and for a private key
 * `ret_canonical`, whose bytes are the material then. Any thread. */
MUST_CHECK enum err object_check(const struct keeper_object_spec *spec, uint32_t format,
                                 struct bytes material, struct secret **ret_canonical,
                                 struct object *ret_object, struct err_detail *detail);

/* A job with memory of its own. Embedded first in a verb's struct. */
#define OBJECT_HELD_MAX 4
struct object_job {
    struct core_job job;
    struct arena *arena; /* for what is not secret */
    struct secret *held[OBJECT_HELD_MAX];
    unsigned held_count;
    void (*done)(struct object_job *job); /* frees more; may be NULL */
};
/* The call's event is noted by now. `size` of the verb's struct. */
MUST_CHECK enum err object_job_new(struct core_call *call, size_t size,
                                   struct object_job **ret_job);
void object_job_freep(struct object_job **job);
/* Make a view the job's: into the arena, or into locked memory. */
MUST_CHECK enum err object_job_own(struct object_job *job, struct bytes *view);
MUST_CHECK enum err object_job_hold(struct object_job *job, struct bytes *view);
MUST_CHECK enum err object_job_own_params(struct object_job *job, struct crypto_params *params);
MUST_CHECK enum err object_job_own_input(struct object_job *job, struct crypto_input *input);
/* On the pool where it is slow, else at once. Takes the job. */
MUST_CHECK enum err object_job_run(struct core_call *call, struct object_job *job, bool slow);

/* Names for records; "?" for an unknown number. */
const char *object_alg_name(uint32_t alg);
const char *object_mode_name(uint32_t mode);
const char *object_op_name(uint32_t op);
