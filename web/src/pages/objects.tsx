import { Child, h } from "preact";
import { PageProps } from "../app";
import { get, run } from "../api";
import { count } from "../format";
import { component, Loaded, useEffect, useLoad, useSettled, useState } from "../hooks";
import { keyOf, named, ObjectRow, objectMark } from "../objects";
import { href, requery } from "../router";
import { may } from "../session";
import { Sign } from "../ui/icons";
import { ClientRow } from "./clients";
import { serviceMark, Status } from "./system";
import { Confirm, Empty, ErrorBox, Facts, Figure, Loading, Page, Part, Search, Select, Time } from "../ui/kit";
import { More, Table } from "../ui/table";

const PAGE = 50;
/* A page of the API may have no row and a next one, where few fit; so often it is asked before "Show more" is. */
const ROUNDS = 50;

const TYPES = ["Symmetric Key", "Public Key", "Private Key", "Certificate", "Secret Data", "Opaque Object", "Split Key", "PGP Key", "Certificate Request", "Template"];
const STATES = ["Pre-Active", "Active", "Deactivated", "Compromised", "Destroyed", "Destroyed Compromised"];
const ALGORITHMS = ["AES", "3DES", "RSA", "EC", "ECDSA", "Ed25519", "HMAC-SHA256", "HMAC-SHA512", "ChaCha20", "DSA"];
const NOTHING = { q: "", type: "", state: "", algorithm: "", group: "", placement: "" };

interface Domain {
    objects?: boolean;
    network?: string;
    version: number;
    resealing: boolean;
}

interface Counts {
    counted: string;
    total: number;
    types: { [name: string]: number };
    states: { [name: string]: number };
    groups: { name: string; objects: number }[];
}

interface Answer {
    objects: ObjectRow[];
    next: number | null;
}

async function ask(filter: typeof NOTHING, from?: number | null): Promise<Answer> {
    const objects: ObjectRow[] = [];
    let next: number | null | undefined = from;
    for (let round = 0; round < ROUNDS; round++) {
        const page = await get<Answer>("/v1/objects", { ...filter, limit: PAGE - objects.length, from: next });
        objects.push(...page.objects);
        next = page.next;
        if (next === null || objects.length === PAGE) break;
    }
    return { objects, next: next ?? null };
}

/* A choice with how many there are of each; what there is none of stays, as counts may be a little old. */
const choices = (all: string[], counts?: { [name: string]: number }): (string | [string, string])[] =>
    [["", "any"], ...all.map((name): [string, string] => [name, counts ? `${name} (${count(counts[name] ?? 0)})` : name])];

const List = component<PageProps & { counts: Counts | null }>(({ place, counts }) => {
    const [filter, set] = useState({ ...NOTHING, ...place.query });
    const settled = useSettled(filter);
    const change = (name: string) => (value: string): void => set((before) => ({ ...before, [name]: value }));
    const found = useLoad(() => ask(settled), [settled]);
    const [more, setMore] = useState<Answer & { error: Error | null; busy: boolean }>({ objects: [], next: null, error: null, busy: false });
    useEffect(() => { requery(settled); }, [settled]);
    useEffect(() => { setMore({ objects: [], next: found.data?.next ?? null, error: null, busy: false }); }, [found.data]);
    const load = (): void => {
        const of = found.data;
        if (more.busy) return;
        setMore((before) => ({ ...before, busy: true }));
        ask(settled, more.next).then(
            (page) => setMore((before) => (of === found.data ? { objects: [...before.objects, ...page.objects], next: page.next, error: null, busy: false } : before)),
            (error) => setMore((before) => ({ ...before, error, busy: false })));
    };
    const rows = [...(found.data?.objects ?? []), ...more.objects];
    const filtered = Object.values(settled).some((v) => v !== "");
    return (
        <div class="stack">
            <div class="filters">
                <Search label="Search objects" value={filter.q} onValue={change("q")} placeholder="How a name or an identifier begins" />
                <Select label="Type" value={filter.type} onValue={change("type")} options={choices(TYPES, counts?.types)} />
                <Select label="State" value={filter.state} onValue={change("state")} options={choices(STATES, counts?.states)} />
                <Select label="Algorithm" value={filter.algorithm} onValue={change("algorithm")} options={choices(ALGORITHMS)} />
                <Select label="Group" value={filter.group} onValue={change("group")} options={choices(
                    [...new Set([...(counts?.groups.map((g) => g.name) ?? []), filter.group])].filter(Boolean),
                    Object.fromEntries(counts?.groups.map((g) => [g.name, g.objects]) ?? []))} />
                <Select label="Lives in" value={filter.placement} onValue={change("placement")} options={[["", "any"], ["vault", "the store"], ["token", "the token"]]} />
                {filtered ? <button type="button" class="quiet" onClick={() => set(NOTHING)}>Clear</button> : null}
            </div>
            <section class="part" aria-label="Objects">
                <ErrorBox error={found.error ?? more.error} retry={found.reload} />
                {!found.data ? (found.error ? null : <Loading rows={8} what="Loading objects" />) : rows.length === 0 && more.next === null ? (
                    filtered ? <Empty icon="search" title="No object fits">Widen the search: fewer filters, or a shorter beginning. Names are compared letter by letter.</Empty>
                        : <Empty icon="objects" title="No object yet">They appear here when a client has made or registered one over KMIP.</Empty>
                ) : [
                    rows.length === 0 ? <p key="e" class="muted" role="status">Nothing among the newest. There are older ones to look through.</p> : (
                        <Table key="t" caption="Objects" busy={found.loading} rows={rows} rowKey={(o) => o.id} columns={[
                            { name: "Object", cell: (o) => <a class="rowlink" href={href(["kmip", o.id])}><span class="clip">{named(o)}</span></a> },
                            { name: "Type", cell: (o) => o.type ?? "" },
                            { name: "Key", cell: (o) => keyOf(o) },
                            { name: "State", cell: (o) => <Sign mark={objectMark(o.state)}>{o.state ?? "none"}{o.archived ? ", archived" : ""}</Sign> },
                            { name: "Group", cell: (o) => o.group },
                            { name: "Lives in", wide: true, cell: (o) => o.placement === "token" ? "token" : "store" },
                            { name: "Created", wide: true, cell: (o) => <Time value={o.created} /> },
                            { name: "Changed", cell: (o) => <Time value={o.last_change} /> },
                        ]} />
                    ),
                    <More key="m" shown={rows.length} total={!filtered && counts && counts.total >= rows.length ? counts.total : undefined} busy={more.busy} more={more.next !== null ? load : null} />,
                ]}
            </section>
        </div>
    );
});

