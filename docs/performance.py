"""Write docs/performance.md and its charts from performance.json, which benchmarks/all.py writes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure
from reference import table

FOLDER = Path(__file__).resolve().parent
COLOURS = ("#0b6e4f", "#c8553d", "#7d8597", "#3d5a80")
STYLE = {"svg.hashsalt": "groundwork", "svg.fonttype": "none", "font.size": 9}
STEPS = ("first", "again", "1 % changed")
TOOLS = ("Groundwork", "django-storages", "collectfasta")


@rc_context(STYLE)
def bars(
    image: Path, label: str, groups: list[str], series: dict[str, list[float]], *,
    logarithmic: bool = False, stacked: bool = False,
) -> None:  # fmt: skip
    """Horizontal bars: a group for each of `groups`, in it a bar (or a part) for each series."""
    thick = 1 if stacked else len(series)
    height = 0.9 + 0.26 * len(groups) * (thick + 0.6)
    figure = Figure(figsize=(7, height), layout="constrained")
    axes = figure.subplots()
    ends = [0.0] * len(groups)
    for number, (name, values) in enumerate(series.items()):
        places = [
            group * (thick + 0.6) + (0 if stacked else number) for group in range(len(groups))
        ]
        drawn = axes.barh(places, values, 0.86, ends if stacked else None, label=name,
                          color=COLOURS[number % len(COLOURS)])  # fmt: skip
        axes.bar_label(drawn, [f"{value:,.0f}" if value >= 100 else f"{value:.3g}" for value in values], padding=3,
                       label_type="center" if stacked else "edge",
                       color="white" if stacked else "black")  # fmt: skip
        ends = [end + value for end, value in zip(ends, values, strict=True)]
    middles = [group * (thick + 0.6) + (thick - 1) / 2 for group in range(len(groups))]
    axes.set_yticks(middles, groups)
    axes.invert_yaxis()
    if logarithmic:
        axes.set_xscale("log")
    axes.margins(x=0.12)
    axes.set_xlabel(label)
    axes.spines[["top", "right"]].set_visible(False)
    if len(series) > 1:
        figure.legend(loc="outside upper left", ncols=len(series), frameon=False)
    figure.savefig(image, format="svg", metadata={"Date": None, "Creator": None}, facecolor="white")


def charts(figures: dict[str, Any], folder: Path) -> None:
    """performance-*.svg, from the same figures as the tables."""
    generation, project, static = (figures[name] for name in ("generation", "project", "static"))
    bars(folder / "performance-generation.svg", "seconds", list(generation),
         {"": list(generation.values())})  # fmt: skip
    runs = {"empty cache": project["cold"], "full cache": project["warm"]}
    bars(folder / "performance-first-page.svg", "seconds", list(runs),
         {step: [run[step] for run in runs.values()] for step in project["cold"]},
         stacked=True)  # fmt: skip
    collect = static["collect"]
    bars(folder / "performance-collect.svg", "seconds",
         [f"{int(files):,} files, {step}" for files in collect for step in ("first", "again")],
         {name: [collect[files][name][step] for files in collect for step in ("first", "again")]
          for name in ("Groundwork", "WhiteNoise")})  # fmt: skip
    latency, publish = slowest(static)
    bars(folder / "performance-publish.svg",
         f"seconds, {latency} ms of latency (logarithmic)", list(STEPS),
         {tool: [publish[tool][step]["seconds"] for step in STEPS] for tool in TOOLS},
         logarithmic=True)  # fmt: skip
    serve = static["serve"]["stylesheet"]
    bars(folder / "performance-serve.svg", "requests a second", list(serve),
         {"": list(serve.values())})  # fmt: skip
    works = figures["media"]["works"]
    bars(folder / "performance-media.svg", "seconds", list(works),
         {tool: [work["seconds"][tool] for work in works.values()]
          for tool in ("copy_media", "aws s3 sync")})  # fmt: skip


def slowest(static: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The publishing of most latency, which is most like a real bucket's."""
    return max(static["publish"].items(), key=lambda item: float(item[0]))


