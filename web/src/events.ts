// What happens at the daemon, as it happens: server-sent events, and asking every few seconds where they do not come.

import { useEffect, useRef, useState } from "./hooks";

export type Liveness = "connecting" | "live" | "polling";

const POLL_MS = 4000;
const QUIET_MS = 1800;
const names = ["run", "device", "job", "audit", "status", "missed", "dropped"];

/* `on` for every event of the topics; `refresh` when something is to be asked anew: at most every `pace` milliseconds after events,
 * and by the clock while there are none. */
export function useEvents(topics: string, on: (name: string, data: unknown) => void, refresh: () => void, pace = 700): Liveness {
    const [state, set] = useState<Liveness>("connecting");
    const handlers = useRef({ on, refresh });
    handlers.now = { on, refresh };
    useEffect(() => {
        let due: ReturnType<typeof setTimeout> | undefined, last: ReturnType<typeof setTimeout> | undefined;
        const soon = (): void => {
            due ??= setTimeout(() => {
                due = undefined;
                handlers.now.refresh();
            }, pace);
            // The daemon gives figures of up to a second ago: once more when it has become quiet.
            clearTimeout(last);
            last = setTimeout(() => handlers.now.refresh(), QUIET_MS);
        };
        let live = false;
        const source = new EventSource(`/v1/events?topics=${encodeURIComponent(topics)}`);
        source.onopen = () => {
            live = true;
            set("live");
            soon();
        };
        source.onerror = () => {
            live = false;
            set("polling");
        };
        for (const name of names) {
            source.addEventListener(name, (event) => {
                let data: unknown = null;
                try {
                    data = JSON.parse((event as MessageEvent).data);
                } catch {
                    return;
                }
                handlers.now.on(name, data);
                soon();
            });
        }
        const poll = setInterval(() => {
            if (!live && !document.hidden) handlers.now.refresh();
        }, POLL_MS);
        return () => {
            source.close();
            clearInterval(poll);
            clearTimeout(due);
            clearTimeout(last);
        };
    }, [topics]);
    return state;
}
