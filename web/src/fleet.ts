// Shapes of networks and nodes (docs/api.md). Keys are counted and dated here, never shown: the API has none to give.

export interface KeyVersion {
    key: string;
    version: number;
    state: string;
    created: string;
    activates: string | null;
}

export interface NetworkRow {
    name: string;
    realm: string;
    id_bits: number;
    created: string;
    passphrase_version: number;
    domain_version: number;
    resealing: boolean;
    keys: KeyVersion[];
    nodes?: { active: number; revoked: number; destroyed: number };
}

export interface NodeRow {
    id: string;
    state: string;
    batch: number;
    reprovisioned: number;
    epoch: number;
}

export const newest = (network: NetworkRow, key: string): KeyVersion | undefined =>
    network.keys.filter((k) => k.key === key && k.state === "active").sort((a, b) => b.version - a.version)[0];
