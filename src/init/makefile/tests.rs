//! Makefiles and the pipelines they become.

use super::*;

/// The pipeline of a Makefile without its first comments.
fn nodes(makefile: &str, files: &[&str]) -> String {
    let tree: Tree = files.iter().map(|file| (*file).to_owned()).collect();
    let text = convert("Makefile", "p", makefile, &tree).unwrap().text;
    text.split_once("\nname: p\n").unwrap().1.to_owned()
}

fn remarks(makefile: &str, files: &[&str]) -> Vec<String> {
    let tree: Tree = files.iter().map(|file| (*file).to_owned()).collect();
    let text = convert("Makefile", "p", makefile, &tree).unwrap().text;
    let (_, list) = text.split_once("not as make has it:\n").unwrap_or(("", ""));
    list.lines().map_while(|line| line.strip_prefix("# - ")).map(str::to_owned).collect()
}

#[test]
fn a_small_program_becomes_a_node_for_each_file() {
    let makefile = "\
CC := gcc
CFLAGS = -O2 \\
   -MMD
OBJ = $(patsubst src/%.c,build/%.o,$(wildcard src/*.c))

.PHONY: all clean check
all: build/hello
build/hello: $(OBJ) | build
\t$(CC) -o $@ $^
build/%.o: src/%.c | build
\t@mkdir -p $(@D)
\t$(CC) $(CFLAGS) -c -o $@ $<
build:
\tmkdir -p $@
check: all
\t@./build/hello > /dev/null
\t-cd build; ls
clean:
\trm -rf build
-include $(OBJ:.o=.d)
";
    let text = nodes(makefile, &["src/", "src/a.c", "src/b.c"]);
    let wanted = r#"default: [all]

nodes:
  # Makefile:7
  all:
    group: [build-hello]

  # Makefile:8
  build-hello:
    exec:
      command: [gcc, "-o", build/hello, build/a.o, build/b.o]
      inputs: [build/a.o, build/b.o]
      outputs: [build/hello]

  # Makefile:15
  check:
    exec:
      command:
        - sh
        - "-c"
        - |
          set -e
          (
          ./build/hello > /dev/null
          )
          (
          cd build; ls
          ) || true
      inputs: [build/hello]
      # Make runs it every time; without this line it runs when an input has changed.
      class: volatile

  # Makefile:10
  build-a.o:
    exec:
      command: [gcc, "-O2", "-MMD", "-c", "-o", build/a.o, src/a.c]
      inputs: [src/a.c]
      outputs: [build/a.o]
      depfile: build/a.d

  # Makefile:10
  build-b.o:
    exec:
      command: [gcc, "-O2", "-MMD", "-c", "-o", build/b.o, src/b.c]
      inputs: [src/b.c]
      outputs: [build/b.o]
      depfile: build/b.d
"#;
    assert_eq!(text, wanted);
    let remarks = remarks(makefile, &["src/a.c"]);
    assert_eq!(
        remarks,
        [
            "line 18: `clean`: `ocelot clean` removes what was built",
            "`src/*.c` has become the files that it matched when this was written",
        ]
    );
}

#[test]
fn rules_that_make_knows_by_itself_are_known_here() {
    let text = nodes("main: main.o util.o\nmain.o: main.c util.h\n", &["main.c", "util.c", "util.h"]);
    for line in [
        "      command: [cc, main.o, util.o, \"-o\", main]",
        "      command: [cc, \"-c\", \"-o\", main.o, main.c]",
        "      inputs: [main.c, util.h]",
        "      inputs: [util.c]",
        "  # a rule that make knows by itself",
        "default: [main]",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[test]
fn names_and_files_are_told_apart() {
    let makefile = "test: data.txt\n\t./run-tests\ndata.txt: FORCE\n\tdate > $@\nFORCE:\nrelease: test\n\tfoo ${HOME} $$HOME ../x\n";
    let text = nodes(makefile, &["run-tests"]);
    assert!(text.contains("nothing in the recipe names `test`, so it is taken for a name, not a file"), "{text}");
    assert!(text.contains("command: [date]\n      stdout: data.txt\n"), "{text}");
    assert_eq!(text.matches("class: volatile").count(), 3, "{text}");
    assert!(text.contains("\"foo $HOME $HOME ../x\""), "{text}");
    assert!(!text.contains("FORCE"), "{text}");
    let text = nodes("x: x.c\n\t$(LINK.c) $^ $(OUTPUT_OPTION)\n", &["x.c"]);
    assert!(text.contains("command: [cc, x.c, \"-o\", x]"), "{text}");
}

#[test]
fn what_is_not_carried_over_is_said_with_its_line() {
    let makefile = "\
include other.mk
x: export A = 1
ifeq ($(DEBUG),1)
FLAGS = -g
else
FLAGS = -O2
endif
define MANY
a
endef
export B = two words
VERSION := $(shell git describe)
../up:
\ttouch ../up
out.txt: /etc/passwd gone.txt ../up
\ttool $(FLAGS) $(VERSION) > out.txt
\ttool $(EXTRA) 'a  b'
";
    let told = remarks(makefile, &[]);
    for (number, start) in [
        "line 1: `include other.mk`",
        "line 2: `x: export A = 1`",
        "line 3: `ifeq ($(DEBUG),1)`",
        "line 8: `define MANY`",
        "line 13: `../up` is outside of the project",
        "`$(DEBUG)` is not set",
        "`$(EXTRA)` is not set",
        "`$(shell",
    ]
    .iter()
    .enumerate()
    {
        assert!(told[number].starts_with(start), "{start}: {told:?}");
    }
    let text = nodes(makefile, &[]);
    for part in [
        "`/etc/passwd` is outside of the project, and no input",
        "`gone.txt` is neither there nor made by a rule, and left out",
        "env: {B: \"two words\"}",
        "tool -O2 $(git describe) > out.txt",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[test]
fn no_text_of_a_makefile_leaves_its_place() {
    let makefile = "a\u{85}b.txt: x\n\techo \"nodes: {}\u{7}\" > $@\ninclude a\u{2028}nodes: {}\n";
    let tree = Tree::new();
    let text = convert("Makefile", "p\nnodes: {}", makefile, &tree).unwrap().text;
    assert_eq!(text.lines().filter(|line| line.starts_with("nodes:")).count(), 1, "{text}");
}

#[test]
fn a_makefile_of_nothing_is_a_pipeline_of_nothing() {
    assert_eq!(nodes("", &[]), "\nnodes: {}\n");
}

#[test]
fn what_a_group_stands_for_is_an_input_of_what_needs_it() {
    let makefile = "\
out/x: parts
\ttool > $@
parts: more a.txt out/y
more: b.txt
out/y: b.txt
\ttool -y > $@
out/z: c.h
\ttool -z > $@
c.h: d.h
out/w: setup
\ttool -w > $@
.PHONY: setup parts
setup:
\tdownload
";
    let text = nodes(makefile, &["a.txt", "b.txt", "c.h", "d.h"]);
    for part in [
        "command: [tool]\n      inputs: [b.txt, a.txt, out/y]\n      stdout: out/x\n\n",
        "inputs: [c.h, d.h]\n      stdout: out/z\n\n",
        "    after: [setup]\n    exec:\n      command: [tool, \"-w\"]\n      stdout: out/w\n      # Make runs it every time",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[test]
fn a_folder_in_which_nothing_is_built_is_told() {
    let told = remarks("all: out/x dirs\nout/x: in\n\tcp in $@\ndirs:\n\tmkdir -p out cache/deep ./logs/\n", &["in"]);
    assert_eq!(told, ["line 4: `dirs`: nothing is built in cache/deep, logs, so it is not made"]);
    assert!(remarks("out/x: in | out\n\tcp in $@\nout:\n\tmkdir -p $@\n", &["in"]).is_empty());
}

#[test]
fn only_files_that_a_compiler_writes_are_included_in_silence() {
    let told = remarks("D = a.d b.d\n-include $(D) c.d\n-include deps.mk\ninclude a.d x.dat\n", &[]);
    assert_eq!(
        told,
        [
            "line 3: `-include deps.mk`: the included file is not read",
            "line 4: `include a.d x.dat`: the included file is not read",
        ]
    );
}

#[test]
fn what_grows_without_end_is_refused() {
    let doubled: String = (1..60).map(|n| format!("A{n} = $(A{0})$(A{0})\n", n - 1)).collect();
    let words = "a ".repeat(40_000);
    let chain: String = (0..40).map(|n| format!("%: %.{n}\n\ttouch $@\n")).collect();
    for makefile in [
        format!("A0 = \n{doubled}x: $(A59)\n"),
        format!("A0 := some text\n{}x: $(A59)\n", doubled.replace(" = ", " := ")),
        format!("W := {words}\nX := $(addprefix {},$(W))\n", "b".repeat(40_000)),
        format!("W := {words}\nX := $(subst a,$(W),$(W))\n"),
        format!("W := {words}\nX := $(filter $(W),$(W))\n"),
        format!("{words}: {words}\n"),
        format!("{chain}all: gone\n"),
        "ifdef A\n".repeat(20_000),
    ] {
        assert!(convert("Makefile", "p", &makefile, &Tree::new()).is_err(), "{:.60}", makefile);
    }
}

#[test]
fn else_of_many_words_is_one() {
    let makefile = format!("ifdef A\nelse {}\nB = b\nendif\nx:\n\techo $(B) > x\n", "else ".repeat(100_000));
    let text = nodes(&makefile, &[]);
    assert!(text.contains("[echo, b]"), "{text}");
}
