"""Commit subjects: which are accepted, and that a checkout without history passes."""

import subprocess
from pathlib import Path

import pytest

from tests.commits import MAX_CHARACTERS, fault, main, subjects_after


@pytest.mark.parametrize(
    "subject",
    [
        "endpointing: wait longer while a number is dictated",
        "web_client: draw the waterfall once a turn",
        "bench, docs: quote the median of five runs",
        "config.toml: say what 0 means",
        "a: " + "b" * (MAX_CHARACTERS - 3),
        "Merge branch 'docs'",
        'Revert "tts: read LaTeX aloud"',
        "fixup! tts: read LaTeX aloud",
    ],
)
def test_a_subject_of_the_form_passes(subject: str) -> None:
    assert fault(subject) is None


@pytest.mark.parametrize(
    ("subject", "why"),
    [
        ("a: " + "b" * (MAX_CHARACTERS - 2), "73 characters"),
        ("Time goes on also where the process keeps standing still", "form"),
        ("tts: Read LaTeX aloud", "form"),
        ("TTS: read LaTeX aloud", "form"),
        ("tts:read LaTeX aloud", "form"),
        ("tts: ", "form"),
        ("", "form"),
        ("tts: read LaTeX aloud.", "full stop"),
    ],
)
def test_any_other_subject_is_rejected_with_its_reason(subject: str, why: str) -> None:
    assert why in (fault(subject) or "")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with a commit of the old style, one of the new style, and a merge."""
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    for subject in ("An old one", "tts: read LaTeX aloud"):
        git(tmp_path, "commit", "--quiet", "--allow-empty", "--message", subject)
    git(tmp_path, "checkout", "--quiet", "-b", "side", "HEAD~1")
    git(tmp_path, "commit", "--quiet", "--allow-empty", "--message", "vad: skip silence")
    git(tmp_path, "merge", "--quiet", "--no-edit", "--message", "Bring in main", "main")
    return tmp_path


def test_only_commits_after_the_base_are_checked_and_no_merges(repository: Path) -> None:
    assert sorted(subjects_after(git(repository, "rev-parse", "HEAD~2"), repository)) == [
        "tts: read LaTeX aloud",
        "vad: skip silence",
    ]


def test_a_history_without_the_base_has_nothing_to_check(
    repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert subjects_after("0" * 40, repository) == []
    assert subjects_after("0" * 40, tmp_path_factory.mktemp("no repository")) == []


def test_the_hook_reads_the_first_line_of_a_message(tmp_path: Path) -> None:
    message = tmp_path / "COMMIT_EDITMSG"
    message.write_text("Broken\n\nlonger text: here.\n")
    with pytest.raises(SystemExit, match="commit subject 'Broken' is not of the form"):
        main([str(message)])
    message.write_text("tts: read LaTeX aloud\n\nIt was spelled out.\n")
    main([str(message)])


def git(folder: Path, *arguments: str) -> str:
    """Run git in `folder` under a made-up identity and return its output."""
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
