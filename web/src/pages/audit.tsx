import { h } from "preact";
import { PageProps } from "../app";
import { get, Job, run } from "../api";
import { count, dayEnd, dayStart } from "../format";
import { component, useEffect, useLoad, useSettled, useState } from "../hooks";
import { useEvents } from "../events";
import { requery } from "../router";
import { Icon, Sign } from "../ui/icons";
import { announce, Code, Empty, ErrorBox, Facts, Loading, Page, Part, Progress, Search, Select, TextField, Time, useWork } from "../ui/kit";
import { More, Table } from "../ui/table";

interface Record_ {
    seq: number;
    time: string;
    kind: string;
    result: string;
    table: string;
    purpose: string;
    node?: string;
    row?: number;
    epoch: number;
    actor: string;
    text: string;
    hash: string;
}

interface Verified {
    verified: boolean;
    segments: number;
    records: number;
    signatures: number;
    first_time: string;
    last_time: string;
    signed_seq: number;
    signed_time: string;
    head_seq: number;
    head: string;
    torn_bytes: number;
    problem?: { code: string; segment: number; offset: number; seq: number; text: string };
}

const Verify = component(() => {
    const [job, setJob] = useState<Job<Verified> | null>(null);
    const [result, setResult] = useState<Verified | null>(null);
    const { busy, error, work } = useWork();
    const start = (): void => void work(async () => {
        setResult(null);
        const done = await run<Verified>("/v1/audit/verify", undefined, setJob);
        setJob(null);
        setResult(done);
        announce(done.verified ? "the chain is whole" : "the chain is broken");
    }).then(() => setJob(null));
    return (
        <Part title="The chain" note="Every record holds the hash of the one before; the token signs the newest." actions={<button type="button" disabled={busy} onClick={start}><Icon name="check" />Verify</button>}>
            <div class="stack">
                {job ? <Progress label="Verifying" done={job.done} total={job.total} /> : null}
                <ErrorBox error={error} />
                {result ? (
                    <div class="stack">
                        <p>{result.verified ? <Sign mark="good">Whole, from the first record to the last</Sign> : <Sign mark="bad">Broken: {result.problem?.text ?? "see below"}</Sign>}</p>
                        <Facts rows={[
                            ["Records", count(result.records)], ["Segments", count(result.segments)], ["Signatures", count(result.signatures)],
                            ["From", <Time value={result.first_time} seconds />], ["To", <Time value={result.last_time} seconds />],
                            ["Signed up to", `record ${count(result.signed_seq)}`], ["Head", <Code>{result.head}</Code>],
                            result.problem ? ["Where", `segment ${result.problem.segment}, byte ${result.problem.offset}, record ${result.problem.seq} (${result.problem.code})`] : null,
                        ]} />
                    </div>
                ) : job || error ? null : <p class="muted">Not verified since you came here.</p>}
            </div>
        </Part>
    );
});

const PAGE = 100;

export const Audit = component<PageProps>(({ place }) => {
    const [filter, set] = useState({ q: "", kind: "", actor: "", from: "", to: "", ...place.query } as
        { q: string; kind: string; actor: string; from: string; to: string });
    const asked = useSettled(filter, 300);
    const change = (name: string) => (value: string): void => set((before) => ({ ...before, [name]: value }));
    const badDates = asked.from && asked.to && asked.from > asked.to ? "after the first day" : null;
    const query = { ...asked, from: dayStart(asked.from), to: dayEnd(asked.to), last: PAGE };
    const found = useLoad<{ records: Record_[]; kinds: string[] }>(() => get("/v1/audit", query), [asked]);
    useEffect(() => { requery(asked); }, [asked]);
    const [older, setOlder] = useState<{ rows: Record_[]; full: boolean; busy: boolean; error: Error | null }>({ rows: [], full: false, busy: false, error: null });
    useEffect(() => { setOlder({ rows: [], full: (found.data?.records.length ?? 0) >= PAGE, busy: false, error: null }); }, [found.data]);
    const [fresh, setFresh] = useState(false);
    useEvents("audit", (name) => { if (name === "audit") setFresh(true); }, () => undefined);
    useEffect(() => setFresh(false), [found.data]);
    const rows = [...[...(found.data?.records ?? [])].reverse(), ...older.rows];
    const more = (): void => {
        setOlder((before) => ({ ...before, busy: true, error: null }));
        get<{ records: Record_[] }>("/v1/audit", { ...query, before: rows[rows.length - 1].seq }).then(
            (page) => setOlder((before) => ({ rows: [...before.rows, ...[...page.records].reverse()], full: page.records.length >= PAGE, busy: false, error: null })),
            (error) => setOlder((before) => ({ ...before, busy: false, error })));
    };
    const filtered = Object.values(asked).some((v) => v !== "");
    return (
        <Page title="Audit" lead="What was done with keys, by whom: a chain of records that can't be changed unnoticed.">
            <Verify />
            <div class="filters">
                <Search label="Search records" value={filter.q} onValue={change("q")} placeholder="Node, actor, text, number, hash" />
                <Select label="Kind" value={filter.kind} onValue={change("kind")} options={[["", "any"], ...(found.data?.kinds ?? (filter.kind ? [filter.kind] : []))]} />
                <TextField label="Actor" value={filter.actor} onValue={change("actor")} />
                <TextField label="From" type="date" value={filter.from} onValue={change("from")} />
                <TextField label="To" type="date" value={filter.to} onValue={change("to")} error={badDates} />
                {filtered ? <button type="button" class="quiet" onClick={() => set({ q: "", kind: "", actor: "", from: "", to: "" })}>Clear</button> : null}
            </div>
            {fresh ? <p class="note" role="status">There are new records. <button type="button" class="link" onClick={found.reload}>Show them</button></p> : null}
            <section class="part" aria-label="Records">
                <ErrorBox error={found.error ?? older.error} retry={found.error ? found.reload : more} />
                {!found.data ? (found.error ? null : <Loading rows={8} what="Loading records" />) : rows.length === 0 ? (
                    <Empty icon="search" title="No record fits">The whole chain was searched.</Empty>
                ) : [
                    <Table key="t" caption="Audit records, newest first" busy={found.loading} rows={rows} rowKey={(r) => r.seq} columns={[
                        { name: "Record", cell: (r) => <span class="num">{r.seq}</span> },
                        { name: "Time", cell: (r) => <Time value={r.time} seconds /> },
                        { name: "Kind", cell: (r) => <span class="nowrap">{r.kind}</span> },
                        { name: "Result", cell: (r) => <Sign mark={r.result === "OK" ? "good" : "bad"}>{r.result === "OK" ? "ok" : r.result}</Sign> },
                        { name: "Actor", cell: (r) => r.actor },
                        { name: "What", cell: (r) => <span>{r.node ? <Code>{r.node}</Code> : [r.table, r.row ? String(r.row) : ""].filter(Boolean).join(" ")} <span class="muted">{r.purpose}</span></span> },
                        { name: "Text", cell: (r) => <span class="anywhere">{r.text}</span> },
                        { name: "Hash", wide: true, cell: (r) => <Code>{r.hash.slice(0, 12)}…</Code> },
                    ]} />,
                    <More key="m" shown={rows.length} more={older.full ? more : null} busy={older.busy} />,
                ]}
            </section>
        </Page>
    );
});
