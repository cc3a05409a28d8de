import { h } from "preact";
import { PageProps } from "../app";
import { get } from "../api";
import { LineState, Run } from "../factory";
import { ago, clock, count, percent, plural } from "../format";
import { component, useEffect, useInterval, useLoad, useRef, useState } from "../hooks";
import { href, requery } from "../router";
import { useEvents } from "../events";
import { Sign } from "../ui/icons";
import { Code, Empty, ErrorBox, Figure, Loading, Page, Part, PassBar, Select } from "../ui/kit";
import { Table } from "../ui/table";
import type { LineChart } from "../chart";

const FEED_MAX = 14;
const BARS = 96; // at most

interface Shown {
    run: string;
    at: string;
    node: string | null;
    station: string;
    code: number;
}

/* A run that has ended, as a line of the list. */
const shownOf = (run: Run): Shown | null => typeof run?.return_code !== "number" ? null
    : { run: run.run, at: run.ended ?? run.begun, node: run.node_id, station: run.station, code: run.return_code };

const Chart = component<{ rows: LineState["chart"] }>((p) => {
    const canvas = useRef<HTMLCanvasElement | null>(null);
    const chart = useRef<LineChart | null>(null);
    const [error, setError] = useState<Error | null>(null);
    const rows = useRef(p.rows);
    rows.now = p.rows;
    useEffect(() => {
        let gone = false;
        // The library comes with this page only.
        import("../chart").then(({ drawLine }) => {
            if (!gone && canvas.now) chart.now = drawLine(canvas.now, rows.now);
        }, setError);
        const again = (): void => chart.now?.restyle();
        const scheme = matchMedia("(prefers-color-scheme: dark)");
        scheme.addEventListener("change", again);
        addEventListener("themechange", again);
        return () => {
            gone = true;
            scheme.removeEventListener("change", again);
            removeEventListener("themechange", again);
            chart.now?.end();
        };
    }, []);
    useEffect(() => chart.now?.update(p.rows), [p.rows]);
    const passed = p.rows.reduce((n, r) => n + r.passed, 0), failed = p.rows.reduce((n, r) => n + r.failed, 0);
    const best = p.rows.reduce((a, r) => (r.passed + r.failed > a.passed + a.failed ? r : a), p.rows[0] ?? { time: "", passed: 0, failed: 0 });
    const words = passed + failed === 0 ? "No run in this time."
        : `${plural(passed, "run")} passed and ${count(failed)} failed; most at ${clock(best.time)}: ${best.passed + best.failed}.`;
    return (
        <figure>
            <ErrorBox error={error} />
            <div class="line-chart"><canvas role="img" aria-label={`Runs over time. ${words}`} ref={(e: HTMLCanvasElement) => { if (e) canvas.now = e; }} /></div>
            <figcaption class="legend">
                <span class="key"><svg viewBox="0 0 12 12" aria-hidden="true"><rect class="passed" width="12" height="12" rx="2" /></svg>passed</span>
                <span class="key"><svg viewBox="0 0 12 12" aria-hidden="true"><path class="failed" d="M0 0h12v12H0z" /></svg>failed</span>
                <span class="muted">{words}</span>
            </figcaption>
        </figure>
    );
});

const stateWords = { connecting: "connecting", live: "live", polling: "every few seconds" };

