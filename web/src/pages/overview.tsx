import { h } from "preact";
import { PageProps } from "../app";
import { get } from "../api";
import { PackageRow } from "../factory";
import { component, useEffect, useLoad, useSettled, useState } from "../hooks";
import { href, requery } from "../router";
import { may } from "../session";
import { Icon } from "../ui/icons";
import { Empty, ErrorBox, Loading, Page, Search, Time } from "../ui/kit";
import { More, Table } from "../ui/table";

const PAGE = 50;

interface Answer {
    packages: PackageRow[];
    next?: string | number | null;
}

export const Overview = component<PageProps>(({ session, place }) => {
    const [text, setText] = useState(place.query.q ?? "");
    const q = useSettled(text);
    const [older, setOlder] = useState<PackageRow[]>([]);
    const [next, setNext] = useState<string | number | null>(null);
    const found = useLoad<Answer>(() => get("/v1/factory/packages", { q, limit: PAGE }), [q]);
    useEffect(() => { requery({ q }); }, [q]);
    useEffect(() => {
        setOlder([]);
        setNext(found.data?.next ?? null);
    }, [found.data]);
    const more = async (): Promise<void> => {
        const page = await get<Answer>("/v1/factory/packages", { q, limit: PAGE, from: next });
        setOlder((before) => [...before, ...page.packages]);
        setNext(page.next ?? null);
    };
    const rows = [...(found.data?.packages ?? []), ...older];
    const mayImport = may(session, "FACTORY_MANAGE");
    return (
        <Page title="Overview" lead="The packages that devices are made by; the newest revision counts."
            actions={mayImport ? <a class="button primary" href={href(["import"])}><Icon name="import" />Import a package</a> : null}>
            <div class="filters"><Search label="Search packages" value={text} onValue={setText} placeholder="Configuration id, alias, label, application, comment" /></div>
            <section class="part" aria-label="Packages">
                <ErrorBox error={found.error} retry={found.reload} />
                {!found.data ? (found.error ? null : <Loading what="Loading packages" />) : rows.length === 0 ? (
                    q ? <Empty icon="search" title="No package fits">Nothing was found for “{q}”.</Empty>
                        : <Empty icon="overview" title="No package yet">{mayImport
                            ? <span>Import the first one: <a href={href(["import"])}>Import</a></span> : "Somebody with the role factory can import one."}</Empty>
                ) : [
                    <Table key="table" caption="Packages in order of their configuration ids" busy={found.loading} rows={rows} rowKey={(r) => r.config_id} columns={[
                        { name: "Configuration", cell: (r) => <a class="rowlink" href={href(["overview", r.config_id])}><code>{r.config_id}</code></a> },
                        { name: "Node", cell: (r) => <span>{r.node_type} <span class="muted num">{r.node_version}</span></span> },
                        { name: "Label", cell: (r) => r.label },
                        { name: "Applications", cell: (r) => (
                            <ul class="tags">{r.applications.map((a) => <li key={a.name} class="tag nowrap">{a.name} <span class="muted num">{a.version}</span></li>)}</ul>) },
                        { name: "Comment", cell: (r) => <span class="clip" title={r.comment}>{r.comment}</span> },
                        { name: "Rev.", num: true, wide: true, cell: (r) => r.revision },
                        { name: "Imported", cell: (r) => <Time value={r.imported} /> },
                    ]} />,
                    <More key="more" shown={rows.length} more={next ? () => void more() : null} />,
                ]}
            </section>
        </Page>
    );
});
