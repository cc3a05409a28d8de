#pragma once

#include "base/bytes.h"

/* The few Diameter messages that a load generator says (RFC 6733), written anew here so that it
 * shares no mistake with the server. Each goes to `to` and gives its length. */

#define MESSAGE_HEADER 20
#define MESSAGE_MAX    1024

enum { COMMAND_CAPABILITIES = 257, COMMAND_NODE = 260, COMMAND_WATCHDOG = 280 };

/* `pattern` with its '#' replaced by the number; without one as it is. */
void pattern_fill(const char *pattern, unsigned number, char *to, size_t cap);

size_t message_cer(const char *host, const char *realm, uint8_t *to);
/* Asks for the key of a node. */
size_t message_amr(const char *host, const char *realm, uint32_t hop_id, uint64_t node,
                   uint8_t *to);
/* Success for a watchdog request. */
size_t message_dwa(const char *host, const char *realm, const uint8_t *request, uint8_t *to);

/* Of the message at `at`; 0 where not all of it is there yet. */
size_t message_len(const uint8_t *at, size_t have);
bool message_is_request(const uint8_t *message);
uint32_t message_command(const uint8_t *message);
uint32_t message_hop_id(const uint8_t *message);
/* Result-Code; 0 without one. */
uint32_t message_result(const uint8_t *message, size_t len);
