"""Static files such as a large site has: stylesheets that refer to images, scripts, SVG, PNG."""

from __future__ import annotations

import random
import string
from pathlib import Path

APPS = 10


def generate(folder: Path, count: int, seed: int = 1) -> list[Path]:
    """Make `count` files, the same ones for a seed: 30 % CSS, 40 % JS, 15 % SVG, 15 % PNG."""
    chance = random.Random(seed)
    words = ["".join(chance.choices(string.ascii_lowercase, k=k % 8 + 3)) for k in range(4000)]
    return [write(folder, number, count, chance, words) for number in range(count)]


def write(folder: Path, number: int, count: int, chance: random.Random, words: list[str]) -> Path:
    size = int(min(300_000, chance.lognormvariate(9.2, 1)))  # 10 KB in the middle, 15 on average
    app, kind = folder / f"app{number % APPS}", number % 20
    if kind < 6:
        path = app / "css" / f"s{number}.css"
        image = number + 14 - kind
        lines = [
            f".{chance.choice(words)} {{ {chance.choice(words)}: {chance.randint(0, 99)}px; "
            f"color: #{chance.randrange(1 << 24):06x}; }}\n"
            for _ in range(size // 45)
        ]
        if image < count:
            url = f"../../app{image % APPS}/img/f{image}.svg"
            lines.append(f".x {{ background: url({url}); }}\n")
        content = "".join(lines).encode()
    elif kind < 14:
        path = app / "js" / f"s{number}.js"
        content = "".join(
            f"function {chance.choice(words)}({chance.choice(words)}) "
            f"{{ return {chance.choice(words)}.{chance.choice(words)}({chance.randint(0, 9999)}); }}\n"
            for _ in range(size // 60)
        ).encode()
    elif kind < 17:
        path = app / "img" / f"f{number}.svg"
        numbers = "".join(
            f"<path d='M{chance.randint(0, 999)} {chance.randint(0, 999)}'/>"
            for _ in range(size // 40)
        )
        content = f"<svg xmlns='http://www.w3.org/2000/svg'>{numbers}</svg>".encode()
    else:
        path = app / "img" / f"f{number}.png"
        content = chance.randbytes(size)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
