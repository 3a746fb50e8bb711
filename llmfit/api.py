"""llmfit from Python: what is this machine, what fits it, how well, and what would it take.

>>> import llmfit
>>> rig = llmfit.describe(gpu="RTX 4090", ram_gb=64, cpu_cores=16, ram_bandwidth_gbps=80)
>>> best = llmfit.rank(rig, use_case="coding", limit=3)
>>> len(best), best.total > 100, best[0].fit_level
(3, True, 'perfect')
>>> row = llmfit.estimate("Qwen/Qwen3-8B", rig, quant="Q4_K_M", max_context=16384)
>>> row.run_mode, row.best_quant, row.total_memory_gb < 8
('gpu', 'Q4_K_M', True)

Options are the parameters of the HTTP API, by the same names and with the same defaults (docs/api.md). A bad one raises
:class:`llmfit.BadParam` with the text that HTTP gives. ``*_gb`` are GiB, ``*_gbps`` GB/s, speeds tokens/s.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any, overload

from llmfit.errors import BadParam
from llmfit.machine import Machine
from llmfit.query import params

if TYPE_CHECKING:
    from typing import Unpack

    from llmfit.query.engine import Engine
    from llmfit.query.options import Comparisons, Machines, Options, Plans
    from llmfit.wire.fit import FitRow
    from llmfit.wire.models import Envelope
    from llmfit.wire.placement import Placement
    from llmfit.wire.plan import Plan
    from llmfit.wire.rows import Row
    from llmfit.wire.system import System


class Answer(Sequence["Row"]):
    """Rows of an answer, best first, and what stands beside them. A table where it is shown in a notebook."""

    def __init__(self, json: bytes) -> None:
        self.json = json  # the bytes that HTTP would send

    @cached_property
    def envelope(self) -> Envelope:
        """All that HTTP would send, as structs."""
        import msgspec

        from llmfit.wire.models import Envelope

        return msgspec.json.decode(self.json, type=Envelope)

    @property
    def rows(self) -> tuple[Row, ...]:
        return self.envelope.models

    @property
    def system(self) -> System:
        """The machine that the rows are for."""
        return self.envelope.system

    @property
    def total(self) -> int:
        """How many models passed, of which these are the first."""
        return self.envelope.total_models

    @property
    def warnings(self) -> tuple[str, ...]:
        return self.envelope.warnings

    def to_dicts(self) -> list[dict[str, Any]]:
        """The rows as dictionaries: ``pandas.DataFrame(answer.to_dicts())``."""
        import msgspec

        found: list[dict[str, Any]] = msgspec.json.decode(self.json)["models"]
        return found

    def to_csv(self) -> str:
        """The rows as a sheet with a header line."""
        from llmfit.wire.csv_rows import columns_of, sheet
        from llmfit.wire.rows import Row

        rows = self.to_dicts()
        return sheet(rows, columns_of(Row, rows[0] if rows else None))

    @overload
    def __getitem__(self, at: int) -> Row: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Row, ...]: ...
    def __getitem__(self, at: int | slice) -> Row | tuple[Row, ...]:
        return self.rows[at]

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        lines = [f"{len(self)} of {self.total} models", *("  ".join(cells) for cells in self._cells())]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from html import escape

        heads = "".join(f"<th>{name}</th>" for name in ("model", "score", "fit", "tok/s", "quant", "GiB", "mode"))
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>" for cells in self._cells()
        )
        caption = f"{len(self)} of {self.total} models"
        return f"<table><caption>{caption}</caption><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"

    def _cells(self) -> Iterator[tuple[str, ...]]:
        for row in self.rows:
            yield (
                row.name, f"{row.score:.1f}", row.fit_label, f"{row.estimated_tps:.1f}", row.best_quant or "",
                f"{row.total_memory_gb:.1f}", row.run_mode_label,
            )  # fmt: skip


def detect() -> Machine:
    """This machine: what probes find out. What could not be read is None, with a warning in ``warnings``."""
    from llmfit.catalog import catalog
    from llmfit.hardware import detect as detection

    return detection.detect(catalog.default().tables)


def describe(base: Machine | None = None, **facts: Unpack[Machines]) -> Machine:
    """``base`` (this machine unless given) with other facts: ``describe(gpu="2x RTX 3090", ram_gb=128)``."""
    return changed(base or detect(), _query("system", facts))


def rank(machine: Machine | None = None, **options: Unpack[Options]) -> Answer:
    """The models that fit, best first: 20 unless ``limit`` says otherwise."""
    return ask(machine or detect(), _query("fit", options))


def rank_many(machines: Iterable[Machine], **options: Unpack[Options]) -> Iterator[Answer]:
    """:func:`rank` for one machine after the other, each when it is asked for."""
    query = _query("fit", options)
    return (ask(machine, query) for machine in machines)


def fit_many(  # type: ignore[misc]  # concurrency takes the place of that among the options
    machines: Iterable[Machine], models: Iterable[str] | None = None, contexts: Iterable[int] | None = None,
    concurrency: Iterable[int] | None = None, fields: Iterable[str] | None = None, **options: Unpack[Options],
) -> Iterator[FitRow]:  # fmt: skip
    """One row in brief for each combination, by machine, as they are asked for.

    Of `models`, ids, whatever their level; without them of what the options select, best first. `machine` of a row
    counts the machines from 0; `fields` chooses its keys.

    >>> import llmfit
    >>> rigs = [llmfit.describe(gpu=gpu, ram_gb=64) for gpu in ("RTX 3060 12GB", "RTX 4090")]
    >>> [row.fit_level for row in llmfit.fit_many(rigs, ["Qwen/Qwen3-32B"], contexts=[8192])]
    ['marginal', 'perfect']
    """
    import msgspec

    from llmfit.placement.many import pieces, question
    from llmfit.wire.fit import FitRow

    machines = iter(machines)
    first = next(machines, None)
    if first is None:
        return iter(())
    lists = {"models": models, "contexts": contexts, "concurrency": concurrency, "fields": fields}
    body = {key: list(value) for key, value in lists.items() if value is not None} | dict(options)
    engine = _engine(first)
    found = pieces(engine, question(engine, body), chain([first], machines))
    decoder = msgspec.json.Decoder(FitRow)
    return (row for piece in found for row in decoder.decode_lines(piece))


def estimate(model: str, machine: Machine | None = None, **options: Unpack[Options]) -> Row:
    """One model's row, whether it fits or not; UnknownModel where no model, or several, have that in their id."""
    return the_one(machine or detect(), _query("name", {**options, "include_too_tight": True}, model))[0]


