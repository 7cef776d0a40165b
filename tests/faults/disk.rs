//! A small file system for the data of PostgreSQL, which can be filled and can fail.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The size of the file system.
const SIZE: &str = "400M";

/// The folder for the data. It is a file system of its own if this process may mount one.
pub(crate) struct Disk {
    pub(crate) folder: PathBuf,
    /// The loop device; the reason if there is none.
    device: Result<String, String>,
    image: PathBuf,
}

impl Disk {
    /// Creates the folder in `parent`.
    pub(crate) fn create(parent: &Path) -> Self {
        let (folder, image) = (parent.join("disk"), parent.join("disk.img"));
        fs::create_dir(&folder).expect("a folder");
        let device = attach(&image);
        let disk = Self { folder, device, image };
        if disk.device.is_ok() {
            disk.mount();
            // PostgreSQL accepts no folder with another owner's files beside its own.
            let _ = fs::remove_dir(disk.folder.join("lost+found"));
        }
        disk
    }

    /// Why faults of the disk are not possible; `None` when they are.
    pub(crate) fn refusal(&self) -> Option<&str> {
        self.device.as_ref().err().map(String::as_str)
    }

    fn device(&self) -> &str {
        self.device.as_deref().expect("a device")
    }

    fn mount(&self) {
        let mut command = Command::new("mount");
        command.args(["-o", "errors=remount-ro", self.device()]).arg(&self.folder);
        run(&mut command).expect("a mounted file system");
    }

    /// Fills the file system.
    pub(crate) fn fill(&self) {
        let mut writer = Command::new("dd");
        let file = format!("of={}", self.filler().display());
        // It ends when the disk is full.
        let _ = writer.args(["if=/dev/zero", "bs=1M", &file]).stderr(Stdio::null()).status();
    }

    /// Removes what [`Self::fill`] wrote.
    pub(crate) fn empty(&self) {
        let _ = fs::remove_file(self.filler());
    }

    fn filler(&self) -> PathBuf {
        self.folder.join("filler")
    }

    /// Turns the file system read-only, as the kernel does after an error of the device.
    pub(crate) fn fail(&self) {
        let name = self.device().trim_start_matches("/dev/");
        fs::write(format!("/sys/fs/ext4/{name}/trigger_fs_error"), "1").expect("a failed disk");
    }

    /// Checks and mounts the file system again. Nothing may use it.
    pub(crate) fn repair(&self) {
        run(Command::new("umount").arg(&self.folder)).expect("an unmounted file system");
        // It exits with 1 when it has repaired something.
        let _ = run(Command::new("e2fsck").args(["-fy", self.device()]));
        self.mount();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Ok(device) = &self.device {
            let _ = run(Command::new("umount").arg(&self.folder));
            let _ = run(Command::new("losetup").args(["-d", device]));
            let _ = fs::remove_file(&self.image);
        }
    }
}

/// Creates an image with a file system and attaches it to a loop device.
fn attach(image: &Path) -> Result<String, String> {
    if !rustix::process::geteuid().is_root() {
        return Err("mounting a file system needs root".to_owned());
    }
    run(Command::new("truncate").args(["-s", SIZE]).arg(image))?;
    run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(image))?;
    run(Command::new("losetup").args(["-f", "--show"]).arg(image))
}

/// Runs a command; returns its output, or why it failed.
fn run(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{name}: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}
