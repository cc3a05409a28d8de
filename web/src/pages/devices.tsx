import { h } from "preact";
import { PageProps } from "../app";
import { get } from "../api";
import { DeviceRow, stateMark } from "../factory";
import { component, useEffect, useLoad, useSettled, useState } from "../hooks";
import { href, requery } from "../router";
import { may } from "../session";
import { Icon, Sign } from "../ui/icons";
import { Code, Empty, ErrorBox, Loading, Page, Search, Select, TextField, Time } from "../ui/kit";
import { More, Table } from "../ui/table";

const PAGE = 50;

/* The API wants "0x" before the digits of an id; people leave it out, and "0x" alone is the beginning of one. */
const idOf = (text: string): string => (/^0x?$/i.test(text.trim()) ? "" : text.trim().replace(/^(?!0x)(?=[0-9a-f]+$)/i, "0x"));

interface Answer {
    devices: DeviceRow[];
    next?: string | number | null;
    total?: number | null;
}

export const Devices = component<PageProps>(({ session, place }) => {
    const [filter, set] = useState({
        q: "", config: "", batch: "", state: "", exported: "", code: "", ...place.query,
    } as { q: string; config: string; batch: string; state: string; exported: string; code: string });
    const settled = useSettled(filter);
    const change = (name: string) => (value: string): void => set((before) => ({ ...before, [name]: value }));
    const found = useLoad<Answer>(() => get("/v1/factory/devices", { ...settled, q: idOf(settled.q), limit: PAGE }), [settled]);
    const [more, setMore] = useState<{ rows: DeviceRow[]; next: string | number | null; error: Error | null }>({ rows: [], next: null, error: null });
    useEffect(() => { requery(settled); }, [settled]);
    useEffect(() => { setMore({ rows: [], next: found.data?.next ?? null, error: null }); }, [found.data]);
    const load = (): void => {
        get<Answer>("/v1/factory/devices", { ...settled, q: idOf(settled.q), limit: PAGE, from: more.next }).then(
            (page) => setMore((before) => ({ rows: [...before.rows, ...page.devices], next: page.next ?? null, error: null })),
            (error) => setMore((before) => ({ ...before, error })));
    };
    const rows = [...(found.data?.devices ?? []), ...more.rows];
    const filtered = Object.values(settled).some((v) => v !== "");
    return (
        <Page title="Devices" lead="Every device that a station has given a key, and whether an operator has been sent it."
            actions={may(session, "FACTORY_EXPORT") ? <a class="button" href={href(["export"], { config: settled.config, batches: settled.batch })}><Icon name="export" />Export</a> : null}>
            <div class="filters">
                <Search label="Search devices" value={filter.q} onValue={change("q")} placeholder="Node id or its first digits: 0x0001" />
                <TextField label="Configuration" value={filter.config} onValue={change("config")} mono />
                <TextField label="Batch" value={filter.batch} onValue={change("batch")} inputmode="numeric" />
                <Select label="State" value={filter.state} onValue={change("state")} options={[["", "any"], "provisioned", "keyed", "pretested"]} />
                <Select label="Exported" value={filter.exported} onValue={change("exported")} options={[["", "any"], ["yes", "yes"], ["no", "never"]]} />
                <TextField label="Return code" value={filter.code} onValue={change("code")} inputmode="numeric" />
                {filtered ? <button type="button" class="quiet" onClick={() => set({ q: "", config: "", batch: "", state: "", exported: "", code: "" })}>Clear</button> : null}
            </div>
            <section class="part" aria-label="Devices">
                <ErrorBox error={found.error ?? more.error} retry={found.reload} />
                {!found.data ? (found.error ? null : <Loading rows={8} what="Loading devices" />) : rows.length === 0 ? (
                    filtered ? <Empty icon="search" title="No device fits">
                        Widen the search: fewer filters, or a shorter id.{filter.state === "" ? <span> Devices that have had their PRETEST only are listed by themselves: <button type="button" class="link" onClick={() => change("state")("pretested")}>search them</button></span> : null}
                    </Empty>
                        : <Empty icon="devices" title="No device yet">Devices appear here when a station has given them their key.</Empty>
                ) : [
                    <Table key="t" caption="Devices" busy={found.loading} rows={rows} rowKey={(d) => d.node_id} columns={[
                        { name: "Node", cell: (d) => <a class="rowlink" href={href(["devices", d.node_id])}><code>{d.node_id}</code></a> },
                        { name: "State", cell: (d) => <Sign mark={stateMark(d.state)}>{d.state}</Sign> },
                        { name: "Configuration", cell: (d) => <Code>{d.config_id}</Code> },
                        { name: "Rev.", num: true, wide: true, cell: (d) => d.revision },
                        { name: "Batch", num: true, cell: (d) => d.batch },
                        { name: "Station", cell: (d) => d.station },
                        { name: "Operator", wide: true, cell: (d) => d.operator ?? "" },
                        { name: "Time", cell: (d) => <Time value={d.time} seconds /> },
                        { name: "Code", num: true, cell: (d) => d.return_code === null || d.return_code === undefined ? <span class="muted">–</span> : d.return_code === 0 ? "0" : <Sign mark="bad">{d.return_code}</Sign> },
                        { name: "Exported", cell: (d) => d.exported ? <Sign mark="good">{typeof d.exported === "string" ? <Time value={d.exported} /> : "yes"}</Sign> : <Sign mark="idle">never</Sign> },
                    ]} />,
                    <More key="m" shown={rows.length} total={found.data.total ?? undefined} more={more.next ? load : null} />,
                ]}
            </section>
        </Page>
    );
});
