#pragma once

#include "programs/common/options.h"

/* One function per subcommand; each gives the exit status. */
int command_init(const struct options *options);
int command_run(const struct options *options);
int command_check_config(const struct options *options);
int command_import_config(const struct options *options);
