def usable() -> bool: ...
def forward(
    x: int, w: int, b: int, y: int, rows: int, inputs: int, outputs: int, curved: bool
) -> None: ...
def backward(
    g: int,
    x: int,
    w: int,
    d_w: int,
    d_b: int,
    d_x: int,
    rows: int,
    inputs: int,
    outputs: int,
    curved: bool,
) -> None: ...
