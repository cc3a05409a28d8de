"""What the API gives is text, whatever it says; what is typed is sent as it was typed."""

import json

import mock
import pytest

MARKUP = "<img src=x onerror=window.hacked=1><script>window.hacked=1</script>"
RTL = "\u202egnp.exe\u202c \u2067אבג\u2069"
LONG = "kite" * 2560  # 10 KiB without a place to break
NASTY = f"{MARKUP}\"'&amp;{RTL} javascript:window.hacked=1 \u0000\ufeff"

KEEP = {"time", "created", "imported", "last", "begun", "ended", "expires", "csrf", "activates", "started", "last_login", "locked_until", "when",
        "replaced", "written", "first_time", "last_time", "signed_time", "role", "kind", "key", "state"}


def spoil(value, name=""):
    """Every text of an answer, except times and what is chosen from a list, with something nasty in it."""
    if isinstance(value, dict):
        return {k: spoil(v, k) for k, v in value.items()}
    if isinstance(value, list):
        return [spoil(v, name) for v in value]
    return f"{value[:24]}{NASTY}" if isinstance(value, str) and name not in KEEP else value


@pytest.fixture
def spoilt(page, factory, monkeypatch):
    answer = mock.Api.answer

    def hostile(self, method, parts, query, body, session):
        given = answer(self, method, ["factory", "packages", mock_config] if parts[:2] == ["factory", "packages"] and len(parts) > 2 else parts,
                       query, body, session)
        return spoil(given) if method == "GET" and not isinstance(given, bytes) else given
    mock_config = next(iter(factory.packages))
    monkeypatch.setattr(mock.Api, "answer", hostile)
    return page


def test_hostile_answers(spoilt):
    for place in ("line", "overview", "overview/x", "devices", "devices/0x00010210", "export", "import", "networks", "networks/metro-east",
                  "kmip", "kmip/019ab3c4-0000-7000-9a1b-2c3d4e5f6000", "clients", "users", "audit", "system"):
        spoilt.at(f"#/{place}")
        spoilt.settled()
        spoilt.says("onerror=window.hacked=1")
        assert spoilt.js("return window.hacked") is None, place
        assert spoilt.js("return document.querySelectorAll('main img, main script, main [onerror]').length") == 0, place
        bad = spoilt.js("return [...document.querySelectorAll('a')].map((a) => a.href).filter((h) => !h.startsWith(location.origin))")
        assert bad == [], place
        assert spoilt.js("return document.documentElement.scrollWidth <= innerWidth"), f"{place}: too wide"


@pytest.mark.parametrize("text", [MARKUP, RTL, LONG, "../../v1/users", "%2e%2e/%00", "a?b#c&d=e"], ids=["markup", "rtl", "long", "path", "escapes", "query"])
def test_hostile_forms(page, factory, text):
    page.at("#/overview")
    page.heading("Overview")
    page.js("const e = document.querySelector('input[type=search]'); e.value = arguments[0]; e.dispatchEvent(new Event('input', {bubbles: true}))", text)
    page.says("No package fits")
    page.at("#/overview/0x0000012345678abc")
    page.heading("kite_170_node_637")
    page.js("const e = document.querySelector('form input'); e.value = arguments[0]; e.dispatchEvent(new Event('input', {bubbles: true}))", text)
    page.click("Add alias")
    package = factory.packages["0x0000012345678abc"]
    page.until(lambda: text in package["aliases"], "the alias as it was typed")
    page.until(lambda: page.js("return [...document.querySelectorAll('.tag')].some((t) => t.textContent.includes(arguments[0]))", text), "the alias on the page")
    assert page.js("return window.hacked") is None
    assert page.js("return document.documentElement.scrollWidth <= innerWidth")
    package["aliases"].remove(text)


def test_hostile_address(page):
    for place in (f"#/{MARKUP}", "#/overview/%", "#/devices?q=%E0%A4%A", "#//////", "#/constructor", "#/__proto__", "#/overview/a/b/c/d"):
        page.at(place)
        page.until(lambda: page.js("return document.querySelector('h1')?.textContent.length > 0"), "a page")
        page.settled()
        assert page.js("return window.hacked") is None
    page.messages()  # what is not there is not there


def test_errors_show_code_detail_and_hint(page, factory, monkeypatch):
    def refuse(*_):
        raise mock.Refusal(409, "STATE", f"not now {MARKUP}", "device '0x1'", "wait a little")
    monkeypatch.setattr(mock.Api, "devices", refuse)
    page.at("#/devices")
    page.says(f"not now {MARKUP}")
    alert = page.find("[role=alert]").text
    assert "STATE" in alert and "device '0x1'" in alert and "wait a little" in alert
    monkeypatch.undo()
    page.messages()
    page.click("Try again")
    page.until(lambda: not page.js("return !!document.querySelector('[role=alert]')"), "the refusal to be gone")
    page.settled()


def test_no_answer_and_no_sense(page, monkeypatch):
    """Something that is not the daemon answers: a proxy, half an answer, nothing."""
    def broken(self, query):
        return b"<html>Bad gateway</html>"
    monkeypatch.setattr(mock.Api, "devices", broken)
    page.at("#/devices")
    page.find("[role=alert]")
    monkeypatch.undo()
    page.messages()


def test_session_lost(page, factory):
    page.at("#/users")
    page.heading("Users")
    factory.sessions.clear()
    page.at("#/audit")
    page.says("Your session has ended")
    page.messages()
    page.login("admin", "admin")
    page.heading("Audit")  # where one was


def test_session_lost_for_two_questions_at_once(page, factory):
    factory.sessions.clear()
    page.at("#/networks")  # asks for networks and for gateways: both are refused
    page.heading("Log in")
    page.until(lambda: sum("401" in m for m in page.messages()) >= 1, "a refusal")
    page.js("return new Promise((done) => setTimeout(done, 300))")
    page.says("Your session has ended")
    page.messages()


def test_answers_are_not_kept(page):
    assert page.js("return Object.keys(localStorage).filter((k) => k !== 'theme').length + Object.keys(sessionStorage).length") == 0
    assert json.loads(page.js("return JSON.stringify(document.cookie)")) == ""


def test_what_is_switched_off(page, monkeypatch):
    def off(*_):
        raise mock.Refusal(501, "UNSUPPORTED", "not supported", "this daemon serves no factory: [factory] enabled is no")
    monkeypatch.setattr(mock.Api, "devices", off)
    page.at("#/devices")
    page.says("[factory] enabled is no")
    assert not page.js("return !!document.querySelector('[role=alert]')"), "nothing is wrong"
    page.messages()


def test_a_daemon_without_factory_offers_none(page, factory):
    for session in factory.sessions.values():
        session["factory"] = False
    page.driver.refresh()
    page.until(lambda: "Networks" in page.find("nav.nav").text and "Export" not in page.find("nav.nav").text, "what there is")
    page.driver.get(f"{page.base}/#/")
    page.heading("Networks")
