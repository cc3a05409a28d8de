#pragma once

#include "keeper/client_derive.h"
#include "keeper/message.h"

/* Inside keeper only: the fields of the verbs of managed objects, for both sides.
 *
 *   object  row | u16 length, name | u32 length, sealed (0: to be made, or nothing)
 *   spec    u8 class | u32 alg | u32 bits | u32 curve | u64 exponent | u32 flags
 *   params  u32 mode | u32 padding | u32 hash | u32 signature | u32 mask hash | u32 salt length |
 *           u32 tag length | u32 counter length | u32 IV length | u8 random IV | u16 length, source
 *   input   u8 op | u8 digested | params | u16 length, IV | u16 length, AAD | u16 length, tag |
 *           u32 length, data
 *   output  u8 length, IV | u8 length, tag | u8 valid | u32 length, data
 *   made    u32 length, sealed | u16 length, SubjectPublicKeyInfo | 32 digest | u32 bits |
 *           u32 alg | u32 length of the material */

void message_put_object(struct writer *w, const struct keeper_object *object);
/* ERR_ARGUMENT for another table than OBJECT and impossible lengths. */
struct keeper_object message_get_object(struct reader *r);
/* The same, with ERR_ARGUMENT where there is nothing sealed, or where there is something. */
struct keeper_object message_get_object_there(struct reader *r);
struct keeper_object message_get_object_new(struct reader *r);

void message_put_spec(struct writer *w, const struct keeper_object_spec *spec);
/* ERR_ARGUMENT for a class or flags that are none. */
struct keeper_object_spec message_get_spec(struct reader *r);
void message_put_params(struct writer *w, const struct crypto_params *params);
struct crypto_params message_get_params(struct reader *r);
void message_put_input(struct writer *w, const struct crypto_input *input);
struct crypto_input message_get_input(struct reader *r);

/* `data` is output->data's, or the client's alone. */
void message_put_output(struct writer *w, const struct crypto_output *output, struct bytes data);
/* Fills all but `data`, which is given back as a view. */
struct bytes message_get_output(struct reader *r, struct crypto_output *output);

/* Appends to what `made` points to. */
MUST_CHECK enum err message_take_made(struct reader *r, struct keeper_object_made *made);
