import { h } from "preact";
import { PageProps } from "../app";
import { get, path, post, remove, saveText } from "../api";
import { time } from "../format";
import { component, useLoad, useState } from "../hooks";
import { may } from "../session";
import { Sign } from "../ui/icons";
import { announce, Code, Confirm, Dialog, Empty, ErrorBox, Form, Loading, Page, Search, Select, TextField, Time, useWork } from "../ui/kit";
import { More, Table } from "../ui/table";

export interface ClientRow {
    name: string;
    kind: string;
    enabled: boolean;
    permissions: string[];
    groups: string[];
    placement: string;
    certificate: string | null;
    has_password: boolean;
    created: string;
    disabled: string | null;
    not_after?: string | null;
}

interface Made {
    certificate_pem: string;
    ca_pem: string;
    not_after: string;
}

const kinds: [string, string][] = [["station", "station of the line"], ["kmip", "KMIP client"], ["browser", "browser that people log in from"]];

const Certified = ({ name, made }: { name: string; made: Made }) => (
    <div class="stack">
        <p class="note">The certificate of <strong>{name}</strong> holds until <Time value={made.not_after} />.</p>
        <div class="buttons">
            <button type="button" class="primary" onClick={() => saveText(made.certificate_pem, `${name}.pem`, "application/x-pem-file")}>Save certificate</button>
            <button type="button" onClick={() => saveText(made.ca_pem, "ca.pem", "application/x-pem-file")}>Save certificate authority</button>
        </div>
    </div>
);

const requestHint = <span>PEM, of a key that never leaves its machine: <Code>openssl req -new -newkey rsa:2048 -nodes -keyout key.pem -subj /CN=name</Code></span>;

const Create = component<{ onClose: () => void; onDone: () => void }>((p) => {
    const [name, setName] = useState("");
    const [kind, setKind] = useState("station");
    const [request, setRequest] = useState("");
    const [made, setMade] = useState<Made | null>(null);
    const { busy, error, work } = useWork();
    return (
        <Dialog title={made ? name : "New client"} onClose={p.onClose} wide>
            {made ? <Certified name={name} made={made} /> : (
                <Form send="Create" busy={busy} error={error} cancel={p.onClose} onSend={() => work(async () => {
                    setMade(await post<Made>("/v1/clients", { name, kind, request }));
                    announce("client created");
                    p.onDone();
                })}>
                    <div class="pair">
                        <TextField label="Name" value={name} onValue={setName} required maxlength={64} />
                        <Select label="Kind" value={kind} onValue={setKind} options={kinds} />
                    </div>
                    <TextField label="Certificate request" value={request} onValue={setRequest} required lines={7} mono hint={requestHint} />
                    <p class="hint">With <Code>claviger client create</Code> the key is made along, on that machine.</p>
                </Form>
            )}
        </Dialog>
    );
});

const Renew = component<{ name: string; onClose: () => void; onDone: () => void }>((p) => {
    const [request, setRequest] = useState("");
    const [made, setMade] = useState<Made | null>(null);
    const { busy, error, work } = useWork();
    return (
        <Dialog title={`New certificate for ${p.name}`} onClose={p.onClose} wide>
            {made ? <Certified name={p.name} made={made} /> : (
                <Form send="Certify" busy={busy} error={error} cancel={p.onClose} onSend={() => work(async () => {
                    setMade(await post<Made>(path`/v1/clients/${p.name}/certificate`, { request }));
                    p.onDone();
                })}>
                    <p>The certificate of before is refused from then on.</p>
                    <TextField label="Certificate request" value={request} onValue={setRequest} required lines={7} mono hint={requestHint} />
                </Form>
            )}
        </Dialog>
    );
});

const SOON_MS = 30 * 86_400_000;

/* A certificate that ends soon has to be seen before its station stops. */
const end = (c: ClientRow) => {
    const left = c.not_after ? new Date(c.not_after).getTime() - Date.now() : Infinity;
    const day = c.not_after ? <time dateTime={c.not_after} class="nowrap">{time(c.not_after).slice(0, 10)}</time> : <span class="muted">–</span>;
    return left < 0 ? <Sign mark="bad">ended {day}</Sign> : left < SOON_MS ? <Sign mark="warn">{day}</Sign> : day;
};

