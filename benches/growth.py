#!/usr/bin/env python3
"""How cost grows: Ocelot alone, over sizes and shapes of graphs, on this machine.

Each shape is built once, run once more to settle, and then measured: a run with nothing to do (the median of TURNS),
a plan, and a run after an edit of one source. Time and memory are shown for each node and, for shapes of several sizes,
have to stay level.

Shapes:
  layers N    N commands in layers of 100, as in compare.py, each started without a shell
  fan-out     one source, 10,000 commands that read it
  chain       10,000 commands, each reading what the one before wrote
  diamonds    3,333 times: one command, two that read it, one that reads both, over and over
  join        10,000 commands, and one that reads all their outputs
  glob        one command that reads 100,000 files by a glob
  sets        1,000 commands under 16 values of a parameter, in turn

and, only if asked for by name, since they take long and need room:
  tree        one command that reads 1,000,000 files by a glob
  blob        one command that writes 5 GiB

Only the standard library is needed.
"""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
from compare import Graph, OcelotDirect, machine, time_text  # noqa: E402


class Shape(OcelotDirect):
    """A pipeline of commands: (name, inputs); each writes `out/NAME`."""

    sets = ()

    def __init__(self, program, folder, jobs, commands, sources):
        super().__init__(program, None, folder, jobs)
        self.commands, self.sources = commands, sources

    def generate(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / ".home").mkdir(parents=True)
        for folder in {(self.folder / path).parent for path in self.sources}:
            folder.mkdir(parents=True, exist_ok=True)
        for path in self.sources:
            (self.folder / path).write_text(path)
        self.write()

    def write(self):
        with open(self.folder / "pipeline.yaml", "w", encoding="utf-8") as file:
            file.write("name: growth\n")
            if self.sets:
                file.write(f"params:\n  set: {{default: {self.sets[0]}}}\n")
            file.write("nodes:\n")
            for name, inputs in self.commands:
                lines = f"  n{name}:\n    exec:\n      command: [echo, '{name}']\n      inputs: {json.dumps(inputs)}\n"
                lines += f'      stdout: "out/{name}"\n'
                file.write(lines.replace("out/", "out/${set}/") if self.sets else lines)

    def build(self, value=None):
        return [*super().build(), *(["--set", f"set={value}"] if value else [])]


class Sets(Shape):
    sets = tuple(f"s{number}" for number in range(16))


def layers(nodes):
    graph = Graph(nodes, 100)
    commands, sources = [], []
    for layer, index, inputs, _ in graph.each():
        above = [f"out/{path.removeprefix('out/').removesuffix('.out').replace('/', '-')}" for path in inputs[1:]]
        commands.append((f"{layer:04}-{index:03}", [inputs[0], *above]))
        sources.append(inputs[0])
    return commands, sources


def fan_out(nodes=10_000):
    return [(number, ["src/one"]) for number in range(nodes)], ["src/one"]


def chain(nodes=10_000):
    return [(number, [f"out/{number - 1}" if number else "src/one"]) for number in range(nodes)], ["src/one"]


def diamonds(count=3_333):
    commands, above = [], "src/one"
    for number in range(count):
        commands += [(f"{number}-l", [above]), (f"{number}-r", [above])]
        commands.append((f"{number}-j", [f"out/{number}-l", f"out/{number}-r"]))
        above = f"out/{number}-j"
    return commands, ["src/one"]


def join(nodes=10_000):
    commands, sources = [], []
    for number in range(nodes):
        sources.append(f"src/{number}")
        commands.append((number, [sources[-1]]))
    return [*commands, ("all", [f"out/{number}" for number in range(nodes)])], sources


def glob(files=100_000):
    return [("all", ["src/**/*.txt"])], [f"src/{number // 1000:03}/{number % 1000:03}.txt" for number in range(files)]


def blob():
    return [("all", ["src/one"])], ["src/one"]


class Blob(Shape):
    def write(self):
        super().write()
        text = (self.folder / "pipeline.yaml").read_text()
        (self.folder / "pipeline.yaml").write_text(text.replace("[echo, 'all']", "[head, -c, 5G, /dev/zero]"))


LARGE = (("tree", Shape, lambda: glob(1_000_000)), ("blob", Blob, blob))


def shapes(sizes, only):
    for size in sizes:
        yield f"layers {size}", Shape, layers(size)
    yield "fan-out", Shape, fan_out()
    yield "chain", Shape, chain()
    yield "diamonds", Shape, diamonds()
    yield "join", Shape, join()
    yield "glob", Shape, glob()
    yield "sets", Sets, layers(1000)
    for name, kind, make in LARGE:
        if name in only:
            yield name, kind, make()


def measure(tool, turns):
    """Costs of each kind of run."""
    values = tool.sets or (None,)
    costs = {"first": [tool.run(tool.build(value)) for value in values]}
    for value in values:
        tool.run(tool.build(value))
    costs["null"] = [tool.run(tool.build(values[turn % len(values)])) for turn in range(max(turns, len(values)))]
    costs["plan"] = [tool.run(tool.plan()) for _ in range(turns)]
    (tool.folder / tool.sources[-1]).write_text("edited")
    costs["edit"] = [tool.run(tool.build(values[0]))]
    return costs


def row(name, tool, costs):
    things = max(len(tool.commands), len(tool.sources))
    cells = [name, f"{len(tool.commands):,}", f"{len(tool.sources):,}"]
    for kind, samples in costs.items():
        wall = statistics.median(sample["wall"] for sample in samples)
        peak = max(sample["peak"] for sample in samples)
        each = f" ({wall / things * 1e6:.1f} µs each)" if kind == "null" else ""
        cells.append(f"{time_text(wall)}{each}, {peak / 2**20:.0f} MiB")
    return f"| {' | '.join(cells)} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ocelot", default="target/release/ocelot", type=Path, help="the program (default: %(default)s)")
    parser.add_argument("--sizes", default="1000,10000,100000", help="numbers of commands (default: %(default)s)")
    parser.add_argument("--shapes", default="", help="only those whose name starts with one of these")
    parser.add_argument("--turns", default=7, type=int, help="null runs and plans of each shape (default: %(default)s)")
    parser.add_argument("--jobs", default=2, type=int, help="commands at once (default: %(default)s)")
    given = parser.parse_args()
    only = tuple(filter(None, given.shapes.split(",")))
    with tempfile.TemporaryDirectory(prefix="growth-") as work:
        print(", ".join(f"{key} {value}" for key, value in machine(Path(work)).items()) + ".\n")
        print("| shape | commands | sources | first run | nothing to do | plan | one source edited |")
        print("|---|---:|---:|---:|---:|---:|---:|", flush=True)
        for name, kind, (commands, sources) in shapes(map(int, filter(None, given.sizes.split(","))), only):
            if only and not name.startswith(only):
                continue
            tool = kind(str(given.ocelot.resolve()), Path(work) / "project", given.jobs, commands, sources)
            tool.generate()
            print(row(name, tool, measure(tool, given.turns)), flush=True)


if __name__ == "__main__":
    main()
