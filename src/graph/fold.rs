//! Instances of one node under one name.

use indexmap::IndexSet;

/// So many values of an axis are listed; the rest is a count.
const MOST_VALUES: usize = 6;

/// `layer[minimal,{amd64,arm64}]` for instances of one node that are every combination of the values of their axes; `None` if
/// they are not.
pub fn folded(base: &str, instances: &[&[String]]) -> Option<String> {
    let axes = instances.first()?.len();
    let mut seen: Vec<IndexSet<&str>> = vec![IndexSet::new(); axes];
    for values in instances {
        for (seen, value) in seen.iter_mut().zip(values.iter()) {
            seen.insert(value.as_str());
        }
    }
    if seen.iter().map(IndexSet::len).product::<usize>() != instances.len() {
        return None;
    }
    if axes == 0 {
        return Some(base.to_owned());
    }
    let axis = |values: &IndexSet<&str>| {
        let listed = values.iter().take(MOST_VALUES).copied().collect::<Vec<_>>().join(",");
        match values.len() {
            1 => listed,
            few if few <= MOST_VALUES => format!("{{{listed}}}"),
            many => format!("{{{listed},… {} more}}", many - MOST_VALUES),
        }
    };
    Some(format!("{base}[{}]", seen.iter().map(axis).collect::<Vec<_>>().join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuples(text: &str) -> Vec<Vec<String>> {
        text.split(' ').map(|one| one.split(',').map(str::to_owned).collect()).collect()
    }

    fn fold(text: &str) -> Option<String> {
        let tuples = tuples(text);
        folded("n", &tuples.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }

    #[test]
    fn only_all_combinations_fold() {
        assert_eq!(fold("a,x a,y").as_deref(), Some("n[a,{x,y}]"));
        assert_eq!(fold("a,x a,y b,x b,y").as_deref(), Some("n[{a,b},{x,y}]"));
        assert_eq!(fold("a,x a,y b,x"), None, "`n[b,y]` is not one of them");
        assert_eq!(fold("1 2 3 4 5 6 7 8").as_deref(), Some("n[{1,2,3,4,5,6,… 2 more}]"));
        assert_eq!(folded("n", &[&[]]).as_deref(), Some("n"));
    }
}
