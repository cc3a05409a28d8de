#pragma once

#include "programs/claviger/cli.h"

/* What the subcommands of `claviger factory` share. */

#define FACTORY_LIST_MAX 512

/* Names, with versions where there are any, one after the other; cut to fit. Returns `to`. */
const char *factory_list_text(const json_t *list, char to[FACTORY_LIST_MAX]);
/* `text` as the id of a configuration: a number as it is (NULL too), an alias looked up at the
 * daemon. One at a time. */
MUST_CHECK enum err factory_config(struct cli *cli, const char *text, const char **ret_config);
