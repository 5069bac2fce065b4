//! One row a check: a host that should be changed, and one that is fine, for four shards and 100,000 connections.

use crate::tune::finding::Severity::{self, Hint, Needed, Worth};

pub struct Row {
    pub about: &'static str,
    pub bad: &'static [(&'static str, &'static str)],
    pub severity: Severity,
    /// Parts of what is said of it.
    pub is: &'static str,
    pub how: &'static str,
    pub good: &'static [(&'static str, &'static str)],
}

const fn row(
    about: &'static str,
    bad: &'static [(&'static str, &'static str)],
    expected: (Severity, &'static str, &'static str),
    good: &'static [(&'static str, &'static str)],
) -> Row {
    let (severity, is, how) = expected;
    Row {
        about,
        bad,
        severity,
        is,
        how,
        good,
    }
}

pub const ROWS: [Row; 27] = [
    row(
        "kernel",
        &[("proc/sys/kernel/osrelease", "5.15.0-100-generic")],
        (Needed, "5.15", "newer kernel"),
        &[("proc/sys/kernel/osrelease", "6.1.0-18-amd64")],
    ),
    row(
        "io_uring",
        &[("proc/sys/kernel/io_uring_disabled", "2")],
        (Needed, "= 2", "sysctl -w kernel.io_uring_disabled=0"),
        &[("proc/sys/kernel/osrelease", "6.1.0")],
    ),
    row(
        "open files",
        &[
            (
                "proc/self/limits",
                "Max open files            1024                 4096                 files",
            ),
            ("proc/sys/fs/nr_open", "65536"),
        ],
        (
            Needed,
            "4096",
            "sysctl -w fs.nr_open=100256; then LimitNOFILE=100256",
        ),
        &[(
            "proc/self/limits",
            "Max open files            1024                 1048576              files",
        )],
    ),
    row(
        "open files of the system",
        &[("proc/sys/fs/file-max", "100000")],
        (Needed, "100000", "sysctl -w fs.file-max=125320"),
        &[("proc/sys/fs/file-max", "9223372036854775807")],
    ),
    row(
        "locked memory",
        &[(
            "proc/self/limits",
            "Max locked memory         65536                65536                bytes",
        )],
        (Needed, "64 KB", "LimitMEMLOCK=4194304"),
        &[(
            "proc/self/limits",
            "Max locked memory         65536                unlimited            bytes",
        )],
    ),
    row(
        "memory",
        &[(
            "proc/meminfo",
            "MemTotal:        1000000 kB\nMemAvailable:     500000 kB",
        )],
        (Needed, "488 MB", "max_connections"),
        &[("proc/meminfo", "MemAvailable:    2000000 kB")],
    ),
    row(
        "cpu quota",
        &[
            ("proc/self/cgroup", "0::/x"),
            ("sys/fs/cgroup/x/cpu.max", "250000 100000"),
        ],
        (Worth, "2.5 CPUs for 4", "node.shards = 2"),
        &[
            ("proc/self/cgroup", "0::/x"),
            ("sys/fs/cgroup/x/cpu.max", "max 100000"),
        ],
    ),
    row("shards", &[], (Worth, "5 on 4 CPUs", "node.shards = 4"), &[]),
    row(
        "hyper-threads",
        &[
            ("sys/devices/system/cpu/cpu0/topology/thread_siblings_list", "0-1"),
            ("sys/devices/system/cpu/cpu1/topology/thread_siblings_list", "0-1"),
            ("sys/devices/system/cpu/cpu2/topology/thread_siblings_list", "2-3"),
            ("sys/devices/system/cpu/cpu3/topology/thread_siblings_list", "2-3"),
        ],
        (Hint, "CPUs 1,3", "node.cores = \"0,2\""),
        &[
            ("sys/devices/system/cpu/cpu0/topology/thread_siblings_list", "0,4"),
            ("sys/devices/system/cpu/cpu1/topology/thread_siblings_list", "1,5"),
            ("sys/devices/system/cpu/cpu2/topology/thread_siblings_list", "2,6"),
            ("sys/devices/system/cpu/cpu3/topology/thread_siblings_list", "3,7"),
        ],
    ),
    row(
        "numa",
        &[
            ("sys/devices/system/node/node0/cpulist", "0-1"),
            ("sys/devices/system/node/node1/cpulist", "2-3"),
            ("sys/class/net/eth0/device/numa_node", "1"),
        ],
        (Hint, "2 nodes", "node.cores = \"2-3\""),
        &[
            ("sys/devices/system/node/node0/cpulist", "0-7"),
            ("sys/devices/system/node/node1/cpulist", "8-15"),
        ],
    ),
    row(
        "numa balancing",
        &[
            ("sys/devices/system/node/node0/cpulist", "0-1"),
            ("sys/devices/system/node/node1/cpulist", "2-3"),
            ("proc/sys/kernel/numa_balancing", "1"),
        ],
        (Hint, "= 1", "sysctl -w kernel.numa_balancing=0"),
        &[
            ("sys/devices/system/node/node0/cpulist", "0-3"),
            ("proc/sys/kernel/numa_balancing", "1"),
        ],
    ),
    row(
        "cpu governor",
        &[
            (
                "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor",
                "performance",
            ),
            (
                "sys/devices/system/cpu/cpu2/cpufreq/scaling_governor",
                "powersave",
            ),
        ],
        (Worth, "powersave on CPU 2", "cpupower frequency-set"),
        &[(
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor",
            "performance",
        )],
    ),
    row(
        "idle states",
        &[
            ("sys/devices/system/cpu/cpu0/cpuidle/state0/latency", "0"),
            ("sys/devices/system/cpu/cpu0/cpuidle/state2/latency", "133"),
            ("sys/devices/system/cpu/cpu0/cpuidle/state2/disable", "0"),
        ],
        (Hint, "133 us", "shard.spin"),
        &[
            ("sys/devices/system/cpu/cpu0/cpuidle/state1/latency", "2"),
            ("sys/devices/system/cpu/cpu0/cpuidle/state2/latency", "133"),
            ("sys/devices/system/cpu/cpu0/cpuidle/state2/disable", "1"),
        ],
    ),
    row(
        "clock",
        &[
            (
                "sys/devices/system/clocksource/clocksource0/current_clocksource",
                "hpet",
            ),
            (
                "sys/devices/system/clocksource/clocksource0/available_clocksource",
                "tsc hpet acpi_pm",
            ),
        ],
        (Worth, "hpet", "echo tsc >"),
        &[(
            "sys/devices/system/clocksource/clocksource0/current_clocksource",
            "kvm-clock",
        )],
    ),
    row(
        "autogroup",
        &[("proc/sys/kernel/sched_autogroup_enabled", "1")],
        (Hint, "= 1", "sysctl -w kernel.sched_autogroup_enabled=0"),
        &[("proc/sys/kernel/sched_autogroup_enabled", "0")],
    ),
    row(
        "transparent huge pages",
        &[(
            "sys/kernel/mm/transparent_hugepage/enabled",
            "always madvise [never]",
        )],
        (Hint, "never", "echo madvise >"),
        &[(
            "sys/kernel/mm/transparent_hugepage/enabled",
            "always [madvise] never",
        )],
    ),
    row(
        "swap",
        &[
            (
                "proc/swaps",
                "Filename Type Size Used Priority\n/dev/sda2 partition 1 0 -2",
            ),
            ("proc/sys/vm/swappiness", "60"),
        ],
        (Hint, "= 60", "sysctl -w vm.swappiness=10"),
        &[
            ("proc/swaps", "Filename Type Size Used Priority"),
            ("proc/sys/vm/swappiness", "60"),
        ],
    ),
    row(
        "accept queue",
        &[("proc/sys/net/core/somaxconn", "128")],
        (Worth, "= 128", "sysctl -w net.core.somaxconn=1024"),
        &[("proc/sys/net/core/somaxconn", "4096")],
    ),
    row(
        "handshakes",
        &[("proc/sys/net/ipv4/tcp_max_syn_backlog", "512")],
        (Worth, "= 512", "sysctl -w net.ipv4.tcp_max_syn_backlog=1024"),
        &[("proc/sys/net/ipv4/tcp_max_syn_backlog", "2048")],
    ),
    row(
        "tcp memory",
        &[("proc/sys/net/ipv4/tcp_mem", "22000 29000 44000")],
        (
            Worth,
            "pressure at 113 MB",
            "sysctl -w net.ipv4.tcp_mem='200000 266666 400000'",
        ),
        &[("proc/sys/net/ipv4/tcp_mem", "287901\t383868\t575802")],
    ),
    row(
        "receive buffers",
        &[
            ("proc/sys/net/ipv4/tcp_mem", "287901 383868 575802"),
            ("proc/sys/net/ipv4/tcp_rmem", "4096 131072 6291456"),
        ],
        (
            Hint,
            "131072 at first",
            "sysctl -w net.ipv4.tcp_rmem='4096 16384 6291456'",
        ),
        &[
            ("proc/sys/net/ipv4/tcp_mem", "2879010 3838680 5758020"),
            ("proc/sys/net/ipv4/tcp_rmem", "4096 131072 6291456"),
        ],
    ),
    row(
        "send buffers",
        &[
            ("proc/sys/net/ipv4/tcp_mem", "287901 383868 575802"),
            ("proc/sys/net/ipv4/tcp_wmem", "4096 65536 4194304"),
        ],
        (
            Hint,
            "65536 at first",
            "sysctl -w net.ipv4.tcp_wmem='4096 16384 4194304'",
        ),
        &[
            ("proc/sys/net/ipv4/tcp_mem", "287901 383868 575802"),
            ("proc/sys/net/ipv4/tcp_wmem", "4096 16384 4194304"),
        ],
    ),
    row(
        "connection tracking",
        &[("proc/sys/net/netfilter/nf_conntrack_max", "65536")],
        (Needed, "65536", "sysctl -w net.netfilter.nf_conntrack_max=125000"),
        &[("proc/sys/net/core/somaxconn", "4096")],
    ),
    row(
        "silent clients",
        &[("proc/sys/net/ipv4/tcp_keepalive_time", "7200")],
        (Hint, "7200 s", "max_keepalive"),
        &[("proc/sys/net/ipv4/tcp_keepalive_time", "7200")],
    ),
    row(
        "local ports",
        &[("proc/sys/net/ipv4/ip_local_port_range", "32768\t60999")],
        (Hint, "32768 60999", "ip_local_port_range='1024 65535'"),
        &[("proc/sys/net/ipv4/ip_local_port_range", "1024 65535")],
    ),
    row(
        "irqbalance",
        &[
            ("proc/77/comm", "irqbalance"),
            ("sys/class/net/eth0/device/vendor", "x"),
        ],
        (Hint, "running", "systemctl disable"),
        &[
            ("proc/77/comm", "sshd"),
            ("sys/class/net/eth0/device/vendor", "x"),
        ],
    ),
    row(
        "receive flow steering",
        &[
            ("proc/sys/net/core/rps_sock_flow_entries", "0"),
            ("sys/class/net/eth0/device/vendor", "x"),
            ("sys/class/net/eth0/queues/rx-0/rps_cpus", "0"),
            ("sys/class/net/eth0/queues/rx-1/rps_cpus", "0"),
        ],
        (
            Hint,
            "= 0",
            "echo 65536 | tee /sys/class/net/eth0/queues/rx-*/rps_flow_cnt",
        ),
        &[
            ("proc/sys/net/core/rps_sock_flow_entries", "32768"),
            ("sys/class/net/eth0/device/vendor", "x"),
        ],
    ),
];