def performance(figures: dict[str, Any]) -> str:
    machine, versions = figures["machine"], figures["versions"]
    static, media, servers = figures["static"], figures["media"], figures["app_server"]
    generation, own = figures["generation"], figures["project"]["own"]
    files = min(static["collect"], key=int)
    first, again = static["collect"][files]["ratio"].values()
    seconds = [
        (f"{int(count):,}", tool, *(f"{one[tool][step]:.2f} s" for step in ("first", "again")))
        for count, one in static["collect"].items()
        for tool in ("Groundwork", "WhiteNoise")
    ]
    published = [
        (f"{latency} ms", tool, *(
            f"{one[tool][step]['seconds']:.1f} s, {one[tool][step]['requests']:,} requests"
            for step in STEPS
        ))
        for latency, one in static["publish"].items()
        for tool in TOOLS
    ]  # fmt: skip
    copied = [
        (work, *(f"{kinds[kind][tool]:.2f} s" for kind in ("seconds", "of processor")
                 for tool in ("copy_media", "aws s3 sync")))
        for work, kinds in media["works"].items()
    ]  # fmt: skip
    served = [
        (what, *(
            ", ".join(f"{value:,} {unit}" for unit, value in server[what].items())
            if isinstance(server[what], dict) else f"{server[what]}"
            for server in servers.values()
        ))
        for what in next(iter(servers.values()))
    ]  # fmt: skip
    memory = " and ".join(f"{size} MB for {tool}" for tool, size in media["memory, MB"].items())
    return f"""# Performance

Each figure is measured beside what it is compared with, in one run, on one machine. So read the
ratios: the seconds are that machine's. With Debian's `nginx` and `wrk`,

```sh in this repository
make figures
```

measures everything again, in half an hour, and writes this page; the files of `benchmarks/` measure
one thing each.

Measured on {figures["date"]}: {machine["processor"]}, {machine["cores"]} cores,
{machine["system"]}, a load of {machine["load before"]} before it; {", ".join(f"{name} {number}" for name, number in versions.items())}. {figures.get("remark", "")}

## Making a project

![Seconds to make a project](images/performance-generation.svg)

{generation["Groundwork"] / generation["empty template"]:.1f} times as long as Copier takes for as
many empty files. `make figures PEERS="../one ../other"` puts templates of Copier or Cookiecutter beside
it, which you have in those folders.

## From nothing to the first page

![Seconds of each step, up to the first answer](images/performance-first-page.svg)

`benchmarks/project.py`: with an empty cache of uv, which then depends on the network, and with a full
one. In that project `manage.py check` takes {own["check"]:.1f} s, and its own tests {own["tests"]:.1f} s.

## Collecting static files

![Seconds of collectstatic](images/performance-collect.svg)

`benchmarks/static.py --only collect`, against WhiteNoise's `CompressedManifestStaticFilesStorage`:
with {int(files):,} files the first run is {first:.1f} times as fast, and one with nothing to do
{again:.0f} times.

{table(("Files", "Storage", "First", "Again"), seconds)}

Where it comes from: originals are not compressed, since nobody asks for them; a hashed file that is
there is neither written nor compressed again; a stylesheet is finished after what it refers to, in
one pass instead of several; and Brotli works at quality 10, which takes a third of the time of 11
for files that are 0.4 % larger.

## Publishing static files to a bucket

![Seconds to publish, collecting included](images/performance-publish.svg)

`benchmarks/static.py --only publish`, {int(files):,} files, collecting included, on the S3 server of
the tests with so much latency added to each request; against django-storages'
`S3ManifestStaticStorage`, alone and with collectfasta and its 20 threads.

{table(("Latency", "With", *(step.capitalize() for step in STEPS)), published)}

collectfasta makes no compressed copies, and keeps what it published in a cache of its own, on the
machine that published before. `publish_static` asks the bucket, so that any machine may publish; and
it deletes nothing that is live.

## Serving static files

![Requests a second](images/performance-serve.svg)

`benchmarks/static.py --only serve`: a stylesheet of 10 KB with `Accept-Encoding: br, gzip`,
2 processes each, 32 connections. The set-up of READMEs has neither a log of requests nor threads.
Groundwork's nginx logs and encrypts; nginx alone does neither.

## Copying uploads

![Seconds to copy](images/performance-media.svg)

`benchmarks/media.py`: {media["files"]:,} files of {media["megabytes"]:,} MB in all, the median of
{media["rounds"]} rounds. `copy_media` compares hashes, `aws s3 sync` sizes and times. Peak memory:
{memory}.

{table(("Work", "copy_media", "aws s3 sync", "copy_media, processor", "aws s3 sync, processor"),
       copied)}

## Application servers

`benchmarks/app_server.py`: the default project, 2 processes of 4 threads, 8 connections that are
kept. wrk needs the same processor, so look at the time that each request takes of it.

{table((" ", *servers), served)}

[The application server](app-server.md) says what follows from it.
"""  # fmt: skip


def main(folder: Path = FOLDER) -> None:
    figures = json.loads((FOLDER / "performance.json").read_text(encoding="utf-8"))
    (folder / "images").mkdir(exist_ok=True)
    charts(figures, folder / "images")
    (folder / "performance.md").write_text(performance(figures), encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
