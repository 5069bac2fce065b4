//! CPU lists: how they are written (`0,2-5`), which CPUs this process may use, and which shard goes to which.

/// `0,2-5` as numbers, in the order given; `None` for anything else.
pub fn parse(text: &str) -> Option<Vec<usize>> {
    let mut cpus = Vec::new();
    for part in text.split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (from, to): (usize, usize) = (from.trim().parse().ok()?, to.trim().parse().ok()?);
        // No machine that Linux runs on has more; a typing error must not ask for a list of billions.
        if from > to || to > 65_535 {
            return None;
        }
        cpus.extend(from..=to);
    }
    Some(cpus)
}

/// The shortest text that [`parse`] reads as the same list.
pub fn write(cpus: &[usize]) -> String {
    let runs = cpus.chunk_by(|one, next| one + 1 == *next);
    let written: Vec<_> = runs
        .map(|run| match run {
            [one] => one.to_string(),
            _ => format!("{}-{}", run[0], run[run.len() - 1]),
        })
        .collect();
    written.join(",")
}

/// The CPUs of this process's affinity mask; all that the standard library counts where there is no `/proc`.
pub fn allowed() -> Vec<usize> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    line.and_then(|list| parse(list.trim())).unwrap_or_else(|| {
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        (0..count).collect()
    })
}

/// The CPU of each shard: one a CPU, round robin when there are more shards.
pub fn assign(cpus: &[usize], shards: u16) -> Vec<usize> {
    cpus.iter().copied().cycle().take(usize::from(shards)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_and_written_back() {
        for (text, cpus) in [
            ("0", vec![0]),
            ("0,2-5", vec![0, 2, 3, 4, 5]),
            ("3,1", vec![3, 1]),
        ] {
            assert_eq!(parse(text), Some(cpus.clone()));
            assert_eq!(write(&cpus), text);
        }
        for text in ["", "a", "1-", "5-2", "0,,1", "-1", "0-4000000000"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn shards_share_cpus_round_robin_when_there_are_more_of_them() {
        assert_eq!(assign(&[2, 5], 5), [2, 5, 2, 5, 2]);
        assert_eq!(assign(&[2, 5], 1), [2]);
    }

    #[test]
    fn this_process_may_use_at_least_one_cpu() {
        assert!(!allowed().is_empty());
    }
}
