// Rules over what is rendered; gives a list of what is wrong, in words. Runs as the body of a function in the page.
const wrong = [];
const name = (e) => `<${e.tagName.toLowerCase()}${e.id ? ` id=${e.id}` : ""}${e.className && typeof e.className === "string" ? ` class=${e.className}` : ""}> ${(e.textContent || e.value || "").trim().slice(0, 40)}`;
const shown = (e) => {
    if (!e.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true })) return false;
    const r = e.getBoundingClientRect();
    return r.width > 1 && r.height > 1;
};
const dialog = document.querySelector("dialog[open]");
const root = dialog || document.body;
const all = [...root.querySelectorAll("*")];

// Structure
if (!document.documentElement.lang) wrong.push("the page has no language");
if (!document.title.includes("Claviger")) wrong.push("the page has no title");
if (document.querySelectorAll("main").length !== 1) wrong.push("there is not one main");
const seen = new Set();
for (const e of document.querySelectorAll("[id]")) {
    if (seen.has(e.id)) wrong.push(`two elements have the id ${e.id}`);
    seen.add(e.id);
}
for (const e of all) {
    for (const attribute of ["aria-labelledby", "aria-describedby", "aria-controls", "for"]) {
        for (const id of (e.getAttribute(attribute) || "").split(" ").filter(Boolean)) {
            if (!document.getElementById(id)) wrong.push(`${name(e)}: ${attribute} names ${id}, which is not there`);
        }
    }
    if (e.tabIndex > 0) wrong.push(`${name(e)}: a tabindex above 0`);
    if (e.getAttribute("aria-hidden") === "true" && e.matches("a, button, input:not([tabindex='-1']), select, textarea")) wrong.push(`${name(e)}: hidden and reachable`);
}

// Headings, in order and without a gap
const headings = [...document.querySelectorAll("h1, h2, h3, h4")].filter(shown);
if (headings.filter((e) => e.tagName === "H1").length !== 1) wrong.push(`${headings.filter((e) => e.tagName === "H1").length} headings of level 1`);
let level = 0;
for (const e of headings.filter((e) => e.closest("main"))) {
    const mine = Number(e.tagName[1]);
    if (mine > level + 1) wrong.push(`${name(e)}: level ${mine} after ${level}`);
    level = mine;
}

// Pictures and tables
for (const e of all.filter((e) => e.matches("svg, img, canvas") && shown(e))) {
    if (e.getAttribute("aria-hidden") !== "true" && !(e.getAttribute("role") === "img" && e.getAttribute("aria-label"))) wrong.push(`${name(e)}: a picture without words`);
}
for (const e of all.filter((e) => e.matches("table"))) {
    if (!e.caption || !e.caption.textContent.trim()) wrong.push("a table without a caption");
    for (const th of e.querySelectorAll("th")) if (!th.scope) wrong.push(`${name(th)}: a table heading without scope`);
    for (const th of e.querySelectorAll("thead th")) if (!th.textContent.trim()) wrong.push("a column without a name");
}

// Contrast: WCAG 2.2, 1.4.3 and 1.4.11
const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
const colours = new Map();
const rgba = (text) => {
    if (!colours.has(text)) {
        probe.clearRect(0, 0, 1, 1);
        probe.fillStyle = text;
        probe.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = probe.getImageData(0, 0, 1, 1).data;
        colours.set(text, [r, g, b, a / 255]);
    }
    return colours.get(text);
};
const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3]));
const ground = (e) => {
    const layers = [];
    for (let at = e; at; at = at.parentElement) {
        const c = rgba(getComputedStyle(at).backgroundColor);
        if (c[3] > 0) layers.push(c);
        if (c[3] === 1) break;
    }
    return layers.reverse().reduce((under, c) => over(c, under), [255, 255, 255]);
};
const light = (c) => {
    const [r, g, b] = c.map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (a, b) => {
    const [x, y] = [light(a), light(b)].sort((p, q) => q - p);
    return (x + 0.05) / (y + 0.05);
};
const off = (e) => e.closest("[disabled], [aria-disabled='true']");
for (const e of all) {
    const words = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!words || !shown(e) || off(e)) continue;
    const style = getComputedStyle(e), under = ground(e);
    const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const is = contrast(over(rgba(style.color), under), under);
    if (is < (large ? 3 : 4.5)) wrong.push(`${name(e)}: contrast ${is.toFixed(2)}`);
}
for (const e of all.filter((e) => e.matches("input:not([type=checkbox]):not([type=search]), select, textarea") && shown(e) && !off(e))) {
    const is = contrast(over(rgba(getComputedStyle(e).borderTopColor), ground(e.parentElement)), ground(e.parentElement));
    if (is < 3) wrong.push(`${name(e)}: contrast of its edge ${is.toFixed(2)}`);
}
for (const e of all.filter((e) => e.matches(".sign svg, .icon, .passbar .passed, .passbar .failed") && shown(e) && !off(e))) {
    const style = getComputedStyle(e), colour = e.matches("rect") ? style.fill : style.color;
    const is = contrast(over(rgba(colour), ground(e.parentElement)), ground(e.parentElement));
    if (is < 3) wrong.push(`${e.parentElement.className} ${e.className.baseVal}: contrast of a drawing ${is.toFixed(2)}`);
}

// Targets: WCAG 2.2, 2.5.8 (24 by 24, or room around it, or in a line of text)
const targets = all.filter((e) => e.matches("a[href], button, input:not([type=hidden]), select, textarea") && shown(e));
const box = (e) => e.getBoundingClientRect();
for (const e of targets) {
    const r = box(e);
    if (r.width >= 24 && r.height >= 24) continue;
    if (getComputedStyle(e).display === "inline" && [...e.parentElement.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
    const x = r.left + r.width / 2, y = r.top + r.height / 2;
    const near = targets.find((o) => {
        if (o === e || o.contains(e) || e.contains(o)) return false;
        const q = box(o), dx = Math.max(q.left - x, 0, x - q.right), dy = Math.max(q.top - y, 0, y - q.bottom);
        return Math.hypot(dx, dy) < 12;
    });
    if (near) wrong.push(`${name(e)}: a target of ${Math.round(r.width)} by ${Math.round(r.height)}, close to ${name(near)}`);
}

// Where the keyboard is can be seen
const before = document.activeElement;
for (const e of targets.filter((e) => e.tabIndex >= 0 && !e.disabled)) {
    e.focus({ focusVisible: true, preventScroll: true });
    const style = getComputedStyle(e);
    if (document.activeElement === e && (style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 2)) wrong.push(`${name(e)}: the focus can't be seen`);
}
before?.focus?.({ preventScroll: true });

// Nothing sticks out
if (document.documentElement.scrollWidth > innerWidth + 1) {
    const widest = all.filter((e) => shown(e) && box(e).right > innerWidth + 1 && !e.closest(".table-frame"))[0];
    wrong.push(`the page is ${document.documentElement.scrollWidth} wide on a screen of ${innerWidth}${widest ? `: ${name(widest)}` : ""}`);
}
return [...new Set(wrong)];
