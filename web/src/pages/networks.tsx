import { h } from "preact";
import { PageProps } from "../app";
import { get, post } from "../api";
import { newest, NetworkRow } from "../fleet";
import { count } from "../format";
import { component, useLoad, useState } from "../hooks";
import { href } from "../router";
import { may } from "../session";
import { Sign } from "../ui/icons";
import { Dialog, Empty, ErrorBox, Figure, Form, Loading, Page, Part, Select, TextField, Time, useWork } from "../ui/kit";
import { Table } from "../ui/table";

const Create = component<{ onClose: () => void; onDone: () => void }>((p) => {
    const [name, setName] = useState("");
    const [realm, setRealm] = useState("");
    const [passphrase, setPassphrase] = useState("");
    const [bits, setBits] = useState("32");
    const { busy, error, work } = useWork();
    return (
        <Dialog title="New network" onClose={p.onClose}>
            <Form send="Create" busy={busy} error={error} cancel={p.onClose} onSend={() => work(async () => {
                await post("/v1/networks", { name, realm, passphrase, id_bits: Number(bits) });
                p.onDone();
                p.onClose();
            })}>
                <div class="pair">
                    <TextField label="Name" value={name} onValue={setName} required />
                    <TextField label="Realm" value={realm} onValue={setRealm} required />
                </div>
                <TextField label="Passphrase" type="password" value={passphrase} onValue={setPassphrase} required autocomplete="new-password" hint="Protects gateway key files. Whoever imports one has to know it." />
                <Select label="Node ids" value={bits} onValue={setBits} options={[["32", "32 bits"], ["64", "64 bits"]]} />
            </Form>
        </Dialog>
    );
});

interface Gateway {
    host: string;
    realm: string;
    enabled: boolean;
    connected: boolean;
    require_tls: boolean;
    networks: string[];
}

export const Networks = component<PageProps>(({ session }) => {
    const found = useLoad<{ networks: NetworkRow[] }>(() => get("/v1/networks", { counts: 1 }), []);
    const gateways = useLoad<{ gateways: Gateway[] }>(() => get("/v1/gateways"), []);
    const [creating, setCreating] = useState(false);
    const list = found.data?.networks ?? [];
    const sum = (state: "active" | "revoked" | "destroyed"): number => list.reduce((n, w) => n + (w.nodes?.[state] ?? 0), 0);
    const manage = may(session, "NETWORK_MANAGE");
    return (
        <Page title="Networks" lead="Networks and the nodes in them. Keys are counted here, never shown."
            actions={manage ? <button type="button" class="primary" onClick={() => setCreating(true)}>New network</button> : null}>
            <ErrorBox error={found.error} retry={found.reload} />
            {!found.data ? (found.error ? null : <Loading rows={5} what="Loading networks" />) : (
                <div class="stack">
                    <dl class="figures">
                        <Figure name="Networks" value={count(list.length)} />
                        <Figure name="Active nodes" value={count(sum("active"))} />
                        <Figure name="Revoked" value={count(sum("revoked"))} />
                        <Figure name="Destroyed" value={count(sum("destroyed"))} />
                    </dl>
                    <section class="part" aria-label="Networks">
                        {list.length === 0 ? <Empty icon="networks" title="No network yet">{manage ? "Create one, or import the gateway keys of another Claviger." : "An operator can create one."}</Empty> : (
                            <Table caption="Networks" rows={list} rowKey={(n) => n.name} columns={[
                                { name: "Network", cell: (n) => <a class="rowlink" href={href(["networks", n.name])}>{n.name}</a> },
                                { name: "Realm", cell: (n) => n.realm },
                                { name: "Nodes", num: true, cell: (n) => count(n.nodes?.active) },
                                { name: "Revoked", num: true, wide: true, cell: (n) => count(n.nodes?.revoked) },
                                { name: "Gateway key", num: true, cell: (n) => { const k = newest(n, "gateway"); return k ? `v${k.version}` : "–"; } },
                                { name: "Rotated", cell: (n) => <Time value={newest(n, "gateway")?.created} /> },
                                { name: "Ids", num: true, wide: true, cell: (n) => `${n.id_bits} bits` },
                                { name: "Domain key", cell: (n) => n.resealing ? <Sign mark="wait">v{n.domain_version}, resealing</Sign> : <Sign mark="good">v{n.domain_version}</Sign> },
                            ]} />
                        )}
                    </section>
                    <Part title="Gateways">
                        <ErrorBox error={gateways.error} />
                        {(gateways.data?.gateways ?? []).length === 0 ? <p class="muted">{gateways.data ? "None." : "…"}</p> : (
                            <Table caption="Gateways" rows={gateways.data!.gateways} rowKey={(g) => g.host} columns={[
                                { name: "Gateway", cell: (g) => g.host },
                                { name: "Connected", cell: (g) => <Sign mark={g.connected ? "good" : g.enabled ? "idle" : "bad"} live={g.connected}>{g.connected ? "connected" : g.enabled ? "away" : "disabled"}</Sign> },
                                { name: "Networks", cell: (g) => g.networks.join(", ") },
                                { name: "TLS", cell: (g) => g.require_tls ? "required" : "optional" },
                            ]} />
                        )}
                    </Part>
                </div>
            )}
            {creating ? <Create onClose={() => setCreating(false)} onDone={found.reload} /> : null}
        </Page>
    );
});
