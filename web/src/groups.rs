//! The network as a form: one row or more for each recorded node, and back to the scenario's groups.

use poq_core::scenario::Group;

/// A row of the form.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Whether the group takes part.
    pub included: bool,
    /// The group.
    pub group: Group,
}

fn plain(model: &str) -> Group {
    Group { model: model.to_owned(), count: 1, latency_factor: 1.0, score_noise_sd: 0.0, stake: 1.0 }
}

/// The rows of one role, in the order of the recorded nodes, each with whether it is in the default network. A node
/// without a group has a row that is left out; no group at all stands for one instance of each that is in it.
#[must_use]
pub fn rows(groups: &[Group], recorded: &[(&str, bool)]) -> Vec<Row> {
    let mut rows = Vec::new();
    for &(id, in_default_network) in recorded {
        let before = rows.len();
        let own = groups.iter().filter(|group| group.model == id);
        rows.extend(own.map(|group| Row { included: true, group: group.clone() }));
        if rows.len() == before {
            rows.push(Row { included: groups.is_empty() && in_default_network, group: plain(id) });
        }
    }
    rows
}

/// The groups of some rows: empty where they say what an empty list says.
///
/// # Errors
/// If no row is included.
pub fn groups(rows: &[Row], recorded: &[(&str, bool)]) -> Result<Vec<Group>, String> {
    let groups: Vec<Group> = rows.iter().filter(|row| row.included).map(|row| row.group.clone()).collect();
    if groups.is_empty() {
        return Err("at least one node takes part; include another before leaving this one out".to_owned());
    }
    let by_default = recorded.iter().filter(|(_, in_default_network)| *in_default_network);
    let is_default = groups.iter().eq(by_default.map(|(id, _)| plain(id)).collect::<Vec<_>>().iter());
    Ok(if is_default { Vec::new() } else { groups })
}

/// The rows with a second group of the same recorded node after row `index`.
#[must_use]
pub fn with_another(rows: &[Row], index: usize) -> Vec<Row> {
    let mut rows = rows.to_vec();
    if let Some(row) = rows.get(index) {
        rows.insert(index + 1, Row { included: true, group: plain(&row.group.model) });
    }
    rows
}

/// Instances of one role, given its groups; `by_default` is how many a network has that names none.
#[must_use]
pub fn instances(groups: &[Group], by_default: usize) -> u64 {
    if groups.is_empty() { by_default as u64 } else { groups.iter().map(|group| u64::from(group.count)).sum() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: [(&str, bool); 3] = [("a", true), ("b", true), ("c", true)];

    #[test]
    fn a_node_that_stays_out_of_the_default_network_can_be_included() {
        let recorded = [("a", true), ("b", true), ("lead", false)];
        let mut all = rows(&[], &recorded);
        assert_eq!(all.iter().map(|row| row.included).collect::<Vec<_>>(), [true, true, false]);
        assert_eq!(groups(&all, &recorded), Ok(vec![]));
        all[2].included = true;
        assert_eq!(groups(&all, &recorded), Ok(["a", "b", "lead"].map(plain).to_vec()));
        all[1].included = false;
        assert_eq!(groups(&all, &recorded), Ok(["a", "lead"].map(plain).to_vec()));
    }

    #[test]
    fn an_empty_list_is_every_node_once_and_comes_back_empty() {
        let all = rows(&[], &IDS);
        assert!(all.iter().all(|row| row.included && row.group == plain(&row.group.model)));
        assert_eq!(groups(&all, &IDS), Ok(vec![]));
        assert_eq!(instances(&[], 3), 3);
    }

    #[test]
    fn groups_come_back_as_they_were() {
        let given = [Group { count: 4, ..plain("a") }, Group { score_noise_sd: 2.0, ..plain("a") }, plain("c")];
        let rows = rows(&given, &IDS);
        assert_eq!(rows.iter().map(|row| row.included).collect::<Vec<_>>(), [true, true, false, true]);
        assert_eq!(groups(&rows, &IDS), Ok(given.to_vec()));
        assert_eq!(instances(&given, 3), 6);
    }

    #[test]
    fn leaving_everybody_out_is_refused() {
        let mut all = rows(&[], &IDS[..1]);
        all[0].included = false;
        assert!(groups(&all, &IDS[..1]).is_err());
    }

    #[test]
    fn another_group_stands_after_its_first() {
        let rows = with_another(&rows(&[], &IDS), 1);
        assert_eq!(rows.iter().map(|row| row.group.model.as_str()).collect::<Vec<_>>(), ["a", "b", "b", "c"]);
        assert_eq!(groups(&rows, &IDS).map(|groups| groups.len()), Ok(4));
    }
}
