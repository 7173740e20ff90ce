#!/usr/bin/env python3
"""Compare Ocelot with other build tools on one synthetic graph, on this machine, in one sitting.

The graph: N commands in layers of WIDTH. Each reads its own source of 1 KiB and three outputs of the layer before, and
runs `cksum INPUTS > OUTPUT` through a shell (`ocelot-direct`: without one). Every tool gets the same graph in its own
language and its own copy of the files, builds it once, is run once more to settle, and is then measured in turns
(A B A B ...), so that a busy moment of the machine meets all of them. Ratios are medians of the ratios within a turn.

Scenarios:
  null    nothing changed
  touch   every source gets a new time stamp and keeps its content
  leaf    one source of the last layer is edited: one command is due
  cone    one source ten layers up is edited: all that is below it is due
  cold    outputs, state and caches are gone
  plan    say what a run would do, with nothing changed (`ninja -n`)
  graph   print the graph as dot (`ninja -t graph`)
  why     ask why one command of the last layer is up to date
  restore all outputs are deleted, and the cache holds them
  version print the version: what a start costs

`floor` is no build tool but the least there is to do, in C (floor.c, compiled where there is a `cc`): an lstat of every
file for `null`, the bare commands for `cold`, one file after another written for `restore`.

Wall time, CPU time and the peak memory of the largest process come from wait4(2). No figure is judged: absolute times
belong to a machine, and only ratios of one sitting compare.

Only the standard library is needed. Tools that are not installed are left out and named.
"""

import argparse
import json
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

STRIDES = (0, 1, 7)
SCENARIOS = ("null", "touch", "leaf", "cone", "cold", "plan", "graph", "why", "restore", "version")
LONG = ("cold", "touch", "restore")
CONE_HEIGHT = 10

# Runs one command and prints what it cost. A child's peak memory starts at that of the process which starts it, so
# this has to be a process with as little in it as possible.
LAUNCHER = """
import posix, sys, time
out = posix.open('/dev/null', posix.O_WRONLY)
err = posix.open(sys.argv[1], posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC, 0o644)
files = [(posix.POSIX_SPAWN_DUP2, out, 1), (posix.POSIX_SPAWN_DUP2, err, 2)]
start = time.monotonic()
pid = posix.posix_spawn(sys.argv[2], sys.argv[2:], posix.environ, file_actions=files)
_, status, used = posix.wait4(pid, 0)
wall = time.monotonic() - start
print(posix.waitstatus_to_exitcode(status), wall, used.ru_utime + used.ru_stime, used.ru_maxrss)
"""


class Graph:
    """The graph, and its files in one folder."""

    def __init__(self, nodes, width):
        self.nodes, self.width = nodes, width
        self.layers = (nodes - 1) // width + 1

    def each(self):
        """(layer, index, inputs, output) of every command, dependencies first."""
        for number in range(self.nodes):
            layer, index = divmod(number, self.width)
            above = sorted({(index + stride) % self.width for stride in STRIDES}) if layer else []
            yield layer, index, [self.source(layer, index), *(self.output(layer - 1, i) for i in above)], self.output(
                layer, index
            )

    @staticmethod
    def source(layer, index):
        return f"src/{layer:04}/{index:03}.txt"

    @staticmethod
    def output(layer, index):
        return f"out/{layer:04}/{index:03}.out"

    def last(self):
        """Outputs that no command reads."""
        return [output for layer, _, _, output in self.each() if layer == self.layers - 1]

    def write_sources(self, folder):
        for layer, index, inputs, _ in self.each():
            path = folder / inputs[0]
            path.parent.mkdir(parents=True, exist_ok=True)
            text = random.Random(layer * self.width + index).randbytes(512).hex()
            path.write_text(text)
        self.make_output_folders(folder)

    def make_output_folders(self, folder):
        for layer in range(self.layers):
            (folder / f"out/{layer:04}").mkdir(parents=True, exist_ok=True)

    def outputs(self, folder):
        """What a rerun changes of every output: inode and time stamp."""
        looks = {}
        for _, _, _, output in self.each():
            seen = os.stat(folder / output)
            looks[output] = (seen.st_ino, seen.st_mtime_ns)
        return looks

    def contents(self, folder):
        return {output: (folder / output).read_bytes() for _, _, _, output in self.each()}


