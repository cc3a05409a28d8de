"""A headless Chromium for tests and screenshots, and what one does with it: by name, as a person would find things."""

import json
import os
import tempfile
import time
from pathlib import Path

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException, WebDriverException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

WIDE, PHONE = (1440, 900), (390, 844)
BACK = Keys.SHIFT + Keys.TAB
WAIT = 15  # seconds for what should take one


class Browser:
    def __init__(self, base, *, size=WIDE, downloads=None):
        self.base = base.rstrip("/")
        self.downloads = Path(downloads or tempfile.mkdtemp(prefix="claviger-downloads."))
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars", "--force-device-scale-factor=1",
                     "--ignore-certificate-errors", "--disable-extensions", "--no-first-run", "--lang=en", f"--window-size={size[0]},{size[1]}"):
            options.add_argument(flag)
        options.add_experimental_option("prefs", {"download.default_directory": str(self.downloads), "credentials_enable_service": False,
                                                  "profile.password_manager_leak_detection": False})
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
        self.driver.set_page_load_timeout(30)
        self.resize(size)

    def quit(self):
        self.driver.quit()

    def cdp(self, command, **arguments):
        return self.driver.execute_cdp_cmd(command, arguments)

    def js(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def resize(self, size):
        self.cdp("Emulation.setDeviceMetricsOverride", width=size[0], height=size[1], deviceScaleFactor=1, mobile=False)

    def scheme(self, name):
        self.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name},
                                                         {"name": "prefers-reduced-motion", "value": "reduce"}])

    def open(self, place=""):
        self.driver.get(f"{self.base}/{place}")

    def at(self, place):
        """Another page of the application, without loading it anew."""
        self.js("location.hash = arguments[0]", place)

    def until(self, condition, what, seconds=WAIT):
        end = time.monotonic() + seconds
        while True:
            try:
                value = condition()
            except (StaleElementReferenceException, WebDriverException):
                value = None
            if value:
                return value
            if time.monotonic() > end:
                raise AssertionError(f"waited {seconds} s for {what}; the page says:\n{self.text()}\n{self.messages()}")
            time.sleep(0.03)

    def text(self):
        return self.js("return document.body.innerText")

    def says(self, text, seconds=WAIT):
        return self.until(lambda: text in self.text(), f"the text {text!r}", seconds)

    def heading(self, text):
        return self.until(lambda: self.js("return document.querySelector('h1')?.textContent") == text, f"the heading {text!r}")

    def settled(self):
        """Nothing is being loaded, nothing moves."""
        self.until(lambda: self.js("return !document.querySelector('.loading, [aria-busy]') && !!document.querySelector('h1')"), "the page to be there")

    def find(self, css):
        return self.until(lambda: next((e for e in self.driver.find_elements(By.CSS_SELECTOR, css) if e.is_displayed()), None), css)

    def named(self, name, tags="button, a, input, select, textarea, summary"):
        """The control whose accessible name is `name`, in the open dialog if there is one; in the page rather than around it."""
        def look():
            # Asking the browser for a name takes a while: only of those that could have it.
            likely = self.js("""
                const name = arguments[1], dialog = document.querySelector("dialog[open]"), all = [...(dialog || document).querySelectorAll(arguments[0])];
                const order = [...all.filter((e) => e.closest("main")), ...all.filter((e) => !e.closest("main"))];
                return order.filter((e) => [e.getAttribute("aria-label"), e.textContent, e.value, e.title,
                    ...[...(e.labels || [])].map((l) => l.textContent)].some((t) => t && t.includes(name)));""", tags, name)
            return next((e for e in likely if e.is_displayed() and e.accessible_name == name), None)
        return self.until(look, f"a control named {name!r}")

    def click(self, name):
        element = self.named(name, "button, a, input[type=checkbox]")
        self.js("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def fill(self, name, value):
        field = self.named(name, "input, textarea")
        if field.get_attribute("type") in ("file", "date"):
            field.send_keys(value)
            return
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(Keys.DELETE)
        field.send_keys(value)

    def choose(self, name, option):
        field = self.named(name, "select")
        self.js("arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('change', {bubbles: true}))", field, option)

    def focused(self):
        """(tag, accessible name) of what has the keyboard."""
        element = self.driver.switch_to.active_element
        return element.tag_name, element.accessible_name

    def press(self, *keys):
        """As by the keyboard itself: a character, a text, or a key of Keys; BACK is Shift and Tab."""
        for key in keys:
            chain = ActionChains(self.driver, duration=0)
            if key == BACK:
                chain.key_down(Keys.SHIFT).send_keys(Keys.TAB).key_up(Keys.SHIFT)
            else:
                chain.send_keys(key)
            chain.perform()

    def tab_to(self, name, most=80, back=False):
        """By the Tab key only."""
        seen = []
        for _ in range(most):
            self.press(BACK if back else Keys.TAB)
            seen.append(self.focused()[1])
            if seen[-1] == name:
                return
        raise AssertionError(f"Tab does not come to {name!r}; it came to {seen}")

    def login(self, user, password):
        self.heading("Log in")
        self.fill("Name", user)
        self.fill("Password", password)
        self.click("Log in")

    def messages(self):
        """What the console says: an error here is one of ours, or one that the policy stopped."""
        return [m["message"] for m in self.driver.get_log("browser") if m["level"] == "SEVERE"]

    def network(self):
        """Of all requests since last asked: {url: bytes on the wire}."""
        urls, sizes = {}, {}
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                urls[message["params"]["requestId"]] = message["params"]["request"]["url"]
            if message["method"] == "Network.loadingFinished":
                sizes[message["params"]["requestId"]] = message["params"]["encodedDataLength"]
        return {urls[i]: n for i, n in sizes.items() if i in urls}

    def picture(self, path, whole=True):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        if whole:
            height = self.js("return Math.max(document.documentElement.scrollHeight, innerHeight)")
            width = self.js("return innerWidth")
            self.resize((width, min(height, 4000)))
            self.driver.save_screenshot(str(path))
            self.resize((width, WIDE[1] if width == WIDE[0] else PHONE[1]))
        else:
            self.driver.save_screenshot(str(path))
        return os.path.getsize(path)