/// The device of a card whose interrupts are 30 and 31 (receiving), 32 (sending) and 29 (its own state).
const TABLE: &str = "            CPU0       CPU1\n  29:  0  0  PCI-MSIX 0-edge  virtio2-config\n  \
                     30:  9  0  PCI-MSIX 1-edge  virtio2-input.0\n  31:  9  0  PCI-MSIX 2-edge  virtio2-input.1\n  \
                     32:  9  0  PCI-MSIX 3-edge  virtio2-output.0";

pub const INTERFACE_ROWS: [Row; 3] = [
    row(
        "eth0 receive queues",
        &[
            ("sys/class/net/eth0/device/vendor", "x"),
            ("sys/class/net/eth0/queues/rx-0/rps_cpus", "00,00000000"),
        ],
        (
            Worth,
            "1 for 4 CPUs",
            "echo f | tee /sys/class/net/eth0/queues/rx-*/rps_cpus",
        ),
        &[
            ("sys/class/net/eth0/device/vendor", "x"),
            ("sys/class/net/eth0/queues/rx-0/rps_cpus", "00,0000000f"),
        ],
    ),
    row(
        "eth0 interrupts",
        &[
            ("sys/class/net/eth0/device", "->../../../devices/pci/virtio2"),
            ("sys/devices/pci/virtio2/vendor", "x"),
            ("sys/devices/pci/msi_irqs/29", "msix"),
            ("sys/devices/pci/msi_irqs/30", "msix"),
            ("sys/devices/pci/msi_irqs/31", "msix"),
            ("sys/devices/pci/msi_irqs/32", "msix"),
            ("proc/interrupts", TABLE),
            ("proc/irq/29/effective_affinity_list", "3"),
            ("proc/irq/30/effective_affinity_list", "0"),
            ("proc/irq/31/effective_affinity_list", "0"),
            ("proc/irq/32/effective_affinity_list", "2"),
        ],
        (
            Worth,
            "2 for receiving, on CPUs 0",
            "echo 1 > /proc/irq/31/smp_affinity_list",
        ),
        &[
            ("sys/class/net/eth0/device/msi_irqs/30", "msix"),
            ("sys/class/net/eth0/device/msi_irqs/31", "msix"),
            ("proc/interrupts", TABLE),
            ("proc/irq/30/smp_affinity_list", "0"),
            ("proc/irq/31/smp_affinity_list", "1"),
        ],
    ),
    row(
        "eth0 transmit queues",
        &[
            ("sys/class/net/eth0/device/vendor", "x"),
            ("sys/class/net/eth0/queues/tx-0/xps_cpus", "0"),
            ("sys/class/net/eth0/queues/tx-1/xps_cpus", "0"),
        ],
        (Hint, "2, chosen by hash", "xps_cpus"),
        &[
            ("sys/class/net/eth0/device/vendor", "x"),
            ("sys/class/net/eth0/queues/tx-0/xps_cpus", "1"),
            ("sys/class/net/eth0/queues/tx-1/xps_cpus", "2"),
        ],
    ),
];
