import { h } from "preact";
import { PageProps } from "../app";
import { get, path, post } from "../api";
import { KeyVersion, NetworkRow, newest, NodeRow } from "../fleet";
import { count } from "../format";
import { stateMark } from "../factory";
import { component, useEffect, useLoad, useSettled, useState } from "../hooks";
import { href, requery } from "../router";
import { may } from "../session";
import { Icon, Sign } from "../ui/icons";
import { Code, Confirm, Dialog, Empty, ErrorBox, Facts, Figure, Loading, Page, Part, Select, TextField, Time } from "../ui/kit";
import { More, Table } from "../ui/table";

const PAGE = 50;
const keyNames: { [key: string]: string } = { gateway: "Gateway key", gateway_cdld: "Code download key" };

interface Details extends NodeRow {
    written: string | null;
    operation: string;
    actor: string;
    versions: number;
    history: { reprovisioned: number; batch: number; epoch: number; replaced: string | null }[];
}

const NodeDialog = component<{ network: string; id: string; onClose: () => void }>((p) => {
    const found = useLoad<Details>(() => get(path`/v1/networks/${p.network}/nodes/${p.id}`), [p.id]);
    const n = found.data;
    return (
        <Dialog title={p.id} onClose={p.onClose}>
            <ErrorBox error={found.error} />
            {!n ? (found.error ? null : <Loading rows={3} />) : (
                <div class="stack">
                    <Facts rows={[
                        ["State", <Sign mark={stateMark(n.state)}>{n.state}</Sign>], ["Batch", n.batch], ["Epoch", n.epoch], ["Written", <Time value={n.written} seconds />],
                        ["By", n.actor], ["Operation", n.operation], ["Reprovisioned", n.reprovisioned],
                    ]} />
                    {n.history?.length ? (
                        <Table caption="Keys it had before" rows={n.history} rowKey={(_, i) => i} columns={[
                            { name: "Replaced", cell: (v) => <Time value={v.replaced} /> }, { name: "Batch", num: true, cell: (v) => v.batch }, { name: "Epoch", num: true, cell: (v) => v.epoch },
                        ]} />
                    ) : null}
                </div>
            )}
        </Dialog>
    );
});

function Versions({ name, list, rotate }: { name: string; list: KeyVersion[]; rotate: (() => void) | null }) {
    return (
        <div key={name}>
            <div class="beside"><h3>{keyNames[name] ?? name}</h3>{rotate ? <button type="button" aria-label={`Rotate ${(keyNames[name] ?? name).toLowerCase()}`} onClick={rotate}><Icon name="rotate" />Rotate</button> : null}</div>
            <ul class="versions">
                {list.map((k) => (
                    <li key={k.version} class={`tag${k.state === "active" ? " current" : k.state === "destroyed" ? " gone" : ""}`} title={`created ${k.created}`}>v{k.version} {k.state}{k.activates && new Date(k.activates).getTime() > Date.now() ? <span>, from <Time value={k.activates} /></span> : null}</li>
                ))}
            </ul>
        </div>
    );
}