export const Line = component<PageProps>(({ place }) => {
    const minutes = place.query.minutes ?? "60";
    const found = useLoad<LineState>(() => get("/v1/factory/line", { minutes, points: BARS }), [minutes]);
    const [feed, setFeed] = useState<Shown[]>([]);
    const state = useEvents("line", (name, data) => {
        const shown = name === "run" ? shownOf(data as Run) : null;
        if (shown) setFeed((before) => [shown, ...before.filter((f) => f.run !== shown.run)].slice(0, FEED_MAX));
    }, found.reload);
    useEffect(() => {
        get<{ runs: Run[] }>("/v1/factory/runs", { limit: FEED_MAX }).then(
            ({ runs }) => setFeed((before) => [...before, ...runs.map(shownOf).filter((f): f is Shown => f !== null && !before.some((b) => b.run === f.run))].slice(0, FEED_MAX)),
            () => undefined); // the figures above say what is wrong
    }, []);
    const [, tick] = useState(0);
    useInterval(() => tick((n) => n + 1), 15_000); // "3 min ago" grows older
    const line = found.data;
    const passed = line?.chart.reduce((n, c) => n + c.passed, 0) ?? 0, failed = line?.chart.reduce((n, c) => n + c.failed, 0) ?? 0;
    return (
        <Page title="Line" lead={<Sign mark={state === "live" ? "good" : state === "polling" ? "warn" : "wait"} live={state === "live"}>{stateWords[state]}</Sign>}
            actions={<div class="inline"><Select label="Time" value={minutes} onValue={(v) => requery({ minutes: v })}
                options={[["15", "15 minutes"], ["60", "1 hour"], ["480", "8 hours"], ["1440", "24 hours"]]} /></div>}>
            <ErrorBox error={found.error} retry={found.reload} />
            {!line ? (found.error ? null : <Loading rows={8} what="Loading the line" />) : (
                <div class="stack">
                    <dl class="figures">
                        <Figure name="Runs" value={count(passed + failed)} />
                        <Figure name="Passed" value={count(passed)} note={percent(passed, passed + failed)} />
                        <Figure name="Failed" value={count(failed)} mark={failed ? "bad" : undefined} />
                        <Figure name="Stations" value={count(line.stations.length)} note={`${line.stations.filter((s) => s.busy).length} busy`} />
                    </dl>
                    <Part title="Runs over time"><Chart rows={line.chart} /></Part>
                    <div class="split">
                        <div class="stack">
                            <Part title="Stations">
                                {line.stations.length === 0 ? <Empty icon="line" title="No station in this time">They appear with their first run.</Empty> : (
                                    <ul class="stations">
                                        {line.stations.map((s) => (
                                            <li key={s.name} class="station">
                                                <header><h3>{s.name}</h3><Sign mark={s.busy ? "good" : "idle"} live={Boolean(s.busy)}>{s.busy ? "busy" : "idle"}</Sign></header>
                                                <PassBar passed={s.passed} failed={s.failed} />
                                                <p>{count(s.passed)} passed, {count(s.failed)} failed</p>
                                                <p>{s.operator ? `${s.operator} · ` : ""}{ago(s.last)}</p>
                                            </li>
                                        ))}
                                    </ul>
                                )}
                            </Part>
                            <Part title="Return codes" note="What ended badly, and what to do about it.">
                                {line.codes.every((c) => c.code === 0) ? <Empty icon="check" title="Nothing failed" /> : (
                                    <Table caption="Return codes by how often" rows={line.codes.filter((c) => c.code !== 0)} rowKey={(c) => c.code} columns={[
                                        { name: "Code", cell: (c) => <a href={href(["devices"], { code: String(c.code) })}><Sign mark="bad">{c.code}</Sign></a> },
                                        { name: "Runs", num: true, cell: (c) => count(c.count) },
                                        { name: "Meaning", cell: (c) => c.text },
                                        { name: "What to do", cell: (c) => c.action },
                                    ]} />
                                )}
                            </Part>
                        </div>
                        <div class="stack">
                            <Part title="Batches">
                                {line.batches.length === 0 ? <Empty icon="devices" title="No batch in this time" /> : (
                                    <Table caption="Batches" rows={line.batches} rowKey={(b) => b.batch} columns={[
                                        { name: "Batch", cell: (b) => <a href={href(["devices"], { batch: String(b.batch) })}>{b.batch}</a> },
                                        { name: "Passed", num: true, cell: (b) => count(b.passed) },
                                        { name: "Failed", num: true, cell: (b) => count(b.failed) },
                                        { name: "Share", cell: (b) => <PassBar passed={b.passed} failed={b.failed} /> },
                                    ]} />
                                )}
                            </Part>
                            <Part title="As it happens">
                                {feed.length === 0 ? <p class="muted">{state === "polling" ? "Live events do not come through; the figures are asked for every few seconds." : "Nothing yet."}</p> : (
                                    <ul class="feed" aria-label="Latest runs">
                                        {feed.map((f) => (
                                            <li key={f.run}>
                                                <time dateTime={f.at}>{clock(f.at, true)}</time>
                                                <Sign mark={f.code === 0 ? "good" : "bad"}>{f.code === 0 ? "passed" : `code ${f.code}`}</Sign>
                                                {f.node ? <a href={href(["devices", f.node])}><Code>{f.node}</Code></a> : <span class="muted">no node</span>}
                                                <span class="muted">{f.station}</span>
                                            </li>
                                        ))}
                                    </ul>
                                )}
                            </Part>
                        </div>
                    </div>
                </div>
            )}
        </Page>
    );
});
