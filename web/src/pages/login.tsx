import { h } from "preact";
import { put, Session } from "../api";
import { component, useEffect, useState } from "../hooks";
import { ThemeSwitch } from "../theme";
import { Logo } from "../ui/icons";
import { Form, TextField, useWork } from "../ui/kit";

const PASSWORD_MIN = 12;

function focusFirst(): void {
    document.querySelector<HTMLElement>(".gate input:not([hidden])")?.focus();
}

export const Login = component<{ ended: boolean; onLogin: (user: string, password: string) => Promise<void> }>((p) => {
    const [user, setUser] = useState("");
    const [password, setPassword] = useState("");
    const { busy, error, work } = useWork();
    useEffect(() => {
        document.title = "Log in · Claviger";
        focusFirst();
    }, []);
    return (
        <main class="gate">
            <p class="brand"><Logo />Claviger</p>
            <section class="part" aria-labelledby="login">
                <header class="part-head"><h1 id="login">Log in</h1></header>
                {p.ended ? <p class="note" role="status">Your session has ended. Log in again; you will be where you were.</p> : null}
                <Form send="Log in" busy={busy} error={error} label="Log in" onSend={() => work(async () => {
                    try {
                        await p.onLogin(user, password);
                    } finally {
                        setPassword("");
                    }
                })}>
                    <TextField label="Name" name="user" value={user} onValue={setUser} required autocomplete="username" maxlength={64} />
                    <TextField label="Password" name="password" type="password" value={password} onValue={setPassword} required autocomplete="current-password" />
                </Form>
            </section>
            <ThemeSwitch />
        </main>
    );
});

export const NewPassword = component<{ session: Session; forced: boolean; onDone: () => void; onLeave: () => void }>((p) => {
    const [old, setOld] = useState("");
    const [next, setNext] = useState("");
    const [again, setAgain] = useState("");
    const [tried, setTried] = useState(false);
    const { busy, error, work } = useWork();
    useEffect(() => {
        document.title = "New password · Claviger";
        focusFirst();
    }, []);
    const short = next.length < PASSWORD_MIN ? `at least ${PASSWORD_MIN} characters` : next === old ? "another one than before" : null;
    const unlike = again !== next ? "the two are not the same" : null;
    return (
        <main class="gate">
            <p class="brand"><Logo />Claviger</p>
            <section class="part" aria-labelledby="password">
                <header class="part-head"><h1 id="password">New password</h1></header>
                {p.forced ? <p class="note">The password of {p.session.user} was made for you. Choose your own before you go on.</p> : null}
                <Form send="Change password" busy={busy} error={error} label="New password" cancel={p.onLeave} onSend={() => {
                    setTried(true);
                    if (!short && !unlike) void work(async () => {
                        await put("/v1/session/password", { old, new: next });
                        p.onDone();
                    });
                }}>
                    <input type="text" name="username" value={p.session.user} autocomplete="username" hidden readOnly />
                    <TextField label="Old password" name="old" type="password" value={old} onValue={setOld} required autocomplete="current-password" />
                    <TextField label="New password" name="new" type="password" value={next} onValue={setNext} required autocomplete="new-password"
                        hint={`At least ${PASSWORD_MIN} characters; a few unrelated words are good.`} error={tried ? short : null} />
                    <TextField label="New password again" name="again" type="password" value={again} onValue={setAgain} required autocomplete="new-password" error={tried ? unlike : null} />
                </Form>
            </section>
        </main>
    );
});
