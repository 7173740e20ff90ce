//! Paths relative to the project root: the only form that may enter a digest.

/// Normalises a path: no `.`, no `..` that climbs out, no double `/`; a trailing `/` (a directory) is kept.
///
/// # Errors
/// What is wrong, in words.
pub fn normalise(path: &str) -> Result<String, &'static str> {
    // Nearly every path is normal already: do not take it apart.
    if path.is_empty() {
        return Err("it is empty");
    }
    if path.starts_with('/') {
        return Err("it is absolute");
    }
    if path.contains('\0') {
        return Err("it has a NUL byte");
    }
    if !path.contains("./") && !path.contains("//") && !path.ends_with('.') {
        return reserved(path).map(|()| path.to_owned());
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop().ok_or("it leaves the project")?;
            }
            part => parts.push(part),
        }
    }
    let mut out = parts.join("/");
    if out.is_empty() {
        return Ok("./".to_owned());
    }
    reserved(&out)?;
    if path.ends_with('/') {
        out.push('/');
    }
    Ok(out)
}

fn reserved(path: &str) -> Result<(), &'static str> {
    match path.split('/').next() {
        Some(".ocelot") => Err("`.ocelot` is kept for Ocelot's own state"),
        Some(".git") => Err("`.git` is never an input or output"),
        _ => Ok(()),
    }
}

/// Every folder that contains `path`, innermost first: `a/b/c` gives `a/b/`, `a/`.
pub fn parents(path: &str) -> impl Iterator<Item = &str> {
    let path = path.strip_suffix('/').unwrap_or(path);
    path.rmatch_indices('/').map(|(at, _)| &path[..=at])
}

/// Whether a path has characters that make it a glob.
pub fn is_glob(path: &str) -> bool {
    path.contains(['*', '?', '[', '{'])
}

/// The part of a glob before its first special character, up to and with the last `/`.
pub fn literal_prefix(glob: &str) -> &str {
    let end = glob.find(['*', '?', '[', '{']).unwrap_or(glob.len());
    &glob[..glob[..end].rfind('/').map_or(0, |at| at + 1)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_normalised_or_refused() {
        for (path, normal) in [
            ("a/b", "a/b"),
            ("./a//b/./c", "a/b/c"),
            ("a/../b", "b"),
            ("a/", "a/"),
            ("a/..", "./"),
            (".", "./"),
            ("a/.hidden", "a/.hidden"),
            ("a...b", "a...b"),
        ] {
            assert_eq!(normalise(path).as_deref(), Ok(normal), "{path}");
        }
        for path in ["", "/a", "..", "a/../..", ".ocelot/x", "x/../.git/config", "a\0b"] {
            assert!(normalise(path).is_err(), "{path}");
        }
    }

    #[test]
    fn parents_go_inside_out() {
        assert_eq!(parents("a/b/c").collect::<Vec<_>>(), ["a/b/", "a/"]);
        assert_eq!(parents("a/b/").collect::<Vec<_>>(), ["a/"]);
        assert_eq!(parents("a").count(), 0);
    }

    #[test]
    fn globs_are_told_from_paths() {
        assert_eq!(literal_prefix("src/a*/b"), "src/");
        assert_eq!(literal_prefix("**/x"), "");
        assert!(is_glob("a?") && !is_glob("a/b.c"));
    }
}
