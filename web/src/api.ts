// The daemon's API (docs/api.md) as functions.

export class ApiError extends Error {
    constructor(readonly status: number, readonly code: string, text: string, readonly detail: string, readonly hint: string) {
        super(text);
    }
}

export interface Session {
    user: string;
    role: string;
    csrf: string;
    must_change: boolean;
    expires: string;
    factory?: boolean; // this daemon serves one
    may?: string[];
}

let csrf = "";
let lost: () => void = () => undefined;

/* `csrf` goes with every change from now on; `on_lost` is called when the daemon no longer knows the session. */
export function useCsrf(token: string): void {
    csrf = token;
}
export function onSessionLost(call: () => void): void {
    lost = call;
}

type Query = { [name: string]: string | number | boolean | null | undefined };

export function withQuery(path: string, query: Query): string {
    const parts = Object.entries(query)
        .filter(([, value]) => value !== "" && value !== null && value !== undefined && value !== false)
        .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(String(value))}`);
    return parts.length ? `${path}?${parts.join("&")}` : path;
}

/* Segments of a path, escaped: path`/v1/users/${name}` */
export function path(parts: TemplateStringsArray, ...values: (string | number)[]): string {
    return parts.reduce((all, part, i) => all + encodeURIComponent(String(values[i - 1])) + part);
}

async function failure(answer: Response): Promise<ApiError> {
    let e: { code?: string; text?: string; detail?: string; hint?: string } = {};
    try {
        e = (await answer.json()).error ?? {};
    } catch {
        // no JSON: something between the browser and the daemon answered
    }
    return new ApiError(answer.status, e.code ?? `HTTP_${answer.status}`, e.text ?? (answer.statusText || "no answer of the daemon"),
        e.detail ?? "", e.hint ?? "");
}

async function ask(method: string, url: string, body?: BodyInit | null, type?: string, quiet = false): Promise<Response> {
    const headers: { [name: string]: string } = {};
    if (type) headers["Content-Type"] = type;
    if (method !== "GET") headers["X-Claviger-CSRF"] = csrf;
    let answer: Response;
    try {
        // What is given up is given up, even by a window that is being closed.
        answer = await fetch(url, { method, headers, body, cache: "no-store", credentials: "same-origin", keepalive: method === "DELETE" });
    } catch {
        throw new ApiError(0, "UNREACHABLE", "the daemon does not answer", "", "is the server running, and this computer on the network?");
    }
    if (answer.ok) return answer;
    const error = await failure(answer);
    if (answer.status === 401 && !quiet) lost();
    throw error;
}

async function json<T>(method: string, url: string, body?: unknown, quiet = false): Promise<T> {
    const answer = body === undefined
        ? await ask(method, url, null, undefined, quiet)
        : await ask(method, url, JSON.stringify(body), "application/json", quiet);
    const text = await answer.text();
    return (text ? JSON.parse(text) : {}) as T;
}

export const get = <T>(url: string, query: Query = {}): Promise<T> => json<T>("GET", withQuery(url, query));
export const post = <T>(url: string, body?: unknown): Promise<T> => json<T>("POST", url, body);
export const put = <T>(url: string, body: unknown = {}): Promise<T> => json<T>("PUT", url, body);
export const patch = <T>(url: string, body: unknown = {}): Promise<T> => json<T>("PATCH", url, body);
export const remove = <T>(url: string): Promise<T> => json<T>("DELETE", url);

/* Without a session these are refused as a matter of course. */
export const session = (): Promise<Session> => json<Session>("GET", "/v1/session", undefined, true);
export const login = (user: string, password: string): Promise<Session> =>
    json<Session>("POST", "/v1/login", { user, password }, true);
export const logout = (): Promise<unknown> => json("POST", "/v1/logout", undefined, true);

export interface Job<R> {
    job: number;
    kind: string;
    state: "queued" | "running" | "done" | "failed" | "cancelled";
    stage: string;
    done: number;
    total: number;
    lines: unknown[];
    next: number;
    result?: R;
    error?: { code: string; text: string; detail: string; hint: string };
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/* Waits for the job to end; ApiError where it failed. */
export async function finish<R>(job: number, progress: (job: Job<R>) => void, stop?: AbortSignal): Promise<R> {
    for (let wait = 80; ; wait = Math.min(1000, wait * 1.5)) {
        const now = await get<Job<R>>(path`/v1/jobs/${job}`);
        progress(now);
        if (now.state === "done") return now.result as R;
        if (now.state === "failed" || now.state === "cancelled") {
            const e = now.error;
            throw new ApiError(0, e?.code ?? "CANCELLED", e?.text ?? "the job was cancelled", e?.detail ?? "", e?.hint ?? "");
        }
        if (stop?.aborted) {
            await remove(path`/v1/jobs/${job}`).catch(() => undefined);
            throw new ApiError(0, "CANCELLED", "cancelled", "", "");
        }
        await pause(wait);
    }
}

export async function run<R>(url: string, body?: unknown, progress: (job: Job<R>) => void = () => undefined, stop?: AbortSignal): Promise<R> {
    const started = await post<{ job: number }>(url, body);
    return finish<R>(started.job, progress, stop);
}

const PIECE = 1024 * 1024; // the API takes 2 MiB at most

/* A file to the daemon, in pieces; gives the upload's number. What was sent is removed again when it is stopped or fails. */
export async function upload(file: Blob, progress: (sent: number) => void, stop?: AbortSignal): Promise<number> {
    const { upload: id } = await post<{ upload: number }>("/v1/uploads");
    try {
        let offset = 0;
        do {
            if (stop?.aborted) throw new ApiError(0, "CANCELLED", "the upload was cancelled", "", "");
            const piece = file.slice(offset, offset + PIECE);
            await ask("PUT", withQuery(path`/v1/uploads/${id}`, { offset: String(offset) }), piece, "application/octet-stream");
            offset += piece.size;
            progress(offset);
        } while (offset < file.size);
        return id;
    } catch (error) {
        await remove(path`/v1/uploads/${id}`).catch(() => undefined);
        throw error;
    }
}

/* Let the browser save what is at `url` as `name`. */
export function save(url: string, name: string): void {
    const link = document.createElement("a");
    link.href = url;
    link.download = name;
    document.body.append(link);
    link.click();
    link.remove();
}

export function saveText(text: string, name: string, type: string): void {
    const url = URL.createObjectURL(new Blob([text], { type }));
    save(url, name);
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
