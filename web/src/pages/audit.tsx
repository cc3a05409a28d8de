import { h } from "preact";
import { PageProps } from "../app";
import { get, Job, run } from "../api";
import { count } from "../format";
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

export const Audit = component<PageProps>(({ place }) => {
    const [q, setQ] = useState(place.query.q ?? "");
    const [kind, setKind] = useState(place.query.kind ?? "");
    const [actor, setActor] = useState(place.query.actor ?? "");
    const [last, setLast] = useState(100);
    const asked = useSettled(`${kind}\n${actor}`);
    const found = useLoad<{ records: Record_[] }>(() => get("/v1/audit", { last, kind: asked.split("\n")[0], actor: asked.split("\n")[1] }), [asked, last]);
    useEffect(() => { requery({ q, kind, actor }); }, [q, asked]);
    const [fresh, setFresh] = useState(false);
    useEvents("audit", (name) => { if (name === "audit") setFresh(true); }, () => undefined);
    useEffect(() => setFresh(false), [found.data]);
    const all = [...(found.data?.records ?? [])].reverse();
    const needle = q.toLowerCase();
    const rows = all.filter((r) => !needle || `${r.seq} ${r.kind} ${r.result} ${r.node ?? ""} ${r.actor} ${r.text} ${r.table} ${r.purpose}`.toLowerCase().includes(needle));
    const [kinds, setKinds] = useState<string[]>([]);
    useEffect(() => { setKinds((before) => [...new Set([...before, ...all.map((r) => r.kind), ...(kind ? [kind] : [])])].sort()); }, [found.data]);
    return (
        <Page title="Audit" lead="What was done with keys, by whom: a chain of records that can't be changed unnoticed.">
            <Verify />
            <div class="filters">
                <Search label="Search these records" value={q} onValue={setQ} placeholder="In these records: node, actor, text" />
                <Select label="Kind" value={kind} onValue={setKind} options={[["", "any"], ...kinds]} />
                <TextField label="Actor" value={actor} onValue={setActor} />
                <Select label="Newest" value={String(last)} onValue={(v) => setLast(Number(v))} options={["100", "500", "2000", "20000"]} />
            </div>
            {fresh ? <p class="note" role="status">There are new records. <button type="button" class="link" onClick={found.reload}>Show them</button></p> : null}
            <section class="part" aria-label="Records">
                <ErrorBox error={found.error} retry={found.reload} />
                {!found.data ? (found.error ? null : <Loading rows={8} what="Loading records" />) : rows.length === 0 ? (
                    <Empty icon="search" title="No record fits">{q ? "Only the newest records are searched: show more of them." : null}</Empty>
                ) : [
                    <Table key="t" caption="Audit records, newest first" busy={found.loading} rows={rows.slice(0, 500)} rowKey={(r) => r.seq} columns={[
                        { name: "Record", cell: (r) => <span class="num">{r.seq}</span> },
                        { name: "Time", cell: (r) => <Time value={r.time} seconds /> },
                        { name: "Kind", cell: (r) => <span class="nowrap">{r.kind}</span> },
                        { name: "Result", cell: (r) => <Sign mark={r.result === "OK" ? "good" : "bad"}>{r.result === "OK" ? "ok" : r.result}</Sign> },
                        { name: "Actor", cell: (r) => r.actor },
                        { name: "What", cell: (r) => <span>{r.node ? <Code>{r.node}</Code> : [r.table, r.row ? String(r.row) : ""].filter(Boolean).join(" ")} <span class="muted">{r.purpose}</span></span> },
                        { name: "Text", cell: (r) => r.text },
                        { name: "Hash", wide: true, cell: (r) => <Code>{r.hash.slice(0, 12)}…</Code> },
                    ]} />,
                    <More key="m" shown={Math.min(500, rows.length)} total={rows.length} />,
                ]}
            </section>
        </Page>
    );
});
