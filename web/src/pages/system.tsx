import { h } from "preact";
import { PageProps } from "../app";
import { get, Job, path, post, run, save, withQuery } from "../api";
import { ago, count, size } from "../format";
import { component, useEffect, useLoad, useState } from "../hooks";
import { useEvents } from "../events";
import { may } from "../session";
import { Icon, Mark, Sign } from "../ui/icons";
import { announce, Code, ErrorBox, Facts, Figure, Loading, Page, Part, Progress, Time, useWork } from "../ui/kit";
import { Table } from "../ui/table";

export interface Status {
    version: string;
    pid: number;
    started: string;
    configuration: string;
    store: { url: string; bytes: number; log_bytes: number; commits: number; schema: number };
    keeper: {
        token: string; token_ready: boolean; domains: number; released: number; exported: number; imported: number; generated: number; refused: number;
        malformed: number; records: number; syncs: number; started: number; head: string;
    };
    services: { service: string; state: string }[];
    queues: { queue: string; waiting: number; running: number; waiting_max: number }[];
    counts: { networks: number; gateways: number; nodes: number; revoked: number; destroyed: number };
}

const queueNames: { [queue: string]: string } = {
    requests: "requests", line: "requests of stations", jobs: "jobs", store: "commits to the store", files: "files on their way", imports: "imports to be decided upon",
};

interface Backup { name: string; download: number; bytes: number; packages: { name: string; bytes: number; missing: number } | null }

const JOBS_MAX = 20;
export const serviceMark = (state: string): Mark => (/^off\b/i.test(state) ? "idle" : /\b(down|failed|not|stopped|disabled)\b/i.test(state) ? "warn" : "good");

