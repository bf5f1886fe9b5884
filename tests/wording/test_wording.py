"""The wording of errors, in messages.txt: the one place where tests hold prose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bad_input import CASES, Case, Workspace
from bad_input.library import CALLS, Call
from command_output import error_line
from snapshots import Snapshot

from sivae_translate.errors import SivaeError
from sivae_translate.inference.translator import Translator

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def messages() -> Snapshot:
    return Snapshot(HERE / "messages.txt", r": \d: ")


def stored_form(name: str, code: int, message: str, workspace: Workspace) -> str:
    """The line `name: exit code: message`, in which a word stands for each folder of this machine."""
    runs = workspace.trained.parent
    folders = {"RUN": workspace.trained, "RUNS": runs, "CARS": workspace.cars, "DIR": workspace.here}
    for word, folder in folders.items():
        message = message.replace(str(folder), word)
    return f"{name}: {code}: {message}"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_error_of_a_command_reads_as_stored(cli: Any, workspace: Workspace, messages: Snapshot, case: Case) -> None:
    result = cli(*case.words(workspace))
    messages.compare(case.name, stored_form(case.name, result.exit_code, error_line(result), workspace))


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_the_error_of_a_call_reads_as_stored(
    workspace: Workspace, translator: Translator, messages: Snapshot, call: Call
) -> None:
    with pytest.raises(SivaeError) as error:
        call.call(workspace, translator)
    assert len(str(error.value).splitlines()) == 1
    messages.compare(call.name, stored_form(call.name, error.value.exit_code, str(error.value), workspace))


def test_every_stored_message_is_of_a_case(messages: Snapshot) -> None:
    messages.finish([case.name for case in (*CASES, *CALLS)])
