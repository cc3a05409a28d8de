// Light, dark, or what the system says.

import { h, VNode } from "preact";
import { component, useState } from "./hooks";
import { Icon, IconName } from "./ui/icons";

type Theme = "auto" | "light" | "dark";

function stored(): Theme {
    try {
        const value = localStorage.getItem("theme");
        return value === "light" || value === "dark" ? value : "auto";
    } catch {
        return "auto";
    }
}

export function applyTheme(theme: Theme = stored()): void {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    dispatchEvent(new Event("themechange"));
}

const choices: [Theme, IconName, string][] = [["auto", "auto", "As the system"], ["light", "sun", "Light"], ["dark", "moon", "Dark"]];

export const ThemeSwitch = component((): VNode => {
    const [theme, set] = useState(stored);
    const choose = (value: Theme): void => {
        try {
            localStorage.setItem("theme", value);
        } catch {
            // private windows: for this page only, then
        }
        applyTheme(value);
        set(value);
    };
    return (
        <div class="theme" role="group" aria-label="Colours">
            {choices.map(([value, icon, text]) => (
                <button key={value} type="button" aria-pressed={value === theme ? "true" : "false"} aria-label={text} title={text} onClick={() => choose(value)}>
                    <Icon name={icon} />
                </button>
            ))}
        </div>
    );
});
