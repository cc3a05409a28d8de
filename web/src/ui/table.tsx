// Tables. On a narrow screen each row becomes a card; the roles are written out, because display: block would take them away.

import { Child, h, VNode } from "preact";
import { count } from "../format";

export interface Column<T> {
    name: string;
    cell: (row: T) => Child;
    num?: boolean; // a number: to the right, digits of one width
    wide?: boolean; // only where there is room
    shy?: boolean; // heading for screen readers only
}

export function Table<T>(p: {
    caption: string;
    columns: Column<T>[];
    rows: T[];
    rowKey: (row: T, index: number) => string | number;
    rowClass?: (row: T) => string | undefined;
    busy?: boolean;
}): VNode {
    return (
        <div class="table-frame">
            <table role="table" aria-busy={p.busy ? "true" : undefined}>
                <caption class="hidden">{p.caption}</caption>
                <thead role="rowgroup">
                    <tr role="row">
                        {p.columns.map((c) => (
                            <th key={c.name} role="columnheader" scope="col" class={`${c.num ? "num" : ""}${c.wide ? " wide" : ""}`}>
                                {c.shy ? <span class="hidden">{c.name}</span> : c.name}
                            </th>
                        ))}
                    </tr>
                </thead>
                <tbody role="rowgroup">
                    {p.rows.map((row, i) => (
                        <tr key={p.rowKey(row, i)} role="row" class={p.rowClass?.(row)}>
                            {p.columns.map((c, at) => at === 0
                                ? <th key={c.name} role="rowheader" scope="row" data-name={c.name}>{c.cell(row)}</th>
                                : <td key={c.name} role="cell" data-name={c.shy ? "" : c.name} class={`${c.num ? "num" : ""}${c.wide ? " wide" : ""}`}>{c.cell(row)}</td>)}
                        </tr>
                    ))}
                </tbody>
            </table>
        </div>
    );
}

export const More = ({ shown, total, more, busy }: { shown: number; total?: number; more?: (() => void) | null; busy?: boolean }): VNode => (
    <div class="more">
        <span class="muted" role="status">{total === undefined ? `${count(shown)} shown` : `${count(shown)} of ${count(total)}`}</span>
        {more ? <button type="button" onClick={more} aria-disabled={busy ? "true" : undefined}>Show more</button> : null}
    </div>
);
