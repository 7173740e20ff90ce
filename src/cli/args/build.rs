//! Arguments of `build`.

use clap::Args;

use super::{HowArgs, PIPELINE};

const WHAT: &str = "What is built";
const UPSTREAM: &str = "From which upstream";
const PUBLISH: &str = "Where it is published";

/// `build`: the flags of the original tool, with the same meaning.
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = "Examples:
  ocelot build -d minimal -a all --skip-publish
  ocelot build -d all -a arm64 --region eu-west-1 --region eu-north-1
  ocelot build -d minimal -r ../opentelemetry-lambda -b main --skip-publish")]
pub struct BuildArgs {
    /// Distribution from `config/distributions.yaml`, or `all`; may repeat.
    #[arg(short, long, value_name = "NAME", help_heading = WHAT)]
    pub distribution: Vec<String>,
    /// `amd64`, `arm64` or `all`; may repeat.
    #[arg(short, long, value_name = "ARCH", help_heading = WHAT)]
    pub architecture: Vec<String>,
    /// `owner/name`, URL, or a local repository or folder.
    #[arg(short = 'r', long, value_name = "REPO", help_heading = UPSTREAM)]
    pub upstream_repo: Option<String>,
    /// Branch, tag or commit.
    #[arg(short = 'b', long, value_name = "REF", help_heading = UPSTREAM)]
    pub upstream_ref: Option<String>,
    /// Base of the layer name.
    #[arg(short, long, value_name = "NAME", help_heading = PUBLISH)]
    pub layer_name: Option<String>,
    /// Compatible runtimes.
    #[arg(long, value_name = "RUNTIME", num_args = 1.., help_heading = PUBLISH)]
    pub runtimes: Vec<String>,
    /// Region to publish in, or `all`; may repeat.
    #[arg(long, value_name = "REGION", help_heading = PUBLISH)]
    pub region: Vec<String>,
    /// Build and check only.
    #[arg(long, help_heading = PUBLISH)]
    pub skip_publish: bool,
    /// Let everybody use the layer.
    #[arg(long, help_heading = PUBLISH)]
    pub public: bool,
    /// Another pipeline than `layers`.
    #[arg(short, long, value_name = "PIPELINE", default_value = "layers", help_heading = PIPELINE)]
    pub pipeline: String,
    /// Set another parameter.
    #[arg(long, value_name = "NAME=VALUE", help_heading = PIPELINE)]
    pub set: Vec<String>,
    /// How.
    #[command(flatten)]
    pub how: HowArgs,
}

impl BuildArgs {
    /// The same as parameters of the pipeline.
    pub fn sets(&self) -> Vec<String> {
        let mut sets = self.set.clone();
        let lists = [
            ("distribution", &self.distribution),
            ("arch", &self.architecture),
            ("runtimes", &self.runtimes),
            ("region", &self.region),
        ];
        for (name, values) in lists {
            sets.extend(values.iter().map(|value| format!("{name}={value}")));
        }
        let single = [
            ("upstream-repo", &self.upstream_repo),
            ("upstream-ref", &self.upstream_ref),
            ("layer-name", &self.layer_name),
        ];
        for (name, value) in single {
            sets.extend(value.iter().map(|value| format!("{name}={value}")));
        }
        if self.skip_publish {
            sets.push("publish=false".to_owned());
        }
        if self.public {
            sets.push("public=true".to_owned());
        }
        sets
    }
}
