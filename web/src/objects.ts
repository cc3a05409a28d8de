// Shapes of KMIP objects (docs/api.md), and what is drawn of them everywhere. Never what is in them: the API has none to give.

import { stateMark } from "./factory";
import { Mark } from "./ui/icons";

export interface ObjectRow {
    id: string;
    type: string | null;
    algorithm: string | null;
    length: number;
    state: string | null;
    names: string[];
    group: string;
    placement: string;
    archived: boolean;
    created: string | null;
    activation: string | null;
    deactivation: string | null;
    last_change: string | null;
}

export interface ObjectDetails extends ObjectRow {
    owner: string | null;
    usage: { total: number; left: number; unit: string | null } | null;
    history: { date: string; time: string | null }[];
    links: { type: string | null; id: string }[];
    attributes: { name: string; value: string }[];
}

export const named = (o: ObjectRow): string => (o.names.length ? o.names.join(", ") : o.id);
export const keyOf = (o: ObjectRow): string => [o.algorithm ?? "", o.length ? String(o.length) : ""].filter(Boolean).join(" ");
export const objectMark = (state: string | null): Mark => stateMark((state ?? "").toLowerCase());
