//! What makes the command line pleasant: completion and manual pages.

use clap::{Args, ValueEnum};

/// `completions`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  bash:        echo 'source <(ocelot completions bash)' >> ~/.bashrc
  zsh:         echo 'source <(ocelot completions zsh)' >> ~/.zshrc
  fish:        ocelot completions fish > ~/.config/fish/completions/ocelot.fish
  PowerShell:  ocelot completions powershell | Out-String | Invoke-Expression
  Elvish:      eval (ocelot completions elvish | slurp)")]
pub struct CompletionsArgs {
    /// For which shell.
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Shells that can be taught.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// Bash.
    Bash,
    /// Elvish.
    Elvish,
    /// Fish.
    Fish,
    /// PowerShell.
    Powershell,
    /// Z shell.
    Zsh,
}

/// `man`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  ocelot man --out ~/.local/share/man/man1 && man ocelot-run")]
pub struct ManArgs {
    /// The folder, made if it is not there; pages that are in it are replaced.
    #[arg(long, value_name = "DIR")]
    pub out: String,
}
