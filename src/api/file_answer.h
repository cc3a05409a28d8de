#pragma once

#include "net/http.h"

/* Answers with all that is in `fd` from where it stands, in pieces, as application/octet-stream;
 * takes `fd`, which it closes. ERR_STREAMED where it was given. */
MUST_CHECK enum err api_answer_file(struct net_http_request *request, int fd);
