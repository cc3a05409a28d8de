// Where one is stands behind the "#": "#/devices?state=keyed". So every address is served by the same page, and what was searched
// for can be sent to someone else.

import { useEffect, useState } from "./hooks";

export interface Place {
    path: string[]; // decoded segments
    query: { [name: string]: string };
}

function read(): Place {
    const [path = "", query = ""] = location.hash.replace(/^#\/?/, "").split("?", 2);
    const decode = (text: string): string => {
        try {
            return decodeURIComponent(text);
        } catch {
            return text;
        }
    };
    return {
        path: path.split("/").filter(Boolean).map(decode),
        query: Object.fromEntries(new URLSearchParams(query)),
    };
}

export function href(path: (string | number)[], query: { [name: string]: string | number | undefined } = {}): string {
    const left = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
    const search = new URLSearchParams(left.map(([name, value]) => [name, String(value)])).toString();
    return `#/${path.map((p) => encodeURIComponent(String(p))).join("/")}${search ? `?${search}` : ""}`;
}

export function go(path: (string | number)[], query = {}): void {
    location.hash = href(path, query);
}

/* Another query, same page: not a step of the history. */
export function requery(query: { [name: string]: string | undefined }): void {
    history.replaceState(null, "", href(read().path, query));
    dispatchEvent(new HashChangeEvent("hashchange"));
}

export function usePlace(): Place {
    const [place, set] = useState(read);
    useEffect(() => {
        const changed = (): void => set(read());
        addEventListener("hashchange", changed);
        return () => removeEventListener("hashchange", changed);
    }, []);
    return place;
}
