import { h } from "preact";
import { get, path, post, remove } from "../api";
import { component, useLoad, useState } from "../hooks";
import { Code, Confirm, Dialog, Empty, ErrorBox, Form, Loading, Part, TextField, useWork } from "../ui/kit";

interface Packager {
    name: string;
    fingerprint?: string;
    created?: string;
}

const Trust = component<{ onClose: () => void; onDone: () => void }>((p) => {
    const [name, setName] = useState("");
    const [key, setKey] = useState("");
    const { busy, error, work } = useWork();
    return (
        <Dialog title="Trust a packager" onClose={p.onClose}>
            <Form send="Trust" busy={busy} error={error} cancel={p.onClose} onSend={() => work(async () => {
                await post("/v1/packagers", { name, public_key: key });
                p.onDone();
                p.onClose();
            })}>
                <TextField label="Name" value={name} onValue={setName} required maxlength={64} />
                <TextField label="Public key" value={key} onValue={setKey} required lines={6} mono hint="The text of packager.pub.pem, beginning with -----BEGIN PUBLIC KEY-----" />
            </Form>
        </Dialog>
    );
});

/* Whose signature on a package is taken. */
export const Packagers = component<{ change: boolean }>((p) => {
    const found = useLoad<{ packagers: Packager[] }>(() => get("/v1/packagers"), []);
    const [adding, setAdding] = useState(false);
    const [leaving, setLeaving] = useState<string | null>(null);
    return (
        <Part title="Trusted packagers" note="Packages signed by others are refused." actions={p.change ? <button type="button" onClick={() => setAdding(true)}>Trust another</button> : null}>
            <ErrorBox error={found.error} retry={found.reload} />
            {!found.data ? (found.error ? null : <Loading rows={2} />) : found.data.packagers.length === 0 ? (
                <Empty icon="key" title="Nobody is trusted yet">The public key of whoever builds packages is needed first.</Empty>
            ) : (
                <ul class="feed">
                    {found.data.packagers.map((one) => (
                        <li key={one.name}>
                            <strong>{one.name}</strong>{one.fingerprint ? <Code>{one.fingerprint.slice(0, 24)}…</Code> : null}
                            {p.change ? <button type="button" class="link" aria-label={`Trust ${one.name} no longer`} onClick={() => setLeaving(one.name)}>Remove</button> : null}
                        </li>
                    ))}
                </ul>
            )}
            {adding ? <Trust onClose={() => setAdding(false)} onDone={found.reload} /> : null}
            {leaving !== null ? (
                <Confirm title="Trust no longer" send="Remove" onClose={() => setLeaving(null)} onSend={async () => { await remove(path`/v1/packagers/${leaving}`); found.reload(); }}>
                    <p>New packages of <strong>{leaving}</strong> will be refused; what was imported stays.</p>
                </Confirm>
            ) : null}
        </Part>
    );
});
