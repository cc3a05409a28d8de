import shutil
import tempfile
from pathlib import Path

import pytest

import harness


@pytest.fixture(scope="module")
def folder():
    """A short path of its own for each file of tests: a Unix socket's path has 107 bytes."""
    path = Path(tempfile.mkdtemp(prefix="clv."))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def daemons():
    """Register a daemon here to have it stopped at the end of the file."""
    started = []
    yield started
    for daemon in started:
        if daemon.process is not None and daemon.process.poll() is None:
            daemon.process.kill()
            daemon.process.wait()


@pytest.fixture(scope="module")
def site(folder, daemons):
    """Operator and factory, both running, nothing in them yet."""
    made = harness.Site(folder)
    daemons += [made.operator, made.factory]
    return made.start()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure shows the logs of the daemons that the test uses."""
    report = (yield).get_result()
    if report.failed:
        for daemon in item.funcargs.get("daemons", []):
            report.sections.append((f"log of {daemon.folder}", daemon.tail(6)))
