"""Without a mouse: everything by Tab, Shift+Tab, Enter, Space, arrows and Escape."""

from browser import BACK
from selenium.webdriver.common.keys import Keys


def log_in(page):
    page.cdp("Network.clearBrowserCookies")
    page.open()
    page.heading("Log in")
    page.until(lambda: page.focused()[1] == "Name", "the name to have the keyboard")
    page.press("admin", Keys.TAB, "admin", Keys.ENTER)
    page.heading("Overview")
    page.settled()
    page.messages()


def go(page, name, heading=None):
    """To a page by the navigation, from the page's heading back."""
    page.js("document.activeElement.blur(); document.querySelector('.skip').focus()")
    page.tab_to(name)
    page.press(Keys.ENTER)
    page.heading(heading or name)
    page.settled()
    page.until(lambda: page.focused()[0] == "h1", "the heading to have the keyboard")


def test_skip_link(page):
    log_in(page)
    page.js("document.activeElement.blur()")
    page.press(Keys.TAB)
    assert page.focused()[1] == "Skip to content"
    page.press(Keys.ENTER)
    assert page.focused()[0] == "h1"
    page.press(Keys.TAB)
    assert page.focused()[1] == "Import a package"


def test_order_is_that_of_reading(page):
    log_in(page)
    page.js("document.activeElement.blur()")
    seen = []
    for _ in range(18):
        page.press(Keys.TAB)
        seen.append(page.focused()[1])
    wanted = ["Skip to content", "Claviger", "Overview", "Import", "Line", "Devices", "Export", "Networks", "KMIP objects", "Clients", "Users",
              "Audit", "System"]
    assert seen[:13] == wanted


def test_search_and_open_a_package(page):
    log_in(page)
    page.tab_to("Search packages")
    page.press("heron")
    page.until(lambda: page.js("return document.querySelectorAll('tbody tr').length") == 1, "one package")
    page.tab_to("0x0000000000000045")
    page.press(Keys.ENTER)
    page.heading("heron_sgm3_falcon")
    page.tab_to("Show revision 1")
    page.press(Keys.ENTER)
    page.says("This is revision 1")


def test_import(page, tmp_path):
    log_in(page)
    package = tmp_path / "provPackage.tar.gz"
    package.write_bytes(b"made up" * 100_000)
    go(page, "Import")
    page.tab_to("File")
    page.driver.switch_to.active_element.send_keys(str(package))  # what the system's file window would do
    page.tab_to("Passphrase")
    page.press("correct horse")
    page.tab_to("Comment")
    page.press("By keyboard")
    page.tab_to("Send and verify")
    page.press(Keys.ENTER)
    page.says("What is inside")
    page.says("emcm")
    page.tab_to("Import", back=False)
    while page.focused()[0] != "button":  # the navigation has one of this name, too
        page.tab_to("Import")
    page.press(Keys.ENTER)
    page.heading("heron_sgm3_falcon")
    page.says("By keyboard")


def test_search_filter_and_follow_a_link_of_an_object(page):
    log_in(page)
    go(page, "KMIP objects")
    page.says("50 of 180")
    page.tab_to("Show more")
    page.press(Keys.ENTER)
    page.says("100 of 180")
    page.js("document.activeElement.blur(); document.querySelector('.main h1').focus()")
    page.tab_to("Search objects")
    page.press("meter-ca-")
    page.until(lambda: page.js("return document.querySelectorAll('tbody tr').length") == 2, "the pair")
    page.tab_to("Type")
    page.press("Public")
    page.until(lambda: page.js("return document.querySelectorAll('tbody tr').length") == 1, "one of the pair")
    assert "type=Public+Key" in page.js("return location.hash")
    page.tab_to("meter-ca-signer-public")
    page.press(Keys.ENTER)
    page.heading("meter-ca-signer-public")
    page.says("PrivateKeyLink")
    page.tab_to("019ab3c4-0000-7000-9a1b-2c3d4e5f6000")
    page.press(Keys.ENTER)
    page.heading("meter-ca-signer")
    page.says("the token")
    assert page.focused()[0] == "h1"
    page.tab_to("KMIP objects", back=False)
    page.press(Keys.ENTER)
    page.heading("KMIP objects")


def test_users_dialog(page):
    log_in(page)
    go(page, "Users")
    page.tab_to("New user")
    page.press(Keys.ENTER)
    page.until(lambda: page.focused()[1] == "Name", "the window's first field to have the keyboard")
    for _ in range(12):  # the keyboard stays in the window, the browser's own controls apart
        page.press(Keys.TAB)
        assert page.js("return document.activeElement === document.body || !!document.activeElement.closest('dialog')")
    page.press(Keys.ESCAPE)
    page.until(lambda: page.focused() == ("button", "New user"), "the keyboard to be back")
    page.press(Keys.SPACE)
    page.until(lambda: page.focused()[1] == "Name", "the window")
    page.press("pia.keys", Keys.TAB, Keys.ARROW_DOWN)
    page.tab_to("Create")
    page.press(Keys.ENTER)
    page.says("Password of pia.keys")
    page.press(Keys.ESCAPE)
    page.says("pia.keys")
    page.tab_to("Disable pia.keys")
    page.press(Keys.ENTER)
    page.says("can't log in until enabled again")
    page.press(Keys.ENTER)
    page.named("Enable pia.keys")


def test_export(page):
    log_in(page)
    go(page, "Export")
    page.tab_to("Configuration")
    page.tab_to("Batches")
    page.press("1-3,,")
    page.says("numbers and ranges")
    page.press(Keys.BACKSPACE, Keys.BACKSPACE)
    page.tab_to("Node ids")
    page.press("0x10200-0x102ff")
    page.tab_to("Only devices never exported before")
    page.press(Keys.SPACE, Keys.SPACE)
    page.press(Keys.TAB, Keys.TAB)
    assert page.focused()[1] == "Count"
    page.press(Keys.ENTER)
    page.says("would be exported")
    page.press(BACK, Keys.ENTER)
    page.says("Save device_keys.xml")


def test_line_and_menu_of_a_phone(page):
    log_in(page)
    page.resize((390, 844))
    page.js("document.activeElement.blur(); document.querySelector('.skip').focus()")
    page.tab_to("Menu")
    assert page.named("Menu").get_attribute("aria-expanded") == "false"
    page.press(Keys.ENTER)
    assert page.named("Menu").get_attribute("aria-expanded") == "true"
    page.tab_to("Line")
    page.press(Keys.ENTER)
    page.heading("Line")
    page.settled()
    page.says("passed and")
    assert page.named("Menu").get_attribute("aria-expanded") == "false"
    page.tab_to("Time")
    page.press(Keys.ARROW_UP)
    page.until(lambda: "minutes=15" in page.driver.current_url, "another time")


def test_log_out(page):
    log_in(page)
    page.tab_to("Log out")
    page.press(Keys.ENTER)
    page.heading("Log in")
    page.until(lambda: page.focused()[1] == "Name", "the name to have the keyboard")
