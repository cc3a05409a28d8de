/* What a factory's state costs with many devices in it: bench_factory FOLDER [DEVICES]. FOLDER is
 * where the store is made (or found, from an earlier time); prints times and the most
 * memory that was used. */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "factory/internal.h"
#include "factory_fill.h"
#include "unit/keeper/rig.h"

static void must(enum err err, const struct err_detail *detail, const char *what)
{
    if (err == ERR_OK)
        return;
    fprintf(stderr, "%s: %s: %s\n", what, err_text(err), detail->text);
    exit(1);
}

static double seconds(void)
{
    return (double)clock_mono_ns() / 1e9;
}

static void print(const char *what, double took, const char *more)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    printf("%-52s %10.3f ms   %s, %ld MiB\n", what, took * 1000, more, usage.ru_maxrss / 1024);
    (void)fflush(stdout);
}

static void fill(struct factory *factory, uint64_t devices)
{
    double began = seconds();
    factory_fill(factory->store, devices);
    char more[64];
    (void)snprintf(more, sizeof more, "%llu devices", (unsigned long long)devices);
    print("filling the store", seconds() - began, more);
}

static void measure_line(struct factory *factory)
{
    struct err_detail detail = {0};
    struct factory_line *line = calloc(1, sizeof *line);
    const unsigned minutes[] = {60, 1440, 60, 1440};
    if (line == NULL)
        exit(1);
    for (size_t i = 0; i < sizeof minutes / sizeof *minutes; i++) {
        char what[64], more[64];
        double began = seconds();
        must(factory_line_summary(factory, minutes[i], clock_now_s(), line, &detail), &detail,
             "line");
        double took = seconds() - began;
        (void)snprintf(what, sizeof what, "the line's last %u minutes", minutes[i]);
        (void)snprintf(more, sizeof more, "%zu stations, %zu batches", line->stations_len,
                       line->batches_len);
        print(what, took, more);
        memset(line, 0, sizeof *line);
    }
    free(line);
}

static enum err count_device(void *ctx, const struct factory_device *device)
{
    (void)device;
    (*(unsigned *)ctx)++;
    return ERR_OK;
}

static void measure_list(struct factory *factory, const char *what,
                         const struct factory_device_filter *filter)
{
    struct err_detail detail = {0};
    unsigned found = 0;
    bool more = false;
    uint64_t next = 0;
    double began = seconds();
    must(factory_device_list(factory, filter, count_device, &found, &more, &next, &detail), &detail,
         what);
    char text[64];
    (void)snprintf(text, sizeof text, "%u rows", found);
    print(what, seconds() - began, text);
}

static void measure_lists(struct factory *factory, const char *when)
{
    char what[96];
    uint32_t batch = 77;
    uint64_t config = FILL_CONFIG, other = 1;
    bool no = false, yes = true;
    int code = 71;
    enum factory_device_state keyed = FACTORY_DEVICE_KEYED, pretested = FACTORY_DEVICE_PRETESTED;
#define LIST(name, ...)                                                                            \
    (void)snprintf(what, sizeof what, "100 devices, %s%s", name, when);                            \
    measure_list(factory, what, &(struct factory_device_filter){.limit = 100, __VA_ARGS__})
    LIST("from the middle", .from = factory_fill_node(500000));
    LIST("of a batch", .batch = &batch);
    LIST("of a configuration", .config_id = &config);
    LIST("never exported", .exported = &no);
    LIST("exported", .exported = &yes);
    LIST("keyed only", .state = &keyed);
    LIST("pretested, which none is", .state = &pretested);
    LIST("of a return code that none has", .return_code = &code);
    LIST("of a configuration that none has", .config_id = &other);
    LIST("of configuration and batch, never exported", .config_id = &config, .batch = &batch,
         .exported = &no);
}

static void measure_export(struct factory *factory, const char *path)
{
    struct err_detail detail = {0};
    struct rig rig;
    rig_begin(&rig, NULL);
    const struct fleet_call call = {.keeper = rig_client(&rig, 0), .actor = vault_actor_daemon()};
    const struct factory_export_request request = {.batches = "", .nodes = ""};
    const struct factory_export_request counted = {
        .batches = "100-200", .nodes = "", .count_only = true};
    struct factory_export_result result = {0};
    char more[96];
    double began = seconds();
    must(factory_export(factory, &call, &counted, "", &result, &detail), &detail, "count");
    print("counting a selection of batches", seconds() - began, "");
    (void)unlink(path);
    began = seconds();
    must(factory_export(factory, &call, &request, path, &result, &detail), &detail, "export");
    (void)snprintf(more, sizeof more, "%llu devices, %llu MiB (goal <= 15 s for a million)",
                   (unsigned long long)result.devices, (unsigned long long)result.bytes >> 20);
    print("export", seconds() - began, more);
    (void)unlink(path);
    began = seconds();
    must(factory_export_repeat(factory, &call, result.export, path, &result, &detail), &detail,
         "repeat");
    print("the same export repeated", seconds() - began, "");
    (void)unlink(path);
    (void)rig_end(&rig);
}

int main(int argc, char **argv)
{
    char url[4096], packages[4096], out[4096];
    struct err_detail detail = {0};
    struct store *store = NULL;
    struct factory *factory = NULL;
    uint64_t devices = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000000;
    if (argc < 2) {
        fprintf(stderr, "usage: bench_factory FOLDER [DEVICES]\n");
        return 2;
    }
    (void)mkdir(argv[1], 0700);
    (void)snprintf(url, sizeof url, "sqlite:%s/store.db", argv[1]);
    (void)snprintf(packages, sizeof packages, "%s/packages", argv[1]);
    (void)snprintf(out, sizeof out, "%s/device_keys.xml", argv[1]);
    const struct store_config config = {.url = url, .create = true};
    const struct factory_config state = {.directory = packages, .package_max = 1 << 20};
    must(store_open(&config, &store, &detail), &detail, "store");
    must(factory_open(store, NULL, &state, &detail, &factory), &detail, "factory");
    struct factory_device_counts counts;
    must(factory_device_count(factory, &counts, &detail), &detail, "count");
    if (counts.of[FACTORY_DEVICE_PROVISIONED][0] + counts.of[FACTORY_DEVICE_PROVISIONED][1] == 0)
        fill(factory, devices);
    measure_line(factory);
    measure_lists(factory, "");
    measure_export(factory, out);
    measure_lists(factory, ", after it");
    factory_close(factory);
    store_close(store);
    return 0;
}
