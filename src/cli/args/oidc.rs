//! Arguments of `oidc`.

use clap::{Args, Subcommand, ValueEnum};

/// `oidc`.
#[derive(Clone, Debug, Subcommand)]
pub enum OidcCommand {
    /// Print the roles that GitHub Actions takes in AWS, for the environments of config/ocelot.yaml.
    Setup(OidcSetupArgs),
}

/// `oidc setup`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  ocelot oidc setup --repo me/layers > roles.yaml
  ocelot oidc setup --repo me/layers --format terraform --with-table > roles.tf")]
pub struct OidcSetupArgs {
    /// The repository whose workflows may take the roles.
    #[arg(long, value_name = "OWNER/REPO", help_heading = "Who may take the roles")]
    pub repo: String,
    /// The owner's number; `gh api repos/OWNER/REPO --jq .owner.id` says it.
    #[arg(long, value_name = "N", requires = "repo_id", help_heading = "Who may take the roles")]
    pub owner_id: Option<u64>,
    /// The repository's number; `gh api repos/OWNER/REPO --jq .id` says it.
    #[arg(long, value_name = "N", requires = "owner_id", help_heading = "Who may take the roles")]
    pub repo_id: Option<u64>,
    /// What is printed.
    #[arg(long, value_enum, default_value_t)]
    pub format: OidcFormat,
    /// The branch whose runs may look.
    #[arg(long, value_name = "BRANCH", default_value = "main", help_heading = "Who may take the roles")]
    pub default_branch: String,
    /// Base of the names of the layers that may be published.
    #[arg(long, value_name = "NAME", default_value = "ocel", help_heading = "What they may do")]
    pub layer_name: String,
    /// The account has GitHub as identity provider already; it takes no second one.
    #[arg(long)]
    pub existing_provider: bool,
    /// Let versions be deleted.
    #[arg(long, help_heading = "What they may do")]
    pub with_prune: bool,
    /// Let sharing be taken back.
    #[arg(long, help_heading = "What they may do")]
    pub with_unshare: bool,
    /// Let the table of published layers be written; `ocelot-layers` unless named.
    #[arg(long, value_name = "TABLE", num_args = 0..=1, default_missing_value = "ocelot-layers", help_heading = "What they may do")]
    pub with_table: Option<String>,
}

/// What `oidc setup` prints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum OidcFormat {
    /// A template of CloudFormation.
    #[default]
    Cloudformation,
    /// A file of Terraform.
    Terraform,
}
