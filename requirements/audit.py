"""Ask PyPI's advisories for known weaknesses of what is locked. Run by `make audit`.

Fails where one is known. Where the advisories cannot be had it says so and why, and does not fail.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

LOCKS = Path(__file__).parent
# A requirement with its hashes.
_ONE = re.compile(r"^[A-Za-z0-9].*(?:\n +--hash.*)+", re.MULTILINE)


def asked(lock: str) -> list[dict[str, Any]]:
    """Return what pip-audit says of each requirement of a lock.

    Raises:
        RuntimeError: it could not ask.
    """
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "lock.txt")
        path.write_text(lock, "utf-8")
        command = ["--require-hashes", "--disable-pip", "--progress-spinner=off", "--format=json"]
        done = subprocess.run(
            [sys.executable, "-m", "pip_audit", *command, "--requirement", str(path)],
            check=False,
            capture_output=True,
            text=True,
        )
    try:
        found: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        said = done.stderr.strip() or "pip-audit said nothing"
        raise RuntimeError(said.splitlines()[-1]) from None
    return found


def judged(found: list[dict[str, Any]]) -> tuple[list[str], list[str]]:
    """Return the known weaknesses, and what could not be asked for, a line each."""
    weak = [
        f"{one['name']} {one['version']}: {known['id']}, mended in {known['fix_versions']}"
        for one in found
        for known in one.get("vulns", ())
    ]
    return weak, [one["skip_reason"] for one in found if "skip_reason" in one]


def main() -> int:
    """Look at everything that services and developers install."""
    locks = "".join(
        (LOCKS / f"{name}.txt").read_text("utf-8") for name in ("dev", "bench", "audit")
    )
    every = list(dict.fromkeys(match[0] for match in _ONE.finditer(locks)))
    try:
        # Where there is no answer for one there is none for any: they are not asked for then.
        weak, unknown = judged(asked(every[0]))
        if not unknown:
            weak, unknown = judged(asked("\n".join(every)))
    except RuntimeError as error:
        print(f"not audited, PyPI's advisories cannot be had here: {error}")
        return 0
    if len(unknown) == 1 and not weak:
        print(f"not audited, PyPI's advisories cannot be had here: {unknown[0]}")
        return 0
    print(*weak, *unknown, f"{len(every)} packages, {len(weak)} known weaknesses", sep="\n")
    return min(len(weak), 1)


if __name__ == "__main__":
    sys.exit(main())
