/* bench_factory_fill STORE DEVICES: devices into the store of a daemon that does not run. */

#include <stdio.h>
#include <stdlib.h>

#include "factory_fill.h"

int main(int argc, char **argv)
{
    char url[4096];
    struct err_detail detail = {0};
    struct store *store = NULL;
    if (argc != 3) {
        fprintf(stderr, "usage: bench_factory_fill STORE DEVICES\n");
        return 2;
    }
    (void)snprintf(url, sizeof url, "sqlite:%s", argv[1]);
    const struct store_config config = {.url = url};
    enum err err = store_open(&config, &store, &detail);
    if (err != ERR_OK) {
        fprintf(stderr, "%s: %s\n", err_text(err), detail.text);
        return 1;
    }
    factory_fill(store, strtoull(argv[2], NULL, 10));
    store_close(store);
    return 0;
}
