"""This is where the numbers are made: three small parquet files, the same bytes each time."""

from pathlib import Path

import polars as pl

FOLDER = Path(__file__).parent


def main() -> None:
    """Write odd, even and prime numbers below a hundred, one file each."""
    numbers = pl.DataFrame({"number": range(100)})
    prime = [n > 1 and all(n % divisor for divisor in range(2, n)) for n in range(100)]
    sets = {
        "odd": numbers.filter(pl.col("number") % 2 == 1),
        "even": numbers.filter(pl.col("number") % 2 == 0),
        "prime": numbers.filter(pl.Series(prime)),
    }
    for name, rows in sets.items():
        rows.with_columns(square=pl.col("number") ** 2).write_parquet(FOLDER / f"{name}.parquet")


if __name__ == "__main__":
    main()
