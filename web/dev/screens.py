#!/usr/bin/env python3
"""Take the pictures of the pages that the documentation shows: docs/screens/*.png, of the made-up factory of mock.py.

usage: web/dev/screens.py [--help] [FOLDER]
example: web/dev/screens.py /tmp/screens

Needs chromium, chromium-driver and python3-selenium (tools/install-packages check). The pictures are at most 80 KiB each.
"""

import struct
import sys
import tempfile
import time
import zlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/ui"), str(ROOT / "web/dev")]

SIZE, PHONE = (1200, 760), (390, 760)
SIZE_MAX = 80 * 1024
PAGES = [("overview", "overview"), ("package", "overview/0x0000012345678abc"), ("import", "import"), ("line", "line"), ("devices", "devices"),
         ("device", "devices/0x00010210"), ("export", "export"), ("networks", "networks"), ("network", "networks/metro-east"), ("kmip", "kmip"), ("object", "kmip/019ab3c4-0000-7000-9a1b-2c3d4e5f6000"),
         ("clients", "clients"), ("users", "users"), ("audit", "audit"), ("system", "system")]


def rows_of(png):
    """(width, height, bytes of a pixel, rows) of a PNG of 8 bits a channel, as Chromium writes them."""
    at, data = 8, b""
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at:at + 8])
        body = png[at + 8:at + 8 + length]
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack(">IIBB", body[:10])
        elif kind == b"IDAT":
            data += body
        at += 12 + length
    assert depth == 8 and colour in (2, 6)
    pixel, raw, before, rows = 3 if colour == 2 else 4, zlib.decompress(data), bytes(width * (3 if colour == 2 else 4)), []
    for y in range(height):
        how, line = raw[y * (width * pixel + 1)], bytearray(raw[y * (width * pixel + 1) + 1:(y + 1) * (width * pixel + 1)])
        for i in range(len(line)):
            left, up, corner = (line[i - pixel] if i >= pixel else 0), before[i], (before[i - pixel] if i >= pixel else 0)
            if how == 1:
                line[i] = line[i] + left & 255
            elif how == 2:
                line[i] = line[i] + up & 255
            elif how == 3:
                line[i] = line[i] + (left + up) // 2 & 255
            elif how == 4:
                p = left + up - corner
                a, b, c = abs(p - left), abs(p - up), abs(p - corner)
                line[i] = line[i] + (left if a <= b and a <= c else up if b <= c else corner) & 255
        before = bytes(line)
        rows.append(before)
    return width, height, pixel, rows


def shrink(path):
    """The same picture in 256 colours: the most frequent ones; others become the nearest of them."""
    width, height, pixel, rows = rows_of(path.read_bytes())
    lines, uses = [], {}
    for row in rows:
        line = [row[i:i + 3] for i in range(0, len(row), pixel)]
        lines.append(line)
        for colour in line:
            uses[colour] = uses.get(colour, 0) + 1
    # Of each corner of the colours the most frequent, so that the little red there is stays red; then what else is frequent.
    corners = {}
    for colour in sorted(uses, key=uses.get, reverse=True):
        corners.setdefault(tuple(c >> 5 for c in colour), colour)
    first = sorted(corners.values(), key=uses.get, reverse=True)[:200]
    palette = first + [c for c in sorted(uses, key=uses.get, reverse=True) if c not in set(first)][:256 - len(first)]
    number = {colour: i for i, colour in enumerate(palette)}
    for colour in uses:
        if colour not in number:
            number[colour] = min(range(len(palette)), key=lambda i: sum((a - b) ** 2 for a, b in zip(palette[i], colour)))
    raw = b"".join(b"\0" + bytes(number[colour] for colour in line) for line in lines)

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0))
                     + chunk(b"PLTE", b"".join(palette)) + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b""))


def take(browser, folder, name):
    time.sleep(0.4)  # a chart has its last frame
    browser.settled()
    path = folder / f"{name}.png"
    browser.driver.save_screenshot(str(path))
    shrink(path)
    print(f"{path.name:20} {path.stat().st_size / 1024:6.1f} KiB", flush=True)
    assert path.stat().st_size <= SIZE_MAX, f"{path} is too large"


def import_page(browser, folder):
    """The page that shows what is inside."""
    package = Path(tempfile.mkdtemp()) / "provPackage.tar.gz"
    package.write_bytes(bytes(3_000_000))
    browser.fill("File", str(package))
    browser.fill("Passphrase", "correct horse battery staple")
    browser.fill("Comment", "Series 4, with the new host firmware")
    browser.click("Send and verify")
    browser.says("What is inside")
    take(browser, folder, "import-inside")
    browser.click("Cancel")
    browser.named("Send and verify")


def main():
    if len(sys.argv) > 2 or sys.argv[1:2] in (["-h"], ["--help"]):
        print(__doc__.strip())
        return 0 if sys.argv[1] in ("-h", "--help") else 2
    import mock
    from browser import Browser
    folder = Path(sys.argv[1]) if len(sys.argv) == 2 else ROOT / "docs/screens"
    folder.mkdir(parents=True, exist_ok=True)
    server, _ = mock.serve(0)
    browser = Browser(f"http://localhost:{server.server_address[1]}", size=SIZE)
    try:
        browser.scheme("light")
        browser.open()
        browser.heading("Log in")
        take(browser, folder, "login")
        browser.login("admin", "admin")
        browser.heading("Overview")
        for name, place in PAGES:
            browser.at(f"#/{place}")
            take(browser, folder, name)
            if name == "import":
                import_page(browser, folder)
        browser.at("#/line")
        browser.scheme("dark")
        take(browser, folder, "line-dark")
        browser.resize(PHONE)
        take(browser, folder, "line-phone")
    finally:
        browser.quit()
        server.shutdown()
    return 0


sys.exit(main())