export const System = component<PageProps>(({ session }) => {
    const found = useLoad<Status>(() => get("/v1/status"), []);
    const [jobs, setJobs] = useState<Job<unknown>[]>([]);
    const loadJobs = (): void => {
        if (may(session, "JOB")) void get<{ jobs: Job<unknown>[] }>("/v1/jobs").then((known) => setJobs(known.jobs.slice(0, JOBS_MAX))).catch(() => undefined);
    };
    useEffect(loadJobs, []);
    useEvents(may(session, "JOB") ? "status,jobs" : "status", (name, data) => {
        const job = data as Job<unknown>;
        if (name !== "job" || typeof job?.job !== "number") return;
        setJobs((before) => [job, ...before.filter((j) => j.job !== job.job)].sort((a, b) => b.job - a.job).slice(0, JOBS_MAX));
        if (job.state === "failed") loadJobs(); // the list says why
    }, () => { found.reload(); loadJobs(); });
    const [job, setJob] = useState<Job<unknown> | null>(null);
    const [made, setMade] = useState<Backup | null>(null);
    const { busy, error, work } = useWork();
    const s = found.data;
    const backup = (): void => void work(async () => {
        setMade(null);
        const done = await run<Backup>("/v1/backup", { download: true }, setJob as never);
        save(path`/v1/downloads/${done.download}`, done.name);
        setMade(done);
        announce("the backup is made");
    }).then(() => setJob(null));
    const reload = (): void => void work(async () => {
        await post("/v1/reload");
        announce("configuration read again");
        found.reload();
    });
    return (
        <Page title="System" lead={s ? <span>Claviger {s.version}, since <Time value={s.started} /></span> : null}
            actions={[
                may(session, "NETWORK_MANAGE") ? <button key="r" type="button" disabled={busy} onClick={reload}><Icon name="rotate" />Read the configuration again</button> : null,
                may(session, "BACKUP") ? <button key="b" type="button" disabled={busy} onClick={backup}><Icon name="export" />Back up</button> : null,
            ]}>
            <ErrorBox error={found.error ?? error} retry={found.error ? found.reload : undefined} />
            {made?.packages ? <p class="note">The copy of the store is saved. At this factory, take the <a href={withQuery(path`/v1/downloads/${made.download}`, { part: ".packages" })} download={made.packages.name}>files of the packages</a>, too.</p> : null}
            {job ? <Progress label={`Backing up: ${job.stage || job.state}`} done={job.done} total={job.total} /> : null}
            {!s ? (found.error ? null : <Loading rows={8} what="Loading" />) : (
                <div class="stack">
                    <dl class="figures">
                        <Figure name="Token" value={<Sign mark={s.keeper.token_ready ? "good" : "bad"}>{s.keeper.token_ready ? "ready" : "away"}</Sign>} />
                        <Figure name="Running for" value={ago(s.started).replace(" ago", "")} />
                        <Figure name="Keys released" value={count(s.keeper.released)} />
                        <Figure name="Refused" value={count(s.keeper.refused)} />
                        <Figure name="Store" value={size(s.store.bytes)} />
                    </dl>
                    <div class="columns">
                        <div class="stack">
                            <Part title="Services">
                                {s.services.length === 0 ? <p class="muted">None is on.</p> : (
                                    <Table caption="Services" rows={s.services} rowKey={(v) => v.service} columns={[
                                        { name: "Service", cell: (v) => v.service },
                                        { name: "State", cell: (v) => <Sign mark={serviceMark(v.state)}>{v.state}</Sign> },
                                    ]} />
                                )}
                            </Part>
                            <Part title="Queues" note="What waits now; more than the most is refused.">
                                <Table caption="Queues" rows={s.queues} rowKey={(q) => q.queue} columns={[
                                    { name: "Queue", cell: (q) => queueNames[q.queue] ?? q.queue },
                                    { name: "Waiting", num: true, cell: (q) => q.waiting * 2 > q.waiting_max ? <Sign mark="warn">{count(q.waiting)}</Sign> : count(q.waiting) },
                                    { name: "Under way", num: true, cell: (q) => count(q.running) },
                                    { name: "Most", num: true, cell: (q) => count(q.waiting_max) },
                                ]} />
                            </Part>
                            <Part title="Counts">
                                <Facts rows={[
                                    ["Networks", count(s.counts.networks)], ["Gateways", count(s.counts.gateways)], ["Nodes", count(s.counts.nodes)], ["Revoked", count(s.counts.revoked)], ["Destroyed", count(s.counts.destroyed)],
                                    ]} />
                            </Part>
                        </div>
                        <div class="stack">
                            <Part title="Token and keeper">
                                <Facts rows={[
                                    ["Token", s.keeper.token], ["Domain keys in memory", count(s.keeper.domains)], ["Exported", count(s.keeper.exported)], ["Imported", count(s.keeper.imported)],
                                    ["Generated", count(s.keeper.generated)], ["Malformed requests", count(s.keeper.malformed)], ["Audit records", count(s.keeper.records)], ["Syncs of the chain", count(s.keeper.syncs)],
                                    s.keeper.head ? ["Head of the chain", <Code>{s.keeper.head}</Code>] : null,
                                ]} />
                            </Part>
                            <Part title="Store">
                                <Facts rows={[
                                    ["Where", <Code>{s.store.url}</Code>], ["Size", size(s.store.bytes)], ["Log", size(s.store.log_bytes)], ["Commits since start", count(s.store.commits)], ["Schema", s.store.schema],
                                    ["Configuration", <Code>{s.configuration}</Code>], ["Process", s.pid],
                                ]} />
                            </Part>
                        </div>
                    </div>
                    {may(session, "JOB") ? (
                        <Part title="Jobs" note="Long work of the last hour.">
                            {jobs.length === 0 ? <p class="muted">None.</p> : (
                                <Table caption="Jobs" rows={jobs} rowKey={(j) => j.job} columns={[
                                    { name: "Job", cell: (j) => j.job },
                                    { name: "What", cell: (j) => j.kind },
                                    { name: "State", cell: (j) => <Sign mark={j.state === "done" ? "good" : j.state === "failed" ? "bad" : "wait"}>{j.state}</Sign> },
                                    { name: "Stage", cell: (j) => j.stage },
                                    { name: "Done", num: true, cell: (j) => (j.total ? `${count(j.done)} of ${count(j.total)}` : count(j.done)) },
                                    { name: "Error", cell: (j) => (j.error ? [j.error.text, j.error.detail].filter(Boolean).join(": ") : "") },
                                ]} />
                            )}
                        </Part>
                    ) : null}
                </div>
            )}
        </Page>
    );
});
