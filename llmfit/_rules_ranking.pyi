def decode_ms(
    *,
    policy: dict[str, float],
    weights_read: float,
    bandwidth: float,
    eta: float,
    layer_ms: float = 0,
    flop_ms: float = 0,
    cache_read: float = 0,
    cache_share: float = 1,
    factor: float = 1,
    attention: float = 0,
    attention_ms: float = 0,
    overlaps: bool = False,
    **facts: float,
) -> float: ...
def comfortable(*, mode: int, comfortable_utilization: float = 0.9, comfortable_ram: float = 0.7) -> float: ...
def crowded(*, mode: int, good_utilization: float = 0.96, good_ram: float = 0.78) -> float: ...
def strained(*, mode: int, utilization: float, loss: float = 0, **policy: float) -> int: ...
def fit_level(
    *, mode: int, utilization: float, tps: float, loss: float = 0, known: bool = True, **policy: float
) -> int: ...
def speed_score(*, tps: float, target: float) -> float: ...
def slowness(*, tps: float, slow_penalty: float, reasonable_tps: float) -> float: ...
def fit_score(
    *,
    mode: int,
    utilization: float,
    loss: float = 0,
    comfortable_utilization: float = 0.9,
    comfortable_ram: float = 0.7,
    visible_loss: float = 1,
) -> float: ...
def utility(*, mode: int, utilization: float, token_ms: float, loss: float, **policy: float) -> float: ...
def bandwidth_is_known(
    *, mode: int, devices: int = 1, bandwidth_known: bool = True, cpu_bandwidth_known: bool = True
) -> int: ...
def spread_of(
    *,
    mode: int,
    spread: float,
    policy: dict[str, float],
    devices: int = 1,
    cpu_spread: float = 0,
    is_moe: bool = False,
    bandwidth_known: bool = True,
    cpu_bandwidth_known: bool = True,
) -> float: ...
def confidence_by_spread(*, spread: float, high_spread: float, known: bool = True) -> int: ...
def ability(
    *,
    coefficients: dict[str, float],
    params: float,
    year: float,
    sparsity: float = 1,
    thinks: bool = False,
    coder: bool = False,
    vision: bool = False,
    distill: bool = False,
) -> float: ...
def pooled(*, predicted: float, own: float, weight: float, prediction_weight: float = 1) -> float: ...
def keep_order(*, newer: float, older: float, generation_step: float = 1) -> float: ...
def quality_score(*, theta: float) -> float: ...
def context_score(*, usable: float, wanted: float) -> float: ...
def soft_floor(*, points: float) -> float: ...
def on_task(*, use_case: int = 0, role: int = 0, tuning: int = 1, special: bool = False) -> int: ...
def class_factor(
    *,
    policy: dict[str, float],
    tps: float,
    use_case: int = 0,
    origin: int = 0,
    role: int = 0,
    tuning: int = 1,
    special: bool = False,
) -> float: ...
def deductions(*, policy: dict[str, float], runtime: int = 0, origin: int = 0, gguf: bool = True) -> float: ...
def speed_deduction(*, tps: float, weights: dict[str, float], policy: dict[str, float]) -> float: ...
def verdict(
    *,
    quality: float,
    mode: int,
    utilization: float,
    token_ms: float,
    usable: float,
    weights: dict[str, float],
    policy: dict[str, float],
    loss: float = 0,
    fits: bool = True,
) -> dict[str, int]: ...
def fits_somewhere(
    *, ram: float, size: float, gpu: float = 0, context: float = 8192, cache_full: float = 0, smallest: float = 0,
    **policy: float,
) -> int: ...
def most_tps(
    *, read_gb: float, bandwidth: float, layers: float = 0, layer_ms: float = 0, active: float = 0, flop_ms: float = 0,
    fixed_ms: float = 0,
) -> float: ...
def base_points(
    *, quality: float, weights: dict[str, float], context: int = 0, origin: int = 0, policy: dict[str, float] = {},
) -> float: ...
def most_points(
    *, base: float, tps: float, weights: dict[str, float], policy: dict[str, float], factor: float = 1
) -> float: ...
def behind(*, left: tuple[int, ...], used: tuple[int, ...], unified: bool = False) -> tuple[int, ...]: ...