def estimate_file(path: str, machine: Machine | None = None, **options: Unpack[Options]) -> Row:
    """The row of a model in a file or folder: GGUF, config.json, safetensors or its index. BadFile: what is wrong."""
    from llmfit.files.source import shown

    return of_file(path, machine or detect(), _query("name", {**options, "include_too_tight": True}, shown(path)))[0]


def of_file(path: str, machine: Machine, query: Any) -> Answer:
    """The answer with the one row of a file's model."""
    from llmfit.answers.encode import answer
    from llmfit.catalog import catalog
    from llmfit.files.read import catalog_for
    from llmfit.query.engine import Engine

    one, present = catalog_for(path, catalog.default())
    engine = Engine(one, machine)
    one.core.mark_installed([0] if present else [])
    return Answer(answer(one, engine.rows(query, [0]), query))


def changed(machine: Machine, query: Any) -> Machine:
    """The machine with the what-ifs of a Query."""
    found: Machine = _engine(machine).machine_for(query)[0]
    return found


def plan(model: str, machine: Machine | None = None, **options: Unpack[Plans]) -> Plan:
    """What it takes to run a model: the least hardware for each way to run it, what to add to this machine."""
    return planned(machine or detect(), _query("plan", options, model))


def planned(machine: Machine, query: Any) -> Plan:
    from llmfit.query.plan import plan

    return plan(_engine(machine), query)


def place(
    demands: Sequence[Mapping[str, Any]], machines: Sequence[Mapping[str, Any] | Machine | str], policy: str = "pack"
) -> Placement:
    """Who goes where: demands and machines as POST /api/v1/place takes them; a machine may be a Machine too.

    `policy`: pack, where a machine in use costs 10 points of score, or spread, where it costs none.
    """
    from llmfit.placement import place as placing

    base = machines[0] if machines and all(isinstance(machine, Machine) for machine in machines) else detect()
    assert isinstance(base, Machine)
    return placing.place(_engine(base), demands, machines, policy)


def compare(models: Iterable[str], machine: Machine | None = None, **options: Unpack[Comparisons]) -> Answer:
    """The rows of several models, in this order, whether they fit or not. UnknownModel for the first unknown id."""
    return compared(machine or detect(), _query("compare", {**options, "models": list(models)}))


def compared(machine: Machine, query: Any) -> Answer:
    from llmfit.answers.encode import answer

    engine = _engine(machine)
    return Answer(answer(engine.catalog, engine.rows(query, engine.compared(query)), query))


def ask(machine: Machine, query: Any) -> Answer:
    """The answer to a Query."""
    from llmfit.answers.encode import answer

    engine = _engine(machine)
    return Answer(answer(engine.catalog, engine.run(query), query))


def the_one(machine: Machine, query: Any) -> Answer:
    """The answer with the one row that the query's name means; UnknownModel where it means none or several."""
    from llmfit.answers.encode import answer

    engine = _engine(machine)
    return Answer(answer(engine.catalog, engine.rows(query, [engine.only(query)]), query))


@lru_cache(maxsize=8)
def _engine(machine: Machine) -> Engine:
    from llmfit.catalog import catalog
    from llmfit.query.engine import Engine

    return Engine(catalog.default(), machine)


def _query(endpoint: str, options: Any, name: str | None = None) -> Any:
    """The Query of Python values; BadParam also for a name that is no parameter."""
    parsed = params.parse(params.pairs_of(options), endpoint, name)
    if parsed.warnings:
        raise BadParam(parsed.warnings[0].removesuffix(": ignored"))
    if parsed.query.fields is not None:
        raise BadParam("invalid fields value: from Python a row has all its keys")
    return parsed.query
