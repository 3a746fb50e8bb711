from llmfit._cases import Case
from llmfit._catalog import Host

Way = tuple[int, tuple[int, ...], int, int, int, int, int, int, int]

def plan_worth(pack: bool, cost: int, score: int, n: int) -> int: ...

class Packer:
    def __init__(
        self,
        cases: list[Case],
        hosts: list[Host],
        nodes: list[tuple[int, tuple[int, ...]]],
        items: list[tuple[int, int, float, bool]],
        pack: bool,
        cost: int,
        most: int,
    ) -> None: ...
    def solve(self) -> None: ...
    def placed(self) -> list[list[tuple[int, Way]]]: ...
