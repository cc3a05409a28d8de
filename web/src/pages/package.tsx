import { h } from "preact";
import { PageProps } from "../app";
import { get, path, put, remove, withQuery } from "../api";
import { PackageDetails, PackageFile } from "../factory";
import { plural, size } from "../format";
import { component, useLoad, useState } from "../hooks";
import { href, requery } from "../router";
import { may } from "../session";
import { Icon } from "../ui/icons";
import { announce, Check, Code, Confirm, ErrorBox, Form, Loading, Page, Part, TextField, Time, useWork } from "../ui/kit";
import { PackageApplications, PackageFacts } from "../ui/package-facts";
import { Table } from "../ui/table";

const Aliases = component<{ of: PackageDetails; change: boolean; onChange: () => void }>((p) => {
    const [alias, setAlias] = useState("");
    const [move, setMove] = useState(false);
    const [leaving, setLeaving] = useState<string | null>(null);
    const { busy, error, work } = useWork();
    return (
        <Part title="Aliases" note="Names that stations may use for this configuration.">
            <div class="stack">
                {p.of.aliases.length === 0 ? <p class="muted">None.</p> : (
                    <ul class="tags" aria-label="Aliases">
                        {p.of.aliases.map((name) => (
                            <li key={name} class="tag">{name}{p.change ? <button type="button" class="link" aria-label={`Remove alias ${name}`} onClick={() => setLeaving(name)}>×</button> : null}</li>
                        ))}
                    </ul>
                )}
                {p.change ? (
                    <Form send="Add alias" busy={busy} error={error} label="Add an alias" disabled={alias.trim() === ""} onSend={() => work(async () => {
                        await put(path`/v1/factory/aliases/${alias.trim()}`, { config_id: p.of.config_id, replace: move });
                        setAlias("");
                        announce("alias added");
                        p.onChange();
                    })}>
                        <TextField label="Another alias" value={alias} onValue={setAlias} mono />
                        <Check label="Move it here if it names another configuration" value={move} onValue={setMove} />
                    </Form>
                ) : null}
            </div>
            {leaving !== null ? (
                <Confirm title="Remove alias" send="Remove" onClose={() => setLeaving(null)} onSend={async () => {
                    await remove(path`/v1/factory/aliases/${leaving}`);
                    p.onChange();
                }}>
                    <p>Stations that ask for <Code>{leaving}</Code> will be told that it is unknown.</p>
                </Confirm>
            ) : null}
        </Part>
    );
});

export const Package = component<PageProps>(({ session, place }) => {
    const id = place.path[1];
    const revision = place.query.revision;
    const found = useLoad<PackageDetails>(() => get(path`/v1/factory/packages/${id}`, { revision }), [id, revision]);
    const p = found.data;
    const newest = p ? Math.max(...(p.revisions ?? []).map((r) => r.revision), p.revision) : 0;
    const link = (name: string): string => withQuery(path`/v1/factory/packages/${id}/files/${name}`, { revision: p?.revision });
    return (
        <Page title={p?.label || "Package"} lead={<Code>{id}</Code>} back={{ href: href(["overview"]), text: "Overview" }}
            actions={p ? [
                <a key="d" class="button" href={href(["devices"], { config: id })}><Icon name="devices" />Devices</a>,
                may(session, "FACTORY_EXPORT") ? <a key="e" class="button" href={href(["export"], { config: id })}><Icon name="export" />Export</a> : null,
            ] : null}>
            <ErrorBox error={found.error} retry={found.reload} />
            {!p ? (found.error ? null : <Loading rows={8} what="Loading the package" />) : (
                <div class="stack">
                    {p.revision < newest ? (
                        <p class="note warn">This is revision {p.revision}; devices are made by revision {newest}. <button type="button" class="link" onClick={() => requery({})}>Show the newest</button></p>
                    ) : null}
                    <Part title={`Revision ${p.revision}`} note={p.comment}><PackageFacts of={p} /></Part>
                    <Part title="Node and applications">
                        <PackageApplications of={p} file={(name) => name ? <a href={link(name)} download={name}>{name}</a> : <span class="muted">–</span>} />
                    </Part>
                    <Part title="Files" note={plural(p.files.length, "file")}>
                        <Table caption="Files of the package" rows={p.files} rowKey={(f) => f.name} columns={[
                            { name: "Name", cell: (f) => <a href={link(f.name)} download={f.name} aria-label={`Download ${f.name}`}>{f.name}</a> },
                            { name: "What", cell: (f) => f.role },
                            { name: "Size", num: true, cell: (f) => size(f.size) },
                            { name: "SHA-256", cell: (f) => <Code wrap>{f.sha256}</Code> },
                            ...(p.files.some((f) => f.md5) ? [{ name: "MD5", wide: true, cell: (f: PackageFile) => f.md5 ? <Code wrap>{f.md5}</Code> : <span class="muted">–</span> }] : []),
                        ]} />
                    </Part>
                    <div class="split">
                        <Part title="Revisions">
                            <Table caption="Revisions, newest first" rows={[...p.revisions].sort((a, b) => b.revision - a.revision)} rowKey={(r) => r.revision} columns={[
                                { name: "Revision", cell: (r) => r.revision === p.revision
                                    ? <strong aria-current="true">{r.revision}</strong>
                                    : <button type="button" class="link" aria-label={`Show revision ${r.revision}`} onClick={() => requery({ revision: String(r.revision) })}>{r.revision}</button> },
                                { name: "Imported", cell: (r) => <Time value={r.imported} /> },
                                { name: "By", cell: (r) => r.imported_by },
                                { name: "Comment", cell: (r) => r.comment },
                            ]} />
                        </Part>
                        <Aliases of={p} change={may(session, "FACTORY_MANAGE")} onChange={found.reload} />
                    </div>
                </div>
            )}
        </Page>
    );
});
