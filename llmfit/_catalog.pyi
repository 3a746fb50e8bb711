from llmfit.host import Rate
from llmfit.pack import Packed

class Catalog:
    def __init__(self, packed: Packed, words: dict[str, list[object]], policy_names: tuple[str, ...]) -> None: ...
    @property
    def n_rows(self) -> int: ...
    @property
    def n_shapes(self) -> int: ...
    @property
    def labels(self) -> dict[str, int]: ...
    def found(self, needles: tuple[str, ...]) -> bytes: ...
    def mark_installed(self, indices: list[int]) -> None: ...
    def index_of(self, name: str) -> int: ...

class Host:
    def __init__(
        self,
        catalog: Catalog,
        kinds: list[tuple[Rate | None, ...]],
        devices: list[tuple[int, float]],
        cpu: Rate,
        ram_bytes: float,
        unified: bool,
        runtimes: bytes,
        blockers: bytes,
    ) -> None: ...
