//! How a layer can be started on this host.

use std::fmt;

use crate::layer::arch::Arch;

/// How a layer was started, from the weakest proof to the strongest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// Not at all.
    #[default]
    None,
    /// By `qemu`'s emulation of the other processor.
    Qemu,
    /// By the processor it is for.
    Native,
}

impl Mode {
    /// In a digest and in a fact.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Qemu => "qemu",
            Self::Native => "native",
        }
    }

    /// The modes whose records stand for one of this mode, the strongest first.
    pub fn as_strong(self) -> impl Iterator<Item = Self> {
        [Self::Native, Self::Qemu, Self::None].into_iter().filter(move |mode| *mode >= self)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether this host runs Linux binaries for `arch` by itself.
pub fn is_native(arch: Arch) -> bool {
    let machine = match arch {
        Arch::Amd64 => "x86_64",
        Arch::Arm64 => "aarch64",
    };
    cfg!(target_os = "linux") && std::env::consts::ARCH == machine
}

/// The programs that run binaries for `arch` on another machine, the likeliest first: Debian's `qemu-user-static`, and
/// `qemu-user`.
pub const fn emulators(arch: Arch) -> [&'static str; 2] {
    match arch {
        Arch::Amd64 => ["qemu-x86_64-static", "qemu-x86_64"],
        Arch::Arm64 => ["qemu-aarch64-static", "qemu-aarch64"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stronger_proof_stands_for_a_weaker_one() {
        let names = |mode: Mode| mode.as_strong().map(Mode::name).collect::<Vec<_>>();
        assert_eq!(names(Mode::None), ["native", "qemu", "none"]);
        assert_eq!(names(Mode::Qemu), ["native", "qemu"]);
        assert_eq!(names(Mode::Native), ["native"]);
    }
}
