// The frame: who is logged in, where one can go, and the page of the place one is at.

import { Child, h, render, VNode } from "preact";
import { login, logout, onSessionLost, Session, session as ask, useCsrf } from "./api";
import { component, useEffect, useState } from "./hooks";
import { href, Place, usePlace } from "./router";
import { Action, may } from "./session";
import { applyTheme, ThemeSwitch } from "./theme";
import { Icon, IconName, Logo } from "./ui/icons";
import { Empty, ErrorBox, Page } from "./ui/kit";
import { Login, NewPassword } from "./pages/login";
import { Overview } from "./pages/overview";
import { Package } from "./pages/package";
import { Import } from "./pages/import";
import { Line } from "./pages/line";
import { Devices } from "./pages/devices";
import { Device } from "./pages/device";
import { Export } from "./pages/export";
import { Networks } from "./pages/networks";
import { Network } from "./pages/network";
import { Objects } from "./pages/objects";
import { ObjectPage } from "./pages/object";
import { Clients } from "./pages/clients";
import { Audit } from "./pages/audit";
import { Users } from "./pages/users";
import { System } from "./pages/system";
import "./styles/main.css";

export interface PageProps {
    session: Session;
    place: Place;
}

interface Entry {
    name: string;
    title: string;
    icon: IconName;
    needs?: Action;
    page: new (props: PageProps) => unknown;
    detail?: new (props: PageProps) => unknown;
}

const groups: [string, Entry[]][] = [
    ["Factory", [
        { name: "overview", title: "Overview", icon: "overview", needs: "FACTORY_READ", page: Overview, detail: Package },
        { name: "import", title: "Import", icon: "import", needs: "FACTORY_MANAGE", page: Import },
        { name: "line", title: "Line", icon: "line", needs: "FACTORY_READ", page: Line },
        { name: "devices", title: "Devices", icon: "devices", needs: "FACTORY_READ", page: Devices, detail: Device },
        { name: "export", title: "Export", icon: "export", needs: "FACTORY_EXPORT", page: Export },
    ]],
    ["Keys", [
        { name: "networks", title: "Networks", icon: "networks", needs: "NETWORK_READ", page: Networks, detail: Network },
        { name: "kmip", title: "KMIP objects", icon: "objects", needs: "NETWORK_READ", page: Objects, detail: ObjectPage },
    ]],
    ["Access", [
        { name: "clients", title: "Clients", icon: "clients", needs: "CLIENT_READ", page: Clients },
        { name: "users", title: "Users", icon: "users", needs: "USER_READ", page: Users },
    ]],
    ["Watch", [
        { name: "audit", title: "Audit", icon: "audit", needs: "AUDIT_READ", page: Audit },
        { name: "system", title: "System", icon: "system", page: System },
    ]],
];

const entries = groups.flatMap(([, list]) => list);
const allowed = (session: Session, entry: Entry): boolean => !entry.needs || may(session, entry.needs);

// What is not part of this daemon is not offered; its address still says so.
const offered = (session: Session, entry: Entry): boolean => allowed(session, entry) && (session.factory !== false || !entry.needs?.startsWith("FACTORY"));

function Nav({ session, at }: { session: Session; at: string }): VNode {
    return (
        <nav class="nav" aria-label="Pages">
            {groups.map(([title, list]) => {
                const mine = list.filter((entry) => offered(session, entry));
                return mine.length === 0 ? null : (
                    <div key={title}>
                        <h2>{title}</h2>
                        <ul>
                            {mine.map((entry) => (
                                <li key={entry.name}>
                                    <a href={href([entry.name])} aria-current={entry.name === at ? "page" : undefined}><Icon name={entry.icon} />{entry.title}</a>
                                </li>
                            ))}
                        </ul>
                    </div>
                );
            })}
        </nav>
    );
}

