import { h } from "preact";
import { PageProps } from "../app";
import { get, path } from "../api";
import { DeviceRow, Run, stateMark } from "../factory";
import { component, useLoad } from "../hooks";
import { href } from "../router";
import { Sign } from "../ui/icons";
import { Code, ErrorBox, Facts, Loading, Page, Part, Time } from "../ui/kit";
import { Table } from "../ui/table";

interface Details extends DeviceRow {
    runs: Run[];
    applications: { name: string; id: string; extra?: string | null }[];
    keyings: { serial: number; time: string; station: string; batch: number; config_id: string; revision: number; kcv: string }[];
    exports: { id: number; time: string; by: string }[];
}

const changes = (run: Run): string => {
    const before = run.versions_before ?? {}, after = run.versions_after ?? {};
    return [...new Set([...Object.keys(before), ...Object.keys(after)])]
        .map((name) => before[name] === after[name] || !after[name] ? `${name} ${before[name] ?? after[name]}` : `${name} ${before[name] ?? "?"} → ${after[name]}`)
        .join(", ");
};

const hardware = (run: Run): string => [
    [run.node_type, run.hardware ? `hardware ${run.hardware}` : ""].filter(Boolean).join(" "),
    run.ended && typeof run.seconds === "number" ? `${run.seconds.toFixed(1)} s` : "", run.locked ? "locked" : "",
].filter(Boolean).join(" · ");

export const Device = component<PageProps>(({ place }) => {
    const id = place.path[1];
    const found = useLoad<Details>(() => get(path`/v1/factory/devices/${id}`), [id]);
    const d = found.data;
    return (
        <Page title={id} lead={d ? <Sign mark={stateMark(d.state)}>{d.state}{d.state === "keyed" ? ": the key is recorded, its run has not ended well yet" : ""}</Sign> : null} back={{ href: href(["devices"]), text: "Devices" }}>
            <ErrorBox error={found.error} retry={found.reload} />
            {!d ? (found.error ? null : <Loading rows={6} what="Loading the device" />) : (
                <div class="stack">
                    <Part title="Device">
                        <Facts rows={[
                            ["Configuration", <span><a href={href(["overview", d.config_id], { revision: d.revision })}><Code>{d.config_id}</Code></a> rev. {d.revision}</span>],
                            ["Batch", <a href={href(["devices"], { batch: String(d.batch) })}>{d.batch}</a>],
                            ["Station", d.station],
                            ["Operator", d.operator],
                            ["Keyed", <Time value={d.time} seconds />],
                        ]} />
                    </Part>
                    <div class="split">
                        <Part title="Runs" note="Newest first.">
                            {(d.runs ?? []).length === 0 ? <p class="muted">None.</p> : (
                                <ol class="history">
                                    {[...d.runs].sort((a, b) => (b.begun ?? "").localeCompare(a.begun ?? "")).map((run) => (
                                        <li key={run.id ?? run.run}>
                                            <Sign mark={run.return_code === null ? "wait" : run.return_code === 0 ? "good" : "bad"}>
                                                {run.operation.toLowerCase()}{run.return_code === null ? ": not ended" : run.return_code === 0 ? ": passed" : `: code ${run.return_code}`}
                                            </Sign>
                                            <p><Time value={run.begun} seconds /> · {run.station}{run.operator ? ` · ${run.operator}` : ""} · batch {run.batch}</p>
                                            {run.text ? <p>{run.text}</p> : null}
                                            {changes(run) ? <p>{changes(run)}</p> : null}
                                            {hardware(run) ? <p class="muted">{hardware(run)}</p> : null}
                                        </li>
                                    ))}
                                </ol>
                            )}
                        </Part>
                        <div class="stack">
                            <Part title="Exports">
                                {(d.exports ?? []).length === 0 ? <p><Sign mark="idle">Never exported</Sign></p> : (
                                    <ul class="feed">
                                        {d.exports.map((e) => (
                                            <li key={e.id}><Sign mark="good">Export {e.id}</Sign><Time value={e.time} /><span class="muted">{e.by}</span></li>
                                        ))}
                                    </ul>
                                )}
                            </Part>
                            <Part title="Keys it was given" note="The newest counts; by their check values.">
                                {(d.keyings ?? []).length === 0 ? <p class="muted">None.</p> : (
                                    <Table caption="Keys, newest first" rows={[...d.keyings].sort((a, b) => b.serial - a.serial)} rowKey={(k) => k.serial} columns={[
                                        { name: "Check value", cell: (k) => <Code>{k.kcv}</Code> },
                                        { name: "Time", cell: (k) => <Time value={k.time} seconds /> },
                                        { name: "Station", cell: (k) => k.station },
                                        { name: "Batch", num: true, cell: (k) => k.batch },
                                    ]} />
                                )}
                            </Part>
                            {(d.applications ?? []).length ? (
                                <Part title="Applications" note="Their keys are encrypted to the operator and shown nowhere.">
                                    <Table caption="Applications" rows={d.applications} rowKey={(a) => a.name} columns={[
                                        { name: "Name", cell: (a) => a.name },
                                        { name: "Id", cell: (a) => <Code>{a.id}</Code> },
                                    ]} />
                                </Part>
                            ) : null}
                        </div>
                    </div>
                </div>
            )}
        </Page>
    );
});
