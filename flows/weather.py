"""This is where the weather learns which airport it was measured at."""

import polars as pl


def at_airport(rows: pl.LazyFrame, airports: pl.LazyFrame) -> pl.LazyFrame:
    """Add the name and the place of the airport to *rows*."""
    places = airports.select("lat", "lon", origin="faa", airport="name")
    return rows.join(places, on="origin", how="left")
