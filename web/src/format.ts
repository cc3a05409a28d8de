// Numbers, sizes and times for people.

const whole = new Intl.NumberFormat("en");
export const count = (n: number | null | undefined): string => (n === null || n === undefined ? "–" : whole.format(n));

export function size(bytes: number): string {
    if (bytes < 1024) return `${bytes} B`;
    const units = ["KiB", "MiB", "GiB", "TiB"];
    let n = bytes, unit = -1;
    do {
        n /= 1024;
        unit++;
    } while (n >= 1024 && unit < units.length - 1);
    return `${n < 10 ? n.toFixed(1) : Math.round(n)} ${units[unit]}`;
}

export function percent(part: number, all: number): string {
    if (all === 0) return "–";
    const p = (100 * part) / all;
    return p === 100 || p === 0 ? `${p} %` : `${p < 99 ? p.toFixed(1) : Math.min(99.9, Number(p.toFixed(1)))} %`;
}

const two = (n: number): string => String(n).padStart(2, "0");

/* In this computer's time zone; "" for what is no time. */
export function time(text: string | null | undefined, seconds = false): string {
    const t = new Date(text ?? "");
    if (Number.isNaN(t.getTime())) return "";
    const day = `${t.getFullYear()}-${two(t.getMonth() + 1)}-${two(t.getDate())}`;
    return `${day} ${two(t.getHours())}:${two(t.getMinutes())}${seconds ? `:${two(t.getSeconds())}` : ""}`;
}

export function clock(text: string, seconds = false): string {
    return time(text, seconds).slice(11);
}

/* "3 min ago"; "in 12 d" */
export function ago(text: string | null | undefined, now = Date.now()): string {
    const t = new Date(text ?? "").getTime();
    if (Number.isNaN(t)) return "never";
    const s = Math.round((now - t) / 1000), a = Math.abs(s);
    const [n, unit] = a < 60 ? [a, "s"] : a < 3600 ? [Math.round(a / 60), "min"] : a < 172800 ? [Math.round(a / 3600), "h"] : [Math.round(a / 86400), "d"];
    if (a < 3) return "now";
    return s < 0 ? `in ${n} ${unit}` : `${n} ${unit} ago`;
}

/* Of a date field (local midnight) as the API wants it. */
export function dayStart(day: string): string | undefined {
    const t = new Date(`${day}T00:00:00`);
    return day && !Number.isNaN(t.getTime()) ? `${t.toISOString().slice(0, 19)}Z` : undefined;
}

export function dayEnd(day: string): string | undefined {
    const t = new Date(`${day}T23:59:59`);
    return day && !Number.isNaN(t.getTime()) ? `${t.toISOString().slice(0, 19)}Z` : undefined;
}

export const plural = (n: number, one: string, many = `${one}s`): string => `${count(n)} ${n === 1 ? one : many}`;
