"""Checks commit subjects against the form that CONTRIBUTING.md asks for.

python tests/commits.py          the subjects of all commits after BASE
python tests/commits.py FILE     the subject in FILE, as git's commit-msg hook passes it
"""

import re
import subprocess
import sys
from pathlib import Path

BASE = "3295ea106de174709972d85d311f4b66be7b445f"
"""Full hash of the last commit that is older than the rule."""

MAX_CHARACTERS = 72
_FORM = re.compile(r"[a-z0-9_][\w.,/ -]*: [a-z]")
_FROM_GIT = ("Merge ", "Revert ", "fixup! ", "squash! ", "amend! ")
"""Beginnings of subjects that git writes itself."""


def fault(subject: str) -> str | None:
    """What is wrong with a commit's first line; None if nothing is."""
    if subject.startswith(_FROM_GIT):
        return None
    if len(subject) > MAX_CHARACTERS:
        return f"has {len(subject)} characters; at most {MAX_CHARACTERS} are allowed"
    if not _FORM.match(subject):
        return 'is not of the form "area: imperative", both in lower case'
    if subject.endswith("."):
        return "ends with a full stop"
    return None


def subjects_after(base: str, folder: Path) -> list[str]:
    """Subjects of the commits after `base` in the repository at `folder`, merges left out.

    Empty without git or a repository, and in a shallow clone that lacks `base`: there is nothing to check then.
    """
    command = ["git", "-C", str(folder), "log", "--no-merges", "--format=%s", f"{base}..HEAD"]
    try:
        log = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return []
    return log.stdout.splitlines() if log.returncode == 0 else []


def main(arguments: list[str]) -> None:
    """Exit with a line for each faulty subject, or return."""
    if arguments:
        subjects = Path(arguments[0]).read_text(encoding="utf-8").splitlines()[:1]
    else:
        subjects = subjects_after(BASE, Path(__file__).parent)
    faults = [f"commit subject {subject!r} {why}" for subject in subjects if (why := fault(subject))]
    if faults:
        sys.exit("\n".join(faults))


if __name__ == "__main__":
    main(sys.argv[1:])
