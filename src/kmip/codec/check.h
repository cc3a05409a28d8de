#pragma once

#include "kmip/codec/node.h"

/* Requests against the tables of their version: what stands where, how often, with which type and
 * which value of an enumeration. The order of fields is not enforced, since real clients differ.
 * What an operation makes of its values is its own to check. */

struct kmip_fault {
    uint32_t reason;   /* Result Reason, as the version has it */
    uint32_t tag;      /* the item it is about */
    char message[160]; /* for the client: names of fields, nothing of their values */
};

/* 0x0104 of the header of a Request or Response Message; 0 where there is none. */
uint16_t kmip_message_version(const struct kmip_node *message);

/* The message but for its batch items: Request Message, header, at least one item, and as many as
 * Batch Count says. False with what is wrong. */
bool kmip_check_header(const struct kmip_node *message, uint16_t version, struct kmip_fault *fault);
/* One batch item with its payload. Operation Not Supported for one that the version has not, or
 * that is the server's to ask; Feature Not Supported for a critical Message Extension. */
bool kmip_check_item(const struct kmip_node *item, uint16_t version, struct kmip_fault *fault);
/* A whole answer, as strictly: what a client receives, and what a server's tests look at. */
bool kmip_check_response(const struct kmip_node *message, uint16_t version,
                         struct kmip_fault *fault);
