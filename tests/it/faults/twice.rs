//! `verify --twice`: nodes that do not make the same of the same are found, and nothing else is touched.

use crate::support::{Space, files};

#[test]
fn row_70_a_node_that_makes_something_else_each_time_is_named_with_the_first_difference() {
    let space = Space::with(
        "nodes:
  same: {exec: {command: [sh, -c, 'mkdir -p out/d; cp in out/d/x; ln -s x out/d/l'], inputs: [in], outputs: [out/]}}
  time: {exec: {command: [sh, -c, 'mkdir t; cp out/d/x t/a; date +%s.%N > t/b; date +%s.%N > t/c'], inputs: [out/], outputs: [t/]}}
  place: {exec: {command: [sh, -c, 'pwd > p'], outputs: [p]}}
",
    );
    space.write("in", "1\n");
    assert_eq!(space.build(&[]).failed, 0);
    let of_nodes = |space: &Space| ["out", "t"].map(|folder| files(&space.root().join(folder)));
    let (made, kept) = (of_nodes(&space), files(&space.cache()));
    let ran = space.run(&["verify", "--twice", "same", "--twice", "time", "--twice", "place"]).status(1);
    assert!(ran.stderr.contains("`same` made the same twice"), "{ran:?}");
    assert!(ran.stderr.contains("`time`: made another `t/b` the second time"), "{ran:?}");
    assert!(ran.stderr.contains("`place`: made another `p` the second time"), "{ran:?}");
    let _ = space.run(&["verify", "--twice", "same"]).status(0);
    assert_eq!(of_nodes(&space), made, "the project is as it was");
    assert_eq!(files(&space.cache()), kept, "so is the cache");
    assert!(!space.exists(".ocelot/verify"));
    assert!(space.plan(&[]).values().all(|(verdict, _)| verdict == "fresh"));
}

#[test]
fn row_70_what_has_an_effect_is_not_done_twice() {
    let space = Space::with(
        "nodes:
  effect: {exec: {command: [sh, -c, 'echo >> done'], class: effect}}
  below: {after: [effect], exec: {command: [echo], stdout: b}}
  volatile: {exec: {command: [date], stdout: v, class: volatile}}
",
    );
    for node in ["effect", "below", "volatile", "nobody"] {
        let ran = space.run(&["verify", "--twice", node]).status(2);
        assert!(ran.stderr.contains("error[OC"), "{ran:?}");
    }
    assert!(!space.exists("done") && !space.exists("b") && !space.exists("v"));
}