class Tool:
    """One tool with its own copy of the graph."""

    name = ""
    program = ""
    state = ()
    settle = 2
    forgotten = 0

    def __init__(self, program, graph, folder, jobs):
        self.path, self.graph, self.folder, self.jobs = program, graph, folder, str(jobs)
        self.env = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": str(folder / ".home"),
            "XDG_CACHE_HOME": str(folder / ".home/cache"),
            "LANG": "C",
        }

    def generate(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        (self.folder / ".home").mkdir()
        self.graph.write_sources(self.folder)
        self.write()

    def write(self):
        raise NotImplementedError

    def build(self):
        raise NotImplementedError

    def plan(self):
        return None

    def dot(self):
        return None

    def why(self):
        return None

    def restore(self):
        return None

    def cold(self):
        return self.build()

    def start(self):
        return [self.path, "--version"]

    def version(self):
        done = subprocess.run([self.path, "--version"], capture_output=True, text=True, check=False)
        return done.stdout.splitlines()[0] if done.stdout else "?"

    def forget(self):
        """Back to a fresh checkout. What was there is moved away and deleted at the very end: for minutes after a file was
        deleted, ext4 searches around its inode whenever a file is made, and whoever had more files would pay more."""
        self.move_away("out", *self.state, ".home")

    def move_away(self, *names):
        self.forgotten += 1
        away = self.folder.parent / f"forgotten-{self.folder.name}-{self.forgotten}"
        away.mkdir()
        for name in names:
            if (self.folder / name).exists():
                (self.folder / name).rename(away / name)
        (self.folder / ".home").mkdir(exist_ok=True)
        self.graph.make_output_folders(self.folder)

    def run(self, argv):
        """Runs `argv` and returns its cost."""
        said = self.folder / ".home/stderr"
        launch = [sys.executable, "-I", "-S", "-c", LAUNCHER, str(said), *argv]
        done = subprocess.run(launch, cwd=self.folder, env=self.env, capture_output=True, text=True, check=True)
        code, wall, cpu, peak = done.stdout.split()
        if code != "0":
            sys.exit(f"{self.name}: `{' '.join(argv)}` ended with {code}:\n{said.read_text()}")
        unit = 1 if sys.platform == "darwin" else 1024
        return {"wall": float(wall), "cpu": float(cpu), "peak": int(peak) * unit}


class Ocelot(Tool):
    name = "ocelot"
    program = "ocelot"
    state = (".ocelot",)
    shell = True

    def write(self):
        lines = ["name: compare", "nodes:"]
        for layer, index, inputs, output in self.graph.each():
            files = ", ".join(inputs)
            lines += [f"  l{layer}-{index}:", "    exec:"]
            if self.shell:
                lines.append(f'      command: [sh, -c, "cksum {" ".join(inputs)} > {output}"]')
                lines.append(f"      outputs: [{output}]")
            else:
                lines += [f"      command: [cksum, {files}]", f"      stdout: {output}"]
            lines.append(f"      inputs: [{files}]")
        (self.folder / "pipeline.yaml").write_text("\n".join(lines) + "\n")

    def build(self):
        return [self.path, "run", "-j", self.jobs, "pipeline.yaml"]

    def plan(self):
        return [self.path, "plan", "pipeline.yaml"]

    def dot(self):
        return [self.path, "graph", "--format", "dot", "pipeline.yaml"]

    def why(self):
        return [self.path, "why", "-p", "pipeline.yaml", f"l{self.graph.layers - 1}-0"]

    def restore(self):
        return self.build()


class OcelotDirect(Ocelot):
    name = "ocelot-direct"
    shell = False


class Floor(Tool):
    """The least there is to do, for what no other tool does alike."""

    name = "floor"
    program = "cc"
    how = "sh"

    def __init__(self, program, graph, folder, jobs):
        super().__init__(program, graph, folder, jobs)
        self.path = str(folder.parent / "floor")
        source = Path(__file__).with_name("floor.c")
        subprocess.run([program, "-O2", "-pthread", "-o", self.path, str(source)], check=True)

    def write(self):
        paths, commands, layer_before = [], [], 0
        for layer, _, inputs, output in self.graph.each():
            paths += [inputs[0], output]
            if layer > layer_before:
                commands.append("")
                layer_before = layer
            commands += self.command(inputs, output)
        self.list("paths", paths)
        self.list("commands", commands)

    @staticmethod
    def command(inputs, output):
        return [f"cksum {' '.join(inputs)} > {output}"]

    def list(self, name, fields):
        (self.folder / name).write_bytes(b"".join(field.encode() + b"\0" for field in fields))

    def cold(self):
        return [self.path, self.how, "commands", self.jobs]

    def build(self):
        built = (self.folder / self.graph.last()[-1]).exists()
        return [self.path, "stat", "paths"] if built else self.cold()

    def restore(self):
        return [self.path, "write", "contents"]

    def start(self):
        return None

    def version(self):
        return "(floor.c)"


class FloorDirect(Floor):
    name = "floor-direct"
    how = "direct"

    @staticmethod
    def command(inputs, output):
        return [output, "cksum", *inputs, ""]

    def restore(self):
        return None


class Ninja(Tool):
    name = "ninja"
    program = "ninja"
    state = (".ninja_log", ".ninja_deps", ".n2_db")

    def write(self):
        lines = ["rule sum", "  command = cksum $in > $out"]
        for _, _, inputs, output in self.graph.each():
            lines.append(f"build {output}: sum {' '.join(inputs)}")
        lines += [f"build all: phony {' '.join(self.graph.last())}", "default all"]
        (self.folder / "build.ninja").write_text("\n".join(lines) + "\n")

    def build(self):
        return [self.path, "-j", self.jobs]

    def plan(self):
        return [self.path, "-n"]

    def dot(self):
        return [self.path, "-t", "graph"]


class N2(Ninja):
    name = "n2"
    program = "n2"

    def plan(self):
        return None

    def dot(self):
        return None


class Make(Tool):
    name = "make"
    program = "make"

    def write(self):
        lines = ["MAKEFLAGS += -rR", ".SUFFIXES:", f"all: {' '.join(self.graph.last())}", ""]
        for _, _, inputs, output in self.graph.each():
            lines.append(f"{output}: {' '.join(inputs)}\n\t@cksum $^ > $@")
        (self.folder / "Makefile").write_text("\n".join(lines) + "\n")

    def build(self):
        return [self.path, "-s", "-j", self.jobs]

    def plan(self):
        return [self.path, "-n"]


class Tup(Tool):
    name = "tup"
    program = "tup"
    state = (".tup",)

    def write(self):
        rules = [f": {' '.join(i)} |> cksum %f > %o |> {o}\n" for _, _, i, o in self.graph.each()]
        (self.folder / "Tupfile").write_text("".join(rules))
        self.init()

    def init(self):
        subprocess.run([self.path, "init", "--force"], cwd=self.folder, env=self.env, capture_output=True, check=True)

    def forget(self):
        super().forget()
        self.init()

    def build(self):
        return [self.path, "-j", self.jobs, "--quiet"]


class Task(Tool):
    name = "task"
    program = "task"
    state = (".task",)

    def write(self):
        lines = ["version: '3'", "silent: true", "run: once", "tasks:", f"  all: {{deps: [{', '.join(map(self.task, self.graph.last()))}]}}"]
        for layer, _, inputs, output in self.graph.each():
            lines.append(f"  {self.task(output)}:")
            if layer:
                lines.append(f"    deps: [{', '.join(map(self.task, inputs[1:]))}]")
            lines += [f"    sources: [{', '.join(inputs)}]", f"    generates: [{output}]"]
            lines.append(f"    cmds: ['cksum {' '.join(inputs)} > {output}']")
        (self.folder / "Taskfile.yml").write_text("\n".join(lines) + "\n")

    @staticmethod
    def task(output):
        return output.removeprefix("out/").removesuffix(".out").replace("/", "-")

    def build(self):
        return [self.path, "--concurrency", self.jobs, "all"]


class Turbo(Task):
    """Every command is a task of the one package, so that all tools see the same files."""

    name = "turbo"
    program = "turbo"
    state = (".turbo", "node_modules")

    def __init__(self, program, graph, folder, jobs):
        super().__init__(program, graph, folder, jobs)
        # npm takes most of a second to run a script; Turborepo is what is measured here.
        self.env["PATH"] = f"{folder / 'bin'}:{self.env['PATH']}"
        self.env |= {"TURBO_TELEMETRY_DISABLED": "1", "DO_NOT_TRACK": "1"}

    def write(self):
        scripts, tasks = {}, {"all": {"dependsOn": [self.task(output) for output in self.graph.last()]}}
        for layer, _, inputs, output in self.graph.each():
            scripts[self.task(output)] = f"cksum {' '.join(inputs)} > {output}"
            before = [self.task(name) for name in inputs[1:]] if layer else []
            tasks[self.task(output)] = {"dependsOn": before, "inputs": inputs[:1], "outputs": [output]}
        scripts["all"] = "true"
        package = {"name": "compare", "private": True, "packageManager": "npm@10.0.0", "scripts": scripts}
        (self.folder / "package.json").write_text(json.dumps(package))
        lock = {"name": "compare", "lockfileVersion": 3, "packages": {"": {"name": "compare"}}}
        (self.folder / "package-lock.json").write_text(json.dumps(lock))
        (self.folder / "turbo.json").write_text(json.dumps({"tasks": tasks}))
        (self.folder / "bin").mkdir()
        npm = self.folder / "bin/npm"
        npm.write_text(f"""#!{sys.executable} -IS
import json, os, sys
os.execvp("sh", ["sh", "-c", json.load(open("package.json"))["scripts"][sys.argv[-1]]])
""")
        npm.chmod(0o755)

    def restore(self):
        return self.build()

    def build(self):
        return [self.path, "run", "all", f"--concurrency={self.jobs}", "--output-logs=none", "--no-update-notifier"]


class Moon(Task):
    """Every command is a task of the one project. moon wants a repository of git with a commit."""

    name = "moon"
    program = "moon"
    state = (".moon/cache",)

    def __init__(self, program, graph, folder, jobs):
        super().__init__(program, graph, folder, jobs)
        self.env |= {"MOON_TELEMETRY": "false", "MOON_TOOLCHAIN_FORCE_GLOBALS": "true", "NO_COLOR": "1"}

    def write(self):
        (self.folder / ".moon").mkdir()
        (self.folder / ".moon/workspace.yml").write_text("projects:\n  compare: '.'\ntelemetry: false\n")
        (self.folder / ".gitignore").write_text("out\n.home\n.moon/cache\n")
        lines = ["language: unknown", "tasks:"]
        for layer, _, inputs, output in self.graph.each():
            lines.append(f"  t{self.task(output)}:")
            lines.append(f"    script: 'cksum {' '.join(inputs)} > {output}'")
            lines += [f"    inputs: [{', '.join(inputs)}]", f"    outputs: [{output}]"]
            if layer:
                lines.append(f"    deps: [{self.targets(inputs[1:])}]")
        lines += ["  all:", "    command: noop", f"    deps: [{self.targets(self.graph.last())}]"]
        (self.folder / "moon.yml").write_text("\n".join(lines) + "\n")
        git = ["git", "-c", "user.name=compare", "-c", "user.email=compare@localhost"]
        for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "compare"]):
            subprocess.run([*git, *words], cwd=self.folder, env=self.env, check=True)

    def targets(self, outputs):
        return ", ".join(f"'~:t{self.task(output)}'" for output in outputs)

    def build(self):
        return [self.path, "run", "compare:all", "--concurrency", self.jobs, "--quiet"]


