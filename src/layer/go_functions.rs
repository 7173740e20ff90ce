//! The functions of a Go binary, from the table by which its runtime walks stacks. `-s -w` take symbols and debug
//! information away, but not this table: the program needs it.
//!
//! The section `.gopclntab` as Go 1.18 and later write it: a magic number, two zeros, the instruction quantum, the size
//! of a pointer, then pointer-sized words: how many functions, how many files, the start of the text, and five offsets,
//! of which the first leads to the names and the last to the table. That has pairs of 32-bit numbers, where a function
//! begins and where its record is, and at the end where the last one ends. A record's second word leads to the name.
//! Source of the format: Go's `debug/gosym` and `internal/abi` packages.

use crate::layer::elf;
use crate::layer::error::LayerError;

/// The section, and its name in a binary that may be loaded anywhere.
const SECTIONS: [&str; 2] = [".gopclntab", ".data.rel.ro.gopclntab"];
/// Of Go 1.18 and 1.19, and of Go 1.20 and later.
const MAGICS: [u32; 2] = [0xffff_fff0, 0xffff_fff1];
const POINTER: usize = 8;
const POINTER_SIZE_AT: usize = 7;
/// The words after the first eight bytes.
const COUNT: usize = 0;
const NAMES: usize = 3;
const TABLE: usize = 7;
/// Names are told apart by the table, so all of them are about as long as it; a table that says otherwise would have us
/// read the same bytes without end.
const NAMES_FACTOR: usize = 4;

/// A function: its name as the linker has it, and its bytes up to the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Function<'b> {
    /// For example `go.opentelemetry.io/collector/otelcol.(*Collector).Run`.
    pub name: &'b [u8],
    /// Bytes of machine code, with the filling behind it.
    pub size: u64,
}

/// The functions of an ELF binary, in the order of their places. `file` is only used in messages.
///
/// # Errors
/// If there is no such table, or it is damaged or of a Go that is too old.
pub fn of_elf<'b>(file: &str, bytes: &'b [u8]) -> Result<Vec<Function<'b>>, LayerError> {
    let table = SECTIONS.iter().find_map(|name| elf::section(bytes, name)).ok_or_else(|| {
        LayerError::binary(file, "it has no table of Go functions (section .gopclntab); is it a Go binary?")
    })?;
    of_table(file, table)
}

/// The functions of such a table. `file` is only used in messages.
///
/// # Errors
/// If the table is damaged or of a Go that is too old.
pub fn of_table<'b>(file: &str, table: &'b [u8]) -> Result<Vec<Function<'b>>, LayerError> {
    let is_known = word32(table, 0).is_some_and(|magic| MAGICS.contains(&magic));
    if !is_known || table.get(POINTER_SIZE_AT) != Some(&(POINTER as u8)) {
        let problem = "its table of Go functions is none of 64-bit Go 1.18 or later; build it with the Go of go.mod";
        return Err(LayerError::binary(file, problem));
    }
    read(table).ok_or_else(|| LayerError::binary(file, "its table of Go functions is damaged; build it again"))
}

fn read(table: &[u8]) -> Option<Vec<Function<'_>>> {
    let word = |number: usize| {
        let bytes = table.get(8 + number * POINTER..)?.first_chunk::<POINTER>()?;
        usize::try_from(u64::from_le_bytes(*bytes)).ok()
    };
    let names = table.get(word(NAMES)?..)?;
    let records = table.get(word(TABLE)?..)?;
    let count = word(COUNT)?;
    // Before anything is set aside for them: so many have to be there.
    records.get(..count.checked_mul(8)?.checked_add(4)?)?;
    let mut left = table.len().checked_mul(NAMES_FACTOR)?;
    let mut functions = Vec::with_capacity(count);
    for index in 0..count {
        let begin = word32(records, index * 8)?;
        let end = word32(records, index * 8 + 8)?;
        let record = word32(records, index * 8 + 4)? as usize;
        let name = names.get(word32(records, record.checked_add(4)?)? as usize..)?;
        let length = name.iter().take(left).position(|byte| *byte == 0)?;
        left -= length;
        functions.push(Function { name: &name[..length], size: u64::from(end.checked_sub(begin)?) });
    }
    Some(functions)
}

