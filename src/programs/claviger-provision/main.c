#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "programs/claviger-provision/provision.h"

static atomic_bool stop;

/* The first one lets devices under way be finished; the second one ends the process. */
static void on_signal(int number)
{
    static const char text[] = "\nclaviger-provision: finishing what is under way; again to stop\n";
    (void)number;
    atomic_store(&stop, true);
    (void)!write(STDERR_FILENO, text, sizeof text - 1);
}

/* Writes that fail say so; neither a full disk, a file that may not grow nor a reader that went
 * away ends a run in the middle. */
static void ignore_write_signals(void)
{
    const struct sigaction action = {.sa_handler = SIG_IGN};
    (void)sigaction(SIGPIPE, &action, NULL);
    (void)sigaction(SIGXFSZ, &action, NULL);
}

static void on_usage(void)
{
    print_code(stderr, LINE_ARGUMENTS, "");
}

static int ended(enum line_code code, const struct line_fault *fault)
{
    (void)fprintf(stderr, "claviger-provision: ");
    print_code(stderr, code, fault->text);
    return (int)code;
}

int main(int argc, char **argv)
{
    struct options options;
    struct settings settings;
    struct line_fault fault = {0};
    struct output *output = NULL;
    const struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    /* Keys pass through this process: no core dump, no debugger of the same user. */
    (void)setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    (void)prctl(PR_SET_DUMPABLE, 0);
    ignore_write_signals();
    options_usage_hook = on_usage;
    spell(&program_row, argc, argv);
    options_parse(&program_row, argc, argv, &options);
    if (settings_read(&options, &settings, &fault) != ERR_OK)
        return ended(fault.code, &fault);
    if (output_new(&settings, &output, &fault) != ERR_OK)
        return ended(fault.code, &fault);
    if (*settings.batch_note != '\0')
        output_log(output, 0, LOG_LEVEL_WARN, settings.batch_note);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    enum line_code code = stations_run(&settings, output, &stop);
    output_free(output);
    return (int)code;
}