const Nodes = component<{ network: string; batches: { batch: number }[] }>((p) => {
    const [batch, setBatch] = useState("");
    const [state, setState] = useState("");
    const [from, setFrom] = useState("");
    const settled = useSettled(from);
    const [rows, setRows] = useState<NodeRow[]>([]);
    const [full, setFull] = useState(false);
    const [shown, setShown] = useState<string | null>(null);
    const good = settled === "" || /^(0x)?[0-9a-f]{1,16}$/i.test(settled);
    const query = { limit: PAGE, batch, state };
    const found = useLoad<{ nodes: NodeRow[] }>(() => get(path`/v1/networks/${p.network}/nodes`, { ...query, from: good ? settled : "" }), [batch, state, good ? settled : ""]);
    useEffect(() => {
        setRows(found.data?.nodes ?? []);
        setFull((found.data?.nodes.length ?? 0) >= PAGE);
    }, [found.data]);
    const more = async (): Promise<void> => {
        const last = rows[rows.length - 1].id;
        const next = `0x${(BigInt(last) + 1n).toString(16)}`;
        const page = await get<{ nodes: NodeRow[] }>(path`/v1/networks/${p.network}/nodes`, { ...query, from: next });
        setRows([...rows, ...page.nodes]);
        setFull(page.nodes.length >= PAGE);
    };
    return (
        <Part title="Nodes">
            <div class="filters">
                <TextField label="From id" value={from} onValue={setFrom} mono error={good ? null : "a hexadecimal id"} />
                <Select label="Batch" value={batch} onValue={setBatch} options={[["", "any"], ...p.batches.map((b): [string, string] => [String(b.batch), String(b.batch)])]} />
                <Select label="State" value={state} onValue={setState} options={[["", "any"], "active", "revoked", "destroyed"]} />
            </div>
            <ErrorBox error={found.error} retry={found.reload} />
            {!found.data ? <Loading rows={4} /> : rows.length === 0 ? <Empty icon="devices" title="No node fits" /> : (
                <Table caption="Nodes in order of their ids" rows={rows} rowKey={(n) => n.id} columns={[
                    { name: "Node", cell: (n) => <button type="button" class="link" onClick={() => setShown(n.id)}><code>{n.id}</code></button> },
                    { name: "State", cell: (n) => <Sign mark={stateMark(n.state)}>{n.state}</Sign> },
                    { name: "Batch", num: true, cell: (n) => n.batch },
                    { name: "Reprovisioned", num: true, cell: (n) => n.reprovisioned },
                    { name: "Epoch", num: true, cell: (n) => n.epoch },
                ]} />
            )}
            {rows.length ? <More shown={rows.length} more={full ? () => void more() : null} /> : null}
            {shown !== null ? <NodeDialog network={p.network} id={shown} onClose={() => setShown(null)} /> : null}
        </Part>
    );
});

export const Network = component<PageProps>(({ session, place }) => {
    const name = place.path[1];
    const found = useLoad<NetworkRow>(() => get(path`/v1/networks/${name}`, { counts: 1 }), [name]);
    const batches = useLoad<{ batches: { batch: number; nodes: number; when: string; actor: string }[] }>(() => get(path`/v1/networks/${name}/batches`), [name]);
    const [rotating, setRotating] = useState<string | null>(null);
    const n = found.data;
    const kinds = n ? [...new Set(n.keys.map((k) => k.key))] : [];
    return (
        <Page title={name} lead={n?.realm} back={{ href: href(["networks"]), text: "Networks" }}>
            <ErrorBox error={found.error} retry={found.reload} />
            {!n ? (found.error ? null : <Loading rows={6} what="Loading the network" />) : (
                <div class="stack">
                    <dl class="figures">
                        <Figure name="Active" value={count(n.nodes?.active)} />
                        <Figure name="Revoked" value={count(n.nodes?.revoked)} />
                        <Figure name="Destroyed" value={count(n.nodes?.destroyed)} />
                        <Figure name="Gateway key" value={`v${newest(n, "gateway")?.version ?? "–"}`} />
                    </dl>
                    <div class="split">
                        <Part title="Keys">
                            <div class="stack">
                                {kinds.map((k) => Versions({ name: k, list: n.keys.filter((v) => v.key === k), rotate: may(session, "NETWORK_MANAGE") ? () => setRotating(k) : null }))}
                                <Facts rows={[["Domain key", `v${n.domain_version}${n.resealing ? ", resealing" : ""}`], ["Passphrase", `v${n.passphrase_version}`], ["Node ids", `${n.id_bits} bits`], ["Created", <Time value={n.created} />]]} />
                            </div>
                        </Part>
                        <Part title="Batches">
                            <ErrorBox error={batches.error} />
                            {(batches.data?.batches ?? []).length === 0 ? <p class="muted">None.</p> : (
                                <Table caption="Batches" rows={batches.data!.batches} rowKey={(b) => b.batch} columns={[
                                    { name: "Batch", cell: (b) => b.batch }, { name: "Nodes", num: true, cell: (b) => count(b.nodes) }, { name: "When", cell: (b) => <Time value={b.when} /> }, { name: "By", cell: (b) => b.actor },
                                ]} />
                            )}
                        </Part>
                    </div>
                    <Nodes network={name} batches={batches.data?.batches ?? []} />
                </div>
            )}
            {rotating !== null ? (
                <Confirm title={`Rotate the ${(keyNames[rotating] ?? rotating).toLowerCase()}`} send="Rotate" danger={false} onClose={() => setRotating(null)} onSend={async () => {
                    await post(path`/v1/networks/${name}/rotate`, { key: rotating });
                    found.reload();
                    requery({});
                }}>
                    <p>A new version of the key of <Code>{name}</Code> is made and is the one that counts from now on; the old one stays known.</p>
                </Confirm>
            ) : null}
        </Page>
    );
});
