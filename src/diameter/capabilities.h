#pragma once

#include "diameter/message.h"
#include "diameter/node.h"

/* The content of CER and CEA (RFC 6733, 5.3): writing ours, judging the peer's. */

/* Origin-Host up to Inband-Security-Id. `request` gives Auth-, Acct- and Inband-Security-Ids as
 * offers; in an answer `tls` says what was chosen. */
void diameter_put_capabilities(struct writer *w, const struct diameter_node *node, bool request,
                               bool tls);
/* Some application is in both sets; relay 0xffffffff on either side counts. */
bool diameter_common_application(const struct diameter_node *node,
                                 const struct diameter_message *m);
/* What the message's Inband-Security-Ids say; without any: plain (6.10). */
void diameter_offered_security(const struct diameter_message *m, bool *ret_plain, bool *ret_tls);
