import { h } from "preact";
import { PageProps } from "../app";
import { get, Job, path, run, save, withQuery } from "../api";
import { count, dayEnd, dayStart, plural } from "../format";
import { component, useLoad, useState } from "../hooks";
import { href } from "../router";
import { PackageRow } from "../factory";
import { Icon } from "../ui/icons";
import { announce, Check, Code, Empty, ErrorBox, Form, Loading, Page, Part, Progress, Select, TextField, Time, useWork } from "../ui/kit";
import { Table } from "../ui/table";

interface Result {
    export: number;
    devices: number;
    download: number;
}

interface Past {
    id: number;
    time: string;
    by: string;
    devices: number;
    config_id: string | null;
    batches: string | null;
    nodes: string | null;
    from: string | null;
    to: string | null;
    only_new: boolean;
}

const FILE = "device_keys.xml";
const rangeOf = (pattern: string): RegExp => new RegExp(`^\\s*$|^\\s*${pattern}(\\s*-\\s*${pattern})?(\\s*,\\s*${pattern}(\\s*-\\s*${pattern})?)*\\s*$`, "i");
const batchList = rangeOf("(0x[0-9a-f]{1,8}|\\d{1,10})"), nodeList = rangeOf("(0x)?[0-9a-f]{1,16}");

const selection = (e: Past): string => [
    e.config_id ? `configuration ${e.config_id}` : "", e.batches ? `batches ${e.batches}` : "", e.nodes ? `nodes ${e.nodes}` : "",
    e.from ? `from ${e.from.slice(0, 10)}` : "", e.to ? `to ${e.to.slice(0, 10)}` : "", e.only_new ? "never exported before" : "",
].filter(Boolean).join(", ") || "everything";

const Earlier = component<{ list: Past[]; repeat: (id: number) => void; busy: boolean }>((p) => p.list.length === 0 ? (
    <Empty icon="export" title="Nothing was exported yet">Each export is recorded here and can be repeated: the same devices, the same bytes.</Empty>
) : (
    <Table caption="Earlier exports, newest first" rows={p.list} rowKey={(e) => e.id} columns={[
        { name: "Export", cell: (e) => e.id },
        { name: "Time", cell: (e) => <Time value={e.time} /> },
        { name: "By", cell: (e) => e.by },
        { name: "Devices", num: true, cell: (e) => count(e.devices) },
        { name: "Selection", cell: selection },
        { name: "Repeat", shy: true, cell: (e) => <div class="actions"><button type="button" disabled={p.busy} aria-label={`Repeat export ${e.id}`} onClick={() => p.repeat(e.id)}><Icon name="rotate" />Repeat</button></div> },
    ]} />
));

