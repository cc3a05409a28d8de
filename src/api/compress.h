#pragma once

#include "base/buf.h"

/* Lists of devices and runs as JSON are tenfold smaller compressed; pages want to be there soon. */

#define API_COMPRESS_MIN 1024 /* bytes; below, headers are what costs */
#define API_COMPRESS_MAX ((size_t)256 * 1024 * 1024)

/* Whether a request's Accept-Encoding (NULL: none) takes gzip: RFC 9110, 12.5.3. */
bool api_takes_gzip(const char *accept);
/* Appends `plain` as gzip to `to`. ERR_LIMIT: longer than API_COMPRESS_MAX. */
MUST_CHECK enum err api_compress(struct bytes plain, struct buf *to);
