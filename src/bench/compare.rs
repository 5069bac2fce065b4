//! `ringwire bench compare`: the same jobs against several brokers within one run.
//!
//! A round is every job against every broker, each started fresh, the order of brokers turned by one a round, so that a
//! slow minute of the machine hits all of them. A run that fails is a note in its cell: the others go on.

use super::error::BenchError;
use super::figures::Figure;
use super::goals::{self, Goal};
use super::progress::Watch;
use super::report::{BrokerNote, Cell, Comparison, Described, FORMAT, GoalNote, JobReport, Setting};
use super::spec::Spec;
use super::stage::Stage;
use super::{checks, planning};
use crate::command::bench::{Compare, Cpus, Load, Rate, Spoken};
use crate::cores;
use ringwire_load::plan::{Pace, Protocol};
use ringwire_load::{Outcome, Plan};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Long enough for a figure, short enough for ten jobs, four brokers and five rounds.
const MEASURED: Duration = Duration::from_secs(3);

/// A scenario with its flags.
struct Job {
    name: String,
    scenario: String,
    load: Load,
    goal: Option<&'static Goal>,
}

/// Everything of one run of the command.
struct Rounds<'a> {
    options: &'a Compare,
    core: usize,
    specs: Vec<Spec>,
    jobs: Vec<Job>,
    stage: Stage,
    watch: Watch,
    /// By job, then by broker.
    cells: Vec<Vec<Cell>>,
}

/// Runs it to its end.
pub fn compare(options: &Compare) -> Result<Comparison, BenchError> {
    let specs = Spec::parse_all(&options.broker)?;
    let core = options
        .broker_core
        .or_else(|| cores::allowed().first().copied())
        .unwrap_or(0);
    let jobs = jobs(options, core);
    let plans: Result<Vec<_>, _> = jobs.iter().map(|job| described(job, &specs[0])).collect();
    let plans = plans?;
    planning::raise_open_files()?;
    let setting = Setting::here();
    let mut rounds = Rounds {
        cells: vec![vec![Cell::default(); specs.len()]; jobs.len()],
        stage: Stage::new(core)?,
        watch: Watch::new(options.results.quiet),
        options,
        core,
        specs,
        jobs,
    };
    rounds.run()?;
    rounds.watch.end();
    Ok(rounds.report(setting, plans))
}

fn jobs(options: &Compare, broker_core: usize) -> Vec<Job> {
    let mut load = options.load.clone();
    if load.cores.is_none() {
        let mut others = cores::allowed().into_iter().filter(|cpu| *cpu != broker_core);
        load.cores = Some(Cpus(vec![others.next_back().unwrap_or(broker_core)]));
    }
    if load.duration.is_none() && load.messages.is_none() {
        load.duration = Some(MEASURED);
    }
    let mut jobs = Vec::new();
    for name in &options.scenarios {
        if let Some(goals) = goals::named(name) {
            jobs.extend(goals.iter().map(|goal| of_goal(goal, &load)));
            continue;
        }
        jobs.push(Job {
            name: name.clone(),
            scenario: name.clone(),
            load: load.clone(),
            goal: None,
        });
    }
    jobs
}

fn of_goal(goal: &'static Goal, load: &Load) -> Job {
    let mut load = load.clone();
    (goal.set)(&mut load);
    Job {
        name: goal.name.to_owned(),
        scenario: goal.scenario.to_owned(),
        load,
        goal: Some(goal),
    }
}

/// The job as the first broker meets it, and at once whether the scenario takes the flags at all.
fn described(job: &Job, first: &Spec) -> Result<Described, BenchError> {
    let plan = planning::plan(&job.scenario, &job.load, implied(first))?;
    let mut described = Described::of(&plan, super::summary(&job.scenario));
    // They differ by broker and round.
    described.targets.clear();
    if let Some(Rate::OfSaturation(share)) = job.load.rate {
        described.text += &format!("; at {:.0}% of what each broker reached saturated", share * 100.0);
    }
    Ok(described)
}

fn implied(spec: &Spec) -> Option<Protocol> {
    spec.is_relay().then_some(Protocol::Raw)
}

