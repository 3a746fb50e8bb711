from collections.abc import Sequence

from llmfit._catalog import Catalog, Host

class Estimates:
    @property
    def catalog(self) -> Catalog: ...
    @property
    def n_known(self) -> int: ...
    @property
    def host(self) -> Host: ...
    def __init__(
        self,
        catalog: Catalog,
        host: Host,
        context: float = 0,
        n_seq: float = 1,
        cache_types: tuple[int, ...] = (),
        runtime: int = -1,
        quants: bytes | None = None,
        later: bool = False,
        rows: Sequence[int] | None = None,
        lazy: bool = False,
    ) -> None: ...

def keep_freed_memory() -> None: ...
def give_back_freed_memory() -> None: ...
def fill_all(estimates: list[Estimates]) -> None: ...

class Ranking:
    @property
    def estimates(self) -> Estimates: ...
    @property
    def kept_bytes(self) -> int: ...
    @property
    def use_case(self) -> int: ...
    def __init__(self, estimates: Estimates, use_case: int = -1) -> None: ...
    def select(
        self,
        min_level: int = 0,
        drop_foreign: bool = False,
        first: int = -1,
        exempt: bool = False,
        only: int = -1,
        providers: bytes | None = None,
        licenses: bytes | None = None,
        found: bytes | None = None,
        searches: int = 0,
        min_tps: float = 0,
        max_mem_gb: float = 1e300,
        min_params: float = 0,
        max_params: float = 1e300,
        released_after: int = -1,
        sort: int = 0,
        turned: bool = False,
        offset: int = 0,
        limit: int | None = None,
        distinct: bool = False,
        capabilities: int = 0,
    ) -> tuple[int, list[int]]: ...
    def encode(
        self,
        indices: list[int],
        head: bytes = b"[",
        tail: bytes = b"]",
        comma: bytes = b",",
        keys: tuple[bytes, ...] | None = None,
    ) -> bytes: ...
    def size(self, indices: list[int]) -> int: ...
    def write(self, indices: list[int], parts: tuple[tuple[bytes, int], ...], tail: bytes) -> bytes: ...
