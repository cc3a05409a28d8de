#pragma once

#include <stdbool.h>
#include <stdint.h>

/* sd_notify(3) without libsystemd. Nothing happens where no service manager listens. */

/* Takes $NOTIFY_SOCKET and $WATCHDOG_USEC out of the environment. */
void notify_init(void);
/* Half of the watchdog's interval in ms; 0: none is wanted. */
uint64_t notify_watchdog_ms(void);
/* "READY=1\nSTATUS=..." */
__attribute__((format(printf, 1, 2))) void notify_send(const char *format, ...);