TOOLS = (Ocelot, OcelotDirect, Ninja, N2, Make, Tup, Task, Turbo, Moon, Floor, FloorDirect)


def prepare(scenario, tool, turn):
    """Changes the files of `tool` before a measured run."""
    graph = tool.graph
    if scenario == "touch":
        for _, _, inputs, _ in graph.each():
            os.utime(tool.folder / inputs[0])
    elif scenario in ("leaf", "cone"):
        layer = graph.layers - 1 if scenario == "leaf" else max(0, graph.layers - CONE_HEIGHT)
        (tool.folder / graph.source(layer, 0)).write_text(f"{scenario} {turn} {os.getpid()}\n")
    elif scenario == "cold":
        tool.forget()
    elif scenario == "restore":
        if isinstance(tool, Floor) and turn == 0:
            contents = graph.contents(tool.folder)
            tool.list("contents", [text for path, content in contents.items() for text in (path, content.decode())])
        tool.move_away("out")


def command(scenario, tool):
    if isinstance(tool, Floor) and scenario not in ("null", "cold", "restore"):
        return None
    special = {"plan": tool.plan, "graph": tool.dot, "why": tool.why, "restore": tool.restore, "cold": tool.cold}
    return (special | {"version": tool.start}).get(scenario, tool.build)()


