// The part of Preact 8 (Debian's node-preact) that these pages use. Its own types predate strict TypeScript.
declare module "preact" {
    export interface VNode {
        nodeName: unknown;
    }
    export type Child = VNode | string | number | boolean | null | undefined | Child[];

    export abstract class Component<P = {}, S = {}> {
        constructor(props?: P, context?: unknown);
        props: P & { children?: Child };
        state: S;
        base: Element | undefined;
        setState(state: Partial<S>): void;
        forceUpdate(): void;
        componentDidMount?(): void;
        componentDidUpdate?(): void;
        componentWillUnmount?(): void;
        abstract render(props: P & { children?: Child }, state: S): Child;
    }
    export function h(node: unknown, props: unknown, ...children: Child[]): VNode;
    export function render(node: VNode, parent: Element, replace?: Element): Element;
}

declare namespace JSX {
    type Child = import("preact").Child;
    type Element = import("preact").VNode;
    interface ElementClass {
        render(props: any, state: any): Child;
    }
    interface ElementAttributesProperty {
        props: {};
    }
    interface ElementChildrenAttribute {
        children: {};
    }
    interface IntrinsicAttributes {
        key?: string | number;
    }
    type Handler<E> = (event: E) => void;
    interface Attributes {
        key?: string | number;
        ref?: (element: any) => void;
        class?: string;
        id?: string;
        children?: unknown;
        onClick?: Handler<MouseEvent>;
        onInput?: Handler<Event>;
        onChange?: Handler<Event>;
        onSubmit?: Handler<Event>;
        onKeyDown?: Handler<KeyboardEvent>;
        onBlur?: Handler<FocusEvent>;
        onDragOver?: Handler<DragEvent>;
        onDragLeave?: Handler<DragEvent>;
        onDrop?: Handler<DragEvent>;
        onCancel?: Handler<Event>;
        onClose?: Handler<Event>;
        style?: { [property: string]: string | number };
        dangerouslySetInnerHTML?: never; // what comes from elsewhere is text, always
        innerHTML?: never;
        [attribute: string]: unknown;
    }
    interface IntrinsicElements {
        [element: string]: Attributes;
    }
}

declare const h: typeof import("preact").h;
