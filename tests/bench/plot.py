"""A line in a picture, as SVG: what it costs, with the first point as 1."""

from collections.abc import Iterator

from tests.bench.rows import Series

WIDTH, HEIGHT = 480, 240
LEFT, RIGHT, TOP, BOTTOM = 44, 16, 40, 44
STYLE = (
    "text{font:12px sans-serif;fill:#555} .title{font-size:14px;fill:#222} "
    ".grid{stroke:#ddd} .line{stroke:#2a6f97;stroke-width:2;fill:none} .point{fill:#2a6f97}"
)


def svg(series: Series, subtitle: str) -> str:
    """The y axis begins at 0, so that flat looks flat."""
    first = series.points[0][1] or 1.0
    points = [(x, y / first) for x, y in series.points]
    right = max(x for x, _ in points) or 1
    top = max(2.0, *(y * 1.15 for _, y in points))

    def place(x: float, y: float) -> tuple[float, float]:
        across, up = x / right, y / top
        return (
            round(LEFT + across * (WIDTH - LEFT - RIGHT), 1),
            round(HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM), 1),
        )

    def body() -> Iterator[str]:
        yield f'<text class="title" x="{LEFT}" y="18">time per entry, by {series.axis}</text>'
        yield f'<text x="{LEFT}" y="33">{subtitle}</text>'
        for tick in range(int(top) + 1):
            x, y = place(0, tick)
            yield f'<path class="grid" d="M{x} {y}H{WIDTH - RIGHT}"/>'
            yield f'<text x="{x - 8}" y="{y + 4}" text-anchor="end">{tick}</text>'
        for count, _ in points:
            x, y = place(count, 0)
            anchor = "end" if count == right else "middle"
            yield f'<text x="{x}" y="{y + 18}" text-anchor="{anchor}">{count:,.0f}</text>'
        line = "L".join(f"{x} {y}" for x, y in (place(*point) for point in points))
        yield f'<path class="line" d="M{line}"/>'
        for point in points:
            x, y = place(*point)
            yield f'<circle class="point" cx="{x}" cy="{y}" r="3"><title>{point[1]:.2f}</title></circle>'

    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">'
    paper = '<rect width="100%" height="100%" fill="#fff"/>'
    return "\n".join([head, paper, f"<style>{STYLE}</style>", *body(), "</svg>", ""])