interface Service {
    status: Status;
    domain?: Domain;
    clients: ClientRow[] | null;
}

const figures = (d: Service, counts: Loaded<Counts | null>): Child => (
    <dl class="figures">
        {counts.data ? <Figure name="Objects" value={count(counts.data.total)} note={`${count(counts.data.groups.length)} ${counts.data.groups.length === 1 ? "group" : "groups"}`} /> : null}
        {counts.data ? <Figure name="Active" value={count(counts.data.states.Active ?? 0)} note={`${count(counts.data.states["Pre-Active"] ?? 0)} before that`} /> : null}
        {counts.data ? <Figure name="Compromised" value={count(counts.data.states.Compromised ?? 0)} note={`${count((counts.data.states.Destroyed ?? 0) + (counts.data.states["Destroyed Compromised"] ?? 0))} destroyed`} /> : null}
        {d.clients ? <Figure name="Clients" value={count(d.clients.length)} note={`${d.clients.filter((c) => !c.enabled).length} disabled`} /> : null}
        {d.clients && !counts.data ? <Figure name="Keep keys in the token" value={count(d.clients.filter((c) => c.placement === "token").length)} /> : null}
        <Figure name="Domain key" value={d.domain ? `v${d.domain.version}` : "–"} note={d.domain?.resealing ? "resealing" : ""} />
    </dl>
);

export const Objects = component<PageProps>(({ session, place }) => {
    const sees = may(session, "OBJECT_READ");
    const found = useLoad<Service>(async () => {
        const [status, domains, clients] = await Promise.all([
            get<Status>("/v1/status"), get<{ domains: Domain[] }>("/v1/domains"),
            may(session, "CLIENT_READ") ? get<{ clients: ClientRow[] }>("/v1/clients") : Promise.resolve(null),
        ]);
        return { status, domain: domains.domains.find((d) => d.objects), clients: clients?.clients.filter((c) => c.kind === "kmip") ?? null };
    }, []);
    const counts = useLoad(async () => (sees ? (await get<{ counts: Counts }>("/v1/objects", { limit: 0, counts: "yes" })).counts : null), []);
    const [rotating, setRotating] = useState(false);
    const d = found.data;
    const services = d?.status.services.filter((s) => /kmip/i.test(s.service)) ?? [];
    return (
        <Page title="KMIP objects" lead="Keys and certificates that other machines keep here. Here is what there is, never what is in it.">
            <ErrorBox error={found.error} retry={found.reload} />
            {!d ? (found.error ? null : <Loading rows={5} />) : services.every((s) => /^off\b/.test(s.state)) && !d.domain ? (
                <section class="part"><Empty icon="objects" title="The KMIP service is off">It is switched on by <code>[kmip] listen</code> in the daemon's configuration.</Empty></section>
            ) : (
                <div class="stack">
                    {figures(d, counts)}
                    {sees ? <List session={session} place={place} counts={counts.data} /> : null}
                    <Part title="Service" actions={d.domain && may(session, "DOMAIN_ROTATE") ? <button type="button" onClick={() => setRotating(true)}>Rotate the domain key</button> : null}>
                        <Facts rows={[
                            ...services.map((s): [string, Child] => [s.service, <Sign mark={serviceMark(s.state)}>{s.state}</Sign>]),
                            ["Releases since start", <span>{count(d.status.keeper.released)} <span class="muted">of all services</span></span>],
                            d.clients ? ["Who uses it", <a href={href(["clients"])}>Clients and their certificates</a>] : null,
                        ]} />
                    </Part>
                </div>
            )}
            {rotating ? (
                <Confirm title="Rotate the domain key" send="Rotate" danger={false} onClose={() => setRotating(false)} onSend={async () => { await run("/v1/objects/rotate"); found.reload(); }}>
                    <p>All objects are sealed anew with a new domain key. Clients notice nothing.</p>
                </Confirm>
            ) : null}
        </Page>
    );
});
