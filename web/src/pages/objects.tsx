import { Child, h } from "preact";
import { PageProps } from "../app";
import { get, run } from "../api";
import { count } from "../format";
import { component, useLoad, useState } from "../hooks";
import { href } from "../router";
import { may } from "../session";
import { Sign } from "../ui/icons";
import { ClientRow } from "./clients";
import { serviceMark, Status } from "./system";
import { Confirm, Empty, ErrorBox, Facts, Figure, Loading, Page, Part } from "../ui/kit";

interface Domain {
    objects?: boolean;
    network?: string;
    version: number;
    resealing: boolean;
}

export const Objects = component<PageProps>(({ session }) => {
    const found = useLoad(async () => {
        const [status, domains, clients] = await Promise.all([
            get<Status>("/v1/status"), get<{ domains: Domain[] }>("/v1/domains"),
            may(session, "CLIENT_READ") ? get<{ clients: ClientRow[] }>("/v1/clients") : Promise.resolve(null),
        ]);
        return { status, domain: domains.domains.find((d) => d.objects), clients: clients?.clients.filter((c) => c.kind === "kmip") ?? null };
    }, []);
    const [rotating, setRotating] = useState(false);
    const d = found.data;
    const services = d?.status.services.filter((s) => /kmip/i.test(s.service)) ?? [];
    return (
        <Page title="KMIP objects" lead="Keys and certificates that other machines keep here. They are managed over KMIP; here is how the service stands.">
            <ErrorBox error={found.error} retry={found.reload} />
            {!d ? (found.error ? null : <Loading rows={5} />) : services.every((s) => /^off\b/.test(s.state)) && !d.domain ? (
                <section class="part"><Empty icon="objects" title="The KMIP service is off">It is switched on by <code>[kmip] listen</code> in the daemon's configuration.</Empty></section>
            ) : (
                <div class="stack">
                    <dl class="figures">
                        {d.clients ? <Figure name="Clients" value={count(d.clients.length)} note={`${d.clients.filter((c) => !c.enabled).length} disabled`} /> : null}
                        {d.clients ? <Figure name="Keep keys in the token" value={count(d.clients.filter((c) => c.placement === "token").length)} /> : null}
                        <Figure name="Domain key" value={d.domain ? `v${d.domain.version}` : "–"} note={d.domain?.resealing ? "resealing" : ""} />
                        <Figure name="Releases since start" value={count(d.status.keeper.released)} note="of all services" />
                    </dl>
                    <Part title="Service" actions={d.domain && may(session, "DOMAIN_ROTATE") ? <button type="button" onClick={() => setRotating(true)}>Rotate the domain key</button> : null}>
                        <Facts rows={services.map((s): [string, Child] => [s.service, <Sign mark={serviceMark(s.state)}>{s.state}</Sign>])} />
                    </Part>
                    {d.clients ? <p><a href={href(["clients"])}>Clients and their certificates</a></p> : null}
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