impl Rounds<'_> {
    fn run(&mut self) -> Result<(), BenchError> {
        for round in 0..self.options.rounds as usize {
            for job in 0..self.jobs.len() {
                for turn in 0..self.specs.len() {
                    let broker = (turn + round) % self.specs.len();
                    self.meet(round, job, broker)?;
                }
            }
        }
        Ok(())
    }

    /// One job against one broker. Only what would fail every time ends the comparison.
    fn meet(&mut self, round: usize, job: usize, broker: usize) -> Result<(), BenchError> {
        let title = format!(
            "{}/{} {} {}",
            round + 1,
            self.options.rounds,
            self.jobs[job].name,
            self.specs[broker].name
        );
        let plan = match plan_for(&self.jobs[job], &self.specs[broker]) {
            Ok(plan) => plan,
            Err(reason) => {
                self.cells[job][broker].note(&reason);
                return Ok(());
            }
        };
        let met = self.measure(&title, plan, (job, broker));
        let cell = &mut self.cells[job][broker];
        match met {
            Ok(outcome) => {
                self.watch.say(&format!("{title}: {}", headline(&outcome)));
                // Curves and series of one round are enough for a picture.
                if let Some(last) = cell.outcomes.last_mut() {
                    last.series.clear();
                    last.latency.curve.clear();
                    last.acknowledged.curve.clear();
                    last.connecting.curve.clear();
                }
                cell.outcomes.push(outcome);
            }
            Err(
                error @ (BenchError::Missing { .. }
                | BenchError::Start { .. }
                | BenchError::Unreachable { .. }),
            ) => {
                return Err(error);
            }
            Err(error) => {
                self.watch.say(&format!("{title}: {error}"));
                cell.note(&error.to_string());
            }
        }
        Ok(())
    }

    fn measure(
        &mut self,
        title: &str,
        plan: Plan,
        (job, broker): (usize, usize),
    ) -> Result<Outcome, BenchError> {
        let spec = &self.specs[broker];
        let watch = &mut self.watch;
        let Some(Rate::OfSaturation(share)) = self.jobs[job].load.rate else {
            return run_once(&self.stage, spec, plan, &mut |progress| {
                watch.show(title, progress)
            });
        };
        let saturated = format!("{title} (saturated)");
        let full = run_once(&self.stage, spec, plan.clone(), &mut |progress| {
            watch.show(&saturated, progress);
        })?;
        let paced = at_rate(plan, &full, share);
        run_once(&self.stage, spec, paced, &mut |progress| {
            watch.show(title, progress)
        })
    }

    fn report(self, setting: Setting, plans: Vec<Described>) -> Comparison {
        let brokers: Vec<_> = self.specs.iter().map(note_of).collect();
        let jobs = self.jobs.iter().zip(plans).zip(&self.cells);
        let of = |name: &str| {
            let found = self.jobs.iter().position(|job| job.name == name);
            found.map(|index| self.cells[index].as_slice())
        };
        let jobs = jobs.map(|((job, plan), cells)| JobReport {
            name: job.name.clone(),
            plan,
            goal: job.goal.map(|goal| GoalNote {
                text: goal.text.to_owned(),
                figure: goal.figure.key().to_owned(),
                at_most: goals::at_most(goal, &brokers, cells, of),
            }),
            cells: cells.clone(),
        });
        Comparison {
            format: FORMAT.to_owned(),
            setting,
            rounds: self.options.rounds,
            broker_core: self.core,
            jobs: jobs.collect(),
            brokers: brokers.clone(),
        }
    }
}

/// `Err`: why this broker cannot do it.
fn plan_for(job: &Job, spec: &Spec) -> Result<Plan, String> {
    let private = job.load.protocol == Some(Spoken::Private);
    if private && !spec.speaks_private() {
        return Err("speaks no private TCP".to_owned());
    }
    planning::plan(&job.scenario, &job.load, implied(spec)).map_err(|error| error.to_string())
}

fn run_once(
    stage: &Stage,
    spec: &Spec,
    mut plan: Plan,
    progress: &mut dyn FnMut(&ringwire_load::Progress),
) -> Result<Outcome, BenchError> {
    let running = stage.start(spec)?;
    planning::aim(&mut plan, &running.targets)?;
    planning::enough_ports(&plan)?;
    plan.broker_pid = running.pid;
    Ok(ringwire_load::run(&plan, progress)?)
}

/// The same clients in an open loop, at a share of what they reached together.
fn at_rate(mut plan: Plan, saturated: &Outcome, share: f64) -> Plan {
    let publishing = |plan: &Plan| {
        let groups = plan.groups.iter().filter(|group| group.publishing.is_some());
        groups.map(|group| group.count).sum::<usize>()
    };
    let clients = publishing(&plan).max(1) as f64;
    let total = saturated.messages.published as f64 / saturated.seconds.max(f64::MIN_POSITIVE);
    let per_second = (total * share / clients).max(1.0);
    for publishing in plan
        .groups
        .iter_mut()
        .filter_map(|group| group.publishing.as_mut())
    {
        publishing.pace = Pace::Rate {
            per_second,
            window: u32::from(u16::MAX),
        };
    }
    plan
}

fn note_of(spec: &Spec) -> BrokerNote {
    let version = spec.version_command().and_then(|(program, flag)| {
        let output = Command::new(program)
            .arg(flag)
            .stdin(Stdio::null())
            .output()
            .ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines()
            .find(|line| !line.trim().is_empty())
            .map(|line| line.trim().to_owned())
    });
    BrokerNote {
        name: spec.name.clone(),
        version: version.unwrap_or_default(),
        command: spec.text.clone(),
        is_relay: spec.is_relay(),
    }
}

fn headline(outcome: &Outcome) -> String {
    let figures = [Figure::Cpu, Figure::Rate, Figure::P99, Figure::Connection];
    let written = figures.into_iter().filter_map(|figure| {
        let value = figure.of(outcome)?;
        Some(format!("{} {}", figure.write(value), figure.title()))
    });
    let written: Vec<_> = written.collect();
    format!("{}; {}", written.join(", "), checks::summary(outcome))
}

/// `Err` when a run of the first broker failed or was not sound; what the others did is for the table alone.
pub fn judge(options: &Compare, comparison: &Comparison) -> Result<(), BenchError> {
    let bad = |job: &&JobReport| {
        let loss_counts = options.results.strict || job.plan.qos_most > 0;
        let cell = job.cells.first();
        cell.is_some_and(|cell| {
            let unsound = |outcome: &Outcome| !checks::failures(outcome, loss_counts).is_empty();
            !cell.notes.is_empty() || cell.outcomes.iter().any(unsound)
        })
    };
    let failed: Vec<_> = comparison
        .jobs
        .iter()
        .filter(bad)
        .map(|job| job.name.as_str())
        .collect();
    if failed.is_empty() {
        return Ok(());
    }
    let name = comparison.brokers.first().map_or("", |broker| &broker.name);
    Err(BenchError::Checks(format!(
        "{name} in {}; the table says what",
        failed.join(", ")
    )))
}
