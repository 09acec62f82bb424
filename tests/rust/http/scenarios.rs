//! The scenarios of the vectors through a client and a server.

use std::io::Write;

use keywright_tests::interpreter::case::{self, Scenario};
use keywright_tests::interpreter::engine::Bench;
use keywright_tests::interpreter::remote::{Direct, RemoteSteps};

/// Runs a scenario, and returns how many of its calls went to the server.
fn run(case: &Scenario, direct: Direct) -> Result<usize, String> {
    let mut bench = Bench::open(&case.config, &case.start).map_err(|it| it.to_string())?.served(direct);
    for (index, step) in case.steps.iter().enumerate() {
        bench.step(step).map_err(|it| format!("step {}, {}: {it}", index + 1, step.r#do))?;
    }
    Ok(bench.sent())
}

#[test]
fn every_scenario_holds_through_a_client() {
    let RemoteSteps { reasons, sent, mut direct } = RemoteSteps::read();
    let (mut faults, mut counts) = (Vec::new(), Vec::new());
    for name in ["scenario", "limit", "quota", "meter"] {
        let mut steps = direct.remove(name).unwrap_or_default();
        let mut count = 0;
        for case in case::file::<Scenario>(name).tests {
            let direct = steps.remove(&case.id).unwrap_or_default();
            assert!(direct.values().all(|reason| reasons.contains_key(reason)), "{name}.json {}", case.id);
            match run(&case, direct) {
                Ok(sent) => count += sent,
                Err(fault) => {
                    faults.push(format!("{name}.json {}: {}", case.id, fault.chars().take(600).collect::<String>()))
                }
            }
        }
        assert!(steps.is_empty(), "there is no scenario {:?}", steps.keys());
        counts.push((name.to_owned(), count));
    }
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n"));
    assert_eq!(counts.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(), sent);
    let told: Vec<String> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
    writeln!(std::io::stdout(), "steps by HTTP rust: {}", told.join(", ")).unwrap();
}
