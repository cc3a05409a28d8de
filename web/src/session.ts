// Who is at the screen, and what the daemon lets them do. The rights are those of src/vault/access.c; the daemon asks for itself,
// here they only decide what is offered. tests/ui compares the two.

import { Session } from "./api";

export type Action =
    | "NETWORK_READ" | "NETWORK_MANAGE" | "NODE_READ" | "NODE_MANAGE" | "KEY_IMPORT" | "KEY_EXPORT" | "KEYRING_EXPORT"
    | "PEER_MANAGE" | "DOMAIN_ROTATE" | "BACKUP" | "CLIENT_READ" | "CLIENT_MANAGE" | "OBJECT_READ" | "AUDIT_READ" | "FILE" | "JOB"
    | "USER_READ" | "USER_MANAGE" | "FACTORY_READ" | "FACTORY_MANAGE" | "FACTORY_EXPORT";

const fleet: Action[] = ["NETWORK_READ", "NODE_READ"];
const works: Action[] = ["FILE", "JOB"];
const people: Action[] = ["CLIENT_READ", "OBJECT_READ", "USER_READ", "AUDIT_READ"];

export const rights: { [role: string]: Action[] | "all" } = {
    administrator: "all",
    operator: [...fleet, ...works, "NETWORK_MANAGE", "NODE_MANAGE", "KEY_IMPORT", "KEY_EXPORT", "PEER_MANAGE", "CLIENT_READ"],
    factory: [...works, "FACTORY_READ", "FACTORY_MANAGE", "FACTORY_EXPORT", "CLIENT_READ"],
    officer: [...fleet, ...works, ...people, "DOMAIN_ROTATE", "KEY_EXPORT", "KEYRING_EXPORT", "PEER_MANAGE", "CLIENT_MANAGE", "BACKUP"],
    auditor: [...fleet, ...people, "FACTORY_READ", "JOB"],
    headend: [],
    backoffice: [],
    technician: [],
};

export const roles: [string, string][] = [
    ["administrator", "everything"],
    ["operator", "networks, nodes and gateways"],
    ["factory", "packages, devices and their export"],
    ["officer", "domain keys, certificates, backups, audit"],
    ["auditor", "sees everything, changes nothing"],
    ["headend", "the state of the system"],
    ["backoffice", "the state of the system"],
    ["technician", "the state of the system"],
];

export function may(session: Session, action: Action): boolean {
    const has = rights[session.role] ?? [];
    return has === "all" || has.includes(action);
}
