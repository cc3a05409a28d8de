#pragma once

#include <jansson.h>

#include "line/server.h"
#include "net/http_client.h"

/* The bodies of /v1/line/..., there and back. Nothing in them is secret: keys are encrypted for
 * their backends before they come here. The makers give NULL where memory is out. */

json_t *line_json_begin(const struct line_begin *begin);
json_t *line_json_report(const struct line_report *report);
json_t *line_json_end(const struct line_end *end);
json_t *line_json_gateway_keys(uint64_t config_id, uint32_t revision, struct bytes pem);

/* LINE_SERVER_ANSWER where they make no sense. */
MUST_CHECK enum err line_json_read_record(struct bytes json, struct line_record *ret_record,
                                          struct line_fault *fault);
MUST_CHECK enum err line_json_open_gateway_keys(struct bytes json, const struct rsa_private *with,
                                                struct line_gateway_keys *ret_keys,
                                                struct line_fault *fault);
/* LINE_SERVER_ERROR with what the server says in its refusal. */
enum err line_refusal(struct line_fault *fault, const char *where,
                      const struct net_client_answer *answer);