def measure(scenario, tools, turns):
    """All tools in turns; what each cost, and how many outputs each wrote again in the first turn."""
    taking_part = [tool for tool in tools if command(scenario, tool)]
    samples = {tool.name: [] for tool in taking_part}
    wrote = {}
    for turn in range(turns):
        for tool in tools if scenario in ("leaf", "cone") else ():
            if tool not in taking_part:
                prepare(scenario, tool, turn)
        for tool in taking_part:
            before = tool.graph.outputs(tool.folder) if turn == 0 else {}
            prepare(scenario, tool, turn)
            samples[tool.name].append(tool.run(command(scenario, tool)))
            if turn == 0:
                after = tool.graph.outputs(tool.folder)
                wrote[tool.name] = sum(after[name] != look for name, look in before.items())
    makers = [tool for tool in taking_part if scenario == "cold" or not isinstance(tool, Floor)]
    if scenario not in ("plan", "graph", "why", "version"):
        first, *others = [tool.graph.contents(tool.folder) for tool in makers]
        if any(other != first for other in others):
            sys.exit(f"{scenario}: the tools do not agree on the outputs")
    return {name: {"wrote": wrote[name], "samples": costs} for name, costs in samples.items()}


def summary(result, base):
    """Medians, spread, and ratios to `base` within each turn."""
    rows = {}
    for name, measured in result.items():
        samples = measured["samples"]
        walls = sorted(sample["wall"] for sample in samples)
        row = {
            "wall": statistics.median(walls),
            "fastest": walls[0],
            "slowest": walls[-1],
            "cpu": statistics.median(sample["cpu"] for sample in samples),
            "peak": statistics.median(sample["peak"] for sample in samples),
            "wrote": measured["wrote"],
        }
        if base in result:
            pairs = list(zip(samples, result[base]["samples"], strict=True))
            row["ratio"] = statistics.median(a["wall"] / b["wall"] for a, b in pairs)
            row["cpu_ratio"] = statistics.median(a["cpu"] / max(b["cpu"], 1e-6) for a, b in pairs)
        rows[name] = row
    return rows


