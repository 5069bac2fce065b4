//! The host as files: `/proc` and `/sys` below a root that tests choose. Whatever cannot be read is `None`, or no entry.

use crate::cores;
use std::fs;
use std::path::{Path, PathBuf};

/// See the module. Paths are given without the leading slash.
pub struct Host {
    root: PathBuf,
}

impl Host {
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// A file's text without the space around it.
    pub fn text(&self, path: &str) -> Option<String> {
        let text = fs::read_to_string(self.root.join(path)).ok()?;
        Some(text.trim().to_owned())
    }

    pub fn number(&self, path: &str) -> Option<u64> {
        self.text(path)?.parse().ok()
    }

    /// A kernel setting by its name, as `net.core.somaxconn`.
    pub fn setting(&self, name: &str) -> Option<String> {
        self.text(&format!("proc/sys/{}", name.replace('.', "/")))
    }

    /// The numbers of a kernel setting; none if it is not there.
    pub fn settings(&self, name: &str) -> Vec<u64> {
        let text = self.setting(name).unwrap_or_default();
        text.split_whitespace()
            .map_while(|word| word.parse().ok())
            .collect()
    }

    /// A list like `0,2-5`.
    pub fn cpus(&self, path: &str) -> Option<Vec<usize>> {
        cores::parse(&self.text(path)?)
    }

    /// What a folder holds, sorted.
    pub fn names(&self, path: &str) -> Vec<String> {
        let entries = fs::read_dir(self.root.join(path)).into_iter().flatten().flatten();
        let mut names: Vec<_> = entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort();
        names
    }

    pub fn has(&self, path: &str) -> bool {
        self.root.join(path).exists()
    }

    /// The rest of a file's line that begins with `head`.
    pub fn line(&self, path: &str, head: &str) -> Option<String> {
        let text = self.text(path)?;
        let line = text.lines().find_map(|line| line.strip_prefix(head))?;
        Some(line.trim().to_owned())
    }
}
