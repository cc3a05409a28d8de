// State and effects for function components. Preact 8 has classes only; `component` makes one of a function.

import { Child, Component } from "preact";

interface Slot {
    value?: unknown;
    deps?: unknown[];
    run?: () => void | (() => void);
    undo?: void | (() => void);
}

let current: Hooked<unknown> | null = null;

abstract class Hooked<P> extends Component<P> {
    slots: Slot[] = [];
    at = 0;
    gone = false;

    // After the DOM is as rendered: effects whose inputs changed.
    settle(): void {
        for (const slot of this.slots) {
            if (slot.run) {
                const run = slot.run;
                slot.run = undefined;
                if (slot.undo) slot.undo();
                slot.undo = run();
            }
        }
    }
    componentDidMount(): void {
        this.settle();
    }
    componentDidUpdate(): void {
        this.settle();
    }
    componentWillUnmount(): void {
        this.gone = true;
        for (const slot of this.slots) if (slot.undo) slot.undo();
    }
}

type Props<P> = P & { children?: Child };

export function component<P = {}>(draw: (props: Props<P>) => Child): new (props: P) => Component<P> {
    return class extends Hooked<P> {
        render(props: Props<P>): Child {
            const outer = current;
            current = this as Hooked<unknown>;
            this.at = 0;
            try {
                return draw(props);
            } finally {
                current = outer;
            }
        }
    };
}

function slot(): [Hooked<unknown>, Slot] {
    const owner = current!;
    const at = owner.at++;
    return [owner, (owner.slots[at] ??= {})];
}

export function useState<T>(initial: T | (() => T)): [T, (next: T | ((before: T) => T)) => void] {
    const [owner, mine] = slot();
    if (!("value" in mine)) mine.value = typeof initial === "function" ? (initial as () => T)() : initial;
    const set = (next: T | ((before: T) => T)): void => {
        const value = typeof next === "function" ? (next as (before: T) => T)(mine.value as T) : next;
        if (Object.is(value, mine.value)) return;
        mine.value = value;
        if (!owner.gone) owner.setState({});
    };
    return [mine.value as T, set];
}

export function useRef<T>(initial: T): { now: T } {
    const [, mine] = slot();
    return (mine.value ??= { now: initial }) as { now: T };
}

/* `run` after drawing, whenever one of `deps` is another than before; what it gives is called before the next, and at the end. */
export function useEffect(run: () => void | (() => void), deps: unknown[]): void {
    const [, mine] = slot();
    if (mine.deps && mine.deps.length === deps.length && deps.every((d, i) => Object.is(d, mine.deps![i]))) return;
    mine.deps = deps;
    mine.run = run;
}

export interface Loaded<T> {
    data: T | null;
    error: Error | null;
    loading: boolean;
    reload: () => void;
}

/* What `load` gives; on another of `deps` it is loaded anew, and what was there stays until then. An answer that comes after a
 * later question is dropped. */
export function useLoad<T>(load: () => Promise<T>, deps: unknown[]): Loaded<T> {
    const [state, set] = useState<{ data: T | null; error: Error | null; loading: boolean }>({
        data: null, error: null, loading: true,
    });
    const [again, setAgain] = useState(0);
    useEffect(() => {
        let dropped = false;
        set((before) => ({ ...before, loading: true }));
        load().then(
            (data) => { if (!dropped) set({ data, error: null, loading: false }); },
            (error) => { if (!dropped) set((before) => ({ data: before.data, error, loading: false })); },
        );
        return () => { dropped = true; };
    }, [...deps, again]);
    return { ...state, reload: () => setAgain((n) => n + 1) };
}

/* `tick` every so often while the page can be seen. */
export function useInterval(tick: () => void, milliseconds: number): void {
    const last = useRef(tick);
    last.now = tick;
    useEffect(() => {
        if (milliseconds <= 0) return undefined;
        const timer = setInterval(() => { if (!document.hidden) last.now(); }, milliseconds);
        return () => clearInterval(timer);
    }, [milliseconds]);
}

/* `value` once it stood still: for searching while someone types. */
export function useSettled<T>(value: T, milliseconds = 200): T {
    const [settled, set] = useState(value);
    useEffect(() => {
        const timer = setTimeout(() => set(value), milliseconds);
        return () => clearTimeout(timer);
    }, [value]);
    return settled;
}
