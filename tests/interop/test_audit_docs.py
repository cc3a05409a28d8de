"""docs/audit.md has the table of kinds as data/audit.toml makes it."""

from harness import BUILD, SOURCE


def test_kinds():
    table = (BUILD / "data" / "audit-kinds.md").read_text().strip()
    assert table in (SOURCE / "docs" / "audit.md").read_text()