export const Clients = component<PageProps>(({ session }) => {
    const found = useLoad<{ clients: ClientRow[] }>(() => get("/v1/clients"), []);
    const [q, setQ] = useState("");
    const [open, setOpen] = useState<{ what: "create" | "renew" | "disable" | "remove"; name: string } | null>(null);
    const close = (): void => setOpen(null);
    const manage = may(session, "CLIENT_MANAGE");
    const { error, work } = useWork();
    const rows = (found.data?.clients ?? []).filter((c) => `${c.name} ${c.kind} ${c.groups?.join(" ")}`.toLowerCase().includes(q.toLowerCase()));
    return (
        <Page title="Clients" lead="Machines that come with a certificate: stations of the line, clients of the KMIP service, browsers."
            actions={manage ? <button type="button" class="primary" onClick={() => setOpen({ what: "create", name: "" })}>New client</button> : null}>
            <div class="filters"><Search label="Search clients" value={q} onValue={setQ} placeholder="Name, kind, group" /></div>
            <ErrorBox error={error} />
            <section class="part" aria-label="Clients">
                <ErrorBox error={found.error} retry={found.reload} />
                {!found.data ? (found.error ? null : <Loading rows={5} what="Loading clients" />) : rows.length === 0 ? (
                    <Empty icon="clients" title={q ? "No client fits" : "No client yet"}>{manage && !q ? "A station needs one before it can work." : null}</Empty>
                ) : [
                    <Table key="t" caption="Clients" rows={rows} rowKey={(c) => c.name} rowClass={(c) => (c.enabled ? undefined : "off")} columns={[
                        { name: "Name", cell: (c) => c.name },
                        { name: "Kind", cell: (c) => c.kind },
                        { name: "State", cell: (c) => <Sign mark={c.enabled ? "good" : "bad"}>{c.enabled ? "enabled" : "disabled"}</Sign> },
                        { name: "May", cell: (c) => c.kind === "kmip" ? c.permissions?.join(", ") : c.kind === "station" ? "the line" : "log in from it" },
                        { name: "Groups", wide: true, cell: (c) => c.groups?.join(", ") },
                        { name: "Certificate", cell: (c) => c.certificate ? <Code>{c.certificate.slice(0, 8)}…</Code> : c.has_password ? "password" : "–" },
                        { name: "Valid until", cell: (c) => end(c) },
                        { name: "Created", wide: true, cell: (c) => <Time value={c.created} /> },
                        ...(manage ? [{ name: "Actions", shy: true, cell: (c: ClientRow) => (
                            <div class="actions">
                                <button type="button" class="quiet" aria-label={`New certificate for ${c.name}`} onClick={() => setOpen({ what: "renew", name: c.name })}>Certify</button>
                                {c.enabled
                                    ? <button type="button" class="quiet" aria-label={`Disable ${c.name}`} onClick={() => setOpen({ what: "disable", name: c.name })}>Disable</button>
                                    : <button type="button" class="quiet" aria-label={`Enable ${c.name}`} onClick={() => void work(async () => { await post(path`/v1/clients/${c.name}/enable`); found.reload(); })}>Enable</button>}
                                <button type="button" class="quiet" aria-label={`Remove ${c.name}`} onClick={() => setOpen({ what: "remove", name: c.name })}>Remove</button>
                            </div>) }] : []),
                    ]} />,
                    <More key="m" shown={rows.length} />,
                ]}
            </section>
            {open?.what === "create" ? <Create onClose={close} onDone={found.reload} /> : null}
            {open?.what === "renew" ? <Renew name={open.name} onClose={close} onDone={found.reload} /> : null}
            {open?.what === "disable" ? (
                <Confirm title={`Disable ${open.name}`} send="Disable" onClose={close} onSend={async () => { await post(path`/v1/clients/${open.name}/disable`); found.reload(); }}>
                    <p>It is refused from now on, until it is enabled again.</p>
                </Confirm>
            ) : null}
            {open?.what === "remove" ? (
                <Confirm title={`Remove ${open.name}`} send="Remove" onClose={close} onSend={async () => { await remove(path`/v1/clients/${open.name}`); found.reload(); }}>
                    <p>Its certificate is unknown from now on. A client that owns objects can only be disabled.</p>
                </Confirm>
            ) : null}
        </Page>
    );
});
