from typing import Any

def usable() -> bool: ...
def forward(
    x: int,
    rows: int,
    sizes: tuple[int, ...],
    parameters: tuple[int, ...],
    outputs: tuple[int, ...],
) -> None: ...
def gradients(
    g: int,
    x: int,
    d_x: int,
    rows: int,
    sizes: tuple[int, ...],
    parameters: tuple[int, ...],
    outputs: tuple[int, ...],
    gradients: tuple[int, ...],
) -> None: ...
def objective(rows: int, *others: Any) -> tuple[float, float, float, float]: ...
