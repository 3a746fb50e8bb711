from llmfit._catalog import Catalog, Host

class Case:
    @property
    def catalog(self) -> Catalog: ...
    def __init__(
        self,
        catalog: Catalog,
        rows: list[int],
        context: float = 0,
        n_seq: float = 1,
        cache_types: tuple[int, ...] = (),
        runtime: int = -1,
        quants: bytes | None = None,
        use_case: int = -1,
        min_level: int = 1,
        min_tps: float = 0,
        max_mem_gb: float = 1e300,
    ) -> None: ...
    def ways(
        self, host: Host, left: tuple[int, ...]
    ) -> list[tuple[int, tuple[int, ...], int, int, int, int, int, int, int]]: ...
