#pragma once

#include "keeper/client_call.h"
#include "keeper/object_message.h"

/* Inside keeper only: what the client's files of managed objects share. */

/* Bytes of data in one message of a stream. */
#define CLIENT_CHUNK ((size_t)48 * 1024)

/* actor | object. */
void client_object_begin(struct client_call *call, struct keeper_client *client, uint8_t verb,
                         const char *actor, const struct keeper_object *object);
/* Run it and take `count` objects that were made. */
MUST_CHECK enum err client_made_end(struct client_call *call, struct keeper_object_made *made,
                                    size_t count, struct err_detail *detail);
