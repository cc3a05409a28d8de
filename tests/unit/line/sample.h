#pragma once

#include "crypto/rsa.h"
#include "line/package.h"

/* What the tests of this folder share: a key made once, and a configuration's JSON. */

const struct rsa_private *sample_key(void);
/* Of `content`, as the server would tell it. */
void sample_file(struct line_file *file, const char *name, const char *path, struct bytes content);
/* A configuration with one application ("meter") and a node of type "UNODE", version "2.1.0";
 * `edit` (or NULL) is text of the JSON, `with` what stands there instead. Text is the caller's to
 * free. */
char *sample_config(const char *files, const char *edit, const char *with);
extern const char sample_firmware[], sample_field[], sample_factory[];
