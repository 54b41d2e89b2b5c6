#!/usr/bin/env python3
# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""Draws what `./x bench --out FILE` wrote: for each result with a goal, how far it got (1 is the goal; further right is better).

  plot_bench.py FILE.json FILE.svg
"""
import json
import sys
from xml.sax.saxutils import escape

ROW, LEFT, WIDTH, TOP, MOST = 26, 220, 420, 58, 2.0  # pixels, and the largest share of a goal that is drawn


def share(result):
    """Of its goal: 1 when it is just met."""
    if not result["ratio"] or not result["goal"]:
        return 0.0
    return result["goal"] / result["ratio"] if result["less_is_better"] else result["ratio"] / result["goal"]


def draw(report):
    results = [r for r in report["results"] if r["goal"]]
    height = TOP + ROW * len(results) + 20
    goal = LEFT + WIDTH / MOST
    setup = report["setup"]
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 230}" height="{height}" font-family="sans-serif" font-size="13">',
        f'<rect width="100%" height="{height}" fill="white"/>',
        f'<text x="10" y="20" font-weight="bold">Rowhouse beside its limits: {escape(setup["cpu"])}, {setup["cores"]} cores</text>',
        f'<text x="10" y="38" fill="#555">commit {escape(setup["commit"])}, {setup["date"]}; the line is the goal</text>',
    ]
    for i, result in enumerate(results):
        y = TOP + ROW * i
        part = min(share(result), MOST)
        colour = "#2a7f4f" if result["met"] else "#b5532a"
        figure = f'{result["ratio"]:.3g}' if result["ratio"] else "no reference"
        sign = "&lt;=" if result["less_is_better"] else "&gt;="
        lines += [
            f'<text x="{LEFT - 8}" y="{y + 14}" text-anchor="end">{escape(result["name"])}</text>',
            f'<rect x="{LEFT}" y="{y + 2}" width="{part / MOST * WIDTH:.1f}" height="16" fill="{colour}"/>',
            f'<text x="{LEFT + WIDTH + 8}" y="{y + 14}">{figure} (goal {sign} {result["goal"]:.3g})</text>',
        ]
    lines += [f'<line x1="{goal}" y1="{TOP - 6}" x2="{goal}" y2="{height - 14}" stroke="black" stroke-dasharray="4 3"/>', "</svg>", ""]
    return "\n".join(lines)


def main():
    with open(sys.argv[1], encoding="utf-8") as source:
        report = json.load(source)
    with open(sys.argv[2], "w", encoding="utf-8") as out:
        out.write(draw(report))


if __name__ == "__main__":
    main()
