// What is in a package: the same before it is imported and after.

import { h, VNode } from "preact";
import { PackageDetails } from "../factory";
import { size } from "../format";
import { Code, Facts, Time } from "./kit";
import { Table } from "./table";

export const PackageFacts = ({ of: p }: { of: PackageDetails }): VNode => (
    <Facts rows={[
        ["Configuration id", <Code>{p.config_id}</Code>],
        ["Label", p.label],
        ["Network", p.network],
        ["Node", `${p.node?.type ?? p.node_type} ${p.node?.version ?? p.node_version}`],
        ["Hardware", Array.isArray(p.hardware) ? p.hardware.join(", ") : p.hardware],
        ["Packaged", p.created ? <Time value={p.created} /> : ""],
        ["Packager", p.packager],
        ["Size", p.size ? size(p.size) : ""],
        p.gateway_keys ? ["Gateway keys", `${p.gateway_keys.network} · ${p.gateway_keys.realm} · gateway v${p.gateway_keys.versions.gateway}, code download v${p.gateway_keys.versions.cdld}`] : null,
        p.kms_key ? ["Keys go to", <span>RSA {p.kms_key.bits} <Code>{p.kms_key.fingerprint.slice(0, 16)}…</Code></span>] : null,
        p.sha256 ? ["SHA-256", <Code>{p.sha256}</Code>] : null,
    ]} />
);

export const PackageApplications = ({ of: p, file }: { of: PackageDetails; file: (name: string | null) => VNode | string }): VNode => (
    <Table caption="Firmware and configuration of the node and its applications" rowKey={(r) => `${r.kind} ${r.name}`} rows={[
        { kind: "node", name: p.node?.type ?? p.node_type, public_key: null, ...(p.node ?? { version: p.node_version, firmware: null, field_configuration: null, factory_configuration: null }) },
        ...p.applications.map((a) => ({ kind: "application", ...a })),
    ]} columns={[
        { name: "Part", cell: (r) => <span>{r.name} <span class="muted">{r.kind}</span></span> },
        { name: "Version", cell: (r) => <span class="num">{r.version}</span> },
        { name: "Firmware", cell: (r) => file(r.firmware) },
        { name: "Field configuration", cell: (r) => file(r.field_configuration) },
        { name: "Factory configuration", cell: (r) => file(r.factory_configuration) },
        { name: "Public key", cell: (r) => file(r.public_key) },
    ]} />
);
