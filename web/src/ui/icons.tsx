// Icons and the marks of states: drawn, 20 by 20, in the colour of the text around them.

import { h, VNode } from "preact";

const paths = {
    overview: "M3.5 6.5 10 3l6.5 3.5v7L10 17l-6.5-3.5zM3.5 6.5 10 10l6.5-3.5M10 10v7",
    import: "M10 3v9M6.5 8.5 10 12l3.5-3.5M3.5 13v3.5h13V13",
    line: "M3 16.5h14M5 13.5V10M8.3 13.5v-8M11.7 13.5V8M15 13.5V4.5",
    devices: "M5.5 5.5h9v9h-9zM8 2.5v3M12 2.5v3M8 14.5v3M12 14.5v3M2.5 8h3M2.5 12h3M14.5 8h3M14.5 12h3",
    export: "M10 12V3M6.5 6.5 10 3l3.5 3.5M3.5 13v3.5h13V13",
    networks: "M11.8 4.5a1.8 1.8 0 1 1-3.6 0 1.8 1.8 0 0 1 3.6 0zM6.3 15a1.8 1.8 0 1 1-3.6 0 1.8 1.8 0 0 1 3.6 0zM17.3 15a1.8 1.8 0 1 1-3.6 0 1.8 1.8 0 0 1 3.6 0zM9.1 6.2 5.4 13.4M10.9 6.2l3.7 7.2M6.3 15h7.4",
    objects: "M10 2.8c3.9 0 6.5 1.1 6.5 2.6S13.9 8 10 8 3.5 6.9 3.5 5.4 6.1 2.8 10 2.8zM3.5 5.4v9.2c0 1.5 2.6 2.6 6.5 2.6s6.5-1.1 6.5-2.6V5.4M3.5 10c0 1.5 2.6 2.6 6.5 2.6s6.5-1.1 6.5-2.6",
    clients: "M3 4.5h14v8.5H3zM7 16.5h6M10 13v3.5",
    audit: "M5 2.5h7l3.5 3.5v11.5H5zM8 9h5M8 12h5M8 15h3",
    users: "M13 6.8a3 3 0 1 1-6 0 3 3 0 0 1 6 0zM4 17c.5-3.2 2.8-5 6-5s5.5 1.8 6 5",
    system: "M3.5 4h13v5h-13zM3.5 11h13v5h-13zM6.5 6.5h.01M6.5 13.5h.01",
    search: "M8.5 13.5a5 5 0 1 0 0-10 5 5 0 0 0 0 10zM12.5 12.5l4 4",
    menu: "M3 5.5h14M3 10h14M3 14.5h14",
    close: "M5 5l10 10M15 5 5 15",
    sun: "M10 13a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM10 2v2M10 16v2M2 10h2M16 10h2M4.3 4.3l1.4 1.4M14.3 14.3l1.4 1.4M4.3 15.7l1.4-1.4M14.3 5.7l1.4-1.4",
    moon: "M16.5 12A7 7 0 0 1 8 3.5a7 7 0 1 0 8.5 8.5z",
    auto: "M10 3a7 7 0 1 0 0 14zM10 3a7 7 0 0 1 0 14",
    logout: "M8 3.5H4v13h4M12 6.5l3.5 3.5-3.5 3.5M15.5 10H8",
    key: "M9.7 10a3.2 3.2 0 1 1-6.4 0 3.2 3.2 0 0 1 6.4 0zM9.7 10h7.3v3M14 10v2.2",
    file: "M5 2.5h7l3.5 3.5v11.5H5zM12 2.5V6h3.5",
    check: "M4 10.5l4 4 8-9",
    next: "M7.5 4.5 13 10l-5.5 5.5",
    rotate: "M16 10a6 6 0 1 1-1.8-4.3M16.5 2.5v3.5H13",
};

export type IconName = keyof typeof paths;

export const Icon = ({ name }: { name: IconName }): VNode => (
    <svg class="icon" viewBox="0 0 20 20" aria-hidden="true" focusable="false"><path d={paths[name]} /></svg>
);

/* The shape says what the colour says: disc, cross, triangle, ring, half a ring. */
const marks = {
    good: "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2z",
    bad: "M3.8 2 8 6.2 12.2 2 14 3.8 9.8 8l4.2 4.2-1.8 1.8L8 9.8 3.8 14 2 12.2 6.2 8 2 3.8z",
    warn: "M8 1.5 15 14H1z",
    idle: "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2zm0 2a4 4 0 1 1 0 8 4 4 0 0 1 0-8z",
    wait: "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2zm0 2v8a4 4 0 1 1 0-8z",
};

export type Mark = keyof typeof marks;

export const Sign = ({ mark, children, live }: { mark: Mark; children?: unknown; live?: boolean }): VNode => (
    <span class={`sign ${mark}${live ? " live" : ""}`}>
        <svg viewBox="0 0 16 16" aria-hidden="true" focusable="false"><path fill-rule="evenodd" d={marks[mark]} /></svg>
        {children as VNode}
    </span>
);

export const Logo = (): VNode => (
    <svg class="logo" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
        <rect width="32" height="32" rx="7" />
        <circle cx="12" cy="16" r="5.5" />
        <path d="M17.5 16H27v4.5M22.5 16v3" />
    </svg>
);