const Frame = component<{ session: Session; onLeave: () => void; onPassword: () => void }>(({ session, onLeave, onPassword }) => {
    const place = usePlace();
    const [open, setOpen] = useState(false);
    const first = entries.find((entry) => offered(session, entry))!;
    const name = place.path[0] ?? first.name;
    const entry = entries.find((e) => e.name === name);
    const id = place.path[1];

    // Another page: its heading is where one is now, for the keyboard and for what is read aloud.
    const where = `${name}/${id ?? ""}`;
    const [last, setLast] = useState("");
    useEffect(() => {
        setOpen(false);
        if (last !== "" && last !== where) {
            scrollTo(0, 0);
            document.querySelector<HTMLElement>(".main h1")?.focus();
        }
        setLast(where);
    }, [where]);

    let page: Child;
    if (!entry || (id !== undefined && !entry.detail)) {
        page = <Page title="Nothing here"><section class="part"><Empty icon="search" title="There is no such page"><a href={href([first.name])}>{first.title}</a></Empty></section></Page>;
    } else if (!allowed(session, entry)) {
        page = <Page title={entry.title}><section class="part"><Empty icon="key" title="Not for your role">As {session.role} you may not see this page.</Empty></section></Page>;
    } else {
        const Shown = (id !== undefined ? entry.detail! : entry.page) as unknown as (props: PageProps & { key: string }) => VNode;
        page = <Shown key={where} session={session} place={place} />;
    }
    const skip = (e: MouseEvent): void => {
        e.preventDefault();
        document.querySelector<HTMLElement>(".main h1")?.focus();
    };
    return (
        <div class={open ? "frame open" : "frame"}>
            <a class="skip" href="#main" onClick={skip}>Skip to content</a>
            <header class="top">
                <a class="brand" href={href([first.name])}><Logo />Claviger</a>
                <button type="button" class="quiet" aria-expanded={open ? "true" : "false"} aria-controls="side" aria-label="Menu" onClick={() => setOpen(!open)}>
                    <Icon name={open ? "close" : "menu"} />
                </button>
            </header>
            <div class="side" id="side">
                <a class="brand" href={href([first.name])}><Logo />Claviger</a>
                <Nav session={session} at={name} />
                <div class="side-foot">
                    <ThemeSwitch />
                    <div class="who">
                        <div><strong title={session.user}>{session.user}</strong><span class="muted">{session.role}</span></div>
                        <button type="button" class="quiet" aria-label="Change password" title="Change password" onClick={onPassword}><Icon name="key" /></button>
                        <button type="button" class="quiet" aria-label="Log out" title="Log out" onClick={onLeave}><Icon name="logout" /></button>
                    </div>
                </div>
            </div>
            <main class="main" id="main">{page}</main>
        </div>
    );
});

const App = component(() => {
    const [state, set] = useState<{ session: Session | null; known: boolean; error: Error | null; ended: boolean }>({
        session: null, known: false, error: null, ended: false,
    });
    const [changing, setChanging] = useState(false);
    const enter = (session: Session): void => {
        useCsrf(session.csrf);
        set({ session, known: true, error: null, ended: false });
    };
    const look = (): void => {
        ask().then(enter, (error) => set({ session: null, known: true, error: error.status === 401 ? null : error, ended: false }));
    };
    useEffect(() => {
        onSessionLost(() => {
            useCsrf("");
            set((before) => ({ session: null, known: true, error: null, ended: before.ended || before.session !== null }));
        });
        look();
    }, []);

    if (!state.known) return <div class="gate"><p class="brand"><Logo />Claviger</p></div>;
    if (state.error) return <main class="gate"><h1 class="brand"><Logo />Claviger</h1><ErrorBox error={state.error} retry={look} /></main>;
    if (!state.session) {
        return <Login ended={state.ended} onLogin={async (user: string, password: string) => enter(await login(user, password))} />;
    }
    const session = state.session;
    const leave = (): void => {
        const out = (): void => {
            useCsrf("");
            location.hash = "";
            set({ session: null, known: true, error: null, ended: false });
        };
        // Not before the daemon has ended it: who walks away has to be able to rely on that.
        logout().then(out, (error) => (error.status === 401 ? out() : set((before) => ({ ...before, session: null, error }))));
    };
    if (session.must_change || changing) {
        return (
            <NewPassword session={session} forced={session.must_change} onLeave={session.must_change ? leave : () => setChanging(false)}
                onDone={() => { setChanging(false); look(); }} />
        );
    }
    return <Frame session={session} onLeave={leave} onPassword={() => setChanging(true)} />;
});

applyTheme();
export function start(root: HTMLElement): void {
    root.textContent = ""; // what index.html shows until here: the same as the frame does while it asks who is logged in
    render(
        <div>
            <div id="announcer" class="hidden" aria-live="polite" />
            <App />
        </div>, root);
}
