"""``llmfit catalog add``, ``remove`` and ``list``: models of the user's own."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import click

from llmfit.cli.common import Command, formats, put
from llmfit.errors import BadParam, LlmfitError, printable

if TYPE_CHECKING:
    from llmfit.catalog.own_models import OwnModel

EXAMPLES = """
llmfit catalog add ./Qwen3-8B-Q4_K_M.gguf --id mine/qwen3
llmfit catalog add ./my-finetune                  # a folder with config.json and safetensors
llmfit catalog add Qwen/Qwen3-8B                  # from the Hugging Face Hub: pip install 'llmfit[hub]'
"""


@click.command("add", cls=Command, short_help="Add a model of your own, from a file or the Hub.", epilog=EXAMPLES)
@click.argument("model", metavar="HF_ID|PATH")
@click.option("--id", "id", metavar="ID", help="Its id, NAME or OWNER/NAME; without it that of the repository or file.")
@click.option("--force", is_flag=True, help="Write over the file that has this model already.")
@formats
def add(form: str, model: str, id: str | None, force: bool) -> None:
    """Add a model: its facts are read from a GGUF file, a config.json, a folder with either, or the Hugging Face Hub,
    and written to a file of their own in the folder of own models.
    """
    from llmfit.catalog import catalog, own_models
    from llmfit.catalog.overlay import lay_over
    from llmfit.files.as_own_model import own_of_file, toml_of
    from llmfit.files.read import means_file

    shipped = catalog.Catalog(catalog.shipped_path())
    if means_file(model):
        found, notes = own_of_file(model, shipped, id)
    elif re.fullmatch(r"[\w.+-]+/[\w.+-]+", model):
        from llmfit.hub.gather import own_of_hub

        found, notes = own_of_hub(model, shipped, id)
    else:
        raise BadParam(f"invalid model value: use a file, a folder or OWNER/NAME of the Hub, not '{model[:80]}'")
    path = path_of(found)
    if not force and os.path.exists(path):
        raise LlmfitError(f"{path} is there already: use --force to write it anew, or --id for another id")
    text = toml_of(found, notes)
    problems = lay_over(shipped.packed, [], [(path, own_models.model_of(text.encode(), path))])[1]
    if problems:
        raise LlmfitError(problems[0])
    from llmfit.catalog.hub_lists import put as write

    write(path, text.encode())
    if form == "table":
        for note in notes:
            click.echo(printable(f"note: {note}"), err=True)
        click.echo(printable(f"{path}: {found.id}, {found.params_total / 1e9:.2f}B parameters"))
    else:
        show(form, [(path, found)])


@click.command("remove", cls=Command, short_help="Remove a model of your own.")
@click.argument("id")
def remove(id: str) -> None:
    """Remove the file of the own model that has this id."""
    from llmfit.catalog import own_models

    folder = own_models.read_folder(own_models.folder())
    for path, model in folder.models:
        if model.id.lower() == id.lower():
            try:
                os.unlink(path)
            except OSError as error:
                raise LlmfitError(f"{path}: cannot be removed: {error.strerror or error}") from None
            click.echo(printable(f"removed {path}"))
            return
    known = ", ".join(sorted(model.id for _, model in folder.models)[:8]) or "there are none"
    raise LlmfitError(f"no own model has the id '{id[:80]}' in {own_models.folder()}; own models: {known}")


@click.command("list", cls=Command, short_help="Show your own models, and lists from the Hub.")
@formats
def listed(form: str) -> None:
    """Show the models of your own with their files, and the lists that `llmfit catalog update` has kept."""
    from llmfit.catalog import hub_lists, own_models

    folder = own_models.read_folder(own_models.folder())
    if form != "table":
        show(form, folder.models)
        return
    click.echo(printable(f"own models in {own_models.folder()}: {len(folder.models)}"))
    for path, model in folder.models:
        click.echo(printable(f"  {model.id}  {model.params_total / 1e9:.2f}B  {os.path.basename(path)}"))
    for problem in folder.problems:
        click.echo(printable(f"left out: {problem}"), err=True)
    now = hub_lists.in_use()
    click.echo(f"lists from the Hub in {hub_lists.folder()}: {len(hub_lists.kept())}")
    for digest in hub_lists.kept():
        said = "  in use, pinned" if digest == now.digest and now.pinned else "  in use" * (digest == now.digest)
        try:
            one = hub_lists.read(digest)
            click.echo(printable(f"  {digest}  {one.made}  {len(one.models)} models{said}"))
        except LlmfitError as error:
            click.echo(printable(f"  {digest}  {error}"))


def path_of(model: OwnModel) -> str:
    """The file of a model: its id, which begins with a letter or digit and names no folder."""
    from llmfit.catalog import own_models

    return os.path.join(own_models.folder(), model.id.replace("/", "--") + own_models.ENDING)


def show(form: str, models: list[tuple[str, OwnModel]]) -> None:
    """Models with their files, as JSON or a sheet."""
    import msgspec

    rows = [{"file": path, **msgspec.to_builtins(model)} for path, model in models]
    put(form, msgspec.json.encode({"own": rows}), "own", "")