def time_text(seconds):
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def table(sizes, base):
    lines = [
        f"| commands | scenario | tool | wall (fastest to slowest) | cpu | peak memory | wrote | wall to {base} | cpu to {base} | wall to own null |",
        "|---:|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for nodes, scenarios in sizes.items():
        for scenario, rows in scenarios.items():
            for name, row in rows.items():
                spread = f"{time_text(row['fastest'])} to {time_text(row['slowest'])}"
                ratios = [f"{row[key]:.2f}x" if key in row else "" for key in ("ratio", "cpu_ratio", "null_ratio")]
                lines.append(
                    f"| {nodes} | {scenario} | {name} | **{time_text(row['wall'])}** ({spread}) | {time_text(row['cpu'])} "
                    f"| {row['peak'] / 2**20:.1f} MiB | {row['wrote']} | {' | '.join(ratios)} |"
                )
    return "\n".join(lines)


def first_line_with(path, word):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return next((line.split(":", 1)[1].strip() for line in file if line.startswith(word)), None)
    except OSError:
        return None


def file_system(path):
    """The type of the file system that holds `path`, where /proc tells."""
    best = ("", "?")
    try:
        with open("/proc/mounts", encoding="utf-8") as file:
            for line in file:
                _, point, kind, *_ = line.split()
                if Path(point) in (path, *path.parents) and len(point) >= len(best[0]):
                    best = (point, kind)
    except OSError:
        pass
    return best[1]


def machine(work):
    return {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": first_line_with("/proc/cpuinfo", "model name") or platform.processor() or "?",
        "processors": os.cpu_count(),
        "memory": first_line_with("/proc/meminfo", "MemTotal") or "?",
        "file system": file_system(work),
    }


def memory_floor(work):
    """The least peak memory that can be seen: that of the launcher."""
    tool = Tool("true", None, work, 1)
    (work / ".home").mkdir(exist_ok=True)
    return tool.run([shutil.which("true")])["peak"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ocelot", default="target/release/ocelot", help="the program (default: %(default)s)")
    parser.add_argument("--tools", default="", help="only these, separated by commas (default: all that are installed)")
    parser.add_argument("--sizes", default="1000", help="numbers of commands (default: %(default)s)")
    parser.add_argument("--width", type=int, default=100, help="commands per layer (default: %(default)s)")
    parser.add_argument("--scenarios", default=",".join(SCENARIOS), help="default: %(default)s")
    parser.add_argument("--turns", type=int, default=15, help="turns of each scenario (default: %(default)s)")
    parser.add_argument("--long-turns", type=int, default=3, help="turns of `cold`, `touch` and `restore` (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="commands at once (default: %(default)s)")
    parser.add_argument("--base", default="ninja", help="what ratios are to (default: %(default)s)")
    parser.add_argument("--work", type=Path, help="folder to work in (default: a temporary one)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample there")
    given = parser.parse_args()
    unknown = set(given.scenarios.split(",")) - set(SCENARIOS)
    if unknown:
        parser.error(f"unknown scenarios: {', '.join(sorted(unknown))}; there are {', '.join(SCENARIOS)}")
    return given


def main():
    given = arguments()
    wanted = set(filter(None, given.tools.split(",")))
    kinds, absent = [], []
    for kind in TOOLS:
        path = os.path.abspath(given.ocelot) if issubclass(kind, Ocelot) else shutil.which(kind.program)
        if wanted and kind.name not in wanted:
            continue
        if path and os.access(path, os.X_OK):
            kinds.append((kind, path))
        else:
            absent.append(kind.name)
    if not kinds:
        sys.exit("no tool to measure; build Ocelot with `cargo build --release` or name it with --ocelot")

    with tempfile.TemporaryDirectory(prefix="compare-") as temporary:
        work = (given.work or Path(temporary)).resolve()
        work.mkdir(parents=True, exist_ok=True)
        about = machine(work)
        about["load before"] = os.getloadavg()
        floor = memory_floor(work)
        versions, raw, sizes = {}, {}, {}
        for nodes in map(int, given.sizes.split(",")):
            graph = Graph(nodes, given.width)
            tools = [kind(path, graph, work / f"{kind.name}-{nodes}", given.jobs) for kind, path in kinds]
            for tool in tools:
                print(f"{nodes}: preparing {tool.name}", file=sys.stderr)
                tool.generate()
                versions[tool.name] = tool.version()
                for _ in range(1 + tool.settle):
                    tool.run(tool.build())
            raw[nodes], sizes[nodes] = {}, {}
            for scenario in given.scenarios.split(","):
                print(f"{nodes}: {scenario}", file=sys.stderr)
                turns = given.long_turns if scenario in LONG else given.turns
                raw[nodes][scenario] = measure(scenario, tools, turns)
                sizes[nodes][scenario] = summary(raw[nodes][scenario], given.base)
                for name, row in sizes[nodes][scenario].items():
                    if null := sizes[nodes].get("null", {}).get(name):
                        row["null_ratio"] = row["wall"] / null["wall"]
                for tool in tools:
                    tool.run(tool.build())
        about["load after"] = os.getloadavg()

    print(", ".join(f"{key} {value}" for key, value in about.items() if "load" not in key) + ".")
    print("Load average before and after: " + ", ".join(f"{about[key][0]:.2f}" for key in ("load before", "load after")))
    print(f"Versions: {', '.join(f'{name} {version}' for name, version in versions.items())}; -j {given.jobs}.")
    if absent:
        print(f"Not installed, so not measured: {', '.join(absent)}.")
    print(f"Peak memory below {floor / 2**20:.1f} MiB cannot be seen (that of the process that starts the tools).\n")
    print(table(sizes, given.base))
    if given.json:
        given.json.write_text(
            json.dumps({"machine": about, "versions": versions, "summary": sizes, "samples": raw}, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
