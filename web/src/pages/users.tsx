import { h } from "preact";
import { PageProps } from "../app";
import { get, patch, path, post, remove } from "../api";
import { component, useLoad, useState } from "../hooks";
import { may, roles } from "../session";
import { Sign } from "../ui/icons";
import { announce, Confirm, Dialog, Empty, ErrorBox, Form, Loading, Page, Select, Shown, TextField, Time, useWork } from "../ui/kit";
import { More, Table } from "../ui/table";

interface User {
    name: string;
    role: string;
    state: string;
    created: string;
    last_login: string | null;
    must_change: boolean;
    locked_until: string | null;
}

const roleOptions = roles.map(([name, about]): [string, string] => [name, `${name}: ${about}`]);

const Password = ({ name, value, onClose }: { name: string; value: string; onClose: () => void }) => (
    <Dialog title={`Password of ${name}`} onClose={onClose}>
        <div class="stack">
            <p>It is shown this once. {name} has to choose another one at the first login.</p>
            <Shown value={value} label="Password" />
            <div class="buttons"><button type="button" class="primary" onClick={onClose}>Done</button></div>
        </div>
    </Dialog>
);

const Create = component<{ onClose: () => void; onMade: (name: string, password: string | undefined) => void }>((p) => {
    const [name, setName] = useState("");
    const [role, setRole] = useState("factory");
    const { busy, error, work } = useWork();
    return (
        <Dialog title="New user" onClose={p.onClose}>
            <Form send="Create" busy={busy} error={error} cancel={p.onClose} onSend={() => work(async () => {
                const made = await post<{ password?: string }>("/v1/users", { name, role });
                p.onMade(name, made.password);
            })}>
                <TextField label="Name" name="name" value={name} onValue={setName} required maxlength={64} />
                <Select label="Role" name="role" value={role} onValue={setRole} options={roleOptions} />
                <p class="hint">A password is made and shown once.</p>
            </Form>
        </Dialog>
    );
});

const Role = component<{ user: User; onClose: () => void; onDone: () => void }>((p) => {
    const [role, setRole] = useState(p.user.role);
    const { busy, error, work } = useWork();
    return (
        <Dialog title={`Role of ${p.user.name}`} onClose={p.onClose}>
            <Form send="Change" busy={busy} error={error} cancel={p.onClose} disabled={role === p.user.role} onSend={() => work(async () => {
                await patch(path`/v1/users/${p.user.name}`, { role });
                announce("role changed");
                p.onDone();
                p.onClose();
            })}>
                <Select label="Role" value={role} onValue={setRole} options={roleOptions} />
            </Form>
        </Dialog>
    );
});

function state(u: User) {
    if (u.state === "disabled") return <Sign mark="bad">disabled</Sign>;
    if (u.locked_until && new Date(u.locked_until).getTime() > Date.now()) return <Sign mark="warn">locked until <Time value={u.locked_until} /></Sign>;
    return u.must_change ? <Sign mark="wait">to choose a password</Sign> : <Sign mark="good">enabled</Sign>;
}

export const Users = component<PageProps>(({ session }) => {
    const found = useLoad<{ users: User[] }>(() => get("/v1/users"), []);
    const [open, setOpen] = useState<{ what: "create" | "role" | "reset" | "disable" | "remove"; user: User | null } | null>(null);
    const [password, setPassword] = useState<{ name: string; value: string } | null>(null);
    const { error, work } = useWork();
    const close = (): void => setOpen(null);
    const manage = may(session, "USER_MANAGE");
    const users = found.data?.users ?? [];
    const enable = (user: User): void => void work(async () => {
        await patch(path`/v1/users/${user.name}`, { disabled: false });
        found.reload();
    });
    const one = open?.user;
    return (
        <Page title="Users" lead="People who may log in, and what their role lets them do."
            actions={manage ? <button type="button" class="primary" onClick={() => setOpen({ what: "create", user: null })}>New user</button> : null}>
            <ErrorBox error={error} />
            <section class="part" aria-label="Users">
                <ErrorBox error={found.error} retry={found.reload} />
                {!found.data ? (found.error ? null : <Loading rows={4} what="Loading users" />) : users.length === 0 ? <Empty icon="users" title="No user yet" /> : [
                    <Table key="t" caption="Users" rows={users} rowKey={(u) => u.name} rowClass={(u) => (u.state === "disabled" ? "off" : undefined)} columns={[
                        { name: "Name", cell: (u) => <span>{u.name}{u.name === session.user ? <span class="muted"> (you)</span> : null}</span> },
                        { name: "Role", cell: (u) => u.role },
                        { name: "May", wide: true, cell: (u) => <span class="muted">{roles.find(([r]) => r === u.role)?.[1] ?? ""}</span> },
                        { name: "State", cell: state },
                        { name: "Last login", cell: (u) => <Time value={u.last_login} none="never" /> },
                        { name: "Created", wide: true, cell: (u) => <Time value={u.created} /> },
                        ...(manage ? [{ name: "Actions", shy: true, cell: (u: User) => (
                            <div class="actions">
                                <button type="button" class="quiet" aria-label={`Change the role of ${u.name}`} onClick={() => setOpen({ what: "role", user: u })}>Role</button>
                                <button type="button" class="quiet" aria-label={`Reset the password of ${u.name}`} onClick={() => setOpen({ what: "reset", user: u })}>Reset</button>
                                {u.state === "disabled"
                                    ? <button type="button" class="quiet" aria-label={`Enable ${u.name}`} onClick={() => enable(u)}>Enable</button>
                                    : <button type="button" class="quiet" aria-label={`Disable ${u.name}`} disabled={u.name === session.user} onClick={() => setOpen({ what: "disable", user: u })}>Disable</button>}
                                <button type="button" class="quiet" aria-label={`Remove ${u.name}`} disabled={u.name === session.user} onClick={() => setOpen({ what: "remove", user: u })}>Remove</button>
                            </div>) }] : []),
                    ]} />,
                    <More key="m" shown={users.length} />,
                ]}
            </section>
            {open?.what === "create" ? <Create onClose={close} onMade={(name, value) => {
                close();
                found.reload();
                if (value) setPassword({ name, value });
            }} /> : null}
            {open?.what === "role" && one ? <Role user={one} onClose={close} onDone={found.reload} /> : null}
            {open?.what === "reset" && one ? (
                <Confirm title={`Reset the password of ${one.name}`} send="Reset" onClose={close} onSend={async () => {
                    const made = await patch<{ password?: string }>(path`/v1/users/${one.name}`, { reset: true });
                    found.reload();
                    if (made.password) setPassword({ name: one.name, value: made.password });
                }}>
                    <p>The old password is refused from now on, sessions are ended, and a lock is taken off.</p>
                </Confirm>
            ) : null}
            {open?.what === "disable" && one ? (
                <Confirm title={`Disable ${one.name}`} send="Disable" onClose={close} onSend={async () => { await patch(path`/v1/users/${one.name}`, { disabled: true }); found.reload(); }}>
                    <p>{one.name} can't log in until enabled again; sessions are ended.</p>
                </Confirm>
            ) : null}
            {open?.what === "remove" && one ? (
                <Confirm title={`Remove ${one.name}`} send="Remove" onClose={close} onSend={async () => { await remove(path`/v1/users/${one.name}`); found.reload(); }}>
                    <p>What {one.name} did stays in the audit chain.</p>
                </Confirm>
            ) : null}
            {password ? <Password name={password.name} value={password.value} onClose={() => setPassword(null)} /> : null}
        </Page>
    );
});
