//! Golden lines: what an operator sees, cell by cell.

use super::*;

fn at(uptime_us: u64) -> ShardStats {
    ShardStats {
        uptime_us,
        buffers_given: 2_048,
        ..ShardStats::default()
    }
}

fn span<'a>(shard: usize, before: &'a ShardStats, after: &'a ShardStats) -> Span<'a> {
    Span {
        shard,
        cpu: shard + 2,
        change: Some((before, after)),
    }
}

const HEADER: &str = "\
shard  cpu      up  conns     in    out  busy  wait  spin  hits  turns inputs  full  calls  calls     buffers   dry mesh in mesh out depth  full queued  dropped, slowed down
                 s         msg/s  msg/s     %     %     %     %     /s  /turn     %     /s   /msg  peak/given times      /s       /s  peak times  bytes  reason times
";

#[test]
fn a_busy_and_a_quiet_shard() {
    let (mut before, mut after) = (at(10_000_000), at(12_000_000));
    before.engine.messages_received = 1_000;
    before.turns = 500;
    before.engine.drops[DropReason::QueueFull as usize] = 5;
    before.engine.drops[DropReason::Expired as usize] = 3;
    after.engine.connections = 10_050;
    after.engine.messages_received = 201_000;
    after.engine.messages_sent = 2_800_000;
    after.engine.queued_bytes = 3_500_000;
    after.engine.drops[DropReason::QueueFull as usize] = 1_005;
    after.engine.drops[DropReason::Expired as usize] = 3;
    after.engine.drops[DropReason::SlowConsumer as usize] = 2;
    after.engine.publishers_slowed = 40;
    after.busy_us = 1_750_000;
    after.cpu_wait_us = 50_000;
    after.spin_us = 100_000;
    after.spins = 4_000;
    after.spin_hits = 3_000;
    after.turns = 40_500;
    after.turns_full = 400;
    after.inputs = 500_000;
    after.enters = 60_000;
    after.buffers_used_peak = 812;
    after.buffers_exhausted = 7;
    after.mesh_batches_sent = 30_000;
    after.mesh_batches_received = 8_000;
    after.mesh_depth_peak = 12;
    after.mesh_full = 1;
    let quiet = (at(10_000_500), at(12_000_500));
    let text = render(&[span(0, &before, &after), span(1, &quiet.0, &quiet.1)], true);
    let expected = "    0    2      12  10050   100k  1.40M  87.5   2.5   5.0  75.0  20000   12.5   1.0  30000   0.02    812/2048     7    4000    15000    12     1    3MB  delivery.dropped.slow_consumer 2, delivery.dropped.queue_full 1000, publishers_slowed 40
    1    3      12      0      0      0   0.0   0.0   0.0     -      0      -     -      0      -      0/2048     0       0        0     0     0      0  -
";
    assert_eq!(text, format!("{HEADER}{expected}"));
}

#[test]
fn a_shard_that_does_not_answer_has_a_line_and_the_header_is_left_out_when_it_is_not_due() {
    let stats = at(5_000_000);
    let silent = Span {
        shard: 1,
        cpu: 3,
        change: None,
    };
    let text = render(&[span(0, &stats, &stats), silent], false);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].starts_with("    0    2       5"), "{text}");
    assert!(lines[0].contains(" - "), "no time has passed: no rates: {text}");
    assert_eq!(
        lines[1],
        "    1    3  no answer: the shard hangs, or its CPU is taken by others"
    );
}

#[test]
fn the_largest_numbers_keep_to_their_columns() {
    let (before, mut after) = (at(0), at(1_000_000));
    after.engine.connections = 10_000_000;
    after.engine.messages_sent = 99_999_999;
    after.engine.queued_bytes = 64 << 30;
    after.enters = 999_999;
    after.buffers_given = 32_768;
    after.buffers_used_peak = 32_768;
    after.busy_us = 1_000_000;
    after.turns = 1;
    after.inputs = 1_000_000;
    let header = HEADER.lines().next().unwrap().find("dropped").unwrap();
    let text = render(&[span(63, &before, &after)], false);
    assert_eq!(text.rfind('-'), Some(header), "{text}");
}

#[test]
fn numbers_have_the_digits_that_count() {
    for (number, text) in [
        (99_999, "99999"),
        (100_000, "100k"),
        (999_999, "999k"),
        (1_234_567, "1.23M"),
        (2_000_000_000, "2.0G"),
    ] {
        assert_eq!(count(number), text);
    }
    for (number, text) in [(0, "0"), (9_999, "9999"), (10_240, "10KB"), (1 << 30, "1.0GB")] {
        assert_eq!(bytes(number), text);
    }
    for (number, text) in [
        (0.004, "0.00"),
        (9.994, "9.99"),
        (12.34, "12.3"),
        (1_024.0, "1024"),
    ] {
        assert_eq!(quotient(number), text);
    }
}
