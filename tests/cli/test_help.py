"""What commands say of their options."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from eventindex.cli import main
from tests.support.command import run


def commands(group: click.Group, *above: str) -> Iterator[tuple[str, ...]]:
    """The words of every command."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, *above, name)
        else:
            yield (*above, name)


def test_help_has_no_words_of_programmers():
    """Ranges are told as people write them, in the help of every command."""
    for words in commands(main):
        text = run(*words, "--help").stdout
        assert "RANGE" not in text, words
        assert "<=" not in text, words


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["runs", "--limit", "0"], "0 is not a whole number from 1 on"),
        (["criteria", "set", "64", "muon"], "64 is not a whole number from 0 to 63"),
        (
            ["load", "x.csv", "--dsid", "2147483648"],
            "is not a whole number from 0 to 2^31-1",
        ),
        (["generate", "-o", "x", "--gaps", "1.5"], "1.5 is not a number from 0 to 1"),
        (["runs", "--timeout", "0"], "0 is not a number above 0"),
        (["runs", "--retry", "soon"], "'soon' is not a number from 0 on"),
    ],
)
def test_a_number_out_of_its_range_is_told_with_it(words: list[str], said: str):
    """The message has the value and what it may be."""
    result = run(*words)
    assert (result.exit_code, said in result.stderr) == (2, True), result.stderr


def test_the_list_of_commands_names_those_of_each_group():
    """What the first page of the help says of a group is what the group has."""
    context = click.Context(main)
    # A line that is too long goes on below, behind its name.
    text = re.sub(r"\n {6,}", " ", run("--help").stdout)
    for line in text.splitlines():
        name, _, words = line.strip().partition("  ")
        group = main.get_command(context, name) if name in main.list_commands(context) else None
        if isinstance(group, click.Group):
            told = words.rpartition(":")[2].strip(" .").split(", ")
            assert sorted(told) == sorted(group.commands), name


# What takes longer to import than all of the command line together.
HEAVY = {"asyncio", "google.protobuf", "grpc", "numpy", "paho", "pandas", "psycopg2", "pyarrow"}
HEAVY |= {"pydantic", "rich", "tenacity", "uproot", "xml.etree"}
RUN = """
import sys
from eventindex.cli import main
try:
    main(sys.argv[1:])
finally:
    print("imported", *sys.modules, file=sys.stderr)
"""
HELP = """
import sys
import click
from eventindex.cli import main
context = click.Context(main)
for name in main.list_commands(context):
    main.get_command(context, name).get_help(context)
print("imported", *sys.modules, file=sys.stderr)
"""


def imported(code: str, *words: str) -> set[str]:
    """Which heavy modules a program imports."""
    command = [sys.executable, "-c", code, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    (line,) = [each for each in done.stderr.splitlines() if each.startswith("imported ")]
    return HEAVY.intersection(line.split())


def test_help_imports_nothing_that_takes_time():
    """Help and wrong options are told at once: what a command needs is imported when it runs."""
    assert imported(HELP) == set()
    assert imported(RUN, "--version") == set()
    assert imported(RUN, "lookup", "--nonsense") == set()


def test_a_lookup_imports_what_it_asks_with(index_address):
    """gRPC and NumPy, which carry the columns; nothing for tables of others, ROOT files or MQTT."""
    wanted = {"asyncio", "google.protobuf", "grpc", "numpy", "tenacity"}
    assert imported(RUN, "lookup", "1:1", "--address", index_address) == wanted
