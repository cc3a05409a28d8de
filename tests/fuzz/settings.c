#include <stdlib.h>
#include <string.h>

#include "base/settings.h"
#include "fuzz/target.h"

/* clavigerd.conf: the INI file under it, and its values. What is refused is said with its place. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char file[] = "/etc/claviger/clavigerd.conf";
    struct settings settings;
    struct err_detail detail = {0};
    enum err err = settings_parse(file, (const char *)data, size, &settings, &detail);
    if (err == ERR_OK)
        settings_done(&settings);
    else if (err != ERR_NO_MEMORY && strstr(detail.text, file) == NULL)
        abort();
    return 0;
}
