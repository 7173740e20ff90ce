//! Where the boxes of a drawn graph stand, and when their work could begin: pure functions of the edges.

/// The place of a box: its column from the left, and its row in the column from the top.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Column; every dependency stands in a lower one.
    pub column: usize,
    /// Row in the column.
    pub row: usize,
}

/// How often the columns are put in order, forth and back. More moves little.
const SWEEPS: usize = 4;

/// The longest way from a node without dependencies to each node, in edges. `deps` of a node are lower than the node.
pub fn columns(deps: &[Vec<usize>]) -> Vec<usize> {
    let mut columns = vec![0; deps.len()];
    for (node, deps) in deps.iter().enumerate() {
        columns[node] = deps.iter().map(|dep| columns[*dep] + 1).max().unwrap_or(0);
    }
    columns
}

/// Puts boxes with given columns into rows: each as near as can be to the middle of what it is connected with, so that
/// few lines cross. Equal input gives an equal drawing.
pub fn rows(columns: &[usize], deps: &[Vec<usize>]) -> Vec<Place> {
    let mut used: Vec<usize> = columns.to_vec();
    used.sort_unstable();
    used.dedup();
    let column_of = |node: usize| used.partition_point(|column| *column < columns[node]);
    let mut order: Vec<Vec<usize>> = vec![Vec::new(); used.len()];
    let mut near: Vec<Vec<usize>> = deps.to_vec();
    for (node, deps) in deps.iter().enumerate() {
        order[column_of(node)].push(node);
        deps.iter().for_each(|dep| near[*dep].push(node));
    }
    let mut row = vec![0_usize; columns.len()];
    let place = |order: &[usize], row: &mut [usize]| order.iter().enumerate().for_each(|(at, node)| row[*node] = at);
    order.iter().for_each(|order| place(order, &mut row));
    for sweep in 0..SWEEPS {
        let forth = sweep % 2 == 0;
        for at in 0..order.len() {
            let column = if forth { at } else { order.len() - 1 - at };
            let looks_at = |other: usize| if forth { column_of(other) < column } else { column_of(other) > column };
            let mut keyed: Vec<(usize, usize, usize)> = order[column]
                .iter()
                .map(|node| {
                    let (sum, count) = near[*node]
                        .iter()
                        .filter(|other| looks_at(**other))
                        .fold((0, 0), |(sum, count), other| (sum + row[*other], count + 1));
                    // Thousandths of a row: whole numbers sort the same everywhere.
                    let middle = (sum * 1_000).checked_div(count).unwrap_or(row[*node] * 1_000);
                    (middle, row[*node], *node)
                })
                .collect();
            keyed.sort_unstable();
            order[column] = keyed.into_iter().map(|(_, _, node)| node).collect();
            place(&order[column], &mut row);
        }
    }
    (0..columns.len()).map(|node| Place { column: column_of(node), row: row[node] }).collect()
}

/// When work could begin and what holds up the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// By node: milliseconds after the start at which everything it waits for can have ended.
    pub start_ms: Vec<u64>,
    /// By node: whether it is on the critical path.
    pub critical: Vec<bool>,
    /// Length of the critical path in milliseconds.
    pub total_ms: u64,
}

/// The shortest possible run with any number of processors, from the duration of each node. `deps` of a node are lower
/// than the node.
pub fn schedule(deps: &[Vec<usize>], duration_ms: &[u64]) -> Schedule {
    let mut schedule = Schedule { start_ms: vec![0; deps.len()], critical: vec![false; deps.len()], total_ms: 0 };
    let end = |start: &[u64], node: usize| start[node] + duration_ms[node];
    for (node, deps) in deps.iter().enumerate() {
        schedule.start_ms[node] = deps.iter().map(|dep| end(&schedule.start_ms, *dep)).max().unwrap_or(0);
    }
    // The first of equals, so that the path does not jump about.
    let last = (0..deps.len()).rev().max_by_key(|node| end(&schedule.start_ms, *node));
    let mut at = last.filter(|node| end(&schedule.start_ms, *node) > 0);
    schedule.total_ms = at.map_or(0, |node| end(&schedule.start_ms, node));
    while let Some(node) = at {
        schedule.critical[node] = true;
        let start = schedule.start_ms[node];
        at = deps[node].iter().copied().find(|dep| start > 0 && end(&schedule.start_ms, *dep) == start);
    }
    schedule
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_stand_further_left_and_no_two_boxes_share_a_place() {
        let deps = vec![vec![], vec![0], vec![0], vec![1, 2], vec![0, 3], vec![]];
        let columns = columns(&deps);
        assert_eq!(columns, [0, 1, 1, 2, 3, 0]);
        let places = rows(&columns, &deps);
        for (node, deps) in deps.iter().enumerate() {
            assert!(deps.iter().all(|dep| places[*dep].column < places[node].column));
        }
        let mut seen: Vec<(usize, usize)> = places.iter().map(|place| (place.column, place.row)).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), deps.len());
    }

    #[test]
    fn lines_that_need_not_cross_do_not() {
        // 2 needs 1 and 3 needs 0: in the order of their numbers both lines would cross.
        let deps = vec![vec![], vec![], vec![1], vec![0]];
        let places = rows(&columns(&deps), &deps);
        assert_eq!(places[0].row.cmp(&places[1].row), places[3].row.cmp(&places[2].row));
    }

    #[test]
    fn columns_without_boxes_are_closed() {
        let places = rows(&[0, 7], &[vec![], vec![0]]);
        assert_eq!(places[1], Place { column: 1, row: 0 });
    }

    #[test]
    fn the_critical_path_is_the_longest_chain() {
        let deps = vec![vec![], vec![0], vec![0], vec![1, 2]];
        let schedule = schedule(&deps, &[10, 5, 50, 1]);
        assert_eq!(schedule.start_ms, [0, 10, 10, 60]);
        assert_eq!(schedule.critical, [true, false, true, true]);
        assert_eq!(schedule.total_ms, 61);
        assert_eq!(super::schedule(&deps, &[0; 4]).critical, [false; 4]);
    }
}
