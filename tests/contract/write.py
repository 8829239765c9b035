"""`python -m tests.contract.write` writes the generated documents under docs/events and docs/api anew."""

from __future__ import annotations

import shutil

from tests.contract import documents


def main() -> None:
    """Removes what is there and writes what follows from the code."""
    changed = documents.stale(documents.ROOT)
    for folder in ("docs/events", "docs/api"):
        shutil.rmtree(documents.ROOT / folder, ignore_errors=True)
    for name, text in documents.documents().items():
        path = documents.ROOT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    print("\n".join(changed) or "nothing has changed")  # noqa: T201  the command's answer


if __name__ == "__main__":
    main()
