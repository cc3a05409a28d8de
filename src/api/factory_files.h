#pragma once

#include "factory/catalogue.h"
#include "net/http.h"

/* A file of a revision as the answer: ERR_STREAMED where it was given. */
MUST_CHECK enum err factory_stream_file(struct net_http_request *request, struct factory *factory,
                                        uint64_t config, uint32_t revision, const char *name,
                                        struct err_detail *detail);
