// What every page is made of. Texts are children, never markup.

import { Child, h, VNode } from "preact";
import { ApiError } from "../api";
import { ago, percent, time } from "../format";
import { component, useEffect, useRef, useState } from "../hooks";
import { Icon, IconName } from "./icons";

let ids = 0;
export function useId(prefix: string): string {
    return useState(() => `${prefix}-${++ids}`)[0];
}

/* Said by screen readers, not shown. */
export function announce(text: string): void {
    const region = document.getElementById("announcer");
    if (!region) return;
    region.textContent = "";
    setTimeout(() => { region.textContent = text; }, 50);
}

export const Page = component<{ title: string; lead?: Child; actions?: Child; back?: { href: string; text: string } }>((p) => {
    const heading = useRef<HTMLElement | null>(null);
    useEffect(() => { document.title = `${p.title} · Claviger`; }, [p.title]);
    return (
        <div class="page">
            {p.back ? <p class="back"><a href={p.back.href}><Icon name="next" />{p.back.text}</a></p> : null}
            <header class="page-head">
                <div>
                    <h1 tabIndex={-1} ref={(e: HTMLElement) => { heading.now = e; }}>{p.title}</h1>
                    {p.lead ? <p class="lead">{p.lead}</p> : null}
                </div>
                {p.actions ? <div class="actions">{p.actions}</div> : null}
            </header>
            {p.children}
        </div>
    );
});

/* A part of a page with its heading. */
export const Part = component<{ title: string; actions?: Child; plain?: boolean; note?: Child }>((p) => {
    const id = useId("part");
    return (
        <section class={p.plain ? "part plain" : "part"} aria-labelledby={id}>
            <header class="part-head"><h2 id={id}>{p.title}</h2>{p.note ? <p class="muted">{p.note}</p> : null}{p.actions ? <div class="actions">{p.actions}</div> : null}</header>
            {p.children}
        </section>
    );
});

export const ErrorBox = ({ error, retry }: { error: Error | null | undefined; retry?: () => void }): VNode | null => {
    if (!error) return null;
    const e = error instanceof ApiError ? error : new ApiError(0, "ERROR", String(error.message ?? error), "", "");
    // Switched off here: nothing is wrong, and trying again is of no use.
    if (e.code === "UNSUPPORTED") return <Empty icon="system" title="Not part of this daemon">{e.detail || e.message}</Empty>;
    return (
        <div class="error-box" role="alert">
            <p><strong>{e.detail || e.message}</strong></p>
            <p class="muted">{e.detail ? e.message : ""}<code>{e.code}</code></p>
            {e.hint ? <p class="hint">{e.hint}</p> : null}
            {retry ? <p><button type="button" onClick={retry}>Try again</button></p> : null}
        </div>
    );
};

export const Loading = ({ rows = 4, what = "Loading" }: { rows?: number; what?: string }): VNode => (
    <div class="loading" role="status">
        <span class="hidden">{what}…</span>
        {Array.from({ length: rows }, () => <div class="bone" aria-hidden="true" />)}
    </div>
);

export const Empty = ({ icon, title, children }: { icon: IconName; title: string; children?: Child }): VNode => (
    <div class="empty"><Icon name={icon} /><p class="empty-title">{title}</p>{children ? <div class="muted">{children}</div> : null}</div>
);

export const Time = ({ value, relative, seconds, none = "–" }: { value?: string | null; relative?: boolean; seconds?: boolean; none?: string }): VNode => {
    const text = time(value, seconds);
    return text ? <time dateTime={value!} title={`${value}`}>{relative ? ago(value) : text}</time> : <span class="muted">{none}</span>;
};

export const Code = ({ children, wrap }: { children?: Child; wrap?: boolean }): VNode => <code class={wrap ? "wrap" : undefined}>{children}</code>;

/* Name and value pairs. */
export const Facts = ({ rows }: { rows: ([string, Child] | null | false)[] }): VNode => (
    <dl class="facts">
        {rows.filter((r): r is [string, Child] => Boolean(r)).map(([name, value]) => (
            <div key={name}><dt>{name}</dt><dd>{value === "" || value === null || value === undefined ? <span class="muted">–</span> : value}</dd></div>
        ))}
    </dl>
);

