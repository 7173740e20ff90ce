//! What the header of a Linux binary says, and whether the file is all there.

use object::Endianness;
use object::elf::{EM_AARCH64, EM_X86_64, ET_DYN, ET_EXEC, FileHeader64, PF_X, PT_INTERP, PT_LOAD};
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader};

use crate::layer::arch::Arch;
use crate::layer::error::LayerError;

/// The facts of an ELF file that Lambda's loader cares about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ElfFacts {
    /// The processor it is for.
    pub arch: Arch,
    /// Whether it asks for a dynamic loader: a collector must not, Lambda's runtimes have different C libraries.
    pub dynamic: bool,
}

/// Checks that `bytes` are a complete, 64-bit, little-endian Linux executable for a processor that Lambda has. `file`
/// is only used in messages.
pub fn inspect(file: &str, bytes: &[u8]) -> Result<ElfFacts, LayerError> {
    let refuse = |problem: &str| LayerError::binary(file, problem);
    if !bytes.starts_with(b"\x7fELF") {
        return Err(refuse("not an ELF binary; build it with GOOS=linux"));
    }
    let header = header(bytes).ok_or_else(|| refuse("not a 64-bit ELF binary, or cut off in its header"))?;
    let endian = little_endian(header).ok_or_else(|| refuse("not a little-endian ELF binary"))?;
    let arch = match header.e_machine(endian) {
        EM_X86_64 => Arch::Amd64,
        EM_AARCH64 => Arch::Arm64,
        other => {
            let problem = format!("it is for ELF machine {other}; Lambda runs amd64 (62) and arm64 (183)");
            return Err(LayerError::binary(file, problem));
        }
    };
    if !matches!(header.e_type(endian), ET_EXEC | ET_DYN) {
        return Err(refuse("it is not an executable but an object or a core file"));
    }
    let truncated = || refuse("its headers point outside the file; the binary is cut off or damaged, build it again");
    let programs = header.program_headers(endian, bytes).map_err(|_| truncated())?;
    for program in programs {
        program.data(endian, bytes).map_err(|()| truncated())?;
    }
    if !programs.iter().any(|program| program.p_type(endian) == PT_LOAD && program.p_flags(endian) & PF_X != 0) {
        return Err(refuse("it has no executable segment"));
    }
    for section in header.section_headers(endian, bytes).map_err(|_| truncated())? {
        section.data(endian, bytes).map_err(|_| truncated())?;
    }
    Ok(ElfFacts { arch, dynamic: programs.iter().any(|program| program.p_type(endian) == PT_INTERP) })
}

/// The bytes of the section with this name; `None` if there is none or the file is not a readable 64-bit ELF.
pub fn section<'b>(bytes: &'b [u8], name: &str) -> Option<&'b [u8]> {
    let header = header(bytes)?;
    let endian = little_endian(header)?;
    let sections = header.sections(endian, bytes).ok()?;
    let (_, section) = sections.section_by_name(endian, name.as_bytes())?;
    section.data(endian, bytes).ok()
}

fn header(bytes: &[u8]) -> Option<&FileHeader64<Endianness>> {
    FileHeader64::<Endianness>::parse(bytes).ok()
}

fn little_endian(header: &FileHeader64<Endianness>) -> Option<Endianness> {
    header.endian().ok().filter(|endian| *endian == Endianness::Little)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A small ELF file with one executable segment over all of it and one named section.
    pub(crate) fn sample(machine: u16, name: &str, content: &[u8]) -> Vec<u8> {
        const HEADER: usize = 64;
        const PROGRAM: usize = 56;
        let names = format!("\0{name}\0.shstrtab\0").into_bytes();
        let data_at = HEADER + PROGRAM;
        let names_at = data_at + content.len();
        let sections_at = names_at + names.len();
        let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
        let put16 = |file: &mut Vec<u8>, values: &[u16]| values.iter().for_each(|v| file.extend(v.to_le_bytes()));
        let put32 = |file: &mut Vec<u8>, values: &[u32]| values.iter().for_each(|v| file.extend(v.to_le_bytes()));
        let put64 = |file: &mut Vec<u8>, values: &[usize]| {
            values.iter().for_each(|v| file.extend((*v as u64).to_le_bytes()));
        };
        put16(&mut file, &[ET_EXEC, machine]);
        put32(&mut file, &[1]);
        put64(&mut file, &[0, HEADER, sections_at]);
        put32(&mut file, &[0]);
        put16(&mut file, &[HEADER as u16, PROGRAM as u16, 1, 64, 3, 2]);
        put32(&mut file, &[PT_LOAD, PF_X]);
        put64(&mut file, &[0, 0, 0, names_at, names_at, 16]);
        file.extend(content);
        file.extend(&names);
        file.extend([0; 64]);
        for (name_at, kind, at, length) in [(1, 1, data_at, content.len()), (name.len() + 2, 3, names_at, names.len())]
        {
            put32(&mut file, &[name_at as u32, kind]);
            put64(&mut file, &[0, 0, at, length]);
            put32(&mut file, &[0, 0]);
            put64(&mut file, &[1, 0]);
        }
        file
    }

    #[test]
    fn reads_machine_and_section() {
        let file = sample(EM_X86_64, ".go.buildinfo", b"hello");
        assert_eq!(inspect("collector", &file).unwrap(), ElfFacts { arch: Arch::Amd64, dynamic: false });
        assert_eq!(section(&file, ".go.buildinfo"), Some(&b"hello"[..]));
        assert_eq!(section(&file, ".text"), None);
        assert_eq!(inspect("collector", &sample(EM_AARCH64, ".x", b"")).unwrap().arch, Arch::Arm64);
    }

    #[test]
    fn what_lambda_cannot_start_is_refused() {
        let error = |bytes: &[u8]| inspect("extensions/collector", bytes).unwrap_err().to_string();
        let good = sample(EM_X86_64, ".x", b"hello");
        assert!(error(b"#!/bin/sh\n").starts_with("extensions/collector: not an ELF binary"));
        assert!(error(&sample(40, ".x", b"")).contains("machine 40"));
        assert!(error(&good[..good.len() - 1]).contains("cut off"));
        assert!(error(&good[..40]).contains("cut off in its header"));
        let mut big_endian = good.clone();
        big_endian[5] = 2;
        assert!(error(&big_endian).contains("little-endian"));
        let mut object = good.clone();
        object[16] = 1;
        assert!(error(&object).contains("not an executable"));
        let mut no_code = good;
        no_code[68] = 0;
        assert!(error(&no_code).contains("no executable segment"));
    }

    proptest::proptest! {
        #[test]
        fn damage_never_panics(at in 0usize..400, byte: u8, cut in 0usize..400) {
            let mut file = sample(EM_X86_64, ".x", b"hello");
            let length = file.len();
            file[at % length] = byte;
            file.truncate(cut.max(1));
            let _ = (inspect("x", &file), section(&file, ".x"));
        }
    }
}
