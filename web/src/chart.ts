// Runs over time as stacked bars. A chunk of its own: only what is drawn is taken of Chart.js.

import { BarController, BarElement, CategoryScale, Chart, LinearScale, Tooltip } from "chart.js";
import { LineState } from "./factory";
import { clock } from "./format";

Chart.register(BarController, BarElement, CategoryScale, LinearScale, Tooltip);

export interface LineChart {
    update: (rows: LineState["chart"]) => void;
    restyle: () => void;
    end: () => void;
}

/* A colour of the style sheet as the canvas knows it: `light-dark()` is resolved by asking an element. */
function colour(name: string): string {
    const probe = document.createElement("i");
    probe.className = "hidden";
    probe.style.color = `var(--${name})`;
    document.body.append(probe);
    const value = getComputedStyle(probe).color;
    probe.remove();
    return value;
}

export function drawLine(canvas: HTMLCanvasElement, rows: LineState["chart"]): LineChart {
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const labels = (list: LineState["chart"]): string[] => list.map((r) => clock(r.time));
    const chart = new Chart(canvas, {
        type: "bar",
        data: {
            labels: labels(rows),
            datasets: [
                { label: "passed", data: rows.map((r) => r.passed), stack: "runs", barPercentage: 1, categoryPercentage: 0.86, backgroundColor: colour("good-fill") },
                { label: "failed", data: rows.map((r) => r.failed), stack: "runs", barPercentage: 1, categoryPercentage: 0.86, backgroundColor: colour("bad-fill") },
            ],
        },
        options: {
            responsive: true,
            maintainAspectRatio: false,
            animation: still ? false : { duration: 250 },
            interaction: { mode: "index", intersect: false },
            scales: {
                x: { stacked: true, grid: { display: false }, ticks: { maxRotation: 0, autoSkipPadding: 24 } },
                y: { stacked: true, beginAtZero: true, ticks: { precision: 0, maxTicksLimit: 6 } },
            },
            font: { family: getComputedStyle(document.documentElement).fontFamily },
        },
    });
    const restyle = (): void => {
        chart.data.datasets[0].backgroundColor = colour("good-fill");
        chart.data.datasets[1].backgroundColor = colour("bad-fill");
        for (const axis of ["x", "y"]) {
            const scale = chart.options.scales![axis]!;
            scale.ticks!.color = colour("muted");
            scale.grid!.color = colour("edge");
            scale.grid!.borderColor = colour("edge");
        }
        chart.update();
    };
    restyle();
    return {
        restyle,
        update: (list) => {
            chart.data.labels = labels(list);
            chart.data.datasets[0].data = list.map((r) => r.passed);
            chart.data.datasets[1].data = list.map((r) => r.failed);
            chart.update();
        },
        end: () => chart.destroy(),
    };
}
