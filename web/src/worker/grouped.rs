//! Results of large networks as the page is told of them: the groups of nodes that differ in their names alone, as if
//! each were a node. A digest stays that of the whole.

use poq_core::Report;
use poq_core::attack::Role;
use poq_core::report::{AttackerReport, Brief, NodeReport};
use poq_core::simulation::SERIES_NODES;

/// The nodes of one role, and their groups.
type Pool<'a> = (Role, &'a mut Vec<NodeReport>, &'a mut Vec<NodeReport>);

/// Of a network so large that it has no series, the groups.
#[must_use]
pub fn report(mut report: Report) -> Box<Report> {
    let pools = [
        (Role::Inference, &mut report.inference_nodes, &mut report.inference_groups),
        (Role::Evaluator, &mut report.evaluator_nodes, &mut report.evaluator_groups),
    ];
    group(pools, &mut report.attackers, &mut report.attacker_groups);
    Box::new(report)
}

/// The same for what a map keeps.
#[must_use]
pub fn brief(mut brief: Brief) -> Brief {
    let pools = [
        (Role::Inference, &mut brief.inference_nodes, &mut brief.inference_groups),
        (Role::Evaluator, &mut brief.evaluator_nodes, &mut brief.evaluator_groups),
    ];
    group(pools, &mut brief.attackers, &mut brief.attacker_groups);
    brief
}

fn group(pools: [Pool; 2], attackers: &mut Vec<AttackerReport>, attacker_groups: &mut Vec<AttackerReport>) {
    if pools.iter().map(|(_, nodes, _)| nodes.len()).sum::<usize>() <= SERIES_NODES {
        return;
    }
    let grouped = std::mem::take(attacker_groups);
    for (role, nodes, groups) in pools {
        if !groups.is_empty() {
            *nodes = std::mem::take(groups);
            attackers.retain(|attacker| attacker.role != role);
            attackers.extend(grouped.iter().filter(|group| group.role == role).cloned());
        }
    }
}