export const Figure = ({ name, value, note, mark }: { name: string; value: Child; note?: Child; mark?: string }): VNode => (
    <div class={`figure${mark ? ` ${mark}` : ""}`}><dt>{name}</dt><dd>{value}{note ? <small>{note}</small> : null}</dd></div>
);

/* How much of all went well, drawn. */
export const PassBar = ({ passed, failed }: { passed: number; failed: number }): VNode => {
    const all = passed + failed;
    return (
        <span class="passbar">
            <svg viewBox="0 0 100 8" preserveAspectRatio="none" role="img" aria-label={`${passed} of ${all} passed`}>
                <rect class="rest" width="100" height="8" />
                {all ? <rect class="passed" width={(100 * passed) / all} height="8" /> : null}
                {failed ? <rect class="failed" x={(100 * passed) / all} width={(100 * failed) / all} height="8" /> : null}
            </svg>
            <span class="num">{percent(passed, all)}</span>
        </span>
    );
};

export const Progress = component<{ label: string; done: number; total: number; note?: string }>((p) => {
    const id = useId("progress");
    return (
        <div class="progress">
            <label for={id}>{p.label}</label>
            {p.total > 0 ? <progress id={id} max={p.total} value={p.done} /> : <progress id={id} />}
            <span class="num muted">{p.note ?? (p.total > 0 ? percent(p.done, p.total) : "")}</span>
        </div>
    );
});

export const Field = component<{
    label: string; hint?: Child; error?: string | null; draw: (attributes: { id: string; "aria-describedby"?: string; "aria-invalid"?: string }) => Child;
}>((p) => {
    const id = useId("field");
    const notes = [p.hint ? `${id}-hint` : "", p.error ? `${id}-error` : ""].filter(Boolean).join(" ");
    return (
        <div class="field">
            <label for={id}>{p.label}</label>
            {p.draw({ id, "aria-describedby": notes || undefined, "aria-invalid": p.error ? "true" : undefined })}
            {p.hint ? <p class="hint" id={`${id}-hint`}>{p.hint}</p> : null}
            {p.error ? <p class="field-error" id={`${id}-error`}>{p.error}</p> : null}
        </div>
    );
});

interface Input {
    label: string;
    value: string;
    onValue: (value: string) => void;
    hint?: Child;
    error?: string | null;
    type?: string;
    name?: string;
    required?: boolean;
    disabled?: boolean;
    placeholder?: string;
    autocomplete?: string;
    inputmode?: string;
    lines?: number;
    maxlength?: number;
    mono?: boolean;
}

export const TextField = (p: Input): VNode => (
    <Field label={p.label} hint={p.hint} error={p.error} draw={(a) => {
        const all = {
            ...a, name: p.name, value: p.value, required: p.required, disabled: p.disabled, placeholder: p.placeholder,
            autocomplete: p.autocomplete ?? "off", inputmode: p.inputmode, class: p.mono ? "mono" : undefined, spellcheck: "false",
            maxlength: p.maxlength, onInput: (e: Event) => p.onValue((e.target as HTMLInputElement).value),
        };
        return p.lines ? <textarea rows={p.lines} {...all} /> : <input type={p.type ?? "text"} {...all} />;
    }} />
);

export const Select = (p: { label: string; value: string; options: (string | [string, string])[]; onValue: (v: string) => void; hint?: Child; name?: string }): VNode => (
    <Field label={p.label} hint={p.hint} draw={(a) => (
        <select {...a} name={p.name} value={p.value} onChange={(e: Event) => p.onValue((e.target as HTMLSelectElement).value)}>
            {p.options.map((o) => {
                const [value, text] = typeof o === "string" ? [o, o] : o;
                return <option key={value} value={value} selected={value === p.value}>{text}</option>;
            })}
        </select>
    )} />
);

export const Check = component<{ label: string; value: boolean; onValue: (v: boolean) => void; hint?: Child; disabled?: boolean }>((p) => {
    const id = useId("check");
    return (
        <div class="check">
            <input type="checkbox" id={id} checked={p.value} disabled={p.disabled} aria-describedby={p.hint ? `${id}-hint` : undefined}
                onChange={(e: Event) => p.onValue((e.target as HTMLInputElement).checked)} />
            <label for={id}>{p.label}</label>
            {p.hint ? <p class="hint" id={`${id}-hint`}>{p.hint}</p> : null}
        </div>
    );
});

