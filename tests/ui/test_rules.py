"""Every page, wide and on a phone, light and dark, by our own rules: names, roles, labels, headings, contrast, targets, focus, reflow.

A picture of each is kept in the build folder (ui/).
"""

from pathlib import Path

import pytest
from browser import PHONE, WIDE
from conftest import PICTURES

RULES = (Path(__file__).parent / "rules.js").read_text()
NAMED = {"button", "link", "textbox", "searchbox", "combobox", "checkbox", "listbox", "spinbutton", "Date", "navigation", "search", "form",
         "dialog", "image", "progressbar", "group"}
CONFIG = "0x0000012345678abc"
OBJECT = "019ab3c4-0000-7000-9a1b-2c3d4e5f6000"
PAGES = {
    "overview": "Overview", f"overview/{CONFIG}": "kite_170_node_637", "import": "Import", "line": "Line", "devices": "Devices",
    "devices/0x00010210": "0x00010210", "export": "Export", "networks": "Networks", "networks/metro-east": "metro-east", "kmip": "KMIP objects",
    f"kmip/{OBJECT}": "meter-ca-signer", "kmip/none": "none", "kmip?q=zzz": "KMIP objects",
    "clients": "Clients", "users": "Users", "audit": "Audit", "system": "System", "nowhere": "Nothing here",
    "overview/0x00000000000000ff": "Package", "devices?q=zzz": "Devices",
}


MISTAKES = {
    "contrast": "<p style='color: #999; background: #aaa'>pale</p>",
    "two elements have the id": "<i id='twice'></i><i id='twice'></i>",
    "which is not there": "<label for='nobody'>label</label>",
    "level 4 after": "<h4>deep</h4>",
    "a picture without words": "<svg width='20' height='20'><rect width='20' height='20'/></svg>",
    "a table without a caption": "<table><tr><td>x</td></tr></table>",
    "a table heading without scope": "<table><caption>c</caption><tr><th>x</th></tr></table>",
    "a target of": "<div><button style='all: unset; width: 9px; height: 9px; display: inline-block'>a</button>"
                   "<button style='all: unset; width: 9px; height: 9px; display: inline-block'>b</button></div>",
    "the focus can't be seen": "<button style='outline: none !important'>button</button>",
    "wide on a screen of": "<div style='width: 9000px; height: 9px'>wide</div>",
    "contrast of its edge": "<input aria-label='x' style='border-color: #eee'>",
    "button without a name": "<button style='width: 30px; height: 30px'></button>",
    "textbox without a name": "<input>",
    "a tabindex above 0": "<i tabindex='3'></i>",
}


def unnamed(browser):
    """Controls and landmarks of the tree that a screen reader gets, without a name."""
    for node in browser.cdp("Accessibility.getFullAXTree")["nodes"]:
        role = node.get("role", {}).get("value")
        if not node.get("ignored") and role in NAMED and not node.get("name", {}).get("value", "").strip():
            yield f"{role} without a name: {[p for p in node.get('properties', [])][:3]}"


def check(browser, what):
    wrong = [*browser.js(RULES), *unnamed(browser)]
    assert not wrong, f"{what}:\n" + "\n".join(wrong)


def test_the_rules_find_mistakes(page):
    """A rule that finds nothing has to be one that could."""
    for wanted, markup in MISTAKES.items():
        page.js("const e = document.createElement('div'); e.id = 'mistake'; document.querySelector('main').append(e);"
                "e.innerHTML = arguments[0]; for (const one of e.querySelectorAll('[style]')) one.style.cssText = one.getAttribute('style')", markup)
        found = [*page.js(RULES), *unnamed(page)]
        page.js("document.getElementById('mistake').remove()")
        assert any(wanted in f for f in found), (wanted, found)
    page.messages()  # the policy said no to each style attribute, as it should


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_every_page(page, scheme, size):
    page.scheme(scheme)
    page.resize(size)
    wrong = []
    for place, heading in PAGES.items():
        page.at(f"#/{place}")
        page.heading(heading)
        page.settled()
        if place == "line":
            page.says("passed and")
        wrong += [f"{place}: {w}" for w in [*page.js(RULES), *unnamed(page)]]
        name = place.replace("/", "-").replace("?", "-").replace("=", "-")
        page.picture(PICTURES / f"{name}.{scheme}.{'wide' if size == WIDE else 'phone'}.png")
    page.messages()  # three of these places are not there, and the console says so
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_login_and_dialogs(page, scheme):
    page.scheme(scheme)
    for place, heading, button in (("users", "Users", "New user"), ("clients", "Clients", "New client"), ("networks", "Networks", "New network"),
                                   ("users", "Users", "Remove mira.line"), ("import", "Import", "Trust another")):
        page.at(f"#/{place}")
        page.heading(heading)
        page.settled()
        page.click(button)
        page.find("dialog[open]")
        check(page, button)
        page.picture(PICTURES / f"dialog-{button.replace(' ', '-').lower()}.{scheme}.png", whole=False)
        page.click("Close")
        assert page.focused()[1] == button, "the focus comes back to where it was"
    page.click("Change password")
    page.heading("New password")
    check(page, "new password")
    page.click("Cancel")
    page.click("Log out")
    page.heading("Log in")
    check(page, "log in")
    page.picture(PICTURES / f"login.{scheme}.png", whole=False)


def test_small_screen_and_large_text(page):
    """WCAG 2.2, 1.4.10: 320 pixels wide, nothing to be scrolled sideways."""
    page.resize((320, 640))
    wrong = []
    for place, heading in PAGES.items():
        page.at(f"#/{place}")
        page.heading(heading)
        page.settled()
        wide = page.js("return document.documentElement.scrollWidth")
        if wide > 320:
            wrong.append(f"{place}: {wide} wide")
    page.messages()
    assert not wrong, wrong


def test_scheme_switch(page):
    ground = "return getComputedStyle(document.documentElement).backgroundColor"
    light = page.js(ground)
    page.click("Dark")
    dark = page.js(ground)
    assert dark != light
    assert page.named("Dark").get_attribute("aria-pressed") == "true"
    page.open()
    page.heading("Overview")
    assert page.js(ground) == dark, "it is remembered"
    page.scheme("dark")
    page.click("Light")
    assert page.js(ground) == light
    page.click("As the system")
    assert page.js(ground) == dark
