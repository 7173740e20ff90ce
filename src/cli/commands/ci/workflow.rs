//! `ci workflow`: the workflow of a pipeline, written or compared.

use std::path::Path;

use crate::base::code;
use crate::ci::facts::{Asked, Facts};
use crate::ci::workflow::{THIS, workflow as text_of};
use crate::cli::args::{SelectArgs, WorkflowArgs};
use crate::cli::commands::print;
use crate::cli::exit::{Exit, Stop};
use crate::cli::process::Process;
use crate::cli::selection;
use crate::cli::settings::settings;
use crate::project::load::{Request, load};
use crate::store::atomic;

/// `ci workflow`.
///
/// # Errors
/// A pipeline that no workflow can be made of, or a file that cannot be written.
pub(in crate::cli) fn workflow(process: &Process, args: &WorkflowArgs) -> Result<Exit, Stop> {
    let select = SelectArgs { pipeline: Some(args.pipeline.clone()), ..SelectArgs::default() };
    let selection = selection::select(process, &select)?;
    let root = selection.pipeline.root.clone();
    // Of a region that a machine has set by itself, nothing may depend here.
    let env = |name: &str| (name == "AWS_REGION").then(|| "us-east-1".to_owned());
    let (file, sets) = (&selection.pipeline.file, &selection.sets);
    let request = Request { root: &root, file, sets, lock: None, env: &env, everything: false };
    let loaded =
        load(&request).map_err(|error| Stop::shown(process, &root, Exit::Usage, &error.sources, &error.diagnostics))?;
    let settings = settings(process, &root)?;
    let asked = Asked {
        pipeline: &args.pipeline,
        choices: &|name| loaded.choices.get(name).cloned(),
        environments: &settings.environments,
        actions: &settings.actions,
        per_region_jobs: args.per_region_jobs,
        from_source: args.from_source,
    };
    let facts = Facts::of(&loaded.file, &asked)
        .map_err(|problems| Stop::several(code::NOT_GENERATED, Exit::Usage, problems))?;
    let text = text_of(&facts, &settings.actions, THIS);
    let stem = Path::new(&args.pipeline).file_stem().unwrap_or_default().to_string_lossy();
    let name = args.out.clone().unwrap_or_else(|| format!(".github/workflows/{stem}.yml"));
    if name == "-" {
        print(&text);
        return Ok(Exit::Ok);
    }
    let file = root.join(&name);
    if args.check {
        return match std::fs::read_to_string(&file) {
            Ok(there) if there == text => Ok(Exit::Ok),
            Ok(there) => {
                Err(Stop::new(code::GENERATED_DIFFERS, Exit::Failure, differs(&name, &there, &text)).hint(again(args)))
            }
            Err(error) => {
                Err(Stop::new(code::GENERATED_DIFFERS, Exit::Failure, format!("cannot read {name}: {error}"))
                    .hint(again(args)))
            }
        };
    }
    atomic::write(&file, text.as_bytes(), false)
        .map_err(|error| Stop::environment(code::CANNOT_WRITE, format!("cannot write {name}: {error}")))?;
    print(&format!("{name}: written\n"));
    Ok(Exit::Ok)
}

fn again(args: &WorkflowArgs) -> String {
    let flags = [(args.per_region_jobs, " --per-region-jobs"), (args.from_source, " --from-source")];
    let flags: String = flags.iter().filter(|(given, _)| *given).map(|(_, flag)| *flag).collect();
    format!("write it with `ocelot ci workflow {}{flags}`", args.pipeline)
}

/// The first line that is not as it would be written.
fn differs(name: &str, there: &str, wanted: &str) -> String {
    let (mut there, mut wanted) = (there.lines(), wanted.lines());
    for number in 1.. {
        match (there.next(), wanted.next()) {
            (Some(one), Some(other)) if one == other => {}
            (one, other) => {
                let shown = |line: Option<&str>| line.map_or("nothing".to_owned(), |line| format!("`{}`", line.trim()));
                return format!("{name}:{number} has {}, and would have {}", shown(one), shown(other));
            }
        }
    }
    format!("{name} differs")
}