export const Search = component<{ label: string; value: string; onValue: (v: string) => void; placeholder?: string }>((p) => {
    const id = useId("search");
    return (
        <div class="search" role="search" aria-label={p.label}>
            <label class="hidden" for={id}>{p.label}</label>
            <Icon name="search" />
            <input id={id} type="search" value={p.value} placeholder={p.placeholder} autocomplete="off" spellcheck="false"
                onInput={(e: Event) => p.onValue((e.target as HTMLInputElement).value)} />
        </div>
    );
});

/* Forms send themselves here: one thing at a time, its error below. */
export function useWork(): { busy: boolean; error: Error | null; work: (what: () => Promise<unknown>) => Promise<void>; clear: () => void } {
    const [busy, setBusy] = useState(false);
    const [error, setError] = useState<Error | null>(null);
    return {
        busy, error, clear: () => setError(null),
        work: async (what) => {
            setBusy(true);
            setError(null);
            try {
                await what();
            } catch (e) {
                setError(e as Error);
            } finally {
                setBusy(false);
            }
        },
    };
}

export const Form = (p: { onSend: () => void; busy?: boolean; error?: Error | null; send: string; sendBusy?: string; danger?: boolean; disabled?: boolean; cancel?: () => void; also?: Child; children?: Child; label?: string }): VNode => (
    <form aria-label={p.label ?? p.send} onSubmit={(e: Event) => { e.preventDefault(); if (!p.busy) p.onSend(); }}>
        {p.children}
        <ErrorBox error={p.error} />
        <div class="buttons">
            <button type="submit" class={p.danger ? "danger" : "primary"} disabled={p.disabled} aria-disabled={p.busy ? "true" : undefined}>{p.busy ? (p.sendBusy ?? "One moment…") : p.send}</button>
            {p.also}
            {p.cancel ? <button type="button" onClick={p.cancel}>Cancel</button> : null}
        </div>
    </form>
);

/* A window over the page; the browser keeps the focus in it, gives it back, and closes it on Escape. */
export const Dialog = component<{ title: string; onClose: () => void; wide?: boolean }>((p) => {
    const id = useId("dialog");
    const element = useRef<HTMLDialogElement | null>(null);
    useEffect(() => {
        const before = document.activeElement as HTMLElement | null;
        element.now?.showModal();
        element.now?.querySelector<HTMLElement>("input, select, textarea, .buttons button")?.focus();
        return () => { element.now?.close(); before?.focus(); };
    }, []);
    return (
        <dialog class={p.wide ? "wide" : undefined} aria-labelledby={id} ref={(e: HTMLDialogElement | null) => { if (e) element.now = e; }}
            onCancel={(e: Event) => { e.preventDefault(); p.onClose(); }}>
            <header><h2 id={id}>{p.title}</h2><button type="button" class="quiet" onClick={p.onClose} aria-label="Close"><Icon name="close" /></button></header>
            {p.children}
        </dialog>
    );
});

/* "Do you mean it?" */
export const Confirm = component<{ title: string; send: string; danger?: boolean; onSend: () => Promise<unknown>; onClose: () => void }>((p) => {
    const { busy, error, work } = useWork();
    return (
        <Dialog title={p.title} onClose={p.onClose}>
            <Form send={p.send} danger={p.danger ?? true} busy={busy} error={error} cancel={p.onClose}
                onSend={() => work(async () => { await p.onSend(); p.onClose(); })}>
                {p.children}
            </Form>
        </Dialog>
    );
});

/* A secret shown once, to be copied. */
export const Shown = component<{ value: string; label: string }>((p) => {
    const [copied, setCopied] = useState(false);
    return (
        <p class="shown">
            <span class="hidden">{p.label}: </span><code>{p.value}</code>
            <button type="button" onClick={() => navigator.clipboard?.writeText(p.value).then(() => { setCopied(true); announce("copied"); })}>{copied ? "Copied" : "Copy"}</button>
        </p>
    );
});
