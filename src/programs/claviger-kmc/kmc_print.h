#pragma once

#include <stdbool.h>

#include "kmc/claviger-kmc.h"

/* What the tool shows, for a person line by line or as one JSON document at the end. */
struct kmc_printer;

struct kmc_printer *kmc_printer_new(bool json, bool show_key);
void kmc_print_key(struct kmc_printer *printer, const struct ckmc_key *key);
/* A key that could not be had; for a person that is said on standard error. */
void kmc_print_failure(struct kmc_printer *printer, const char *what,
                       const struct ckmc_error *error);
void kmc_print_entry(struct kmc_printer *printer, const struct ckmc_entry *entry);
/* Print what is collected. False where standard output takes it not. */
bool kmc_printer_end(struct kmc_printer *printer);