fn word32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|word| u32::from_le_bytes(*word))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::layer::elf::tests::sample;
    use object::elf::EM_X86_64;

    /// A table with these functions, as Go 1.20 and later write it.
    pub(crate) fn table(functions: &[(&str, u32)]) -> Vec<u8> {
        const HEADER: usize = 8 + 8 * POINTER;
        let mut names = Vec::new();
        let mut offsets = Vec::new();
        for (name, _) in functions {
            offsets.push(names.len() as u32);
            names.extend(name.as_bytes());
            names.push(0);
        }
        let mut table = MAGICS[1].to_le_bytes().to_vec();
        table.extend([0, 0, 1, POINTER as u8]);
        let records_at = HEADER + names.len();
        for word in [functions.len(), 0, 0, HEADER, 0, 0, 0, records_at] {
            table.extend((word as u64).to_le_bytes());
        }
        table.extend(names);
        let index_length = functions.len() as u32 * 8 + 4;
        let mut at = 0;
        for (index, (_, size)) in functions.iter().enumerate() {
            table.extend(u32::to_le_bytes(at));
            table.extend((index_length + index as u32 * 8).to_le_bytes());
            at += size;
        }
        table.extend(at.to_le_bytes());
        for offset in offsets {
            table.extend(0u32.to_le_bytes());
            table.extend(offset.to_le_bytes());
        }
        table
    }

    fn functions(table: &[u8]) -> Result<Vec<(String, u64)>, String> {
        let file = sample(EM_X86_64, SECTIONS[0], table);
        let found = of_elf("collector", &file).map_err(|error| error.to_string())?;
        let plain = |function: Function<'_>| (String::from_utf8_lossy(function.name).into_owned(), function.size);
        Ok(found.into_iter().map(plain).collect())
    }

    const TWO: [(&str, u32); 2] = [("main.main", 96), ("example.com/a.(*T).Run", 32)];

    #[test]
    fn names_and_sizes_are_those_of_the_table() {
        let found = functions(&table(&TWO)).unwrap();
        assert_eq!(found, [("main.main".to_owned(), 96), ("example.com/a.(*T).Run".to_owned(), 32)]);
        assert!(functions(&table(&[])).unwrap().is_empty());
    }

    #[test]
    fn what_is_not_there_old_or_damaged_is_said() {
        let none = of_elf("x", &sample(EM_X86_64, ".text", b"")).unwrap_err().to_string();
        assert!(none.starts_with("x: it has no table of Go functions"), "{none}");
        let good = table(&TWO);
        let with = |at: usize, bytes: &[u8]| {
            let mut changed = good.clone();
            changed[at..at + bytes.len()].copy_from_slice(bytes);
            functions(&changed).unwrap_err()
        };
        for (at, byte) in [(0, 0xfb), (POINTER_SIZE_AT, 4)] {
            assert!(with(at, &[byte]).contains("none of 64-bit Go 1.18 or later"), "byte {at}");
        }
        let places = [COUNT, NAMES, TABLE].map(|word| 8 + word * POINTER);
        for at in places {
            assert!(with(at, &u64::MAX.to_le_bytes()).contains("damaged"), "word at {at}");
        }
        // A function that ends before it begins, a record that is nowhere, a name without an end.
        let records_at = good.len() - 2 * 8 - 20;
        assert!(with(records_at + 8, &u32::MAX.to_le_bytes()).contains("damaged"));
        assert!(with(records_at + 4, &u32::MAX.to_le_bytes()).contains("damaged"));
        assert!(with(good.len() - 4, &u32::MAX.to_le_bytes()).contains("damaged"));
        assert!(functions(&good[..good.len() - 1]).unwrap_err().contains("damaged"));
    }

    #[test]
    fn functions_that_share_a_name_without_end_are_refused() {
        let long = "x".repeat(1000);
        let mut table = table(&[(long.as_str(), 1); 100]);
        let length = table.len();
        // Every record names the first, longest name; the table itself is much shorter than what that adds up to.
        let names_at = 8 + 8 * POINTER;
        for byte in &mut table[names_at..names_at + 100 * 1001 - 1] {
            *byte = b'x';
        }
        for index in 0..100 {
            table[length - 4 - index * 8..][..4].copy_from_slice(&0u32.to_le_bytes());
        }
        assert!(functions(&table).unwrap_err().contains("damaged"));
    }

    proptest::proptest! {
        #[test]
        fn damage_never_panics(changes in proptest::collection::vec((0usize..600, 0u8..=255), 0..8), cut in 0usize..400) {
            let mut table = table(&TWO);
            let length = table.len();
            for (at, byte) in changes {
                table[at % length] = byte;
            }
            table.truncate(cut);
            drop(functions(&table));
        }
    }
}
