"""Fixtures: a browser before the made-up factory of web/dev/mock.py, which has something of everything."""

import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parents[1]
BUILD = Path(os.environ.get("CLAVIGER_BUILD", SOURCE / "build")).resolve()
sys.path[:0] = [str(HERE), str(SOURCE / "web/dev"), str(SOURCE / "tests/interop")]

from browser import Browser  # noqa: E402
import mock  # noqa: E402

PICTURES = BUILD / "ui"  # what the pages looked like, kept for a look


@pytest.fixture(scope="module")
def factory():
    server, factory = mock.serve(0)
    factory.address = f"http://localhost:{server.server_address[1]}"
    yield factory
    server.shutdown()


@pytest.fixture(scope="module")
def chromium(factory):
    browser = Browser(factory.address)
    yield browser
    browser.quit()


@pytest.fixture
def page(chromium):
    """Logged in, on the overview, wide and light."""
    chromium.cdp("Network.clearBrowserCookies")
    chromium.resize((1440, 900))
    chromium.scheme("light")
    chromium.open()
    chromium.login("admin", "admin")
    chromium.heading("Overview")
    chromium.settled()
    chromium.messages()
    yield chromium
    assert chromium.messages() == []