export const Export = component<PageProps>(({ place }) => {
    const [config, setConfig] = useState(place.query.config ?? "");
    const [batches, setBatches] = useState(place.query.batches ?? "");
    const [nodes, setNodes] = useState("");
    const [from, setFrom] = useState("");
    const [to, setTo] = useState("");
    const [onlyNew, setOnlyNew] = useState(true);
    const [counted, setCounted] = useState<number | null>(null);
    const [job, setJob] = useState<Job<Result> | null>(null);
    const [done, setDone] = useState<Result | null>(null);
    const { busy, error, work } = useWork();
    const packages = useLoad<{ packages: PackageRow[] }>(() => get("/v1/factory/packages", { limit: 500 }), []);
    const past = useLoad<{ exports: Past[] }>(() => get("/v1/factory/exports"), []);

    const changed = <T,>(set: (value: T) => void) => (value: T): void => {
        set(value);
        setCounted(null);
        setDone(null);
    };
    const badBatches = batchList.test(batches) ? null : "numbers and ranges, such as 1-3, 7";
    const badNodes = nodeList.test(nodes) ? null : "hexadecimal ids and ranges, such as 0x10200-0x102ff";
    const badDates = from && to && from > to ? "after the first day" : null;
    const bad = Boolean(badBatches || badNodes || badDates);
    const body = (): object => ({
        ...(config ? { config_id: config } : {}), ...(batches.trim() ? { batches: batches.replace(/\s/g, "") } : {}),
        ...(nodes.trim() ? { nodes: nodes.replace(/\s/g, "").replace(/(^|[-,])(?!0x)(?=[0-9a-f])/gi, "$10x") } : {}),
        ...(dayStart(from) ? { from: dayStart(from) } : {}), ...(dayEnd(to) ? { to: dayEnd(to) } : {}), only_new: onlyNew,
    });
    const preview = (): Promise<void> => work(async () => {
        const result = await run<Result>("/v1/factory/exports", { ...body(), count_only: true }, setJob);
        setJob(null);
        setCounted(result.devices);
        announce(plural(result.devices, "device"));
    });
    const fetched = (result: Result): void => {
        setJob(null);
        setDone(result);
        announce(`${plural(result.devices, "device")} exported`);
        save(path`/v1/downloads/${result.download}`, FILE);
        past.reload();
    };
    const send = (): Promise<void> => work(async () => {
        setDone(null);
        fetched(await run<Result>("/v1/factory/exports", body(), setJob));
    }).then(() => setJob(null));
    const repeat = (id: number): void => void work(async () => {
        setDone(null);
        fetched(await run<Result>(path`/v1/factory/exports/${id}/repeat`, undefined, setJob));
    }).then(() => setJob(null));

    return (
        <Page title="Export" lead="device_keys.xml for the operator: each device's key as it came from the line, encrypted to the operator's public key.">
            <div class="split">
                <Part title="Which devices">
                    <Form send="Export" sendBusy="Exporting…" busy={busy} error={error} disabled={bad} label="Export devices" also={[
                        <button key="count" type="button" disabled={bad || busy} onClick={() => void preview()}>Count</button>,
                        <span key="counted" role="status" class="counted muted num">{counted === null ? "" : `${plural(counted, "device")} would be exported`}</span>,
                    ]} onSend={() => void send()}>
                        <Select label="Configuration" name="config" value={config} onValue={changed(setConfig)} options={[
                            ["", "every one"],
                            ...(config && !packages.data?.packages.some((p) => p.config_id === config) ? [[config, config] as [string, string]] : []),
                            ...(packages.data?.packages ?? []).map((p): [string, string] => [p.config_id, `${p.config_id} · ${p.label}`]),
                        ]} />
                        <div class="pair">
                            <TextField label="Batches" name="batches" value={batches} onValue={changed(setBatches)} error={badBatches} mono hint="Numbers and ranges: 1-3, 7, 0x10" />
                            <TextField label="Node ids" name="nodes" value={nodes} onValue={changed(setNodes)} error={badNodes} mono hint="Hexadecimal: 0x10200-0x102ff" />
                            <TextField label="From" name="from" type="date" value={from} onValue={changed(setFrom)} />
                            <TextField label="To" name="to" type="date" value={to} onValue={changed(setTo)} error={badDates} hint="That day included." />
                        </div>
                        <Check label="Only devices never exported before" value={onlyNew} onValue={changed(setOnlyNew)} />
                    </Form>
                    {job ? <Progress label="Writing the file" done={job.done} total={job.total} note={job.done ? `${count(job.done)} devices` : ""} /> : null}
                    {done ? <p class="note">Export {done.export} holds {plural(done.devices, "device")}. <a href={withQuery(path`/v1/downloads/${done.download}`, {})} download={FILE}>Save {FILE}</a> and <a href={withQuery(path`/v1/downloads/${done.download}`, { part: ".sig" })} download={`${FILE}.sig`}>its signature</a></p> : null}
                </Part>
                <Part title="Before you send it">
                    <div class="stack">
                        <p>The operator imports the file with <Code>claviger batch import</Code>, and by the signature beside it knows that it is yours: send both. Only the operator's token can open the keys in it; here they can't be read.</p>
                        <p>Devices in the state <em>keyed</em> are not taken: their run has not ended well. <a href={href(["devices"], { state: "keyed" })}>Show them</a></p>
                        <p><a href={href(["devices"], { exported: "no" })}>Devices never exported</a></p>
                    </div>
                </Part>
            </div>
            <Part title="Earlier exports">
                <ErrorBox error={past.error} retry={past.reload} />
                {past.data ? <Earlier list={past.data.exports ?? []} repeat={repeat} busy={busy} /> : past.error ? null : <Loading rows={3} />}
            </Part>
        </Page>
    );
});
