/* What a station gets through to a device: share of the line's byte rate while firmware is
 * transferred, and the time for keys and configuration. tests/bench/run_line starts the device.
 * usage: bench_line PORT WRAPPER BAUD [BYTES] */

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "crypto/check_value.h"
#include "crypto/random.h"
#include "line/node.h"

static struct line_fault fault;

static void want(enum err err, const char *what)
{
    if (err == ERR_OK)
        return;
    (void)fprintf(stderr, "bench_line: %s: %s (%d)\n", what, fault.text, fault.code);
    exit(1);
}

static double since(uint64_t begun)
{
    return (double)(clock_mono_ns() - begun) / 1e9;
}

static void transfer(struct line_node *node, enum node_kind kind, struct bytes data,
                     const char *text)
{
    struct line_transfer_spec spec = {.kind = kind, .text = text, .data = data};
    want(line_node_transfer(node, &spec, &fault), text);
}

static void write_keys(struct line_node *node)
{
    static const struct {
        enum node_key kind;
        size_t len;
    } keys[] = {{NODE_ROOT_KEY, 16}, {NODE_GATEWAY_KEY, 24}, {NODE_CDLD_KEY, 16}};
    uint8_t root[CHECK_VALUE_SIZE];
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        AUTO(secret_freep) struct secret *key = NULL;
        want(random_secret(keys[i].len, &key), "random");
        if (i == 0)
            want(check_value_of(secret_view(key), root), "check value");
        want(line_node_key_write(node, keys[i].kind, 0, key, &fault), "key");
    }
    want(line_node_key_activate(node, root, &fault), "activate");
}

int main(int argc, char **argv)
{
    struct line_node *node = NULL;
    struct line_identity identity;
    struct line_node_counters before, after;
    if (argc < 4)
        return 2;
    unsigned baud = (unsigned)strtoul(argv[3], NULL, 10);
    size_t size = argc > 4 ? strtoul(argv[4], NULL, 10) : (size_t)128 * 1024;
    uint8_t *firmware = malloc(size);
    if (firmware == NULL || random_bytes(firmware, size) != ERR_OK)
        return 1;
    struct line_node_config config = {.port = argv[1], .wrapper = argv[2], .baud = baud};
    want(line_node_open(&config, &node, &fault), "open");
    want(line_node_identify(node, &identity, &fault), "identify");
    line_node_counters(node, &before);
    uint64_t begun = clock_mono_ns();
    transfer(node, NODE_FIRMWARE, bytes_of(firmware, size), "2.0.0.0");
    double seconds = since(begun);
    line_node_counters(node, &after);
    (void)printf("%-10s %u baud: %zu bytes of firmware in %.2f s, %.0f bytes/s", argv[2], baud,
                 size, seconds, (double)size / seconds);
    if (baud != 0)
        (void)printf(" = %.1f%% of the line's rate", 1000.0 * (double)size / seconds / baud);
    (void)printf(" (%u repeated, %llu bytes sent)\n", after.repeated - before.repeated,
                 (unsigned long long)(after.sent - before.sent));
    begun = clock_mono_ns();
    write_keys(node);
    transfer(node, NODE_CONFIG, bytes_of(firmware, size < 2048 ? size : 2048), "bench");
    (void)printf("%-10s %u baud: keys and 2 KiB of configuration in %.2f s\n", argv[2], baud,
                 since(begun));
    line_node_close(node);
    free(firmware);
    return 0;
}
