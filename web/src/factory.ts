// Shapes of the factory's part of the API (docs/api.md), and what is drawn of them everywhere.

import { Mark } from "./ui/icons";

export interface Named {
    name: string;
    version: string;
}

export interface PackageRow {
    config_id: string;
    revision: number;
    label: string;
    node_type: string;
    node_version: string;
    applications: Named[];
    aliases: string[];
    network: string;
    comment: string;
    imported: string;
    imported_by: string;
}

export interface PackageFile {
    name: string;
    role: string;
    size: number;
    sha256: string;
    md5: string | null;
}

export interface Application extends Named {
    firmware: string | null;
    field_configuration: string | null;
    factory_configuration: string | null;
    public_key: string | null;
}

export interface PackageDetails extends Omit<PackageRow, "applications"> {
    created: string;
    packager: string;
    sha256: string;
    size: number;
    kms_key: { fingerprint: string; bits: number } | null;
    gateway_keys: { network: string; realm: string; versions: { gateway: number; cdld: number } } | null;
    hardware: string | string[] | null;
    node: { type: string; version: string; firmware: string | null; field_configuration: string | null; factory_configuration: string | null };
    applications: Application[];
    files: PackageFile[];
    revisions: { revision: number; imported: string; imported_by: string; comment: string }[];
}

export interface DeviceRow {
    node_id: string;
    config_id: string;
    revision: number;
    batch: number;
    state: string;
    station: string;
    operator: string;
    time: string;
    return_code: number | null;
    exported: boolean | string | null;
}

export interface Run {
    id: number;
    run: string;
    node_id: string | null;
    operation: string;
    station: string;
    operator: string;
    batch: number;
    config_id: string;
    begun: string;
    ended: string | null;
    return_code: number | null;
    text: string | null;
    node_type?: string;
    hardware?: string;
    locked?: boolean;
    seconds?: number | null;
    versions_before?: { [name: string]: string } | null;
    versions_after?: { [name: string]: string } | null;
}

export interface LineState {
    stations: { name: string; operator: string | null; last: string | null; passed: number; failed: number; busy: boolean | number }[];
    batches: { batch: number; passed: number; failed: number }[];
    codes: { code: number; count: number; text: string; action: string }[];
    chart: { time: string; passed: number; failed: number }[];
}

export const versions = (list: Named[]): string => list.map((a) => `${a.name} ${a.version}`).join(", ");

export function stateMark(state: string): Mark {
    switch (state) {
    case "provisioned": case "active": case "enabled": case "done": case "ok": return "good";
    case "keyed": case "pretested": case "pending": case "queued": case "pre-active": return "wait";
    case "revoked": case "failed": case "disabled": case "locked": case "compromised": return "bad";
    default: return "idle";
    }
}
