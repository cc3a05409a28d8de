#pragma once

#include "line/device/device.h"

/* Inside this folder only. A request is answered by one function: it reads fields of `in`, writes
 * those of the answer to `out`, and gives the result. */
typedef enum node_result device_request_fn(struct device *device, const struct node_message *in,
                                           struct node_writer *out);

device_request_fn device_transfer_begin, device_transfer_block, device_transfer_end;
device_request_fn device_key_write, device_key_activate, device_key_check;
device_request_fn device_lock, device_unlock_challenge, device_unlock;

/* Make `next` the settings: written whole beside the old ones first. With `wipe` the old bank is
 * erased then, because it has keys that are none any more. False: flash; nothing has changed. */
bool device_commit(struct device *device, struct device_settings *next, bool wipe);
bool device_load(struct device *device);
uint32_t device_slot_at(const struct device *device, unsigned target, enum node_kind kind,
                        unsigned slot);
/* The check value of a key (docs/node-protocol.md). */
bool device_check_value(struct device *device, const struct device_key *key,
                        uint8_t ret_value[NODE_CHECK]);
/* `target` of a request: absent is the node. False: no such host. */
bool device_target_of(const struct device *device, const struct node_message *in,
                      unsigned *ret_target);
bool device_equal(const uint8_t *a, const uint8_t *b, size_t len); /* in constant time */
void device_wipe(void *data, size_t len);
