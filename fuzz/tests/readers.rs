//! One target per reader. `cargo test` runs each for a second; `cargo bolero test NAME` for as long as one likes.

#[path = "../../tests/it/hostile/bodies.rs"]
mod bodies;

fn body(name: &str) -> bodies::Body {
    bodies::BODIES.iter().find(|(other, _)| *other == name).expect("a body of this name").1
}

macro_rules! targets {
    ($($target:ident: $name:literal,)*) => {
        $(
            #[test]
            fn $target() {
                let body = body($name);
                bolero::check!().with_type::<Vec<u8>>().for_each(|bytes| body(bytes));
            }
        )*

        #[test]
        fn every_body_is_a_target() {
            let names = [$($name),*];
            assert_eq!(bodies::BODIES.map(|(name, _)| name), names);
        }
    };
}

targets! {
    pipeline: "pipeline",
    distributions: "distributions",
    dependencies: "dependencies",
    regions: "regions",
    settings: "settings",
    lock: "lock",
    collector_config: "collector-config",
    path_table: "path-table",
    snapshot: "snapshot",
    record: "record",
    zip: "zip",
    elf: "elf",
    go_functions: "go-functions",
    build_constraint: "build-constraint",
    go_mod: "go-mod",
    go_sum: "go-sum",
    makefile: "makefile",
}
