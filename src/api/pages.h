#pragma once

#include "net/http.h"

/* The pages, from the table in api/pages_table.h: GET of any path. A path without a dot that is
 * nobody's is the application's own and gets its first page; nothing is read from a disk. */
struct net_http_table api_pages_table(void);

/* For net_http_config: what every answer over HTTPS says to browsers. */
extern const char api_headers[];
